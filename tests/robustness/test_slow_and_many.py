"""Clients that are slow, or many, or send without an end, while a normal client works beside them."""

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
from http_client import Connection, NoAnswer, ask
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until
from service_process import RunningService, with_timeouts

from robustness.process_metrics import LiveClient, leaked, megabytes_of, vitals_of
from tasksvc.application.limits import Timeouts

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

PATIENT = with_timeouts(Timeouts(body=FOREVER_SECONDS, idle=FOREVER_SECONDS, stalled=FOREVER_SECONDS))
"""Starts a service that tolerates slow clients without a limit, so that they stay for the whole test."""
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


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[RunningService]:
    arguments = ("--store", "sqlite:///tasks.db", "--log-format", "none")
    with RunningService(*arguments, folder=tmp_path, before=PATIENT) as service:
        yield service


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def seconds_until_closed(port: int, drips: bytes) -> float:
    """Returns how long a connection lasts that sends a byte of `drips` a second; it never sends all of them."""
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
    """Returns how long a connection lasts whose head comes at once, and whose body comes slowly."""
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
    ("idle", "dripping"),
    [
        pytest.param(500, 100, id="some"),
        pytest.param(10_000, 1_000, id="many", marks=pytest.mark.soak),
    ],
)
async def test_connections_that_do_nothing_are_gone_after_a_while(
    running: RunningService, idle: int, dripping: int
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
                *(seconds_until_closed(running.port, HEAD + b"X: " + b"x" * 5_000) for _ in range(dripping // 2)),
                *(seconds_until_closed_in_body(running.port) for _ in range(dripping // 2)),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    print(f"gone after {max(lasted):.1f} s at most; live: {live.slowest_percent * 1000:.1f} ms for 99 %")  # noqa: T201
    assert live.made
    assert await leaked(running, before) == {}


async def test_connections_that_do_nothing_hold_up_nobody(patient: RunningService) -> None:
    before = vitals_of(patient)
    async with contextlib.AsyncExitStack() as stack:
        for sent in (b"", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n{"):
            for _ in range(100):
                _, writer = await connect(patient.port)
                stack.push_async_callback(hang_up, writer)
                writer.write(sent)

        async with LiveClient(patient.port) as live:
            await until(lambda: len(live.made) > 20)
            assert vitals_of(patient).descriptors >= before.descriptors + 300, "they are still there"

    assert await leaked(patient, before) == {}


async def send_for_ever(port: int, head: bytes, piece: bytes) -> tuple[int | None, float]:
    """Sends `head` and then `piece` again and again; returns the status of the response, and the seconds until it came.

    The status is None if the connection was reset first: the service waits a while after its response, and this process
    may be too busy to read it in that time.
    """
    reader, writer = await connect(port)
    began = time.monotonic()
    writer.write(head)

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(piece)
                await writer.drain()

    sending = asyncio.create_task(send())
    status = None
    with contextlib.suppress(ConnectionError):
        status = int((await reader.readuntil(b"\r\n"))[9:12])
    seconds = time.monotonic() - began
    async with asyncio.timeout(PATIENCE_SECONDS):
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
    assert {status for status, _ in answers} - {None} == {413}
    assert peak - memory < 50
    assert live.made
    assert await leaked(running, before) == {}


async def test_an_oversize_that_is_declared_is_refused_before_the_body_comes(patient: RunningService) -> None:
    async with Connection(patient.port) as connection:
        await connection.request("GET", "/tasks/")
        connection.send_bytes(HEAD + b"Content-Length: 1000000000\r\n\r\n")
        answer = await connection.answer()

    assert answer.status == 413


def processor_seconds_of(service: RunningService) -> float:
    """Returns the CPU time of the service, in seconds."""
    numbers = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def idle_connections(port: int, count: int) -> AsyncIterator[None]:
    """Opens connections, as far as they are accepted, and keeps them."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(count):
            _, writer = await connect(port)
            stack.push_async_callback(hang_up, writer)
        yield


async def test_a_service_without_descriptors_keeps_its_clients_and_recovers(tmp_path: Path) -> None:
    before = [sys.executable, "-c", WITH_64_DESCRIPTORS]
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path, before=before) as running:
        usage = vitals_of(running)
        async with LiveClient(running.port) as live:
            await asyncio.sleep(0.1)
            async with idle_connections(running.port, 100):
                while len(os.listdir(f"/proc/{running.process.pid}/fd")) < 64:
                    await asyncio.sleep(0.01)
                made, worked, began = len(live.made), processor_seconds_of(running), time.monotonic()
                await asyncio.sleep(1.5)
                await until(lambda: len(live.made) > made)
                busy = (processor_seconds_of(running) - worked) / (time.monotonic() - began)
            while True:
                with contextlib.suppress(NoAnswer):
                    answer = await asyncio.to_thread(ask, running.url, "GET", "/tasks/1")
                    break

        assert answer.status == 200
        assert busy < 2 / 3, "it was busy with nothing"
        assert await leaked(running, usage) == {}


async def test_a_client_that_does_not_read_takes_little_memory(patient: RunningService) -> None:
    running = patient
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
        made = len(live.made)
        await until(lambda: len(live.made) > made + 100)  # so that all is read that will be
        grown = megabytes_of(running) - memory

    # Assert
    print(f"{grown:.1f} MB more for 100 clients; live: {live.slowest_percent * 1000:.1f} ms for 99 %")  # noqa: T201
    assert grown < 200
    assert await leaked(running, before) == {}
