"""Another program holds the file locked: the wait is bounded, and then work goes on."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from http_client import Connection, NoAnswer, ask
from patience import FOREVER_SECONDS
from service_process import RunningService, run_tasksvc

pytestmark = pytest.mark.slow

KEPT = ("--store", "sqlite:///kept.db", "--log-format", "none")
WRITERS = 300
"""The number of clients, which is more than share a transaction."""
PATIENT_STORE = f"""
from tasksvc import hookimpl
from tasksvc_sqlite import path_of
from tasksvc_sqlite.repository import open_file
from tasksvc_sqlite.settings import Settings

PORT = 3

@hookimpl
async def tasksvc_open_store(url, scratch):
    return await open_file(path_of(url), scratch=scratch, settings=Settings(busy_timeout={FOREVER_SECONDS}))
"""
"""An adapter of SQLite files that waits as long as another program holds the file locked."""


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[RunningService]:
    """A service on such a store, in kept.db."""
    site = tmp_path / "site"
    (metadata := site / "patient_store-1.0.dist-info").mkdir(parents=True)
    (site / "patient_store.py").write_text(PATIENT_STORE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: patient-store\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tasksvc.stores]\npatient = patient_store\n")
    arguments = ("--store", "patient:///kept.db", "--log-format", "none")
    with RunningService(*arguments, folder=tmp_path, environment={"PYTHONPATH": str(site)}) as service:
        yield service


async def test_writes_wait_for_another_program_only_so_long_and_then_go_on(tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path) as service:
        ask(service.url, "POST", "/tasks/", {"description": "before"})
        with closing(sqlite3.connect(tmp_path / "kept.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers = await asyncio.gather(*(create(service.port, n) for n in range(WRITERS)))
            other.execute("COMMIT")
        created = ask(service.url, "POST", "/tasks/", {"description": "after"})
        tasks = ask(service.url, "GET", "/tasks/").document

    assert Counter(answers) == {Refusal(503, "not-done", "1"): WRITERS}
    assert created.status == 201
    assert [task["description"] for task in tasks] == ["before", "after"]


def in_flight(service: RunningService) -> int:
    """Returns the number of requests in flight, without this one."""
    figures = ask(service.url, "GET", "/metrics").body.decode()
    found = re.search(r"^tasksvc_requests_in_flight ([\d.]+)$", figures, re.MULTILINE)
    assert found is not None
    return int(float(found[1])) - 1


class Refusal(NamedTuple):
    """The parts of a response that explain a refusal."""

    status: int
    outcome: str | None
    retry_after: str | None


async def create(port: int, number: int) -> Refusal | None:
    """Creates a task and returns the refusal, or None if there was no response."""
    try:
        async with Connection(port) as connection:
            answer = await connection.request("POST", "/tasks/", {"description": f"{number}"})
    except NoAnswer:
        return None
    return Refusal(answer.status, answer.document.get("outcome"), answer.headers.get("retry-after"))


async def test_a_short_lock_is_waited_for_and_holds_up_no_reader(patient: RunningService) -> None:
    with closing(sqlite3.connect(patient.folder / "kept.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(create(patient.port, 1))
        while await asyncio.to_thread(in_flight, patient) < 1:
            await asyncio.sleep(0.01)
        listed = await asyncio.to_thread(ask, patient.url, "GET", "/tasks/")
        other.execute("COMMIT")
    answer = await writing
    assert answer == Refusal(201, None, None)
    assert (listed.status, listed.document) == (200, [])


async def test_a_lock_that_stays_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with (
        RunningService(*KEPT, folder=tmp_path) as service,
        closing(sqlite3.connect(tmp_path / "kept.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        writing = [asyncio.create_task(create(service.port, n)) for n in range(WRITERS)]
        while await asyncio.to_thread(in_flight, service) < 1:
            await asyncio.sleep(0.01)
        status = await asyncio.to_thread(service.stop)
        answers = await asyncio.gather(*writing)
    assert status == 0
    # Connections that the service hadn't accepted when it stopped listening get no response.
    assert set(answers) - {None} == {Refusal(503, "not-done", "1")}


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_file_that_is_locked_at_the_start_is_refused_in_one_sentence(lock: str, tmp_path: Path) -> None:
    with RunningService(*KEPT, folder=tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "kept.db", isolation_level=None)) as other:
        other.execute(lock)
        refused = run_tasksvc("--port", "0", *KEPT, folder=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "locked" in refused.stderr
