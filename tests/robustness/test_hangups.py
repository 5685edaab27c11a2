"""Clients that disconnect: a write is done completely or not at all, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from http_client import Connection, ask
from patience import PATIENCE_SECONDS
from service_process import RunningService

from robustness.process_metrics import LiveClient, leaked, vitals_of

pytestmark = pytest.mark.slow

AT_ONCE = 32
"""The number of clients that disconnect at the same time."""


class Attempt(NamedTuple):
    """A request whose client disconnects sooner or later."""

    request: bytes
    mark: str
    """The label of all tasks that it creates or updates."""
    writes: int
    """The number of changes that it makes if it is done."""


def written(method: str, path: str, document: object = None) -> bytes:
    """Returns a request as bytes."""
    body = b"" if document is None else json.dumps(document).encode()
    more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode() + body


class Attempts:
    """Makes attempts, each with separate tasks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._count = 0

    def make(self, kind: str, count: int) -> list[Attempt]:
        """Makes `count` attempts of a kind: POST, PATCH, DELETE or batch."""
        marks = [f"{kind}-{self._count + number}" for number in range(count)]
        self._count += count
        targets = self._targets(marks, 0 if kind == "POST" else 2 if kind == "batch" else 1)
        return [self._attempt(kind, mark, targets) for mark in marks]

    def _targets(self, marks: list[str], each: int) -> Iterator[int]:
        """Creates tasks and returns their ids, `each` of them for each mark."""
        drafts = [{"description": "as it was", "labels": [mark]} for mark in marks for _ in range(each)]
        tasks = [{"op": "create", "task": draft} for draft in drafts]
        while tasks:
            answer = ask(self._url, "POST", "/tasks/batch", tasks[:500])
            yield from (result["id"] for result in answer.document["results"])
            del tasks[:500]

    def _attempt(self, kind: str, mark: str, targets: Iterator[int]) -> Attempt:
        new = {"description": "new", "labels": [mark], "priority": 5}
        if kind == "POST":
            return Attempt(written("POST", "/tasks/", new), mark, 1)
        if kind == "PATCH":
            return Attempt(written("PATCH", f"/tasks/{next(targets)}", new), mark, 1)
        if kind == "DELETE":
            return Attempt(written("DELETE", f"/tasks/{next(targets)}"), mark, 1)
        operations = [
            {"op": "update", "id": next(targets), "patch": new},
            {"op": "create", "task": new},
            {"op": "delete", "id": next(targets)},
        ]
        return Attempt(written("POST", "/tasks/batch", operations), mark, 3)


async def leave(port: int, data: bytes, *, seconds: float | None, reset: bool) -> None:
    """Sends `data`, and disconnects `seconds` later, or when the response begins: with a reset, or in order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    if seconds is None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await reader.read(1)
    else:
        await asyncio.sleep(seconds)
    if reset:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def leave_all(port: int, attempts: list[tuple[bytes, float | None]]) -> None:
    """Runs all attempts, some at a time; each gives what is sent, and when its client leaves."""
    waiting = iter(enumerate(attempts))

    async def client() -> None:
        for number, (data, seconds) in waiting:
            await leave(port, data, seconds=seconds, reset=bool(number % 2))

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))


async def changes(port: int) -> AsyncIterator[dict[str, Any]]:
    """Returns the whole change log."""
    since = "0"
    async with Connection(port) as connection:
        while True:
            page = (await connection.request("GET", f"/changes?since={since}&limit=1000")).document
            for change in page["changes"]:
                yield change
            if not page["more"]:
                return
            since = page["next"]


async def done(port: int, attempts: list[Attempt]) -> list[Attempt]:
    """Returns the attempts that were done, after checking that each is complete and separate from all others."""
    log = [change async for change in changes(port)]
    assert [change["seq"] for change in log] == list(range(1, len(log) + 1))
    marks: dict[int, str] = {}
    for change in log:
        if change["type"] == "created":
            marks[change["task_id"]] = next(iter(change["task"]["labels"]), "")
    attempted = {attempt.mark: attempt for attempt in attempts}
    made = [change for change in log if change["task"] is None or change["task"]["description"] == "new"]
    found = []
    for mark, group in groupby(made, key=lambda change: marks[change["task_id"]]):
        together = list(group)
        attempt = attempted.pop(mark)  # so that none is there twice
        first = together[0]["seq"]
        assert [change["seq"] for change in together] == list(range(first, first + attempt.writes)), together
        assert all(change["task"] is None or change["task"]["priority"] == 5 for change in together)
        found.append(attempt)
    return found


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningService]:
    with RunningService("--store", "sqlite:///tasks.db", "--log-format", "none", folder=tmp_path) as service:
        yield service


@pytest.mark.parametrize("kind", ["POST", "PATCH", "DELETE", "batch"])
async def test_a_write_is_complete_or_absent_if_the_client_disconnects_after_any_byte(
    running: RunningService, kind: str
) -> None:
    # Arrange: as many requests as there are places to break one off.
    make = Attempts(running.url).make
    length = len(make(kind, 1)[0].request) + 8  # the ids grow
    attempts = make(kind, length + 1)
    before = vitals_of(running)

    # Act
    async with LiveClient(running.port) as live:
        await leave_all(
            running.port,
            [
                (attempt.request[:cut], 0.002 if cut < len(attempt.request) else None)
                for cut, attempt in enumerate(attempts)
            ],
        )

    # Assert
    complete = [attempt for cut, attempt in enumerate(attempts) if cut >= len(attempt.request)]
    finished = await done(running.port, attempts)
    assert set(finished) <= set(complete)
    assert finished, "not even a whole request was done"
    assert live.made
    assert await leaked(running, before) == {}


async def test_a_write_is_complete_or_absent_if_the_client_disconnects_while_it_waits(running: RunningService) -> None:
    make = Attempts(running.url).make
    attempts = [attempt for kind in ("POST", "PATCH", "DELETE", "batch") for attempt in make(kind, 100)]
    chance = random.Random(0)
    chance.shuffle(attempts)
    before = vitals_of(running)

    async with LiveClient(running.port) as live:
        await leave_all(
            running.port,
            [
                (attempt.request, chance.uniform(0, 0.004) if number % 8 else None)
                for number, attempt in enumerate(attempts)
            ],
        )

    finished = await done(running.port, attempts)
    assert len(finished) > len(attempts) / 10
    assert live.made
    assert await leaked(running, before) == {}


async def test_a_client_that_abandons_a_list_leaves_nothing_behind(running: RunningService) -> None:
    many = [{"op": "create", "task": {"description": "x" * 2_000}} for _ in range(1_000)]
    for _ in range(2):
        ask(running.url, "POST", "/tasks/batch", many)
    ask(running.url, "GET", "/tasks/?limit=1")  # opens what the store needs for lists
    before = vitals_of(running)

    async with LiveClient(running.port) as live:
        await leave_all(running.port, [(written("GET", "/tasks/"), 0.02)] * 100)

    assert live.made
    assert await leaked(running, before) == {}


async def test_a_stream_ends_soon_after_its_client_left_though_there_is_nothing_to_send(
    running: RunningService,
) -> None:
    stream = (written("GET", "/changes/stream"), 0.02)
    await leave_all(running.port, [stream])
    before = vitals_of(running)  # with a reader of the log, which stays
    before = before._replace(streams=0, tasks=before.tasks - before.streams)

    await leave_all(running.port, [stream] * 100)

    assert await leaked(running, before) == {}
