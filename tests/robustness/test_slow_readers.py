"""Clients that request much and read it slowly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from http_client import Connection
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until

from robustness.in_process import InProcess
from robustness.process_metrics import LiveClient
from tasksvc.api import Options
from tasksvc.application.limits import Limits, Timeouts

pytestmark = pytest.mark.slow

STALL_SECONDS = 1.0
"""A short timeout in seconds, in place of half a minute."""
TASKS, BYTES = 600, 9_500
"""The number of tasks, and the bytes of each."""
PAGE = "/tasks/?limit=600"
"""The path of a page, which is complete before it is sent."""
LIST = "/tasks/"
"""The path of a list that is streamed."""
STREAM = "/changes/stream?since=0"
"""The path of a stream that has no end."""


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[InProcess]:
    """A service that soon disconnects clients that read nothing."""
    async with serving(tmp_path, stalled=STALL_SECONDS) as service:
        yield service


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[InProcess]:
    """A service that disconnects no slow client."""
    async with serving(tmp_path, stalled=FOREVER_SECONDS) as service:
        yield service


@contextlib.asynccontextmanager
async def serving(folder: Path, *, stalled: float) -> AsyncIterator[InProcess]:
    """Serves responses that are larger than the system's buffers for a connection."""
    options = Options(
        timeouts=Timeouts(stalled=stalled, stalled_check=0.1),
        # With the default it would close some of the connections.
        limits=Limits(page_bytes=2 * TASKS * BYTES, held_answer_bytes=100 * TASKS * BYTES),
    )
    async with InProcess(f"sqlite:///{folder}/tasks.db", options) as service:
        async with Connection(service.port) as client:
            batch = [{"op": "create", "task": {"description": "x" * BYTES}} for _ in range(TASKS)]
            assert (await client.request("POST", "/tasks/batch", batch)).status == 200
        yield service


async def ask(port: int, path: str, *, close: bool = False) -> socket.socket:
    """Opens a connection with a small receive buffer and requests `path`."""
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    await loop.sock_connect(connection, ("127.0.0.1", port))
    more = "Connection: close\r\n" if close else ""
    await loop.sock_sendall(connection, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
    return connection


async def take(connection: socket.socket, *, pause: float = 0.0) -> tuple[int, bool]:
    """Reads to the end and returns the number of bytes, and whether they end as a list does."""
    loop = asyncio.get_running_loop()
    size, end = 0, b""
    while True:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                data = await loop.sock_recv(connection, 2**20)
        except (ConnectionError, TimeoutError):
            return size, False
        if not data:
            return size, end.rstrip(b"0\r\n").endswith(b"]")
        size, end = size + len(data), (end + data)[-16:]
        await asyncio.sleep(pause)


async def gone(running: InProcess) -> bool:
    """Returns whether all connections are closed soon after the timeout for slow readers."""
    service = running.service
    await until(lambda: not running.connections and not len(running.in_flight) and not service.feeds.streams)
    return True


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("path", [PAGE, LIST, STREAM])
async def test_a_client_that_reads_nothing_is_disconnected(running: InProcess, path: str, close: bool) -> None:
    before = running.connected
    connections = [await ask(running.port, path, close=close) for _ in range(3)]
    await until(lambda: running.connected == before + 3)

    assert await gone(running)

    assert len(running.in_flight) == 0
    assert running.service.feeds.streams == 0
    for connection in connections:
        assert await take(connection) < (TASKS * BYTES, True)
        connection.close()


@pytest.mark.parametrize("path", [PAGE, LIST])
async def test_a_client_that_reads_slowly_gets_everything(running: InProcess, path: str) -> None:
    connection = await ask(running.port, path, close=True)
    began = time.monotonic()

    size, complete = await take(connection, pause=0.008)

    connection.close()
    assert time.monotonic() - began > 1.5 * STALL_SECONDS, "too fast to show anything"
    assert complete
    assert size > TASKS * BYTES


async def test_other_clients_are_served_beside_clients_that_read_nothing(patient: InProcess) -> None:
    before = patient.connected
    connections = [await ask(patient.port, path) for path in (PAGE, LIST, STREAM) for _ in range(10)]
    await until(lambda: patient.connected == before + 30)

    async with LiveClient(patient.port) as live:
        await until(lambda: len(live.made) > 20)
        assert len(patient.connections) >= 31, "they are still there"

    for connection in connections:
        connection.close()


async def test_a_stream_that_stalls_is_cut_off_and_never_leaves_out_a_change(patient: InProcess) -> None:
    loop = asyncio.get_running_loop()
    connection = await ask(patient.port, STREAM)
    received = bytearray()
    while len(received) < TASKS * BYTES / 4:
        received += await loop.sock_recv(connection, 2**20)

    for protocol in patient.connections:
        protocol.stall_timeout = STALL_SECONDS
    assert await gone(patient)

    with contextlib.suppress(ConnectionError):
        while data := await loop.sock_recv(connection, 2**20):
            received += data
    connection.close()
    events = re.sub(rb"\r\n[0-9a-f]+\r\n", b"", bytes(received))  # without the borders of HTTP's chunks
    numbers = [int(number) for number in re.findall(rb'^data: {"seq":(\d+),', events, re.MULTILINE)]
    assert TASKS / 5 < len(numbers) < TASKS
    assert numbers == list(range(1, len(numbers) + 1))
