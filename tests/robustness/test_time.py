"""The wall clock jumps a day forward and back under a running service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from http_client import Answer, Connection

from robustness.in_process import InProcess
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application import clock as clock_module
from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts
from tasksvc.application.retention import Retention, prune_step
from tasksvc.application.tokens import new_secret

DAY = timedelta(days=1)
JUMPS = [DAY, -DAY, -2 * DAY, 2 * DAY, timedelta(0)]
"""Offsets from the true time, one after another."""


class Clock:
    """The wall clock of this process, which is `ahead` of the true one."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that replaces the wall clock for the service and the libraries."""
    clock = Clock()
    true_time = time.time

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + clock.ahead

    monkeypatch.setattr(clock_module, "datetime", Shifted)
    monkeypatch.setattr(time, "time", lambda: true_time() + clock.ahead.total_seconds())
    return clock


@pytest.fixture(params=["memory", "sqlite"])
async def running(request: pytest.FixtureRequest, tmp_path: Path, options: Options) -> AsyncIterator[InProcess]:
    """A service on each kind of store, without tokens."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db"
    async with InProcess(store, replace(options, tokens=TokenPolicy.NEVER)) as service:
        yield service


@pytest.fixture
async def client(running: InProcess) -> AsyncIterator[Connection]:
    async with Connection(running.port) as connection:
        yield connection


async def create(client: Connection, description: str, key: str | None = None) -> Answer:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.request("POST", "/tasks/", {"description": description}, headers)


async def change_log(client: Connection) -> list[dict[str, Any]]:
    """Returns the whole change log."""
    page = (await client.request("GET", "/changes?since=0&limit=1000")).document
    assert not page["more"]
    return list(page["changes"])


async def prune(running: InProcess) -> None:
    """Prunes all that is old now."""
    while await prune_step(running.service.repository, Retention(), at=now()):
        pass


async def test_ids_and_the_log_count_on_whatever_the_clock_says(client: Connection, clock: Clock) -> None:
    made = []
    for clock.ahead in JUMPS:
        made += [(await create(client, "x")).document for _ in range(3)]

    log = await change_log(client)
    listed = (await client.request("GET", "/tasks/")).document
    assert [task["id"] for task in made] == list(range(1, 16))
    assert listed == made
    assert [(change["seq"], change["task_id"]) for change in log] == [(number, number) for number in range(1, 16)]
    assert len({task["created_at"][:10] for task in made}) >= 4, "the clock did not jump"


async def test_a_task_is_never_changed_before_it_was_changed_last(client: Connection, clock: Clock) -> None:
    task_id = (await create(client, "x")).document["id"]
    times = []
    for number, clock.ahead in enumerate(JUMPS):
        changed = await client.request("PATCH", f"/tasks/{task_id}", {"priority": number + 1, "done": bool(number % 2)})
        times.append(changed.document["updated_at"])

    assert times == sorted(times)
    assert changed.document["version"] == 1 + len(JUMPS)
    log = await change_log(client)
    assert [change["task"]["version"] for change in log] == list(range(1, 2 + len(JUMPS)))
    assert [change["at"] for change in log[1:]] == times


@pytest.mark.parametrize("sort", ["id", "-id", "created_at", "-created_at", "updated_at", "-updated_at"])
async def test_a_walk_through_pages_misses_nothing_and_repeats_nothing(
    client: Connection, clock: Clock, sort: str
) -> None:
    for clock.ahead in JUMPS:
        await create(client, "x")
        await create(client, "x")
    walked = []
    path: str | None = f"/tasks/?sort={sort}&limit=2"
    jumps = iter(JUMPS * 2)

    while path is not None:
        clock.ahead = next(jumps)
        page = await client.request("GET", path)
        walked += [task["id"] for task in page.document]
        link = page.headers.get("link")
        path = None if link is None else urljoin(path, link.partition("<")[2].partition(">")[0])

    everything = (await client.request("GET", f"/tasks/?sort={sort}")).document
    assert walked == [task["id"] for task in everything]
    assert sorted(walked) == list(range(1, 11))


async def test_a_reader_of_the_log_goes_on_where_it_was(client: Connection, clock: Clock) -> None:
    seen: list[int] = []
    since = "0"
    for clock.ahead in JUMPS:
        await create(client, "x")
        page = (await client.request("GET", f"/changes?since={since}")).document
        seen += [change["seq"] for change in page["changes"]]
        since = page["next"]

    assert seen == list(range(1, 1 + len(JUMPS)))


async def test_a_stream_goes_on(running: InProcess, client: Connection, clock: Clock) -> None:
    async with Connection(running.port) as stream:
        stream.send("GET", "/changes/stream?since=0")
        assert (await stream.head())[0] == 200
        for clock.ahead in JUMPS:
            await create(client, f"at {clock.ahead}")
            await stream.until(f"at {clock.ahead}".encode())


@pytest.mark.parametrize("made_at", [-DAY, timedelta(0), DAY])
@pytest.mark.parametrize("repeated_at", [-DAY, timedelta(0), DAY])
async def test_a_retry_key_holds_for_a_day_of_any_clock(
    running: InProcess, client: Connection, clock: Clock, made_at: timedelta, repeated_at: timedelta
) -> None:
    clock.ahead = made_at
    first = await create(client, "once", key="the-key")
    clock.ahead = repeated_at
    await prune(running)

    again = await create(client, "once", key="the-key")

    assert again.headers.get("idempotency-replayed") == "true"
    assert again.document == first.document


async def test_pruning_takes_nothing_that_is_young_and_forgets_nothing_that_is_old(
    running: InProcess, client: Connection, clock: Clock
) -> None:
    for clock.ahead in JUMPS:
        await create(client, "x", key=f"key {clock.ahead}")
        await prune(running)
    assert len(await change_log(client)) == len(JUMPS)

    clock.ahead = Retention().max_age + 3 * DAY
    await prune(running)

    clock.ahead = timedelta(0)
    gone = await client.request("GET", "/changes?since=0")
    assert gone.status == 410
    assert (await create(client, "x", key=f"key {DAY}")).headers.get("idempotency-replayed") is None
    assert (await client.request("GET", "/tasks/")).document[-1]["id"] == len(JUMPS) + 1


async def test_a_token_expires_by_the_clock_and_a_limit_does_not(tmp_path: Path, clock: Clock) -> None:
    root = new_secret()
    options = Options(tokens=TokenPolicy.ALWAYS, admin_token=root)
    async with InProcess(f"sqlite:///{tmp_path}/tasks.db", options) as service, Connection(service.port) as client:
        expires = (now() + DAY / 2).isoformat()
        made = await client.request(
            "POST",
            "/admin/tokens",
            {"name": "short", "scope": "read", "expires_at": expires},
            {"Authorization": f"Bearer {root}"},
        )
        assert made.status == 201, made
        shown = {"Authorization": f"Bearer {made.document['token']}"}
        statuses = []
        for clock.ahead in (timedelta(0), DAY, -DAY, DAY, timedelta(0)):
            statuses.append((await client.request("GET", "/tasks/", headers=shown)).status)

    assert statuses == [200, 401, 200, 401, 200]


@pytest.mark.options(timeouts=Timeouts(body=1.0))
async def test_no_timeout_waits_for_the_wall_clock(running: InProcess, client: Connection, clock: Clock) -> None:
    began = time.monotonic()
    async with Connection(running.port) as slow, Connection(running.port) as waiting:
        slow.send_head("POST", "/tasks/", 100)
        waiting.send("GET", "/changes/stream")
        await waiting.head()
        clock.ahead = -DAY

        late = await slow.answer()

        assert late.status == 408
        assert time.monotonic() - began > 0.9
        clock.ahead = DAY
        await create(client, "still live")
        await waiting.until(b"still live")
        assert (await client.request("GET", "/health/ready")).status == 200
