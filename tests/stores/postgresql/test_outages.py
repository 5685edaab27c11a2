"""A server that is killed under load and restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from stores.postgresql.repositories import Open
from stores.postgresql.server import Server
from tasksvc import (
    LOG_START,
    Change,
    CreateTask,
    IdempotencyKey,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
)
from tasksvc.application.clock import now

BOUND = 10.0
"""Seconds for a call that should end within two."""


class Load:
    """Writers and readers that run until they are stopped, and record what was acknowledged."""

    def __init__(self, repository: TaskRepository, name: str) -> None:
        self._repository, self._name = repository, name
        self._stop = asyncio.Event()
        self.acknowledged: dict[int, str] = {}
        """The description of each acknowledged task."""
        self.longest = 0.0
        """The longest time that a call took, in seconds."""
        self.failures = 0
        self.last_success = 0.0

    async def run(self, writers: int) -> None:
        await asyncio.gather(*map(self._write, range(writers)), *(self._read() for _ in range(4)))

    def stop(self) -> None:
        self._stop.set()

    async def _write(self, writer: int) -> None:
        count = 0
        while not self._stop.is_set():
            description = f"{self._name}-{writer}-{count}"
            # Odd writers have no key, so they never repeat: some of their unacknowledged writes may be there.
            key = None if writer % 2 else IdempotencyKey("", description, "f")
            while (task := await self._timed(self._add(description, key))) is None and key is not None:
                await asyncio.sleep(0.02)
            if isinstance(task, Task):
                self.acknowledged[task.id] = task.description
            count += 1

    async def _add(self, description: str, key: IdempotencyKey | None) -> object:
        committed = await self._repository.commit([CreateTask(TaskDraft(description))], at=now(), idempotency_key=key)
        return committed.results[0]

    async def _read(self) -> None:
        while not self._stop.is_set():
            await self._timed(self._repository.find(TaskQuery(), limit=10))
            await asyncio.sleep(0.01)

    async def _timed(self, call: object) -> object:
        """Returns the result of `call`, or None if the store was unavailable."""
        began = time.monotonic()
        try:
            answer: object = await call  # type: ignore[misc]
        except StoreUnavailable:
            self.failures += 1
            return None
        else:
            self.last_success = time.monotonic()
            return answer
        finally:
            self.longest = max(self.longest, time.monotonic() - began)


async def whole_log(repository: TaskRepository) -> list[Change]:
    return [change async for change in _walk(repository)]


async def _walk(repository: TaskRepository) -> AsyncIterator[Change]:
    since = LOG_START
    while True:
        page = await repository.read_changes(since, limit=1_000)
        for change in page.changes:
            yield change
        since = page.next
        if not page.more:
            return


async def survives_kills(server: Server, open_store: Open, schema: str, *, rounds: int) -> None:
    """Kills the server's parent process with SIGKILL under the load of two replicas, and checks what is left."""
    url = server.tcp_url()
    repositories = [await open_store(url, schema=schema, timeout=0.6) for _ in range(2)]
    loads = [Load(repository, f"replica{n}") for n, repository in enumerate(repositories)]
    running = [asyncio.create_task(load.run(writers=8)) for load in loads]
    resumed = []

    for number in range(rounds):
        await asyncio.sleep(0.15 + 0.01 * number)
        server.kill()
        await asyncio.sleep(0.05 if number else 0.7)  # the first time for longer than a call has
        await asyncio.to_thread(server.start)
        began = time.monotonic()
        while not all(load.last_success > began for load in loads):
            await asyncio.sleep(0.01)
            assert time.monotonic() - began < 50, "the service resumes after the server's return"
        resumed.append(time.monotonic() - began)
    for load in loads:
        load.stop()
    await asyncio.gather(*running)

    log = await whole_log(repositories[0])
    there = {change.task_id: change.task.description for change in log if change.task is not None}
    acknowledged = loads[0].acknowledged | loads[1].acknowledged
    assert sum(load.failures for load in loads) > 0, "there were failures"
    assert max(load.longest for load in loads) < BOUND, "no call hangs"
    assert len(acknowledged) == sum(len(load.acknowledged) for load in loads), "no id was given twice"
    assert acknowledged.items() <= there.items(), "no acknowledged write is lost"
    assert [change.seq for change in log] == list(range(1, len(log) + 1)), "the log has no gaps"
    descriptions = list(there.values())
    assert len(set(descriptions)) == len(descriptions), "nothing was done twice"
    print(  # noqa: T201  (shown with pytest -s)
        f"{rounds} kills: {len(acknowledged):,} acknowledged, {sum(load.failures for load in loads):,} failures,"
        f" slowest call {max(load.longest for load in loads):.2f} s, back after {max(resumed):.2f} s at the most"
    )


async def test_a_killed_server_loses_nothing_that_was_acknowledged_and_hangs_nobody(
    own_server: Server, open_store: Open, schema: str
) -> None:
    await survives_kills(own_server, open_store, schema, rounds=3)


@pytest.mark.soak
async def test_50_kills(own_server: Server, open_store: Open, schema: str) -> None:
    await survives_kills(own_server, open_store, schema, rounds=50)


async def test_readiness_says_why_while_the_server_is_away(own_server: Server, open_store: Open, schema: str) -> None:
    repository = await open_store(own_server.tcp_url(), schema=schema)

    own_server.stop()
    with pytest.raises(StoreUnavailable) as failure:
        await repository.ping()
    own_server.start()

    assert "Connect call failed" in str(failure.value)
    assert own_server.password not in str(failure.value)
    await repository.ping()
