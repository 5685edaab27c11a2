"""A store behind PgBouncer: it works in each mode in which it can, and is refused in the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from stores.pooler.bouncer import Bouncer
from stores.postgresql.proxy import Proxy
from stores.postgresql.repositories import PATIENCE, Open
from stores.postgresql.server import Server, with_parameters
from tasksvc import (
    LOG_START,
    CommitResult,
    CreateTask,
    IdempotencyKey,
    PositionGone,
    PutRecord,
    StoreEntry,
    StoreHeader,
    StoreRefused,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
)
from tasksvc.application.clock import now
from tasksvc.application.retention import Retention, prune_step
from tasksvc.store_adapters import open_reader, open_repository

pytestmark = pytest.mark.pooler

HASTY = 1.0
"""The timeout in seconds of a call that should fail."""
IGNORED = "search_path,default_transaction_isolation,statement_timeout,idle_in_transaction_session_timeout,jit"
"""The startup parameters that operators let PgBouncer ignore, so that clients may send them."""


async def add(repository: TaskRepository, description: str = "x") -> CommitResult:
    return await repository.commit([CreateTask(TaskDraft(description, labels=("a",)))], at=now())


async def tasks(repository: TaskRepository) -> list[Task]:
    return list((await repository.find(TaskQuery(), limit=1_000)).tasks)


async def content(entries: AsyncIterator[StoreEntry]) -> list[StoreEntry]:
    return [unit async for unit in entries if not isinstance(unit.entry, StoreHeader)]


async def until_done(call: Callable[[], Awaitable[object]]) -> None:
    """Repeats what fails while the server is away."""
    async with asyncio.timeout(60):
        while True:
            try:
                await call()
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def use(repository: TaskRepository) -> None:
    """Does everything that a service does, much of it at once, on an empty store."""
    await add(repository)
    idempotency_key = IdempotencyKey("", "key", "f")
    writes = [repository.commit([UpdateTask(1, {"metadata": {str(n): n}})], at=now()) for n in range(40)]
    reads = [repository.find(TaskQuery(labels=("a",)), limit=n + 1) for n in range(40)]
    keyed = [
        repository.commit([CreateTask(TaskDraft("once"))], at=now(), idempotency_key=idempotency_key) for _ in range(10)
    ]
    await asyncio.gather(*writes, *reads, *keyed, *(repository.get(1) for _ in range(40)))
    await repository.commit([PutRecord("s", "a", {})], at=now())
    assert await repository.record("s", "a")
    assert [task.description for task in await tasks(repository)] == ["x", "once"]
    assert (await repository.get(1)).task.metadata == {str(n): n for n in range(40)}
    assert (await repository.read_changes(LOG_START, limit=100)).next.seq == 42
    assert await repository.check() == []
    await prune_step(repository, Retention(max_changes=10), at=now())
    await repository.ping()


# ---------------------------------------------------------------- what works


@pytest.mark.parametrize("settings", [{}, {"ignore_startup_parameters": IGNORED}], ids=["plain", "ignoring"])
@pytest.mark.parametrize(("mode", "size"), [("session", 4), ("transaction", 20), ("transaction", 1)])
async def test_a_store_is_served_and_found_again(
    mode: str,
    settings: dict[str, str],
    size: int,
    server: Server,
    open_store: Open,
    schema: str,
    database: asyncpg.Connection,
) -> None:
    with Bouncer(server, pool_mode=mode, default_pool_size=size, **settings) as bouncer:
        first = await open_store(bouncer.url(), pool_size=2)
        await use(first)
        await first.close()

        again = await open_store(bouncer.url(), pool_size=2)

        direct = await open_store(server.url)
        assert await tasks(again) == await tasks(direct) != []
        again_made = await add(again)
        assert (await direct.get(3)).task == again_made.results[0], "it is one store"
        await again.close()
    places = await database.fetch("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'task_terms'")
    assert ("public",) not in map(tuple, places)
    assert (schema,) in map(tuple, places)


async def test_the_log_says_that_a_pooler_stands_between(
    bouncer: Bouncer, server: Server, open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    await open_store(server.url)
    assert "pooler" not in caplog.text

    await open_store(bouncer.url())

    assert "is reached through a connection pooler" in caplog.text
    assert server.password not in caplog.text


async def test_several_processes_share_the_sessions(bouncer: Bouncer, open_store: Open) -> None:
    repositories = [await open_store(bouncer.url(), pool_size=2) for _ in range(4)]
    await add(repositories[0])

    await asyncio.gather(
        *(repositories[n % 4].commit([UpdateTask(1, {"metadata": {str(n): n}})], at=now()) for n in range(100)),
        *(repositories[n % 4].find(TaskQuery(), limit=n % 7 + 1) for n in range(100)),
    )

    assert (await repositories[1].get(1)).task.metadata == {str(n): n for n in range(100)}


async def test_a_store_is_exported_checked_and_restored(bouncer: Bouncer, open_store: Open, schema: str) -> None:
    source = await open_store(bouncer.url())
    await use(source)
    reader = await open_reader(with_parameters(bouncer.url(), schema=schema, timeout=PATIENCE))
    target = await open_repository(with_parameters(bouncer.url(), schema=f"{schema}_2", timeout=PATIENCE))

    try:
        await target.restore(reader.dump())

        assert await content(target.dump()) == await content(source.dump()) == await content(reader.dump())
        assert await reader.check() == []
    finally:
        await target.close()


async def test_a_reader_through_the_pooler_sees_what_others_write(
    bouncer: Bouncer, server: Server, open_store: Open
) -> None:
    reader = await open_store(bouncer.url())
    writers = [reader, await open_store(bouncer.url()), await open_store(server.url)]
    head = (await reader.find(TaskQuery(), limit=1)).position

    for writer in writers:
        waiting = asyncio.create_task(reader.changes(head, limit=10, wait=60))
        await asyncio.sleep(0.2)
        head = (await add(writer)).position
        assert (await waiting).next == head


async def test_a_reader_through_the_pooler_is_woken_by_an_erasure(
    bouncer: Bouncer, server: Server, open_store: Open
) -> None:
    reader = await open_store(bouncer.url())

    for writer in (reader, await open_store(bouncer.url()), await open_store(server.url)):
        head = (await add(writer.workspace("a"))).position
        waiting = asyncio.create_task(reader.workspace("a").changes(head, limit=10, wait=60))
        await asyncio.sleep(0.2)
        await writer.workspace("a").erase()
        with pytest.raises(PositionGone):
            await waiting


async def test_a_listener_at_the_server_is_notified_of_writes_through_the_pooler(
    bouncer: Bouncer, database: asyncpg.Connection, open_store: Open, schema: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    await database.add_listener("tasksvc", lambda *told: heard.put_nowait(told[-1]))

    position = (await add(await open_store(bouncer.url()))).position

    async with asyncio.timeout(60):
        while (told := json.loads(await heard.get()))[0] != schema:
            pass
    assert told == [schema, "default", *position]
    await database.reset()


async def test_a_server_and_a_pooler_that_restart_are_survived(open_store: Open) -> None:
    with Server() as server, Bouncer(server, pool_mode="transaction", server_login_retry=0.1) as bouncer:
        repository = await open_store(bouncer.url())
        hasty = await open_store(bouncer.url(), timeout=HASTY)  # since PgBouncer lets its clients wait for the server
        await add(repository, "before")

        server.kill()
        with pytest.raises(StoreUnavailable):
            await add(hasty, "while it is away")
        server.start()
        await until_done(lambda: add(repository, "after the server"))
        bouncer.stop()
        with pytest.raises(StoreUnavailable):
            await repository.get(1)
        bouncer.start()
        await until_done(lambda: add(repository, "after the pooler"))

        assert [task.description for task in await tasks(repository)] == [
            "before",
            "after the server",
            "after the pooler",
        ]
        await hasty.close()
        await repository.close()


async def test_a_pooler_that_is_put_between_later_is_noticed(server: Server, open_store: Open) -> None:
    with Bouncer(server, pool_mode="transaction", default_pool_size=2) as bouncer:
        async with Proxy(server.port) as proxy:
            repository = await open_store(server.tcp_url(proxy.port))
            await add(repository)
            assert not repository._store._connector._is_pooled  # type: ignore[attr-defined]

            proxy.lead_to(bouncer.port)
            proxy.cut()

            await asyncio.gather(
                *(repository.commit([UpdateTask(1, {"metadata": {str(n): n}})], at=now()) for n in range(9))
            )
            await asyncio.gather(*(repository.find(TaskQuery(), limit=n + 1) for n in range(40)))
            assert repository._store._connector._is_pooled  # type: ignore[attr-defined]
            await repository.close()


# ---------------------------------------------------------------- sessions that are shared


@asynccontextmanager
async def the_only_session(bouncer: Bouncer) -> AsyncIterator[asyncpg.Connection]:
    """A client of another application, in the only session."""
    client = await asyncpg.connect(bouncer.url(), statement_cache_size=0)
    yield client
    await client.close()


async def test_what_others_left_in_a_session_changes_nothing(
    server: Server, open_store: Open, schema: str, database: asyncpg.Connection
) -> None:
    with Bouncer(server, pool_mode="transaction", default_pool_size=1) as bouncer:
        async with the_only_session(bouncer) as other:
            await other.execute(
                """
                SET search_path = nowhere; SET default_transaction_isolation = serializable;
                SET synchronous_commit = off; SET standard_conforming_strings = off;
                SET datestyle = 'German'; SET timezone = 'Pacific/Chatham'; SET intervalstyle = iso_8601;
                CREATE TEMPORARY TABLE store (theirs int); CREATE TEMPORARY TABLE tasks (theirs int);
                PREPARE __asyncpg_stmt_1__ AS SELECT 'theirs';
                """
            )
            repository = await open_store(bouncer.url(), pool_size=2)

            await use(repository)

            assert await database.fetchval(f"SELECT count(*) FROM {schema}.tasks") == 2
            await repository.close()


async def test_nothing_is_left_in_a_session_for_others(server: Server, open_store: Open) -> None:
    with Bouncer(server, pool_mode="transaction", default_pool_size=1) as bouncer:
        async with the_only_session(bouncer) as other:
            names = "'search_path', 'synchronous_commit', 'statement_timeout', 'jit', 'default_transaction_isolation',"
            settings = f"SELECT name, setting FROM pg_settings WHERE name IN ({names} 'default_transaction_read_only')"
            before = await other.fetch(settings)
            repository = await open_store(bouncer.url(), pool_size=2)

            await use(repository)
            await content(repository.dump())
            await repository.close()

            assert await other.fetch(settings) == before
            assert await other.fetch("SELECT name FROM pg_prepared_statements WHERE name <> ''") == []
            assert await other.fetch("SELECT name FROM pg_cursors WHERE name <> ''") == []
            assert await other.fetch("SELECT * FROM pg_listening_channels()") == []


async def test_a_commit_is_on_disk_though_the_server_asks_for_less(
    server: Server, open_store: Open, database: asyncpg.Connection, schema: str
) -> None:
    with Bouncer(server, pool_mode="transaction") as bouncer:
        repository = await open_store(bouncer.url())
        await database.execute(
            f"""
            CREATE TABLE {schema}.seen (setting text);
            CREATE FUNCTION {schema}.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO {schema}.seen SELECT current_setting('synchronous_commit'); RETURN NEW;
            END $$;
            CREATE TRIGGER see AFTER UPDATE ON {schema}.workspaces FOR EACH ROW EXECUTE FUNCTION {schema}.see();
            """
        )

        await add(repository)
        await repository.commit([UpdateTask(1, {"done": True})], at=now())

        assert await database.fetchval("SHOW synchronous_commit") == "off"
        assert [row[0] for row in await database.fetch(f"SELECT setting FROM {schema}.seen")] == ["on", "on"]
        await repository.close()


# ---------------------------------------------------------------- immediate refusals


async def refusal(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """Returns the message with which opening the store fails, which must happen at the first attempt."""
    with pytest.raises(StoreRefused) as refused:
        await open_repository(with_parameters(url, timeout=PATIENCE, start_timeout=600))
    assert "tried again" not in caplog.text
    return str(refused.value)


async def test_statement_pooling_is_refused_with_what_to_change(
    server: Server, schema: str, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with Bouncer(server, pool_mode="statement") as bouncer:
        told = await refusal(with_parameters(bouncer.url(), schema=schema), caplog)

    assert "transaction blocks not allowed in statement pooling mode" in told
    assert "Set pool_mode to session or transaction in PgBouncer" in told
    assert not await database.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema)


async def test_a_startup_parameter_that_the_pooler_does_not_take_is_refused(
    bouncer: Bouncer, caplog: pytest.LogCaptureFixture
) -> None:
    told = await refusal(with_parameters(bouncer.url(), options="-cwork_mem=8MB"), caplog)

    assert "unsupported startup parameter" in told


async def test_a_setting_that_the_server_does_not_know_is_refused(
    bouncer: Bouncer, caplog: pytest.LogCaptureFixture
) -> None:
    assert "nonsense" in await refusal(with_parameters(bouncer.url(), nonsense=1), caplog)


async def test_a_setting_of_the_url_is_applied_in_each_transaction(bouncer: Bouncer, open_store: Open) -> None:
    repository = await open_store(bouncer.url(), work_mem="8MB", application_name="mine")

    for _ in range(5):
        rows = await repository._store.executor.run(  # type: ignore[attr-defined]
            lambda session: session.fetch("SELECT current_setting('work_mem'), current_setting('application_name')")
        )
        assert [tuple(row) for row in rows] == [("8MB", "mine")]


async def test_a_wrong_password_is_refused(bouncer: Bouncer, caplog: pytest.LogCaptureFixture) -> None:
    told = await refusal(bouncer.url(password="wR0ng"), caplog)

    assert "refuses" in told
    assert "wR0ng" not in told


async def test_a_database_that_the_pooler_does_not_know_is_refused(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with Bouncer(server, pool_mode="transaction", databases="postgres") as bouncer:
        told = await refusal(bouncer.url("nowhere"), caplog)

    assert "no such database: nowhere" in told
