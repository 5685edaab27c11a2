"""A service that has stopped reports what happened to its store."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from http_client import ask
from service_process import RunningService, run_tasksvc

pytestmark = pytest.mark.slow


def last_words(output: str) -> str:
    """Returns the last line of the log, without its time and the empty request id."""
    found = re.fullmatch(r"\S+Z INFO tasksvc: (.*) \[-\]", output.splitlines()[-1])
    assert found is not None, output
    return found[1]


@pytest.mark.parametrize(
    ("arguments", "tasks", "expected"),
    [
        ((), 2, "The scratch store sqlite:///tasks.db was emptied."),
        (("--store", "sqlite:///kept.db"), 0, "0 tasks are kept in sqlite:///kept.db."),
        (("--store", "sqlite:///kept.db"), 1, "1 task is kept in sqlite:///kept.db."),
        (("--store", "sqlite:///kept.db"), 2, "2 tasks are kept in sqlite:///kept.db."),
        (("--store", "memory://"), 2, "2 tasks were in memory, and are gone."),
        (("--store", "memory://", "--log-format", "none"), 1, "1 task was in memory, and is gone."),
    ],
)
def test_it_says_how_many_tasks_are_kept_or_that_none_are(
    arguments: Sequence[str], tasks: int, expected: str, tmp_path: Path
) -> None:
    with RunningService(*arguments, folder=tmp_path) as service:
        for _ in range(tasks):
            ask(service.url, "POST", "/tasks/", {"description": "x"})
        service.stop()

    assert last_words(service.output) == expected


def test_a_terminal_that_is_closed_ends_the_service_in_order(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path, before=("env", "--default-signal=HUP")) as service:
        ask(service.url, "POST", "/tasks/", {"description": "x"})
        status = service.stop(signal.SIGHUP)

    assert status == 0
    assert last_words(service.output) == "The scratch store sqlite:///tasks.db was emptied."


def test_a_terminal_that_is_closed_does_not_end_a_service_that_ignores_it(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path, before=("env", "--ignore-signal=HUP")) as service:
        service.process.send_signal(signal.SIGHUP)
        answers = [ask(service.url, "POST", "/tasks/", {"description": "x"}) for _ in range(3)]
        status = service.stop()

    assert [answer.status for answer in answers] == [201] * 3
    assert status == 0


def test_a_start_that_fails_after_the_store_was_opened_says_it_too(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = str(listening.getsockname()[1])
        failed = run_tasksvc("--port", port, "--store", "sqlite:///kept.db", folder=tmp_path)

    *log, refusal = failed.stderr.splitlines()
    assert refusal.startswith("tasksvc: Cannot listen on ")
    assert last_words("\n".join(log)) == "0 tasks are kept in sqlite:///kept.db."


def test_a_store_that_was_not_opened_is_not_spoken_of(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path):
        refused = run_tasksvc("--port", "0", folder=tmp_path)

    assert refused.stderr.count("\n") == 1


def test_a_scratch_store_that_could_not_be_emptied_is_not_called_empty(tmp_path: Path) -> None:
    with RunningService(folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "x"})
        with closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as another:
            another.execute("BEGIN IMMEDIATE")
            status = service.stop()

    assert status == 0
    assert "was emptied" not in service.output
    assert "tasks.db could not be emptied (database is locked). The next start does it." in service.output
