"""What goes wrong is one sentence on standard error and an exit status."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_client import free_port
from patience import PATIENCE_SECONDS
from service_process import environment_with
from tasksvc_tasks.failures import Failed
from tasksvc_tasks.service import Service

from people.person import Person

COMMANDS = [
    *(["add", "x"], ["ls"], ["ls", "--json"], ["show", "1"], ["edit", "1", "-p", "1"], ["edit", "1"], ["done", "1"]),
    *(["reopen", "1"], ["rm", "1"], ["log"], ["log", "1"], ["lists"], ["login"]),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_without_a_service_each_command_says_how_to_start_one_and_starts_none(words: list[str], ann: Person) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    done = ann(*words, TASKSVC_URL=url, TASKSVC_TOKEN="t")  # noqa: S106

    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == (
        f"tasksvc: No service answers at {url}. Start one with 'tasksvc --store sqlite:///tasks.db', or name another"
        " with --url.\n"
    )
    assert not (ann.home / "state").exists()


def test_each_kind_of_problem_has_its_status(ann: Person) -> None:
    ann.tasks.create("One")

    assert ann("show", "99").returncode == 3
    assert ann("edit", "1", "--parent", "1").returncode in (1, 4)
    assert ann("edit", "1", "--list", "x" * 200).returncode == 1
    assert ann("ls", "--workspace", "no/such").returncode == 1


def test_problems_of_several_fields_are_one_line(ann: Person) -> None:
    refused = ann("add", "x" * 10_001, "--list", "y" * 101)

    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)


@pytest.fixture
def silent() -> Iterator[tuple[str, threading.Event]]:
    """The URL of a service that reads requests and never answers, and whether it has got one."""
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                if connection.recv(65_536):
                    asked.set()

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


def test_an_unknown_outcome_says_so_and_how_to_find_out(silent: tuple[str, threading.Event]) -> None:
    service = Service(silent[0], None, None)

    with pytest.raises(Failed) as unknown, service.open(deadline=0.3) as client:
        client.create("x")
    with pytest.raises(Failed) as unread, service.open(deadline=0.3) as client:
        client.get(1)

    assert (unknown.value.exit_code, unread.value.exit_code) == (6, 6)
    assert unknown.value.message == (
        f"{silent[0]} didn't say whether it was done, and may have done it."
        " Look with 'tasksvc log' before you try again."
    )


@pytest.mark.parametrize("words", [["ls"], ["add", "x"], ["log", "--follow"]], ids=" ".join)
def test_an_interrupt_ends_a_command_in_silence(
    words: list[str], ann: Person, silent: tuple[str, threading.Event], tmp_path: Path
) -> None:
    url, asked = silent
    environment = environment_with(ann.environment | {"TASKSVC_URL": url})

    with subprocess.Popen(
        ann.command(*words), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert asked.wait(PATIENCE_SECONDS)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, printed, said) == (130, b"", b"")


@pytest.mark.parametrize("words", [["ls"], ["ls", "--json"], ["ls", "--csv"], ["show", "1"], ["log"]], ids=" ".join)
def test_a_reader_that_goes_ends_a_command_in_silence(words: list[str], ann: Person, tmp_path: Path) -> None:
    ann.tasks.create("x" * 10_000, notes="y" * 20_000)
    reading, writing = os.pipe()
    os.close(reading)

    with open(writing, "wb") as gone:
        done = subprocess.run(
            ann.command(*words),
            env=environment_with(ann.environment), stdout=gone, stderr=subprocess.PIPE, cwd=tmp_path, check=False,
        )  # fmt: skip

    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_is_one_sentence(ann: Person, tmp_path: Path) -> None:
    ann.tasks.create("x")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            ann.command("ls"), env=environment_with(ann.environment), stdout=full, stderr=subprocess.PIPE, cwd=tmp_path,
            check=False,
        )  # fmt: skip

    assert (done.returncode, done.stderr) == (
        1,
        b"tasksvc: Standard output cannot be written: No space left on device.\n",
    )


def test_a_home_that_cannot_be_written_stops_no_change(ann: Person) -> None:
    (ann.home / "file").write_text("")

    done = ann("add", "x", XDG_STATE_HOME=str(ann.home / "file"))

    assert (done.returncode, done.stdout) == (0, "1  x\n")
    assert done.stderr.startswith("tasksvc: It is done, but 'tasksvc undo' won't know of it.")


def test_the_help_lists_the_commands_without_importing_them() -> None:
    script = (
        "import sys; from tasksvc.cli.main import run; run(['--help']);"
        "print([name for name in sys.modules if name.startswith('tasksvc_')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment_with(), capture_output=True, text=True, check=True
    )

    assert "Tasks:\n  add         Create a task.\n" in done.stdout
    assert done.stderr == "[]\n"


def test_the_service_takes_no_notice_of_the_variables_of_the_commands(ann: Person) -> None:
    done = ann("check", "--store", "memory:", TASKSVC_TOKEN="t")  # noqa: S106

    assert "There is no variable" not in done.stderr
