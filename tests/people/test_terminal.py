"""What the commands show on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from patience import PATIENCE_SECONDS
from service_process import environment_with
from tasksvc_client import Create
from terminals import on_terminal, read_to_end, read_until
from wcwidth import wcswidth

from people.person import Person

IN_COLOUR = {"TERM": "xterm-256color"}


@pytest.fixture
def many(ann: Person) -> Person:
    """A user with texts of many kinds."""
    ann.tasks.batch(
        [
            Create("Water the plants and whatever else grows in the garden behind the house", due_on="2020-01-01"),
            Create(
                "日本語のタスク 買い物をする 日本語のタスク 買い物をする", labels=["日本", "long-label-of-many-letters"]
            ),
            Create("اتصل بالسباك بخصوص المطبخ", labels=["بيت"], list="שלום", priority=8),
            Create("\x1b[31mred\x1b[0m\x9b2J\u202e\r\nnext", list="\x1b]0;title\x07"),
        ]
    )
    return ann


def seen(person: Person, *words: str, columns: int, **variables: str) -> str:
    environment = person.environment | {"TERM": "dumb"} | variables
    return on_terminal(*person.command(*words), columns=columns, environment=environment)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_the_table_fits_the_terminal(columns: int, many: Person) -> None:
    lines = seen(many, "ls", columns=columns).splitlines()

    assert max(wcswidth(line) for line in lines[:5]) <= columns
    assert len(lines) == 7
    assert lines[-1] == "4 open tasks of all lists."


def test_colours_are_used_on_a_terminal_that_has_them_and_not_against_the_will_of_the_user(many: Person) -> None:
    coloured = seen(many, "ls", columns=200, **IN_COLOUR)
    plain = [
        seen(many, "ls", columns=200, **variables) for variables in ({"TERM": "dumb"}, IN_COLOUR | {"NO_COLOR": "1"})
    ]

    assert "\x1b[31m2020-01-01\x1b[0m" in coloured
    assert plain[0] == plain[1] == re.sub(r"\x1b\[\d*m", "", coloured)
    assert "\x1b" not in plain[0]


@pytest.mark.parametrize(
    "words", [["ls"], ["ls", "--json"], ["ls", "--csv"], ["show", "4"], ["log"], ["lists"]], ids=" ".join
)
def test_no_text_of_a_task_controls_the_terminal(words: list[str], many: Person) -> None:
    shown = seen(many, *words, columns=80)

    assert [each for each in shown if (each < " " and each != "\n") or each in "\x7f\x9b\u202e"] == []


def test_an_empty_list_says_so(ann: Person) -> None:
    assert seen(ann, "ls", columns=80) == "There are no open tasks.\n"
    assert seen(ann, "ls", "nothing", columns=80) == "There are no such open tasks.\n"


@contextmanager
def terminal(person: Person, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Runs a command on a terminal of 80 columns and gives it and our side of the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    environment = environment_with(person.environment | {"TERM": "dumb"})
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        person.command(*words),
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=person.home,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield process, ours
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[bytes], ours: int) -> str:
    """Interrupts a command as Ctrl-C does, and returns what it shows then.

    Python loses a signal that comes while it begins to read a line from a terminal, so it's sent again.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None:
        assert time.monotonic() < end, "It doesn't end."
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    return read_to_end(ours).decode()


@pytest.mark.parametrize(("answer", "left", "status"), [("y", 0, 0), ("n", 2, 1)])
def test_several_tasks_are_deleted_after_a_question(answer: str, left: int, status: int, ann: Person) -> None:
    ann.tasks.batch([Create("a"), Create("b")])

    with terminal(ann, "rm", "1", "2") as (process, ours):
        asked = read_until(ours, "[y/N]: ")
        os.write(ours, f"{answer}\n".encode())
        read_to_end(ours)
        process.wait(PATIENCE_SECONDS)

    assert asked == "Delete 2 tasks? [y/N]: "
    assert (ann.tasks.count(), process.returncode) == (left, status)


def test_one_task_is_deleted_without_a_question_and_several_with_yes(ann: Person) -> None:
    ann.tasks.batch([Create("a"), Create("b"), Create("c")])

    assert seen(ann, "rm", "1", columns=80) == "Deleted: 1 a\n"
    assert seen(ann, "rm", "2", "3", "--yes", columns=80) == "Deleted: 2 b\nDeleted: 3 c\n"


def test_an_interrupt_at_the_question_deletes_nothing(ann: Person) -> None:
    ann.tasks.batch([Create("a"), Create("b")])

    with terminal(ann, "rm", "1", "2") as (process, ours):
        read_until(ours, "[y/N]: ")
        interrupt(process, ours)

    assert (ann.tasks.count(), process.returncode) == (2, 130)


def test_a_watched_table_shows_each_change(ann: Person) -> None:
    ann.tasks.create("First")

    with terminal(ann, "ls", "--watch") as (process, ours):
        read_until(ours, "1 open task of all lists.")
        ann.tasks.create("Second")
        added = read_until(ours, "2 open tasks of all lists.")
        ann.tasks.update(1, done=True)
        completed = read_until(ours, "1 open task of all lists.")
        rest = interrupt(process, ours)

    assert "Second" in added
    assert "First" not in completed.rpartition("\x1b[J")[2]
    assert (process.returncode, "Traceback" in rest) == (130, False)


def test_the_log_is_followed(ann: Person) -> None:
    ann.tasks.create("First")

    with terminal(ann, "log", "--follow") as (process, ours):
        read_until(ours, "1 created  First")
        ann.tasks.update(1, priority=4)
        read_until(ours, "1 priority 0 → 4  First")
        interrupt(process, ours)

    assert process.returncode == 130


def test_the_page_is_opened_in_the_browser_or_its_url_is_printed(ann: Person) -> None:
    opened = ann.process("open", environment={"BROWSER": "true"})
    none = ann.process("open", environment={"BROWSER": "/nowhere/browser", "PATH": "/nowhere"})

    assert opened.stdout == f"Opened {ann.url}/\n"
    assert (none.returncode, none.stdout) == (0, f"{ann.url}/\n")
