"""Workspaces on a PostgreSQL server: locks, notifications, changed workspaces, and copies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import pytest
from tasksvc_postgresql.changed import _CHANGED
from tasksvc_postgresql.listener import PAYLOAD_BYTES, _payloads
from tasksvc_postgresql.locking import lock
from tasksvc_postgresql.repository import PostgreSQLRepository
from tasksvc_postgresql.session import Session

from stores.postgresql.repositories import Open
from stores.postgresql.server import Server, execute
from stores.postgresql.test_plans import rows_read_by
from stores.postgresql.test_replicas import until_listening
from tasksvc import (
    CommitResult,
    CreateTask,
    IdempotencyKey,
    Position,
    PutRecord,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    codec,
)
from tasksvc.application.clock import now

PATIENCE = 60.0


async def add(repository: TaskRepository, workspace: str = "default", description: str = "x") -> CommitResult:
    place = repository.workspace(workspace)
    return await place.commit([CreateTask(TaskDraft(description))], at=now())


def store_of(repository: TaskRepository) -> PostgreSQLRepository:
    assert isinstance(repository, PostgreSQLRepository)
    return repository


async def changed(repository: TaskRepository, since: str) -> tuple[list[str], str]:
    page = await repository.changed_workspaces(since, limit=100)
    assert not page.more
    return list(page.names), page.next


async def waiting_for_locks(database: asyncpg.Connection, count: int) -> None:
    """Returns when `count` sessions wait for a lock."""
    async with asyncio.timeout(PATIENCE):
        while await database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < count:
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- locks


async def test_commits_in_other_workspaces_go_on_while_one_is_locked(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    for name in ("a", "b"):
        await add(repository, name)
    await database.execute(f"BEGIN; SELECT FROM {schema}.workspaces WHERE name = 'a' FOR UPDATE")

    held = asyncio.create_task(add(repository, "a"))
    await waiting_for_locks(database, 1)

    assert (await add(repository, "b")).position.seq == 2
    assert not held.done()
    await database.execute("COMMIT")
    assert (await held).position.seq == 2


@pytest.mark.parametrize("updates", [False, True], ids=["creates", "updates"])
async def test_workspaces_are_locked_in_the_order_of_their_names(
    open_store: Open, store_url: str, schema: str, server_url: str, database: asyncpg.Connection, updates: bool
) -> None:
    """So no two transactions can wait for each other."""
    repository = await open_store(store_url)
    for name in ("c", "b", "a"):  # which is the order of their rows
        await add(repository, name)
    third = await asyncpg.connect(server_url)
    await database.execute(f"BEGIN; SELECT FROM {schema}.workspaces WHERE name = 'b' FOR UPDATE")
    made = UpdateTask(1, {"done": True}) if updates else CreateTask(TaskDraft("x"))

    writing = asyncio.gather(*(repository.workspace(name).commit([made], at=now()) for name in ("c", "b", "a")))
    await waiting_for_locks(database, 1)
    free = await third.fetch(f"SELECT name FROM {schema}.workspaces ORDER BY name FOR UPDATE SKIP LOCKED")

    await database.execute("COMMIT")
    assert free == [("c",), ("default",)], "the one before it is locked, and the one after it isn't yet"
    assert [result.position.seq for result in await writing] == [2, 2, 2]
    await third.close()


async def test_a_commit_that_waits_while_the_store_is_renewed_reports_the_new_generation(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    writer, renewing = await open_store(store_url), await open_store(store_url)
    before = (await add(writer, "a")).position
    await database.execute(f"BEGIN; LOCK TABLE {schema}.workspaces IN EXCLUSIVE MODE")
    waiting = asyncio.create_task(renewing.renew())
    await waiting_for_locks(database, 1)
    writes = [
        asyncio.create_task(add(writer, "a")),
        asyncio.create_task(writer.workspace("b").commit([CreateTask(TaskDraft("x"))], at=now())),
    ]
    await waiting_for_locks(database, 2)

    await database.execute("COMMIT")
    await waiting

    results = [await write for write in writes]
    assert results[0].position.generation != before.generation
    for name, result in zip(("a", "b"), results, strict=True):
        page = await renewing.workspace(name).find(TaskQuery(), limit=1)
        assert page.position == result.position


async def test_a_commit_in_a_workspace_that_another_process_makes_meanwhile_goes_on_from_there(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    key = IdempotencyKey("", "k", "f")
    await add(repository)
    insert = f"INSERT INTO {schema}.workspaces (name) VALUES ('new')"
    await database.execute(f"BEGIN; {insert}")

    writing = asyncio.create_task(
        repository.workspace("new").commit([CreateTask(TaskDraft("x"))], at=now(), idempotency_key=key)
    )
    await waiting_for_locks(database, 1)
    await database.execute(f"UPDATE {schema}.workspaces SET generation = 'g', last_id = 7, last_seq = 7 WHERE key > 0")
    await database.execute("COMMIT")

    assert (await writing).position == Position((await writing).position.generation, 8)
    again = await repository.workspace("new").commit([CreateTask(TaskDraft("x"))], at=now(), idempotency_key=key)
    assert (again.replayed, again.position) == (True, (await writing).position)


async def test_a_row_that_comes_after_the_locks_is_locked_before_it_is_used(
    open_store: Open,
    store_url: str,
    schema: str,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or two commits would give the same number."""
    repository = await open_store(store_url)
    await add(repository)
    begin = Session.begin
    insert = f"INSERT INTO {schema}.workspaces (name, generation, last_id, last_seq) VALUES ('new', 'g', 7, 7)"

    inserted = asyncio.Event()

    async def begin_and_insert(self: Session, statements: str = "", **options: str) -> str:
        tag = await begin(self, statements, **options)
        monkeypatch.undo()
        await database.execute(insert)
        await database.execute(f"BEGIN; UPDATE {schema}.workspaces SET last_id = 8, last_seq = 8 WHERE name = 'new'")
        inserted.set()
        return tag

    monkeypatch.setattr(Session, "begin", begin_and_insert)
    key = IdempotencyKey("", "k", "f")
    writing = asyncio.create_task(
        repository.workspace("new").commit([CreateTask(TaskDraft("x"))], at=now(), idempotency_key=key)
    )
    await inserted.wait()
    await waiting_for_locks(database, 1)
    await database.execute("COMMIT")

    assert (await writing).position.seq == 9


