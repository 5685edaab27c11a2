"""Many clients that ask for much and read nothing, or send much and never finish it."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_service import RunningService

from abuse.vitals import megabytes_of

pytestmark = pytest.mark.slow

GROWTH_MEGABYTES = 100
"""What all of them together may cost.  Where nothing is bounded, each kind costs more."""
HEAD = "Host: localhost\r\n"
JSON_HEAD = f"{HEAD}Content-Type: application/json\r\n"

KINDS: dict[str, tuple[int, Callable[[int], str]]] = {
    "reads no file of the docs": (100, lambda number: f"GET /docs/assets/redoc.js HTTP/1.1\r\n{HEAD}\r\n"),
    "reads no page": (150, lambda number: f"GET /tasks/?limit={300 + number} HTTP/1.1\r\n{HEAD}\r\n"),
    "reads no page, with HTTP/1.0": (150, lambda number: f"GET /tasks/?limit={300 + number} HTTP/1.0\r\n{HEAD}\r\n"),
    "reads no change": (150, lambda number: f"GET /changes?since=0&limit={300 + number} HTTP/1.1\r\n{HEAD}\r\n"),
    "reads no list": (300, lambda number: f"GET /tasks/ HTTP/1.1\r\n{HEAD}\r\n"),
    "reads no JSON lines": (300, lambda number: f"GET /tasks/ HTTP/1.1\r\n{HEAD}Accept: application/x-ndjson\r\n\r\n"),
    "follows the changes and reads none": (
        500,
        lambda number: f"GET /changes/stream?since=0 HTTP/1.1\r\n{HEAD}\r\n",
    ),
    "reads none of many small answers": (100, lambda number: f"GET /tasks/{number + 1} HTTP/1.1\r\n{HEAD}\r\n" * 300),
    "finishes no head": (
        150,
        lambda number: f"GET /tasks/ HTTP/1.1\r\n{HEAD}" + "".join(f"X-{i}: {'x' * 8_000}\r\n" for i in range(120)),
    ),
    "finishes no body": (
        600,
        lambda number: f"POST /tasks/ HTTP/1.1\r\n{JSON_HEAD}Content-Length: 260000\r\n\r\n{' ' * 250_000}",
    ),
    "finishes no batch": (
        100,
        lambda number: f"POST /tasks/batch HTTP/1.1\r\n{JSON_HEAD}Content-Length: 8000000\r\n\r\n{' ' * 2_000_000}",
    ),
    "finishes no chunked batch": (
        100,
        lambda number: (
            f"POST /tasks/batch HTTP/1.1\r\n{JSON_HEAD}Transfer-Encoding: chunked\r\n\r\n7A1200\r\n{' ' * 2_000_000}"
        ),
    ),
}
"""How many clients, and what each of them sends."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service that holds 12 MB of tasks."""
    with RunningService("--store", "sqlite:///tasks.db", "--log-format", "none", folder=tmp_path) as running:
        batch = [{"op": "create", "task": {"description": "x" * 8_000}} for _ in range(500)]
        for _ in range(3):
            request = urllib.request.Request(
                f"{running.url}/tasks/batch", json.dumps(batch).encode(), {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(request, timeout=60).close()
        yield running


@contextlib.contextmanager
def clients(port: int, requests: list[bytes]) -> Iterator[list[socket.socket]]:
    """Connections that have sent one of `requests` each, as far as the service takes it, and read nothing."""
    connections = []
    for request in requests:
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(0.05)
        with contextlib.suppress(OSError):
            connection.sendall(request)
        connections.append(connection)
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def peak_megabytes(service: RunningService, *, seconds: float) -> float:
    """The most memory that the service occupies within `seconds`."""
    end, peak = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        peak = max(peak, megabytes_of(service))
        time.sleep(0.02)
    return peak


@pytest.mark.parametrize("kind", KINDS)
def test_many_greedy_clients_cost_little_memory_and_others_are_served(service: RunningService, kind: str) -> None:
    count, request = KINDS[kind]
    before = megabytes_of(service)

    with clients(service.port, [request(number).encode() for number in range(count)]):
        peak = peak_megabytes(service, seconds=1)
        with urllib.request.urlopen(f"{service.url}/tasks/1", timeout=60) as answer:
            status = answer.status

    assert status == 200
    assert peak - before < GROWTH_MEGABYTES
