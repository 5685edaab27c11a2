"""Abandoned searches end at the server, and no search takes the connections of other calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from patience import PATIENCE_SECONDS

from stores.postgresql.repositories import Open
from tasksvc import CreateTask, SortField, TaskDraft, TaskQuery, TaskRepository
from tasksvc.application.clock import now

Search = Callable[[TaskRepository, str], Awaitable[object]]

SEARCHES: dict[str, Search] = {
    "find": lambda repository, text: repository.find(TaskQuery(q=text), limit=10),
    "count": lambda repository, text: repository.count(TaskQuery(q=text)),
    "a list that no index has": lambda repository, text: repository.find(
        TaskQuery(done=True, labels=(text,), sort=SortField.CREATED_AT), limit=10
    ),
}


@pytest.fixture(params=SEARCHES.values(), ids=list(SEARCHES))
def search(request: pytest.FixtureRequest) -> Search:
    found: Search = request.param
    return found


@pytest.fixture
async def locked(store_url: str, open_store: Open, schema: str, database: asyncpg.Connection) -> TaskRepository:
    """A store of few connections in which all reads of tasks wait until `database` commits."""
    repository = await open_store(store_url, pool_size=4, timeout=600)
    await repository.commit([CreateTask(TaskDraft("a task"))], at=now())
    await database.execute(f"BEGIN; LOCK TABLE {schema}.tasks IN ACCESS EXCLUSIVE MODE")
    return repository


async def waiting_at_server(database: asyncpg.Connection, schema: str) -> int:
    """Returns the number of statements that wait for the lock."""
    held = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass"
    return int(await database.fetchval(held, f"{schema}.tasks"))


async def reached(database: asyncpg.Connection, schema: str, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await waiting_at_server(database, schema) != count:
            await asyncio.sleep(0.02)


async def test_a_cancelled_search_ends_at_the_server(
    locked: TaskRepository, schema: str, database: asyncpg.Connection, search: Search
) -> None:
    searching = asyncio.ensure_future(search(locked, "x"))
    await reached(database, schema, 1)

    searching.cancel()
    await reached(database, schema, 0)

    await database.execute("COMMIT")
    assert (await locked.get(1)).task.description == "a task"


async def test_a_search_for_several_callers_ends_when_all_of_them_are_cancelled(
    locked: TaskRepository, schema: str, database: asyncpg.Connection, search: Search
) -> None:
    first, second = (asyncio.ensure_future(search(locked, "x")) for _ in range(2))
    await reached(database, schema, 1)

    first.cancel()
    await asyncio.wait([first])
    await database.execute("COMMIT")

    assert await second is not None


async def test_searches_leave_connections_to_other_calls(
    locked: TaskRepository, schema: str, database: asyncpg.Connection, search: Search
) -> None:
    searching = [asyncio.ensure_future(search(locked, f"{number}")) for number in range(10)]
    await reached(database, schema, 2)

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await asyncio.gather(*(locked.record("space", f"{number}") for number in range(20))) == [None] * 20

    assert await waiting_at_server(database, schema) == 2
    await database.execute("COMMIT")
    await asyncio.gather(*searching)


async def test_connections_of_cancelled_searches_are_used_again(
    locked: TaskRepository, schema: str, database: asyncpg.Connection, search: Search
) -> None:
    for turn in range(10):
        searching = [asyncio.ensure_future(search(locked, f"{turn} {number}")) for number in range(5)]
        await reached(database, schema, 2)
        for each in searching:
            each.cancel()
        await reached(database, schema, 0)

    await database.execute("COMMIT")

    assert (await locked.count(TaskQuery())) == 1
    used = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tasksvc' AND query LIKE '%tasks%'"
    assert await database.fetchval(used) <= 4
