"""tasksvc load and tasksvc dump, as their user runs them."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS, wait_until
from people.person import Person
from service_process import RunningService, run_tasksvc
from tasksvc_client import SyncClient
from terminals import on_terminal

from formats.reading import SAMPLES


@pytest.fixture
def ann(service: RunningService, tmp_path: Path, workspace: str) -> Person:
    """A user of the test's workspace."""
    return Person(service.url, tmp_path, workspace=workspace)


def write(folder: Path, name: str, text: str) -> str:
    """Makes a file and returns its path."""
    path = folder / name
    path.write_text(text, "utf-8", newline="")
    return str(path)


# ---------------------------------------------------------------- load


def test_a_file_is_loaded_with_a_report(ann: Person) -> None:
    shown = ann.says("load", str(SAMPLES / "apple.ics"))

    assert shown == (
        "Loaded 2 tasks from apple.ics.\n"
        "What has no place of its own:\n"
        "  1  left out            components VALARM of to-dos\n"
        "                           Take the medicine\n"
        "  1  put into the notes  repetition that tasks don't have here\n"
        "                           Feed the cat: FREQ=HOURLY;INTERVAL=8\n"
    )


def test_a_second_run_changes_nothing(ann: Person) -> None:
    path = write(ann.home, "todo.txt", "a\nb due:2030-01-01\n")
    ann.says("load", path)
    before = ann.says("log")

    assert ann.says("load", path) == "Loaded 0 tasks from todo.txt. 2 are there already.\n"
    assert ann.says("log") == before


def test_a_dry_run_loads_nothing(ann: Person, client: SyncClient) -> None:
    path = write(ann.home, "todo.txt", "a\nb\n")

    assert ann.says("load", path, "--dry-run") == "Would load 2 tasks from todo.txt.\n"
    assert client.count() == 0


def test_all_tasks_go_to_the_list_that_is_named(ann: Person, client: SyncClient) -> None:
    ann.says("load", str(SAMPLES / "Home [2203306141].csv"), "--list", "moved")

    assert [(each.name, each.total) for each in client.lists()] == [("moved", 7)]


def test_standard_input_is_read(ann: Person) -> None:
    done = subprocess.run(
        ann.command("load", "-", "--as", "vikunja"),
        input=(SAMPLES / "data.json").read_bytes(),
        env={**os.environ, **ann.environment},
        capture_output=True,
        check=True,
    )

    assert done.stdout.decode().startswith("Loaded 4 tasks from standard input.\n")


