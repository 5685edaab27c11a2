"""Clients that search much, and disconnect before they get a response."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until

from robustness.in_process import InProcess
from tasksvc import CreateTask, TaskDraft
from tasksvc.api import Options
from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts

pytestmark = pytest.mark.options(timeouts=Timeouts(check_interval=0.02, search=FOREVER_SECONDS))

TASKS = 600
HERE, THERE = "127.0.0.1", "127.0.0.2"
"""Addresses of two callers."""
LIST_THAT_NO_INDEX_HAS = "/tasks/?done=false&priority=3&sort=-created_at&limit=2"


class Looking:
    """Replaces the test of a description: it waits while it is closed, and takes a moment for each one."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.seconds = 0.0
        self.sought: list[str] = []
        """The searched text, for each description that was tested."""

    def contains(self, text: str, folded: str) -> bool:
        self.sought.append(folded)
        self.open.wait(PATIENCE_SECONDS)
        threading.Event().wait(self.seconds)
        return folded in text


class Answer(NamedTuple):
    status: int
    headers: str
    body: bytes


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Looking]:
    looking = Looking()
    monkeypatch.setattr("tasksvc_sqlite.repository.contains", looking.contains)
    yield looking
    looking.open.set()


@pytest.fixture
async def running(tmp_path: Path, looking: Looking, options: Options) -> AsyncIterator[InProcess]:
    """A service that soon notices that a client has left, and whose searches take as long as they like."""
    async with InProcess(f"sqlite:///{tmp_path}/tasks.db", options) as running:
        await running.service.repository.commit([CreateTask(TaskDraft("a task", priority=3))] * TASKS, at=now())
        yield running


async def connected(port: int, path: str, address: str) -> socket.socket:
    """Opens a connection and requests `path`."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.bind((address, 0))
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(
        connection, f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()
    )
    return connection


async def ask(port: int, path: str, address: str = HERE) -> Answer:
    """Returns the response, however long it takes."""
    with closing(await connected(port, path, address)) as connection:
        received = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while data := await asyncio.get_running_loop().sock_recv(connection, 2**16):
                received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return Answer(int(head.split()[1]), head.decode(), body)


@pytest.mark.parametrize("path", ["/tasks/?q=x", "/tasks/?q=x&limit=9", "/tasks/count?q=x"])
async def test_a_search_ends_when_its_client_leaves(running: InProcess, looking: Looking, path: str) -> None:
    looking.seconds = 0.1
    connection = await connected(running.port, path, HERE)
    await until(lambda: looking.sought)

    connection.close()
    await until(lambda: not len(running.in_flight))

    assert (await ask(running.port, "/tasks/count")).status == 200, "the store is free for the next"
    assert len(looking.sought) < TASKS, "and hasn't finished what nobody waited for"


async def test_a_list_that_is_being_sent_ends_when_its_client_leaves(running: InProcess, looking: Looking) -> None:
    connection = await connected(running.port, "/tasks/?q=task", HERE)
    await until(lambda: looking.sought)
    looking.seconds = 0.1
    await until(lambda: len(looking.sought) > TASKS // 2)

    connection.close()
    await until(lambda: not len(running.in_flight))

    assert (await ask(running.port, "/tasks/count")).status == 200
    assert len(looking.sought) < 2 * TASKS


async def test_abandoned_searches_hold_up_nobody_elses_list(running: InProcess, looking: Looking) -> None:
    looking.seconds = 0.1
    for number in range(70):
        (await connected(running.port, f"/tasks/?q=x{number}", HERE)).close()
    await until(lambda: looking.sought)

    answer = await ask(running.port, LIST_THAT_NO_INDEX_HAS, THERE)

    assert [task["id"] for task in json.loads(answer.body)] == [TASKS, TASKS - 1]
    assert len(looking.sought) < TASKS, "not one of the searches was finished"


async def test_a_search_waits_for_one_search_of_another_caller_and_not_for_all(
    running: InProcess, looking: Looking
) -> None:
    looking.open.clear()
    first = [asyncio.create_task(ask(running.port, "/tasks/?q=x0"))]
    await until(lambda: looking.sought)
    first += [asyncio.create_task(ask(running.port, f"/tasks/?q=x{number}")) for number in range(1, 8)]
    await until(lambda: len(running.in_flight) == 8)
    other = asyncio.create_task(ask(running.port, "/tasks/?q=y", THERE))
    await until(lambda: len(running.in_flight) == 9)

    looking.open.set()

    assert {answer.status for answer in await asyncio.gather(other, *first)} == {200}
    assert list(dict.fromkeys(looking.sought))[:2] == ["x0", "y"]


@pytest.mark.options(timeouts=Timeouts(search=0.3))
async def test_a_search_that_takes_too_long_is_refused_with_what_to_do_and_ends(
    running: InProcess, looking: Looking
) -> None:
    looking.seconds = 0.1

    answer = await ask(running.port, "/tasks/?q=x")

    assert answer.status == 503
    assert "Retry-After: 5" in answer.headers
    assert "was not done within 0.3 s. Narrow it" in json.loads(answer.body)["detail"]
    async with asyncio.timeout(PATIENCE_SECONDS):  # a busy machine may need longer than 0.3 s now and then
        while (await ask(running.port, "/tasks/count")).status != 200:
            pass
    assert len(looking.sought) < TASKS


async def test_lists_that_an_index_has_and_single_tasks_wait_for_no_search(
    running: InProcess, looking: Looking
) -> None:
    looking.open.clear()
    search = asyncio.create_task(ask(running.port, "/tasks/?q=x"))
    await until(lambda: looking.sought)

    for path in ("/tasks/?limit=3", "/tasks/?done=false&limit=3", "/tasks/?sort=-created_at&limit=3", "/tasks/1"):
        assert (await ask(running.port, path)).status == 200

    assert not search.done()
    looking.open.set()
    await search
