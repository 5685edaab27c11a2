"""Clients that are slow, or many, or send without an end; and somebody who only wants to work beside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from running_service import RunningService
from wire import Connection, NoAnswer, ask

from abuse.vitals import LiveClient, leaked, megabytes_of, vitals_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

GONE_SECONDS = 20.0
"""After which nobody is left who only holds a connection."""
WITH_64_DESCRIPTORS = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
os.execv(sys.argv[1], sys.argv[1:])
"""
HEAD = b"POST /tasks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningService]:
    with RunningService("--store", "sqlite:///tasks.db", "--log-format", "none", folder=tmp_path) as service:
        yield service


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def seconds_until_closed(port: int, drips: bytes) -> float:
    """How long a connection lasts that sends a byte of `drips` a second; it never sends all of them."""
    reader, writer = await connect(port)
    began = time.monotonic()

    async def drip() -> None:
        for byte in drips:
            writer.write(bytes([byte]))
            await asyncio.sleep(1)

    dripping = asyncio.create_task(drip())
    with contextlib.suppress(ConnectionError):
        await reader.read()
    dripping.cancel()
    await hang_up(writer)
    return time.monotonic() - began


async def seconds_until_closed_in_body(port: int) -> float:
    """The same for one whose head comes at once, and whose body drips."""
    reader, writer = await connect(port)
    began = time.monotonic()
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof():
            writer.write(b"{")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await reader.read()
    await hang_up(writer)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("idle", "dripping", "live_seconds"),
    [
        pytest.param(500, 100, 0.5, id="some"),
        pytest.param(10_000, 1_000, 0.1, id="many", marks=pytest.mark.soak),
    ],
)
async def test_connections_that_do_nothing_hold_up_nobody_and_are_gone_in_time(
    running: RunningService, idle: int, dripping: int, live_seconds: float
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < idle + dripping + 100:
        pytest.skip(f"Needs a limit of {idle + dripping + 100} descriptors, and {hard} is as high as it goes.")
    before = vitals_of(running)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        async with LiveClient(running.port) as live:
            lasted = await asyncio.gather(
                *(seconds_until_closed(running.port, b"") for _ in range(idle)),
                *(seconds_until_closed(running.port, HEAD) for _ in range(dripping // 2)),
                *(seconds_until_closed_in_body(running.port) for _ in range(dripping // 2)),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    print(f"gone after {max(lasted):.1f} s at most; live: {live.slowest_percent * 1000:.1f} ms for 99 %")  # noqa: T201
    assert max(lasted) < GONE_SECONDS
    assert live.slowest_percent < live_seconds
    assert await leaked(running, before) == {}


async def send_for_ever(port: int, head: bytes, piece: bytes) -> tuple[int, float]:
    """Sends `head` and then `piece` again and again; the status of the answer, and the seconds until it came."""
    reader, writer = await connect(port)
    began = time.monotonic()
    writer.write(head)

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(piece)
                await writer.drain()

    sending = asyncio.create_task(send())
    status = int((await reader.readuntil(b"\r\n"))[9:12])
    seconds = time.monotonic() - began
    async with asyncio.timeout(GONE_SECONDS):
        await sending  # until the other side closes
    await hang_up(writer)
    return status, seconds


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        pytest.param(HEAD + b"Content-Length: 1000000000\r\n\r\n", b"x" * 65_536, id="declared"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4_096 + b"\r\n", id="endless"),
    ],
)
@pytest.mark.parametrize("count", [pytest.param(20, id="some"), pytest.param(100, id="many", marks=pytest.mark.soak)])
async def test_uploads_without_an_end_are_refused_before_they_take_memory(
    running: RunningService, head: bytes, piece: bytes, count: int
) -> None:
    before, memory = vitals_of(running), megabytes_of(running)
    peak = memory

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, megabytes_of(running))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    async with LiveClient(running.port) as live:
        answers = await asyncio.gather(*(send_for_ever(running.port, head, piece) for _ in range(count)))
    watching.cancel()

    slowest = max(seconds for _, seconds in answers)
    print(f"{slowest * 1000:.0f} ms at most; {peak - memory:.1f} MB more")  # noqa: T201
    assert {status for status, _ in answers} == {413}
    assert peak - memory < 50
    assert live.made
    assert await leaked(running, before) == {}


async def test_an_oversize_that_is_declared_is_refused_at_once(running: RunningService) -> None:
    async with Connection(running.port) as connection:
        await connection.request("GET", "/tasks/")
        began = time.monotonic()
        connection.send_bytes(HEAD + b"Content-Length: 1000000000\r\n\r\n")
        answer = await connection.answer()
        seconds = time.monotonic() - began

    assert answer.status == 413
    assert seconds < 0.5, "ten times what is promised"


def processor_seconds_of(service: RunningService) -> float:
    """How long the service has kept a processor busy."""
    numbers = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def idle_connections(port: int, count: int) -> AsyncIterator[None]:
    """Connections that are held, as far as they are accepted."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            _, writer = await connect(port)
            stack.push_async_callback(hang_up, writer)
        yield


async def test_a_service_without_descriptors_keeps_its_clients_and_recovers(tmp_path: Path) -> None:
    before = [sys.executable, "-c", WITH_64_DESCRIPTORS]
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path, before=before) as running:
        vitals = vitals_of(running)
        async with LiveClient(running.port) as live:
            await asyncio.sleep(0.1)
            async with idle_connections(running.port, 100):
                while len(os.listdir(f"/proc/{running.process.pid}/fd")) < 64:
                    await asyncio.sleep(0.01)
                made, worked = len(live.made), processor_seconds_of(running)
                await asyncio.sleep(1.5)
                assert len(live.made) > made, "who was there before is served no more"
                idle = 1.5 - (processor_seconds_of(running) - worked)
            freed = time.monotonic()
            while True:
                with contextlib.suppress(NoAnswer):
                    answer = await asyncio.to_thread(ask, running.url, "GET", "/tasks/1")
                    break
            recovered = time.monotonic() - freed

        assert answer.status == 200
        assert recovered < 2
        assert idle > 0.5, "it was busy with nothing"
        assert await leaked(running, vitals) == {}


async def test_who_asks_and_does_not_read_takes_little_memory(running: RunningService) -> None:
    # Arrange: lists that are far longer than what the system keeps for a connection.
    many = [{"op": "create", "task": {"description": "x" * 2_000}} for _ in range(1_000)]
    for _ in range(10):
        ask(running.url, "POST", "/tasks/batch", many)
    ask(running.url, "GET", "/tasks/?limit=1000")
    before, memory = vitals_of(running), megabytes_of(running)
    requests = [
        b"GET /tasks/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /changes/stream?since=0 HTTP/1.1\r\nHost: a\r\n\r\n",
    ]

    # Act
    async with LiveClient(running.port) as live, contextlib.AsyncExitStack() as stack:
        for number in range(100):
            reader, writer = await connect(running.port)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            stack.push_async_callback(hang_up, writer)
            writer.write(requests[number % 2] * 50)
        await asyncio.sleep(3)
        grown = megabytes_of(running) - memory

    # Assert
    print(f"{grown:.1f} MB more for 100 clients; live: {live.slowest_percent * 1000:.1f} ms for 99 %")  # noqa: T201
    assert grown < 200
    assert live.slowest_percent < 0.5
    assert await leaked(running, before) == {}