async def test_a_commit_that_leaves_nothing_leaves_no_row(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)

    with pytest.raises(TaskNotFound):
        await repository.workspace("new").commit([UpdateTask(1, {"done": True})], at=now())
    await repository.workspace("new").commit([PutRecord("s", "k", {})], at=now())

    assert await database.fetch(f"SELECT name FROM {schema}.workspaces") == [("default",)]


def test_names_are_locked_in_one_order_whatever_order_they_come_in() -> None:
    assert lock(["b", "a"]).endswith("WHERE name IN (E'b', E'a') ORDER BY name FOR UPDATE")
    assert lock(["a"], records=True).startswith("SELECT FROM store FOR UPDATE; SELECT FROM workspaces")


# ---------------------------------------------------------------- changed workspaces


async def test_a_change_whose_transaction_began_before_a_token_and_ended_after_it_is_named(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    """So it is however long the transaction takes, and whatever is committed after it began."""
    repository = await open_store(store_url)
    for name in ("slow", "quick"):
        await add(repository, name)
    await database.execute(
        f"BEGIN; UPDATE {schema}.workspaces SET last_seq = 2, changed_by = pg_current_xact_id() WHERE name = 'slow'"
    )
    await add(repository, "quick")

    names, token = await changed(repository, "")
    meanwhile, token = await changed(repository, token)
    await add(repository, "quick")
    later, token = await changed(repository, token)
    await database.execute("COMMIT")
    last, token = await changed(repository, token)

    assert names == ["default", "quick", "slow"]
    assert (meanwhile, later, last) == ([], ["quick"], ["slow"])
    assert (await changed(repository, token))[0] == []


async def test_a_token_names_what_changed_while_many_transactions_ran(
    open_store: Open, store_url: str, server_url: str, database: asyncpg.Connection
) -> None:
    """The snapshot doesn't fit into a token then."""
    repository = await open_store(store_url)
    await add(repository, "a")
    sessions = [await asyncpg.connect(server_url) for _ in range(60)]
    for session in sessions:
        await session.execute("BEGIN; SELECT pg_current_xact_id()")
        await database.execute("SELECT pg_current_xact_id()")  # so that the ids that run are no range

    _, token = await changed(repository, "")
    for session in sessions:
        await session.close()
    await add(repository, "a")

    assert len(token) < 200
    assert "a" in (await changed(repository, token))[0]


async def test_changed_workspaces_are_found_in_an_index(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await database.execute(
        f"INSERT INTO {schema}.workspaces (name, generation) SELECT 'w' || n, 'g' FROM generate_series(1, 20000) n;"
    )
    await database.execute(f"VACUUM ANALYZE {schema}.workspaces")
    snapshot = await database.fetchval("SELECT pg_current_snapshot()::text")
    await add(repository, "w7")

    read = await rows_read_by(database, schema, (_CHANGED, [snapshot, "", 100]))

    assert read < 20


async def test_rows_that_a_copy_brings_from_a_cluster_with_more_transactions_are_not_named_again_and_again(
    open_store: Open, own_server: Server, schema: str
) -> None:
    url = own_server.url
    repository = await open_store(url, schema=schema)
    await add(repository, "a")
    execute(
        url,
        f"UPDATE {schema}.workspaces SET changed_by = '9000000000'; UPDATE {schema}.store SET lineage = 'elsewhere'",
    )

    await repository.ping()
    names, token = await changed(repository, "")

    assert names == ["a", "default"]
    assert (await changed(repository, token))[0] == []


# ---------------------------------------------------------------- notifications


async def test_a_notification_wakes_only_those_who_wait_for_its_workspace(open_store: Open, store_url: str) -> None:
    writer, reader = await open_store(store_url), await open_store(store_url)
    heads = {name: (await add(writer, name)).position for name in ("a", "b")}
    listener = store_of(reader)._store.listener
    listener.poll = PATIENCE

    async def wait(name: str) -> None:
        await reader.workspace(name).wait_for_change(heads[name], timeout=PATIENCE)

    first = asyncio.create_task(wait("a"))
    await until_listening(reader)
    await first  # when it begins to listen, and when it looks first, everybody reads again
    await asyncio.sleep(0.1)
    waiting = {name: asyncio.create_task(wait(name)) for name in heads}
    await asyncio.sleep(0.1)
    assert not any(each.done() for each in waiting.values())

    await add(writer, "a")
    await asyncio.wait_for(waiting["a"], PATIENCE / 2)

    assert not waiting["b"].done()
    waiting["b"].cancel()
    await asyncio.wait([waiting["b"]])


async def test_a_change_whose_notification_was_never_sent_is_noticed_all_the_same(
    open_store: Open, store_url: str
) -> None:
    """The process that committed it may be killed before it has sent one."""
    writer, reader = await open_store(store_url), await open_store(store_url)
    head = (await add(writer, "a")).position
    store_of(writer)._store.notifier._send = silent
    store_of(reader)._store.listener.settling = 0.0
    waiting = asyncio.create_task(reader.workspace("a").changes(head, limit=10, wait=PATIENCE))
    await until_listening(reader)
    await asyncio.sleep(0.1)  # so that it has read again after it began to listen

    head = (await add(writer, "a")).position

    assert (await asyncio.wait_for(waiting, PATIENCE / 2)).next == head


async def silent(heads: Mapping[str, Position]) -> None:
    """Sends nothing at all."""


def test_notifications_of_many_workspaces_are_of_a_size_that_the_server_takes() -> None:
    heads = {f"{number:0100}": Position("0123456789abcdef", 10**15 + number) for number in range(200)}

    payloads = list(_payloads("s" * 63, heads))

    assert max(map(len, payloads)) < 8_000
    assert len(payloads) > 1
    parts = [codec.loads(payload) for payload in payloads]
    assert [part[0] for part in parts] == ["s" * 63] * len(parts)
    told = [part[1:][at : at + 3] for part in parts for at in range(0, len(part) - 1, 3)]
    assert told == [[name, *position] for name, position in heads.items()]
    assert PAYLOAD_BYTES < 8_000


# ---------------------------------------------------------------- what was put back


async def test_a_process_notices_that_a_commit_is_missing_in_any_of_the_workspaces_that_were_written_to_last(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Of several commits at once, the last one that was answered may not be the last one on disk."""
    repository = await open_store(store_url)
    before = [await add(repository, name) for name in ("a", "b", "c")]
    await repository.ping()
    assert not caplog.records

    await database.execute(f"UPDATE {schema}.workspaces SET last_seq = 0 WHERE name = 'b'")
    await repository.ping()

    assert ", in the workspace b, with change 0, and was served up to change 1. It has a new" in caplog.text
    page = await repository.workspace("a").find(TaskQuery(), limit=1)
    assert page.position.generation != before[0].position.generation


async def test_a_renewal_by_another_process_is_no_missing_commit(
    open_store: Open, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await open_store(store_url), await open_store(store_url)
    for name in ("a", "b"):
        await add(first, name)

    await second.renew()
    renewed = await second.workspace("a").find(TaskQuery(), limit=1)
    await first.ping()

    assert (await first.workspace("a").find(TaskQuery(), limit=1)).position == renewed.position
    assert not caplog.records
