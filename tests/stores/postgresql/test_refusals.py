"""A server that refuses, waits or accepts no writes: callers get clear errors, and nothing is half done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from tasksvc_postgresql.errors import DRIVER_ERRORS

from stores.postgresql.repositories import Open
from stores.postgresql.server import Server
from tasksvc import (
    LOG_START,
    CommitResult,
    CreateTask,
    IdempotencyKey,
    OutcomeUnknown,
    PutRecord,
    StoreClosed,
    StoreFull,
    StoreUnavailable,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
)
from tasksvc.application.clock import now

BOUND = 10.0
"""Seconds for a call that should end within two."""


async def add(
    repository: TaskRepository, description: str = "x", *, idempotency_key: IdempotencyKey | None = None
) -> CommitResult:
    return await repository.commit([CreateTask(TaskDraft(description))], at=now(), idempotency_key=idempotency_key)


async def patch(repository: TaskRepository, **fields: object) -> CommitResult:
    return await repository.commit([UpdateTask(1, fields)], at=now())


@asynccontextmanager
async def refusing(database: asyncpg.Connection, schema: str, code: str, *, times: int = 10**9) -> AsyncIterator[None]:
    """Makes the server refuse to write to the header with the SQLSTATE `code`, that number of `times`."""
    await database.execute(
        f"""
        CREATE SEQUENCE {schema}.refusals;
        CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('{schema}.refusals') <= {times} THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON {schema}.workspaces FOR EACH ROW EXECUTE FUNCTION {schema}.refuse();
        """
    )
    yield
    await database.execute(f"DROP FUNCTION {schema}.refuse CASCADE; DROP SEQUENCE {schema}.refusals")


# ---------------------------------------------------------------- again, but not forever


@pytest.mark.parametrize("code", ["40001", "40P01"])
async def test_a_serialization_failure_or_deadlock_is_tried_again(
    code: str, open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)

    async with refusing(database, schema, code, times=2):
        added = await add(repository)
        patched = await patch(repository, priority=3)

    assert (added.position.seq, patched.position.seq) == (1, 2), "each was done once"


async def test_a_transaction_that_always_fails_is_given_up(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await add(repository)

    async with refusing(database, schema, "40001"):
        with pytest.raises(StoreUnavailable) as failure:
            await patch(repository, priority=3)
        tries = await database.fetchval(f"SELECT last_value FROM {schema}.refusals")

    assert not isinstance(failure.value, OutcomeUnknown), "nothing was written, and that is known"
    assert 2 <= tries <= 10
    assert (await repository.get(1)).task.version == 1


@pytest.fixture
async def third(server_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside those of the repository and `database`."""
    connection = await asyncpg.connect(server_url)
    yield connection
    await connection.close()


async def test_a_real_deadlock_is_resolved(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection, third: asyncpg.Connection
) -> None:
    repository = await open_store(store_url, deadlock_timeout="50ms")
    await add(repository)
    await third.execute(f"BEGIN; LOCK {schema}.idempotency_keys IN ACCESS EXCLUSIVE MODE")
    await database.execute("SET deadlock_timeout = '60s'; BEGIN")
    await database.execute(f"UPDATE {schema}.tasks SET priority = 0 WHERE id = 1")
    idempotency_key = IdempotencyKey("", "k", "f")
    patching = asyncio.create_task(
        repository.commit([UpdateTask(1, {"done": True})], at=now(), idempotency_key=idempotency_key)
    )
    await until_waiting(third, 1)  # the repository's transaction, which has the header and has yet to write the task
    locking = asyncio.create_task(database.execute(f"SELECT FROM {schema}.workspaces FOR UPDATE"))
    await until_waiting(third, 2)

    # Now the repository's transaction is the one that closes the circle, so it notices, and is the one that fails.
    await third.execute("ROLLBACK")
    await locking
    await database.execute("ROLLBACK")

    assert (await patching).position.seq == 2
    assert (await repository.get(1)).task.done


