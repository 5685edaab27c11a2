"""Batches of 8 MiB, whose values take far more memory and time than their size suggests."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from http_client import ask
from patience import PATIENCE_SECONDS
from service_process import RunningService

from robustness.process_metrics import megabytes_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

MEBIBYTE = 2**20
OPERATION = b'{"op":"create","task":{"description":"x","metadata":{"m":[' + b",".join([b"{}"] * 5_300) + b"]}}}"
BATCH = b"[" + b",".join([OPERATION] * (8 * MEBIBYTE // (len(OPERATION) + 1))) + b"]"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningService]:
    with RunningService("--store", "sqlite:///tasks.db", "--log-format", "none", folder=tmp_path) as service:
        yield service


def most_megabytes_of(service: RunningService) -> float:
    """Returns the most memory that the service has occupied so far, in MB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{service.process.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def send_batch(service: RunningService, body: bytes = BATCH) -> int:
    connection = HTTPConnection(
        "127.0.0.1", int(service.url.rpartition(":")[2].strip("/")), timeout=2 * PATIENCE_SECONDS
    )
    try:
        connection.request("POST", "/tasks/batch", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_a_batch_takes_little_more_memory_than_its_text(running: RunningService) -> None:
    ask(running.url, "POST", "/tasks/", {"description": "x"})
    before = megabytes_of(running)

    status = send_batch(running)

    assert status == 200
    assert most_megabytes_of(running) - before < 12 * len(BATCH) / MEBIBYTE


def test_one_large_operation_takes_no_memory(running: RunningService) -> None:
    before = megabytes_of(running)

    status = send_batch(running, b'[{"op":"create","task":{"metadata":{"m":[' + b"{}," * (8 * MEBIBYTE // 3 - 100))

    assert status == 413
    assert most_megabytes_of(running) - before < 5 * 8


def test_others_are_served_and_the_service_stays_ready_while_batches_are_done(running: RunningService) -> None:
    answered: list[int] = []
    with ThreadPoolExecutor() as pool:
        batches = [pool.submit(send_batch, running) for _ in range(3)]
        while not all(batch.done() for batch in batches):
            answered.append(ask(running.url, "GET", "/health/ready").status)

    assert [batch.result() for batch in batches] == [200] * 3
    assert set(answered) == {200}
    assert len(answered) > 20
