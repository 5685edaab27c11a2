"""Many clients that request much and read little of it, or send much and never finish it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from http_client import ask
from patience import PATIENCE_SECONDS
from service_process import RunningService

from robustness.cgroup import Cgroup, NoCgroups
from robustness.greedy import KINDS, Kind, clients, fill
from robustness.process_metrics import megabytes_of

pytestmark = pytest.mark.slow

GROWTH_MEGABYTES = 100
"""The memory that all of them together may cost, in MB."""
COUNTS = {"idle": 900, "asset": 100, "body": 600, "stream": 500, "small-answers": 100}
"""The number of clients of some kinds. Without limits, most would cost more than GROWTH_MEGABYTES."""
COUNT = 200
"""The number of clients of the other kinds."""
SEND_SECONDS = 3.0
"""Seconds for which a client that the service doesn't read from tries to send."""
LIMIT = 128 * 2**20


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service that holds 24 MB of tasks."""
    with RunningService("--store", "sqlite:///tasks.db", "--log-format", "none", folder=tmp_path) as running:
        fill(running)
        yield running


def peak_megabytes(service: RunningService, *, seconds: float) -> float:
    """Returns the most memory that the service occupies within `seconds`, in MB."""
    end, peak = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        peak = max(peak, megabytes_of(service))
        time.sleep(0.02)
    return peak


@pytest.mark.parametrize("kind", KINDS)
def test_many_greedy_clients_cost_little_memory_and_others_are_served(service: RunningService, kind: str) -> None:
    before = megabytes_of(service)

    with clients(service.port, KINDS[kind], COUNTS.get(kind, COUNT), SEND_SECONDS):
        peak = peak_megabytes(service, seconds=1)
        answer = ask(service.url, "GET", "/tasks/1")

    assert answer.status == 200
    assert peak - before < GROWTH_MEGABYTES


@pytest.fixture(scope="module")
def small_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that may occupy LIMIT bytes."""
    with ExitStack() as stack:
        try:
            group = stack.enter_context(Cgroup(LIMIT))
        except NoCgroups as error:
            pytest.skip(str(error))
        arguments = ("--store", "sqlite:///tasks.db", "--log-format", "none")
        folder = tmp_path_factory.mktemp("small")
        running = stack.enter_context(RunningService(*arguments, folder=folder, before=group.command))
        fill(running)
        yield running


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_with_little_memory_survives_them_all_and_serves(small_service: RunningService, kind: str) -> None:
    assert small_service.process.poll() is None, small_service.output
    with clients(small_service.port, KINDS[kind], COUNTS.get(kind, COUNT), SEND_SECONDS):
        made = ask(small_service.url, "POST", "/tasks/", {"description": "made beside them"})
        shown = ask(small_service.url, "GET", "/tasks/1")

    assert (made.status, shown.status) == (201, 200)
    assert small_service.process.poll() is None


def test_behind_a_trusted_proxy_one_client_does_not_cost_another_its_connection(tmp_path: Path) -> None:
    def upload(client: str, size: int) -> bytes:
        return (
            f"POST /tasks/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {client}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        ).encode()

    body = b'{"description": "finished later"}' + b" " * 20_000
    greedy = Kind(lambda number: upload("203.0.113.2", 260_000) + b" " * 250_000)
    arguments = ("--store", "memory://", "--open", "--trusted-proxy", "127.0.0.1", "--log-format", "none")
    with (
        RunningService(*arguments, folder=tmp_path) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE_SECONDS) as modest,
    ):
        modest.sendall(upload("203.0.113.1", len(body)) + body[:-1])
        with clients(service.port, greedy, 150, SEND_SECONDS):
            modest.sendall(body[-1:])
            status = modest.recv(2**16)[:12]

    assert status == b"HTTP/1.1 201"