async def until_waiting(database: asyncpg.Connection, count: int) -> None:
    """Waits until `count` sessions wait for a lock."""
    while await database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < count:
        await asyncio.sleep(0.01)


async def test_sessions_that_an_administrator_ends_are_replaced(
    open_store: Open, store_url: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await add(repository)
    await asyncio.gather(*(repository.find(TaskQuery(priority_min=n), limit=1) for n in range(8)))

    await database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tasksvc'")

    assert (await patch(repository, done=True)).position.seq == 2
    assert (await repository.find(TaskQuery(), limit=1)).position.seq == 2


# ---------------------------------------------------------------- full, slow, busy


async def test_a_full_disk_of_the_server_is_reported_as_such(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)

    async with refusing(database, schema, "53100"):
        with pytest.raises(StoreFull):
            await add(repository)

    assert (await add(repository)).position.seq == 1, "the store serves again when there is room"


async def test_a_lock_timeout_says_that_nothing_was_written(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url, statement_timeout="1s")
    await add(repository)
    theirs = database.transaction()
    await theirs.start()
    await database.execute(f"SELECT FROM {schema}.workspaces FOR UPDATE")

    for write in (add, patch):
        with pytest.raises(StoreUnavailable) as failure:
            await write(repository)
        assert not isinstance(failure.value, OutcomeUnknown)
        assert failure.value.retry_after > 0
    assert (await repository.get(1)).task.version == 1, "reads go on meanwhile"
    await theirs.rollback()

    assert (await add(repository)).position.seq == 2


async def test_a_process_that_stands_still_in_its_transaction_loses_it(
    open_store: Open, store_url: str, schema: str
) -> None:
    """It holds the lock that all others wait for, and may never continue."""
    repository = await open_store(store_url, timeout=5)
    session = repository._store._settings.session  # type: ignore[attr-defined]
    frozen = await asyncpg.connect(store_url.partition("&schema=")[0], server_settings=session)
    await frozen.execute("BEGIN; SELECT FROM workspaces FOR UPDATE")

    added = await add(repository)

    assert added.position.seq == 1
    with pytest.raises(DRIVER_ERRORS):
        await frozen.execute("COMMIT")
    frozen.terminate()


async def test_a_search_that_takes_too_long_is_given_up_and_the_connection_kept(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url, statement_timeout="1s")
    await add(repository)
    await repository._store.notifier.close()  # type: ignore[attr-defined]  # which has told of the task, and is idle
    pool = repository._store.executor._pool  # type: ignore[attr-defined]
    idle = list(pool._idle)
    lock = database.transaction()
    await lock.start()
    await database.execute(f"LOCK {schema}.tasks IN ACCESS EXCLUSIVE MODE")

    with pytest.raises(StoreUnavailable, match="too long"):
        await repository.find(TaskQuery(q="x"), limit=1)

    await lock.rollback()
    assert sorted(pool._idle, key=id) == sorted(idle, key=id)
    assert len((await repository.find(TaskQuery(q="x"), limit=1)).tasks) == 1


async def test_a_search_that_begins_late_and_fails_costs_nobody_else_a_connection(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url, pool_size=2, timeout=3, statement_timeout="1800ms")
    await add(repository)
    await asyncio.gather(*(repository.records(space, limit=1) for space in "ab"))
    pool = repository._store.executor._pool  # type: ignore[attr-defined]
    assert len(pool._idle) == 2
    lock = database.transaction()
    await lock.start()
    await database.execute(f"LOCK {schema}.tasks IN ACCESS EXCLUSIVE MODE")

    # The second one waits for the first, which the server gives up when more than half of the time of both is over.
    outcomes = await asyncio.gather(*(repository.find(TaskQuery(q=q), limit=1) for q in "xy"), return_exceptions=True)

    await lock.rollback()
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, StoreUnavailable]
    assert len(pool._idle) == 1