def test_days_are_those_of_the_users_zone(
    service: RunningService, client: SyncClient, tmp_path: Path, workspace: str
) -> None:
    bob = Person(service.url, tmp_path, workspace=workspace, zone="Pacific/Auckland")
    done = bob.process("load", write(tmp_path, "todo.txt", "2026-01-01 a due:2026-01-02T10:00\n"))

    assert done.returncode == 0
    (task,) = client.find()
    assert task.json["created_at"] == "2025-12-31T11:00:00Z"
    assert task.json["due_at"] == "2026-01-01T21:00:00Z"


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.txt", "a\n", [], "tasksvc: The file doesn't show its format. Name it with --as, as one of "),
        ("a.ics", "BEGIN:VCALENDAR\nx\n", [], "tasksvc: a.ics, line 2: It isn't a line of iCalendar: 'x'.\n"),
        ("a.json", "{}", ["--as", "vikunja"], "tasksvc: a.json: It must be an array of projects.\n"),
        ("a.zip", "PK\3\4", [], "tasksvc: a.zip: It can't be unpacked: File is not a zip file.\n"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_and_loads_nothing(
    ann: Person, name: str, text: str, options: list[str], message: str
) -> None:
    done = ann("load", write(ann.home, name, text), *options)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_missing_is_one_sentence(ann: Person) -> None:
    done = ann("load", "gone.ics")

    assert (done.returncode, done.stderr) == (1, "tasksvc: gone.ics cannot be read: No such file or directory.\n")


def test_a_line_of_a_gigabyte_is_refused(ann: Person) -> None:
    path = ann.home / "todo.txt"
    with path.open("wb") as file:
        file.truncate(2**30)

    done = ann("load", str(path))

    assert (done.returncode, done.stderr) == (1, "tasksvc: todo.txt, line 1: The line is longer than 1 MiB.\n")


def test_a_run_that_was_killed_is_completed_by_the_next_one(ann: Person, client: SyncClient) -> None:
    lines = "".join(f"task {number}\n" for number in range(2_500))
    path = write(ann.home, "todo.txt", lines)
    running = subprocess.Popen(
        ann.command("load", path), env={**os.environ, **ann.environment}, stdout=subprocess.DEVNULL
    )
    wait_until(lambda: client.count() or running.poll() is not None)
    running.send_signal(signal.SIGKILL)
    running.wait(PATIENCE_SECONDS)

    ann.says("load", path)

    assert client.count() == 2_500
    assert ann.says("load", path) == "Loaded 0 tasks from todo.txt. 2,500 are there already.\n"


def test_a_terminal_shows_how_far_it_is(ann: Person) -> None:
    path = write(ann.home, "todo.txt", "a\n")

    shown = on_terminal(*ann.command("load", path), columns=80, environment=ann.environment)

    assert "Loading" in shown
    assert "100%" in shown
    assert shown.rstrip().endswith("Loaded 1 task from todo.txt.")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[tuple[RunningService, dict[str, str]]]:
    """A service that needs tokens, and the environment of a user whose token may write."""
    store = f"sqlite:///{tmp_path}/closed.db"
    token = run_tasksvc("token", "create", "ann", "--scope", "write", "--store", store, folder=tmp_path).stdout
    with RunningService("--store", store, folder=tmp_path) as service:
        yield service, {"TASKSVC_TOKEN": token.strip()}


def test_times_need_the_scope_admin(closed: tuple[RunningService, dict[str, str]], tmp_path: Path) -> None:
    service, token = closed
    bob = Person(service.url, tmp_path, workspace="default")
    path = write(tmp_path, "todo.txt", "2026-01-01 a\n")

    refused = bob("load", path, **token)
    shown = bob("load", path, "--without-times", **token)

    assert (refused.returncode, refused.stderr) == (
        5,
        "tasksvc: Only a token with the scope admin says when a task was created or completed."
        " --without-times loads the tasks without these times.\n",
    )
    assert (shown.returncode, shown.stdout) == (0, "Loaded 1 task from todo.txt.\n")


def test_a_full_workspace_says_how_far_it_came(tmp_path: Path) -> None:
    with RunningService("--store", "memory:", "--workspace-tasks", "1500", folder=tmp_path) as service:
        bob = Person(service.url, tmp_path, workspace="default")
        done = bob("load", write(tmp_path, "todo.txt", "".join(f"{number}\n" for number in range(2_500))))

    assert done.returncode == 4
    assert "1,000 tasks had been loaded till then. The same command goes on from there.\n" in done.stderr


# ---------------------------------------------------------------- dump


def test_all_tasks_are_written_and_load_again_elsewhere(ann: Person, client: SyncClient) -> None:
    for name in ("nextcloud.ics", "apple.ics", "taskwarrior.json", "Tasks.json"):
        ann.says("load", str(SAMPLES / name))
    assert ann("dump", "all.ics", "--as", "ics").returncode == 0

    other = Person(ann.url, ann.home, workspace=f"{ann.workspace}-copy")
    other.says("load", str(ann.home / "all.ics"))

    assert by_uid(client.in_workspace(other.workspace)) == by_uid(client)


def by_uid(client: SyncClient) -> dict[str | None, dict[str, Any]]:
    """Returns what iCalendar carries of tasks: not their ids and versions, nor fractions of seconds."""
    tasks = {task.id: task for task in client.find()}
    of_workspace = {"id", "parent_id", "series_id", "next_id", "version", "updated_at", "created_at"}
    return {
        task.uid: {
            **{name: value for name, value in task.json.items() if name not in of_workspace},
            "parent": task.parent_id and tasks[task.parent_id].uid,
            "created": task.json["created_at"][:19],
        }
        for task in tasks.values()
    }


def test_filters_select(ann: Person) -> None:
    ann.says("load", write(ann.home, "todo.txt", "x 2026-01-02 2026-01-01 a\n2026-01-01 b +l\n2026-01-01 c\n"))

    def texts(*options: str) -> list[str]:
        done = ann("dump", "--as", "todo.txt", *options)
        assert done.returncode == 0
        return [line.partition(" uid:")[0] for line in done.stdout.splitlines()]

    assert texts() == ["x 2026-01-02 2026-01-01 a", "2026-01-01 b +l", "2026-01-01 c"]
    assert texts("--open") == ["2026-01-01 b +l", "2026-01-01 c"]
    assert texts("--done") == ["x 2026-01-02 2026-01-01 a"]
    assert texts("--list", "l") == ["2026-01-01 b +l"]


def test_a_file_is_never_replaced(ann: Person) -> None:
    path = write(ann.home, "mine.ics", "keep")

    done = ann("dump", path, "--as", "ics")

    assert done.returncode == 1
    assert Path(path).read_text() == "keep"


def test_options_that_contradict_each_other_are_refused(ann: Person) -> None:
    done = ann("dump", "--as", "ics", "--open", "--done")

    assert done.returncode == 2


def test_a_reader_that_goes_ends_the_command_in_silence(ann: Person) -> None:
    ann.says("load", write(ann.home, "todo.txt", "".join(f"{number} {'x' * 500}\n" for number in range(2_000))))
    command = f"{sys.executable} -m tasksvc dump --as todo.txt | head -n 1"

    done = subprocess.run(  # noqa: S602
        command, shell=True, env={**os.environ, **ann.environment}, capture_output=True, text=True, check=True
    )

    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_an_archive_of_todoist_is_one_load(ann: Person, client: SyncClient) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Inbox [1].csv", "TYPE,CONTENT\ntask,a\n")
        archive.writestr("Work [2].csv", "TYPE,CONTENT\ntask,a\n")
    (ann.home / "backup.zip").write_bytes(packed.getvalue())

    assert ann.says("load", str(ann.home / "backup.zip")) == "Loaded 2 tasks from backup.zip.\n"
    assert [each.name for each in client.lists()] == ["Inbox", "Work"]
