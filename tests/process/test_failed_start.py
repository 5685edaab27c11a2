"""A start that fails says why in one sentence and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from http_client import ask
from service_process import RunningService, run_here, run_tasksvc

from tasksvc.api.app import HEALTH_APP, create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.api.server.listener import Listener, serve
from tasksvc.domain.errors import TasksvcError

Arrange = Callable[[Path, int], list[str]]
"""Prepares a folder, given a port that is taken, and returns the arguments that can't work there."""


@pytest.fixture
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield listening.getsockname()[1]


def no_url(folder: Path, taken_port: int) -> list[str]:
    return ["--store", "tasks.db"]


def unknown_scheme(folder: Path, taken_port: int) -> list[str]:
    return ["--store", "carrier-pigeon://loft"]


def no_file_named(folder: Path, taken_port: int) -> list[str]:
    return ["--store", "sqlite:///"]


def no_such_folder(folder: Path, taken_port: int) -> list[str]:
    return ["--store", "sqlite:///nowhere/tasks.db"]


def unwritable_folder(folder: Path, taken_port: int) -> list[str]:
    if os.getuid() == 0:  # which permissions don't bind
        return ["--store", "sqlite:////proc/tasks.db"]
    (folder / "closed").mkdir(mode=0o500)
    return ["--store", "sqlite:///closed/tasks.db"]


def folder_for_a_file(folder: Path, taken_port: int) -> list[str]:
    (folder / "tasks.db").mkdir()
    return []


def unreadable_lock(folder: Path, taken_port: int) -> list[str]:
    (folder / "tasks.db.lock").mkdir()
    return []


def garbage(folder: Path, taken_port: int) -> list[str]:
    (folder / "tasks.db").write_bytes(b"no database " * 1_000)
    return ["--store", "sqlite:///tasks.db"]


def garbage_for_scratch(folder: Path, taken_port: int) -> list[str]:
    return garbage(folder, taken_port)[:0]


def too_short(folder: Path, taken_port: int) -> list[str]:
    (folder / "tasks.db").write_bytes(b"SQLite format 3\0")
    return ["--store", "sqlite:///tasks.db"]


def another_program(folder: Path, taken_port: int) -> list[str]:
    with closing(sqlite3.connect(folder / "tasks.db")) as database:
        database.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY)")
    return ["--store", "sqlite:///tasks.db"]


def newer_schema(folder: Path, taken_port: int) -> list[str]:
    run_here("token", "create", "someone", "--store", "sqlite:///tasks.db", folder=folder)
    with closing(sqlite3.connect(folder / "tasks.db")) as database:
        database.execute("PRAGMA user_version = 1000000")
    return ["--store", "sqlite:///tasks.db"]


def port_in_use(folder: Path, taken_port: int) -> list[str]:
    return ["--port", str(taken_port)]


def admin_port_in_use(folder: Path, taken_port: int) -> list[str]:
    return ["--admin-port", str(taken_port)]


def no_such_host(folder: Path, taken_port: int) -> list[str]:
    return ["--host", "no-such-host.invalid", "--open"]


def address_of_another_machine(folder: Path, taken_port: int) -> list[str]:
    return ["--host", "192.0.2.1", "--open"]


def no_tokens(folder: Path, taken_port: int) -> list[str]:
    return ["--host", "127.1"]  # a loopback address that doesn't look like one


def no_tokens_for_a_name(folder: Path, taken_port: int) -> list[str]:
    return ["--allowed-host", "tasks.example"]


def no_server(folder: Path, taken_port: int) -> list[str]:
    return ["--store", f"postgresql://user:hunter2@127.0.0.1:{unused_port()}/tasks?start_timeout=0.1"]


FAILURES: dict[Arrange, str] = {
    no_url: "A store is named by a URL such as",
    unknown_scheme: "No adapter is installed for carrier-pigeon: stores",
    no_file_named: "names no file",
    no_such_folder: "there is no folder",
    unwritable_folder: "cannot be locked",
    folder_for_a_file: "is no file",
    unreadable_lock: "cannot be locked",
    garbage: "is no SQLite database",
    garbage_for_scratch: "is no SQLite database",
    too_short: "is no SQLite database",
    another_program: "is an SQLite database of another program",
    newer_schema: "was written by a newer tasksvc",
    port_in_use: "address already in use",
    admin_port_in_use: "address already in use",
    no_such_host: "Cannot listen on no-such-host.invalid",
    address_of_another_machine: "Cannot listen on 192.0.2.1",
    no_tokens: "The service requires tokens",
    no_tokens_for_a_name: "The service requires tokens",
    no_server: "cannot be used",
}