async def test_when_all_connections_are_in_use_callers_wait_and_get_an_error(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url, pool_size=2, timeout=1.5)
    over = asyncio.Event()
    connections = repository._store.executor  # type: ignore[attr-defined]
    deadline = asyncio.get_running_loop().time() + 60
    busy = [asyncio.create_task(connections.run(lambda _: over.wait(), deadline=deadline)) for _ in range(2)]
    await asyncio.sleep(0)

    began = time.monotonic()
    outcomes = await asyncio.gather(
        repository.read_changes(LOG_START, limit=1), repository.get(1), add(repository), return_exceptions=True
    )

    assert time.monotonic() - began < BOUND
    for outcome in outcomes:
        assert isinstance(outcome, StoreUnavailable)
        assert "All 2 connections" in str(outcome)
        assert not isinstance(outcome, OutcomeUnknown)
    over.set()
    await asyncio.gather(*busy)
    assert (await add(repository)).position.seq == 1


async def test_searches_leave_connections_to_everybody_else(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url, pool_size=4)
    await add(repository)
    lock = database.transaction()
    await lock.start()
    await database.execute(f"LOCK {schema}.tasks IN ACCESS EXCLUSIVE MODE")
    searches = [asyncio.create_task(repository.find(TaskQuery(q=str(n)), limit=1)) for n in range(20)]
    await asyncio.sleep(0.1)

    page = await repository.read_changes(LOG_START, limit=1)

    assert len(page.changes) == 1
    await lock.rollback()
    await asyncio.gather(*searches)


async def test_a_search_that_waits_too_long_for_others_gets_an_error(
    open_store: Open,
    store_url: str,
    schema: str,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository = await open_store(store_url, pool_size=2, statement_timeout="60s")
    await add(repository)
    lock = database.transaction()
    await lock.start()
    await database.execute(f"LOCK {schema}.tasks IN ACCESS EXCLUSIVE MODE")
    others = [asyncio.create_task(repository.find(TaskQuery(q=f"no such {n}"), limit=1)) for n in range(2)]
    await asyncio.sleep(0.1)

    soon = asyncio.get_running_loop().time() + 0.5
    monkeypatch.setattr(repository._store.executor, "deadline", lambda since: soon)  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="Too many searches"):
        await repository.find(TaskQuery(q="2"), limit=1)

    await lock.rollback()
    assert [page.tasks for page in await asyncio.gather(*others)] == [[], []]


async def test_a_call_has_the_time_from_when_it_came_in_however_long_it_queued(
    open_store: Open, store_url: str
) -> None:
    repository = await open_store(store_url, timeout=2)
    await add(repository)
    connections = repository._store.executor  # type: ignore[attr-defined]
    run, free, deadlines = connections.run, asyncio.Event(), []

    async def noted(work: object, *, deadline: float) -> object:
        deadlines.append(deadline)
        await free.wait()
        return await run(work)

    connections.run = noted
    first = asyncio.create_task(repository.get(1))
    await asyncio.sleep(0.01)
    soon = asyncio.create_task(repository.get(1))
    await asyncio.sleep(1.8)
    late = asyncio.create_task(repository.get(1))
    await asyncio.sleep(0.01)
    free.set()

    await first
    with pytest.raises(StoreUnavailable, match="too slow"):
        await soon
    assert (await late).task.id == 1
    assert len(deadlines) == 2, "what has too little time left is not begun"
    assert deadlines[1] - deadlines[0] > 1.76, "a group ends by the time of those in it"


async def test_the_connection_of_a_read_that_is_cancelled_is_not_used_again(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await add(repository)
    await repository._store.notifier.close()  # type: ignore[attr-defined]  # which uses the connection too
    lock = database.transaction()
    await lock.start()
    await database.execute(f"LOCK {schema}.records IN ACCESS EXCLUSIVE MODE")
    reading = asyncio.create_task(repository.record("s", "n"))
    await until_waiting(database, 1)

    reading.cancel()
    await asyncio.wait([reading])

    assert repository._store.executor._pool._idle == []  # type: ignore[attr-defined]
    await lock.rollback()
    assert await repository.record("s", "n") is None


async def test_large_commits_do_not_share_a_transaction(open_store: Open, store_url: str) -> None:
    """Each has to end in time, and none has to wait for the size of others."""
    repository = await open_store(store_url)
    sizes: list[int] = []
    work = repository._store.commits._work  # type: ignore[attr-defined]

    async def noted(session: object, commits: list[object]) -> object:
        sizes.append(len(commits))
        return await work(session, commits)

    repository._store.commits._work = noted  # type: ignore[attr-defined]
    large = [CreateTask(TaskDraft("x"))] * 600

    committed = await asyncio.gather(*(repository.commit(large, at=now()) for _ in range(3)), add(repository))

    assert [each.position.seq for each in committed] == [600, 1_200, 1_800, 1_801]
    assert sizes == [1, 1, 2]


# ---------------------------------------------------------------- a server that accepts no more writes


async def test_a_server_that_was_demoted_is_left(own_server: Server, open_store: Open) -> None:
    repository = await open_store(own_server.tcp_url(), schema="demoted", timeout=1)
    await add(repository)
    try:
        own_server.reload(default_transaction_read_only="on")
        connections = await open_connections(own_server)

        await until(lambda: is_not_ready(repository))
        assert await fails(repository, StoreUnavailable)
    finally:
        own_server.reload(default_transaction_read_only="off")

    await until(lambda: succeeds(repository))
    assert not connections & await open_connections(own_server), "no connection to the demoted server is used again"


async def open_connections(server: Server) -> set[int]:
    """Returns the processes of the server that serve a repository."""
    admin = await asyncpg.connect(server.url)
    rows = await admin.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'tasksvc'")
    await admin.close()
    return {row[0] for row in rows}


async def until(holds: object) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # type: ignore[operator]
            await asyncio.sleep(0.02)


async def is_not_ready(repository: TaskRepository) -> bool:
    try:
        await repository.ping()
    except StoreUnavailable as error:
        return "takes no writes" in str(error)
    return False


async def fails(repository: TaskRepository, kind: type[Exception]) -> bool:
    try:
        await add(repository)
    except kind:
        return True
    return False


async def succeeds(repository: TaskRepository) -> bool:
    return not await fails(repository, StoreUnavailable)


async def test_writes_leave_a_server_that_was_demoted(own_server: Server, open_store: Open) -> None:
    """The refused write alone is enough, without a check of the server's state first."""
    repository = await open_store(own_server.tcp_url(), schema="demoted", timeout=1)
    try:
        own_server.reload(default_transaction_read_only="on")
        await until(lambda: fails(repository, StoreUnavailable))
        connections = await open_connections(own_server)
    finally:
        own_server.reload(default_transaction_read_only="off")

    await until(lambda: succeeds(repository))
    assert not connections & await open_connections(own_server)


# ---------------------------------------------------------------- gone


async def test_a_schema_that_is_gone_is_reported_as_such(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await database.execute(f"DROP SCHEMA {schema} CASCADE")

    for call in (add(repository), repository.get(1), repository.find(TaskQuery(), limit=1), repository.ping()):
        with pytest.raises(StoreUnavailable, match="gone"):
            await call


async def test_a_closed_store_says_so_to_every_call(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    dump = repository.dump()
    await repository.close()
    await repository.close()

    for call in (
        add(repository),
        repository.get(1),
        repository.find(TaskQuery(), limit=1),
        repository.changes(LOG_START, limit=1, wait=60),
        repository.record("s", "n"),
        repository.records("s", limit=1),
        repository.commit([PutRecord("s", "n", {})], at=now()),
        repository.prune(log_before=now(), max_changes=0, keys_before=now(), limit=1),
        repository.restore(dump),
        anext(dump),
        repository.ping(),
    ):
        with pytest.raises(StoreClosed):
            await call


async def test_a_server_that_does_not_sync_by_default_does_so_for_what_is_acknowledged(
    own_server: Server, open_store: Open
) -> None:
    repository = await open_store(own_server.tcp_url(), schema="synced", synchronous_commit="off")

    settings = await repository._store.executor.run(  # type: ignore[attr-defined]
        lambda session: session.fetch("SHOW synchronous_commit")
    )

    assert settings[0][0] == "on"