@pytest.mark.slow
@pytest.mark.parametrize("arrange", FAILURES, ids=lambda arrange: arrange.__name__)
def test_a_start_that_fails_is_one_sentence_and_leaves_the_rest_as_it_was(
    arrange: Arrange, tmp_path: Path, taken_port: int
) -> None:
    arguments = arrange(tmp_path, taken_port)
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()}

    failed = run_tasksvc("--port", "0", *arguments, folder=tmp_path)

    assert_one_sentence(failed.stderr, FAILURES[arrange])
    assert (failed.returncode, failed.stdout) == (1, "")
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "", "hunter2", "\xff\xfe"])
def test_a_wrong_file_of_the_admin_token_fails_the_start(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    if content is not None:
        file.write_text(content, encoding="latin-1")

    failed = run_tasksvc("--port", "0", folder=tmp_path, environment={"TASKSVC_ADMIN_TOKEN_FILE": str(file)})

    assert_one_sentence(failed.stderr, str(file))
    assert (failed.returncode, failed.stdout) == (1, "")


def test_after_a_start_that_failed_the_store_is_free_for_the_next(tmp_path: Path, taken_port: int) -> None:
    failed = run_tasksvc("--port", str(taken_port), folder=tmp_path)

    with RunningService(folder=tmp_path) as service:
        assert ask(service.url, "GET", "/tasks/").status == 200
    assert failed.returncode == 1


def assert_one_sentence(text: str, expected: str) -> None:
    """Checks that the output is one sentence, after lines of the log."""
    (sentence,) = [line for line in text.splitlines() if " INFO " not in line]
    assert sentence.startswith("tasksvc: ")
    assert expected.lower() in sentence.lower()
    assert "hunter2" not in text  # which is a password, and a token


# ---------------------------------------------------------------- within a process


@pytest.mark.parametrize(
    "arrange",
    [garbage, another_program, no_such_folder, port_in_use, admin_port_in_use, no_tokens],
    ids=lambda arrange: arrange.__name__,
)
async def test_a_start_that_fails_leaves_no_thread_and_no_open_file(
    arrange: Arrange, tmp_path: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = arrange(tmp_path, taken_port)
    monkeypatch.chdir(tmp_path)
    store = arguments[1] if arguments[0] == "--store" else "sqlite:///tasks.db"
    tokens = TokenPolicy.ALWAYS if arrange is no_tokens else TokenPolicy.NEVER
    threads, files, tasks = threading.active_count(), open_files(), len(asyncio.all_tasks())

    app = create_app(store, Options(tokens=tokens))
    listeners = [
        Listener(app, "127.0.0.1", taken_port if arrange is port_in_use else 0),
        Listener(app[HEALTH_APP], "127.0.0.1", taken_port if arrange is admin_port_in_use else 0),
    ]
    with pytest.raises(TasksvcError):
        await serve(listeners, ready=lambda ports: pytest.fail("It is ready."))

    await until(lambda: threading.active_count() == threads)
    await until(lambda: open_files() == files)
    assert len(asyncio.all_tasks()) == tasks


async def test_an_admin_token_that_cannot_be_stored_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    app = create_app(f"sqlite:///{tmp_path}/tasks.db", Options(admin_token="not a token"))  # noqa: S106  # it is none
    threads, files = threading.active_count(), open_files()

    with pytest.raises((TasksvcError, ValueError)):
        await serve([Listener(app, "127.0.0.1", 0)], ready=lambda ports: pytest.fail("It is ready."))

    await until(lambda: threading.active_count() == threads)
    await until(lambda: open_files() == files)


def open_files() -> set[str]:
    """Returns what this process has open: files by their names, the rest by its kind."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # that of listing them
            continue
        found.add(target)
    return found


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def unused_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
    return port
