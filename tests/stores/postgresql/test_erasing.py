"""Workspaces on a PostgreSQL server are erased whatever else goes on, and leave nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime

import asyncpg
import pytest
from tasksvc_postgresql import commit, erasing
from tasksvc_postgresql.compacting import compact
from tasksvc_postgresql.erasing import DELETIONS
from tasksvc_postgresql.lineage import LATE_SECONDS
from tasksvc_postgresql.session import Session

from stores.postgresql.repositories import Open
from stores.postgresql.server import Server, with_parameters
from stores.postgresql.test_plans import rows_read_by
from stores.postgresql.test_replicas import until_listening
from stores.postgresql.test_workspaces import PATIENCE, add, changed, silent, store_of, waiting_for_locks
from tasksvc import (
    LOG_START,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    PositionGone,
    StoreRefused,
    StoreUnavailable,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    WorkspaceFull,
)
from tasksvc.application.clock import now
from tasksvc.network import Look
from tasksvc.store_adapters import open_repository

LONG_AGO = datetime.min.replace(tzinfo=UTC)
TABLES = ("tasks", "task_terms", "changes", "idempotency_keys")


async def prune(repository: TaskRepository, *, limit: int = 1_000) -> bool:
    """Deletes what erased workspaces have left, and nothing else."""
    return await repository.prune(log_before=LONG_AGO, max_changes=2**63 - 1, keys_before=LONG_AGO, limit=limit)


async def fill(place: TaskRepository, tasks: int = 3, *, text: str = "x") -> CommitResult:
    """Makes tasks with labels, changes and an idempotency key."""
    key = IdempotencyKey(text, text, text)
    writes = [CreateTask(TaskDraft(text, labels=(text,))) for _ in range(tasks)]
    return await place.commit(writes, at=now(), idempotency_key=key)


async def rows(database: asyncpg.Connection, schema: str) -> dict[str, int]:
    """Returns how many rows each table has, without those of the workspaces that are there."""
    counts = {}
    for table in TABLES:
        statement = f"""
            SELECT count(*) FROM {schema}.{table} LEFT JOIN {schema}.workspaces ON key = workspace
            WHERE coalesce(generation, '') = ''
        """
        counts[table] = await database.fetchval(statement)
    return counts


async def page_of(place: TaskRepository) -> tuple[list[str], object]:
    page = await place.find(TaskQuery(), limit=100)
    return [task.description for task in page.tasks], page.position


def create(description: str = "x") -> CreateTask:
    return CreateTask(TaskDraft(description))


# ---------------------------------------------------------------- beside commits


WRITES: dict[str, Callable[[TaskRepository], Coroutine[None, None, CommitResult]]] = {
    "creates": lambda place: place.commit([create("after")], at=now()),
    "creates with a quota": lambda place: place.commit([create("after")], at=now(), tasks_max=1),
    "creates and updates": lambda place: place.commit([create("after"), UpdateTask(1, {"priority": 1})], at=now()),
    "creates with a key": lambda place: place.commit(
        [create("after")], at=now(), idempotency_key=IdempotencyKey("", "k", "f")
    ),
}


@pytest.mark.parametrize("name", ["a", "default"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_a_commit_that_waits_while_the_workspace_is_erased_is_done_in_the_new_one(
    name: str,
    write: Callable[[TaskRepository], Coroutine[None, None, CommitResult]],
    open_store: Open,
    store_url: str,
    schema: str,
    database: asyncpg.Connection,
) -> None:
    writer, eraser = await open_store(store_url), await open_store(store_url)
    before = await fill(writer.workspace(name))
    await database.execute(f"BEGIN; SELECT FROM {schema}.workspaces WHERE name = '{name}' FOR UPDATE")
    erased = asyncio.create_task(eraser.workspace(name).erase())
    await waiting_for_locks(database, 1)
    written = asyncio.create_task(write(writer.workspace(name)))
    await waiting_for_locks(database, 2)

    await database.execute("COMMIT")
    await erased

    committed = await written
    assert committed.position.generation != before.position.generation
    assert committed.position.seq in (1, 2)
    assert await page_of(eraser.workspace(name)) == (["after"], committed.position)
    while await prune(eraser):
        pass
    assert await page_of(writer.workspace(name)) == (["after"], committed.position)
    assert await writer.check() == []


@pytest.mark.parametrize("updates", [False, True], ids=["creates", "creates with keys"])
async def test_of_commits_in_several_workspaces_those_in_the_erased_one_make_it_again(
    updates: bool, open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    writer, eraser = await open_store(store_url), await open_store(store_url)
    before = {name: (await fill(writer.workspace(name))).position for name in ("a", "b", "default")}
    await database.execute(f"BEGIN; SELECT FROM {schema}.workspaces WHERE name = 'b' FOR UPDATE")
    erased = asyncio.create_task(eraser.workspace("b").erase())
    await waiting_for_locks(database, 1)
    key = IdempotencyKey("", "k", "f") if updates else None
    together = asyncio.gather(
        *(writer.workspace(name).commit([create()], at=now(), idempotency_key=key) for name in before)
    )
    await waiting_for_locks(database, 2)

    await database.execute("COMMIT")
    await erased

    after = dict(zip(before, [result.position for result in await together], strict=True))
    assert after["a"] == before["a"]._replace(seq=4)
    assert after["default"] == before["default"]._replace(seq=4)
    assert after["b"].seq == 1
    assert after["b"].generation not in ("", before["b"].generation)


async def test_an_erasure_that_waits_for_a_commit_erases_what_that_wrote(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    writer, eraser = await open_store(store_url), await open_store(store_url)
    await fill(writer.workspace("a"))
    await database.execute(f"BEGIN; SELECT FROM {schema}.workspaces WHERE name = 'a' FOR UPDATE")
    written = asyncio.create_task(add(writer, "a"))
    await waiting_for_locks(database, 1)
    erased = asyncio.create_task(eraser.workspace("a").erase())
    await waiting_for_locks(database, 2)

    await database.execute("COMMIT")
    assert (await written).position.seq == 4
    await erased

    assert await page_of(writer.workspace("a")) == ([], LOG_START)
    assert await rows(database, schema) == {"tasks": 4, "task_terms": 3, "changes": 4, "idempotency_keys": 1}


async def test_a_row_that_is_inserted_while_the_workspace_is_erased_is_a_new_one(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process inserts rows where it found none, which others may have made and erased since."""
    repository = await open_store(store_url)
    before = await fill(repository.workspace("a"))
    await database.execute(f"BEGIN; UPDATE {schema}.workspaces SET name = '/x/a', generation = '' WHERE name = 'a'")

    inserted = asyncio.create_task(
        store_of(repository)._store.executor.run(lambda session: commit._insert_rows(session, ["a"]))
    )
    await waiting_for_locks(database, 1)
    await database.execute("COMMIT")
    await inserted

    assert (await add(repository, "a")).position.seq == 1
    assert await database.fetchval(f"SELECT count(*) FROM {schema}.workspaces WHERE name = 'a'") == 1
    assert (await add(repository, "a")).position.generation != before.position.generation


async def test_a_workspace_that_is_about_to_be_made_is_not_erased_before_that(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await store_of(repository)._store.executor.run(lambda session: commit._insert_rows(session, ["a"]))

    await repository.workspace("a").erase()

    assert await database.fetchval(f"SELECT erasures FROM {schema}.store") == 0
    assert await database.fetchval(f"SELECT count(*) FROM {schema}.workspaces WHERE name = 'a'") == 1


@pytest.mark.parametrize("name", ["a", "default"])
async def test_two_erasures_at_once_erase_it_once_or_twice(name: str, open_store: Open, store_url: str) -> None:
    repositories = [await open_store(store_url) for _ in range(3)]
    await fill(repositories[0].workspace(name))

    await asyncio.gather(*(repository.workspace(name).erase() for repository in repositories for _ in range(3)))

    there = [summary.name for summary in await repositories[0].workspaces(limit=9)]
    assert there == ["default"]
    assert (await add(repositories[0], name)).position.seq == 1


@pytest.mark.parametrize("several", [False, True])
async def test_erasures_beside_writers_in_several_processes_leave_each_workspace_consistent(
    several: bool, open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    names = ["a", "b", "default"] if several else ["a"]
    writers = [await open_store(store_url) for _ in range(2)]
    eraser = await open_store(store_url)
    done = asyncio.Event()

    async def write(repository: TaskRepository, number: int) -> None:
        place = repository.workspace(names[number % len(names)])
        while not done.is_set():
            made = await place.commit([create()], at=now(), tasks_max=50)
            key = IdempotencyKey("", f"{made.position}", "f")
            await place.commit([create(), create()], at=now(), idempotency_key=key)

    async def erase() -> None:
        for round_number in range(30):
            await eraser.workspace(names[round_number % len(names)]).erase()
            await prune(eraser, limit=7)
        done.set()

    async def quietly(work: Awaitable[None]) -> None:
        with contextlib.suppress(WorkspaceFull):
            await work

    await asyncio.gather(erase(), *(quietly(write(writer, number)) for writer in writers for number in range(6)))

    assert await eraser.check() == [], "the counts are right too"
    for name in names:
        place = eraser.workspace(name)
        page, log = await place.find(TaskQuery(), limit=1_000), await place.read_changes(LOG_START, limit=1_000)
        assert [change.seq for change in log.changes] == [*range(1, page.position.seq + 1)]
        assert [change.task for change in log.changes] == list(page.tasks)
        assert [task.id for task in page.tasks] == [*range(1, len(page.tasks) + 1)]
    while await prune(eraser):
        pass
    assert sum((await rows(database, schema)).values()) == 0


# ---------------------------------------------------------------- what is left


async def test_what_an_erased_workspace_has_left_is_deleted_in_bounded_steps(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    for name in ("a", "b"):
        await fill(repository.workspace(name), 5, text=name)
    await fill(repository.workspace("c"), 5, text="c")
    for name in ("a", "b"):
        await repository.workspace(name).erase()

    left, more = [await rows(database, schema)], True
    while more:
        more = await prune(repository, limit=3)
        left.append(await rows(database, schema))

    assert left[0] == {"tasks": 10, "task_terms": 10, "changes": 10, "idempotency_keys": 2}
    assert [each["tasks"] for each in left] == [10, 7, 4, 1, 0]
    assert sum(left[-1].values()) == 0
    assert (await page_of(repository.workspace("c")))[0] == ["c"] * 5


async def cut(self: Session) -> None:
    """Loses the connection before the COMMIT."""
    self.connection.terminate()
    raise ConnectionError("the connection was lost")


async def test_a_step_that_is_undone_leaves_what_the_next_one_deletes(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the server does it with the transaction of a process that is killed."""
    first, second = await open_store(store_url), await open_store(store_url)
    await fill(first.workspace("a"))
    await first.workspace("a").erase()
    monkeypatch.setattr(Session, "commit", cut)
    with pytest.raises(StoreUnavailable):
        await prune(first)
    undone = await rows(database, schema)
    monkeypatch.undo()

    assert undone == {"tasks": 3, "task_terms": 3, "changes": 3, "idempotency_keys": 1}
    assert await prune(second) is False
    assert sum((await rows(database, schema)).values()) == 0


async def test_several_processes_prune_at_once(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repositories = [await open_store(store_url) for _ in range(4)]
    for number in range(12):
        await fill(repositories[0].workspace(f"w{number}"), 20)
    await asyncio.gather(*(repositories[number % 4].workspace(f"w{number}").erase() for number in range(12)))

    async def prune_all(repository: TaskRepository) -> None:
        while await prune(repository, limit=5):
            pass

    await asyncio.gather(*map(prune_all, repositories))

    assert sum((await rows(database, schema)).values()) == 0
    assert await repositories[0].check() == []


async def test_processes_that_prune_take_turns_at_a_workspace(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    """They could wait for each other otherwise, since each one locks the rows that it deletes."""
    repository = await open_store(store_url)
    await fill(repository.workspace("a"))
    await repository.workspace("a").erase()
    await database.execute(f"BEGIN; SELECT FROM {schema}.workspaces WHERE erased_at IS NOT NULL FOR UPDATE")

    pruning = asyncio.create_task(prune(repository))
    await waiting_for_locks(database, 1)
    free = await database.fetch(f"SELECT FROM {schema}.tasks FOR UPDATE SKIP LOCKED")
    await database.execute("COMMIT")

    assert await pruning is False
    assert len(free) == 3


async def test_the_row_of_an_erased_workspace_is_deleted_after_the_looks_of_others(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await fill(repository.workspace("a"))
    await repository.workspace("a").erase()
    names = f"SELECT name FROM {schema}.workspaces WHERE erased_at IS NOT NULL"

    await prune(repository)
    soon = await database.fetch(names)
    await database.execute(f"UPDATE {schema}.workspaces SET erased_at = erased_at - {erasing.KEPT_SECONDS} * 1000000")
    await prune(repository)

    assert [row[0].endswith("/a") for row in soon] == [True]
    assert await database.fetch(names) == []


async def test_what_is_left_is_found_in_the_index_of_the_workspace(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await fill(repository.workspace("a"), 2)
    await database.execute(
        f"""
        INSERT INTO {schema}.changes (workspace, seq, previous, kind, at, task_id)
        SELECT 0, n, 0, 'deleted', 0, n FROM generate_series(1, 20000) n;
        INSERT INTO {schema}.task_terms (workspace, term, task_id) SELECT 0, 't', n FROM generate_series(1, 20000) n;
        INSERT INTO {schema}.idempotency_keys (workspace, scope, value, fingerprint, at, results)
        SELECT 0, '', n, '', 0, '[]' FROM generate_series(1, 20000) n;
        INSERT INTO {schema}.tasks (workspace, id, description, notes, done, priority, labels, list, metadata,
            created_at, updated_at, version, seq, folded, folded_notes)
        SELECT 0, n, '', '', false, 0, '[]', '', '{{}}', 0, 0, 1, n, '', '' FROM generate_series(1, 20000) n;
        ANALYZE {schema}.changes, {schema}.task_terms, {schema}.idempotency_keys, {schema}.tasks;
        """
    )
    key = await database.fetchval(f"SELECT key FROM {schema}.workspaces WHERE name = 'a'")

    read = [await rows_read_by(database, schema, (statement, [[key], 100])) for statement in DELETIONS]

    assert max(read) < 20, "rows of other workspaces aren't looked at"


async def test_an_erased_store_can_be_restored_before_it_is_pruned(open_store: Open, store_url: str) -> None:
    source, target = await open_store(store_url), await open_store(store_url, schema="restored_" + store_url[-6:])
    for name in ("a", "default"):
        await fill(source.workspace(name), 2, text="kept")
        await fill(target.workspace(name), 3, text="erased")
        await target.workspace(name).erase()

    await target.restore(source.dump())
    while await prune(target):
        pass

    assert [(each.name, each.tasks, each.open) for each in await target.workspaces(limit=9)] == [
        ("a", 2, 2),
        ("default", 2, 2),
    ]
    assert (await page_of(target.workspace("a")))[0] == ["kept", "kept"]
    assert await target.check() == []


# ---------------------------------------------------------------- quotas


async def test_a_quota_is_exact_in_several_processes(open_store: Open, store_url: str) -> None:
    repositories = [await open_store(store_url) for _ in range(4)]
    places = [repository.workspace("a") for repository in repositories]

    async def use(number: int) -> int:
        made = 0
        for turn in range(6):
            key = IdempotencyKey("", f"{number} {turn}", "f") if turn % 2 else None
            writes = [create()] * (1 + (number + turn) % 3)
            with contextlib.suppress(WorkspaceFull):
                await places[number % 4].commit(writes, at=now(), idempotency_key=key, tasks_max=40)
                made += len(writes)
        return made

    made = sum(await asyncio.gather(*(use(number) for number in range(16))))

    assert made == await places[0].count(TaskQuery()) <= 40
    assert made >= 38, "only a commit of more tasks than there is room for is refused"
    assert await places[0].check() == []


@pytest.mark.parametrize("names", [["a"], ["a", "b"]], ids=["one workspace", "several"])
async def test_a_create_that_waits_is_refused_if_the_workspace_is_full_by_then(
    names: list[str], open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    writer, other = await open_store(store_url), await open_store(store_url)
    for name in names:
        await add(writer, name)
    await database.execute(f"BEGIN; SELECT FROM {schema}.workspaces WHERE name = 'a' FOR UPDATE")
    first = asyncio.create_task(other.workspace("a").commit([create()], at=now(), tasks_max=2))
    await waiting_for_locks(database, 1)
    late = asyncio.gather(
        *(writer.workspace(name).commit([create()], at=now(), tasks_max=2) for name in names), return_exceptions=True
    )
    await waiting_for_locks(database, 2)

    await database.execute("COMMIT")
    await first

    refused, *others = await late
    assert isinstance(refused, WorkspaceFull)
    assert (refused.limit, refused.index) == (2, 0)
    assert [result.position.seq for result in others if isinstance(result, CommitResult)] == [2] * (len(names) - 1)
    assert await writer.workspace("a").count(TaskQuery()) == 2


async def test_a_full_workspace_beside_others_of_a_transaction_refuses_its_own_commits_alone(
    open_store: Open, store_url: str
) -> None:
    repository = await open_store(store_url)
    await add(repository, "full")
    await add(repository, "b")

    results = await asyncio.gather(
        repository.workspace("full").commit([create()], at=now(), tasks_max=1),
        repository.workspace("b").commit([create()], at=now(), tasks_max=2),
        repository.workspace("new").commit([create()], at=now(), tasks_max=1),
        repository.workspace("unbounded").commit([create()], at=now()),
        return_exceptions=True,
    )

    assert isinstance(results[0], WorkspaceFull)
    assert [result.position.seq for result in results[1:] if isinstance(result, CommitResult)] == [2, 1, 1]


async def test_commits_of_one_transaction_are_each_held_to_their_own_quota(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)

    results = await asyncio.gather(
        *(repository.commit([create()] * count, at=now(), tasks_max=most) for count, most in ((3, 5), (1, 2), (2, 9))),
        repository.commit([create()] * 9, at=now(), tasks_max=3),
        repository.commit([create()], at=now()),
        return_exceptions=True,
    )

    assert [isinstance(result, WorkspaceFull) for result in results] == [False, True, False, True, False]
    assert await repository.count(TaskQuery()) == 6


async def test_the_smallest_quota_of_a_transaction_holds_for_its_own_commit(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    await repository.commit([create(), create()], at=now())

    results = await asyncio.gather(
        *(repository.commit([create()], at=now(), tasks_max=most) for most in (9, 3)), return_exceptions=True
    )

    assert [isinstance(result, WorkspaceFull) for result in results] == [False, True]
    assert await repository.count(TaskQuery()) == 3
    assert await repository.check() == []


async def test_a_create_with_a_quota_is_one_statement(
    open_store: Open, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = await open_store(store_url)
    await add(repository)
    sent: list[str] = []
    fetch, execute = asyncpg.Connection.fetch, asyncpg.Connection.execute

    async def fetch_it(self: asyncpg.Connection, query: str, *args: object, **options: object) -> object:
        sent.append(query)
        return await fetch(self, query, *args, **options)

    async def execute_it(self: asyncpg.Connection, query: str, *args: object, **options: object) -> object:
        sent.append(query)
        return await execute(self, query, *args, **options)

    monkeypatch.setattr(asyncpg.Connection, "fetch", fetch_it)
    monkeypatch.setattr(asyncpg.Connection, "execute", execute_it)
    monkeypatch.setattr(store_of(repository)._store.notifier, "tell", lambda heads: None)
    await repository.commit([create()], at=now())  # so that a connection is idle
    sent.clear()

    await repository.commit([create()], at=now(), tasks_max=3)

    assert len(sent) == 1


async def test_the_numbers_of_tasks_follow_all_writes(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    done = CreateTask(TaskDraft("x", done=True))

    await repository.commit([create(), create(), done], at=now())
    await repository.commit([UpdateTask(1, {"done": True}), create(), DeleteTask(2)], at=now())
    await repository.commit([UpdateTask(3, {"done": False}), UpdateTask(3, {"done": True})], at=now())
    await repository.commit([UpdateTask(1, {"done": False}), done, DeleteTask(1)], at=now())
    await repository.commit([CreateTask(TaskDraft("x")), UpdateTask(6, {"done": True}), DeleteTask(6)], at=now())

    (summary,) = await repository.workspaces(limit=1)
    assert (summary.tasks, summary.open) == (3, 1)
    assert await repository.check() == []


async def test_a_check_finds_a_wrong_number_of_tasks(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await add(repository, "a")

    await database.execute(f"UPDATE {schema}.workspaces SET open_count = 0 WHERE name = 'a'")

    (problem,) = await repository.check()
    assert problem.startswith("The workspace 'a' has another number of tasks than is noted.")


# ---------------------------------------------------------------- readers in other processes


@pytest.mark.parametrize("name", ["a", "default"])
async def test_an_erasure_wakes_readers_in_other_processes_at_once(name: str, open_store: Open, store_url: str) -> None:
    writer, reader = await open_store(store_url), await open_store(store_url)
    position = (await add(writer, name)).position
    listener = store_of(reader)._store.listener
    listener.poll = listener.settling = 2 * PATIENCE  # so that a notification alone can wake them
    waiting = asyncio.create_task(reader.workspace(name).changes(position, limit=9, wait=PATIENCE))
    await until_listening(reader)
    await asyncio.sleep(0.1)  # so that it has read again after it began to listen

    await writer.workspace(name).erase()

    with pytest.raises(PositionGone):
        await asyncio.wait_for(waiting, PATIENCE / 2)


@pytest.mark.parametrize("name", ["a", "default"])
@pytest.mark.parametrize("pruned", [False, True], ids=["not pruned yet", "pruned before the look"])
async def test_an_erasure_whose_notification_was_never_sent_is_noticed_all_the_same(
    name: str, pruned: bool, open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    writer, reader = await open_store(store_url), await open_store(store_url)
    position = (await add(writer, name)).position
    store_of(writer)._store.notifier._send = silent
    listener = store_of(reader)._store.listener
    listener.settling = 0.0
    waiting = asyncio.create_task(reader.workspace(name).changes(position, limit=9, wait=PATIENCE))
    await until_listening(reader)
    await asyncio.sleep(1.2)  # so that it has looked

    if pruned:
        await database.execute("BEGIN")
        await database.execute(f"LOCK TABLE {schema}.store IN ACCESS EXCLUSIVE MODE")
        erased = asyncio.create_task(writer.workspace(name).erase())
        await waiting_for_locks(database, 1)
        await database.execute("COMMIT")
        await erased
        await database.execute(f"DELETE FROM {schema}.workspaces WHERE erased_at IS NOT NULL")
    else:
        await writer.workspace(name).erase()

    with pytest.raises(PositionGone):
        await asyncio.wait_for(waiting, PATIENCE / 2)


async def test_a_look_wakes_only_those_who_wait_in_the_erased_workspace(open_store: Open, store_url: str) -> None:
    writer, reader = await open_store(store_url), await open_store(store_url)
    heads = {name: (await add(writer, name)).position for name in ("a", "b")}
    token = (await look(reader, "")).token

    await writer.workspace("a").erase()
    found = await look(reader, token)
    again = await look(reader, found.token)

    assert (dict(found.heads), found.is_new_life) == ({"a": LOG_START}, False)
    assert (list(again.heads), again.is_new_life) == ([], False)
    made = (await add(writer, "a")).position
    assert dict((await look(reader, token)).heads) == {"a": made}
    assert heads["a"].generation != made.generation


async def look(repository: TaskRepository, token: str) -> Look:
    return await store_of(repository)._store.listener._look(token)


async def test_an_erased_workspace_is_named_as_changed_when_it_is_written_to_again(
    open_store: Open, store_url: str
) -> None:
    repository = await open_store(store_url)
    for name in ("a", "b"):
        await add(repository, name)
    _, token = await changed(repository, "")

    await repository.workspace("a").erase()
    erased, token = await changed(repository, token)
    await add(repository, "a")
    written, token = await changed(repository, token)

    assert (erased, written) == ([], ["a"])


# ---------------------------------------------------------------- lineage


async def test_an_erasure_is_no_missing_commit_in_any_process(
    open_store: Open, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await open_store(store_url), await open_store(store_url)
    for name in ("a", "b", "default"):
        await add(first, name)
        await add(second, name)
    kept = (await page_of(first.workspace("b")))[1]

    await second.workspace("a").erase()
    await second.workspace("default").erase()
    for repository in (first, second, first):
        await repository.ping()

    assert (await page_of(first.workspace("b")))[1] == kept
    assert not caplog.records


async def test_a_commit_that_is_heard_of_after_the_erasure_is_no_missing_one(
    open_store: Open, store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    writer, reader = await open_store(store_url), await open_store(store_url)
    position = (await add(writer, "a")).position
    await writer.workspace("a").erase()
    await reader.ping()

    store_of(reader)._store.lineage.saw({"a": position})
    await reader.ping()

    assert not caplog.records


async def test_a_copy_from_before_an_erasure_is_noticed(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    repository = await open_store(store_url)
    await add(repository, "a")
    await repository.workspace("a").erase()
    await repository.ping()

    await database.execute(f"UPDATE {schema}.store SET erasures = 0")
    await repository.ping()

    assert "holds workspaces again that were erased. It has a new generation now" in caplog.text


async def test_a_workspace_that_is_missing_long_after_the_last_erasure_was_lost(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    repository = await open_store(store_url)
    await add(repository, "a")
    await repository.workspace("a").erase()
    await repository.ping()
    await add(repository, "b")
    lineage = store_of(repository)._store.lineage
    lineage._missing_until -= LATE_SECONDS

    await database.execute(f"DELETE FROM {schema}.workspaces WHERE name = 'b'")
    await repository.ping()

    assert "ends, in the workspace b, with change 0, and was served up to change 1" in caplog.text


# ---------------------------------------------------------------- compacting


def files_with(server: Server, text: str) -> list[str]:
    """Returns the files of tables and indexes that hold a text."""
    files = [path for path in (server.data / "base").rglob("*") if path.is_file()]
    return [str(path.relative_to(server.data)) for path in files if text.encode() in path.read_bytes()]


async def test_a_compacted_store_holds_nothing_of_an_erased_workspace(
    open_store: Open, own_server: Server, schema: str
) -> None:
    secret = f"{schema}-secret"
    admin = await asyncpg.connect(own_server.url)
    repository = await open_store(own_server.url, schema=schema)
    place = repository.workspace(f"{secret}-name")
    await place.commit(
        [
            CreateTask(TaskDraft(f"{secret} {number}", labels=(secret,), metadata={secret: number}))
            for number in range(200)
        ],
        at=now(),
        idempotency_key=IdempotencyKey(secret, secret, secret),
    )
    await place.commit([UpdateTask(1, {"done": True})], at=now())
    await add(repository, "kept", f"{schema}-kept")
    await admin.execute(
        f"ANALYZE {schema}.tasks, {schema}.task_terms, {schema}.changes, {schema}.workspaces; CHECKPOINT"
    )
    before = files_with(own_server, secret)

    await place.erase()
    await repository.compact()
    await admin.execute("CHECKPOINT")

    assert before, "they would be found"
    assert files_with(own_server, secret) == []
    assert files_with(own_server, f"{schema}-kept")
    assert (await page_of(repository.workspace("kept")))[0] == [f"{schema}-kept"]
    assert await repository.check() == []
    assert await admin.fetchval(f"SELECT count(*) FROM {schema}.workspaces WHERE erased_at IS NOT NULL") == 0
    await admin.close()


@pytest.mark.parametrize(
    "open_transaction",
    ["BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class", "BEGIN; SELECT pg_current_xact_id()"],
    ids=["reads", "writes"],
)
async def test_compacting_waits_for_transactions_that_may_still_see_what_was_deleted(
    open_transaction: str, open_store: Open, own_server: Server, schema: str
) -> None:
    admin = await asyncpg.connect(own_server.url)
    repository = await open_store(own_server.url, schema=schema)
    await add(repository, "a", f"{schema}-secret")
    await admin.execute(open_transaction)
    await repository.workspace("a").erase()

    compacting = asyncio.create_task(repository.compact())
    await asyncio.sleep(0.5)
    assert not compacting.done()
    await admin.execute("COMMIT")
    await compacting
    await admin.execute("CHECKPOINT")

    assert files_with(own_server, f"{schema}-secret") == []
    await admin.close()


async def test_calls_are_answered_while_compacting_waits_for_a_table(
    open_store: Open, own_server: Server, schema: str
) -> None:
    admin = await asyncpg.connect(own_server.url)
    repository = await open_store(own_server.url, schema=schema)
    await add(repository)
    await admin.execute(f"BEGIN; SELECT count(*) FROM {schema}.tasks")

    compacting = asyncio.create_task(repository.compact())
    await waiting_for_locks(admin, 1)
    answered = (await page_of(repository))[0]

    assert answered == ["x"]
    assert not compacting.done()
    await admin.execute("COMMIT")
    await compacting
    await admin.close()


async def test_compacting_says_which_sessions_hold_it_up(open_store: Open, own_server: Server, schema: str) -> None:
    admin = await asyncpg.connect(own_server.url)
    repository = await open_store(own_server.url, schema=schema)
    await add(repository, "a")
    await admin.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
    await repository.workspace("a").erase()

    store = store_of(repository)._store
    async with store._connected() as connection:
        with pytest.raises(StoreUnavailable, match=rf"in the sessions {admin.get_server_pid()}\. End them"):
            await compact(connection, store._settings, patience=0.1)

    await admin.close()


async def test_a_role_that_owns_nothing_cannot_compact(open_store: Open, own_server: Server, schema: str) -> None:
    admin = await asyncpg.connect(own_server.url)
    await open_store(own_server.url, schema=schema)
    await admin.execute(
        f"CREATE ROLE {schema} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA {schema} TO {schema};"
        f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {schema}"
    )
    url = f"postgresql://{schema}:x@127.0.0.1:{own_server.port}/postgres"
    repository = await open_repository(with_parameters(url, schema=schema))
    try:
        with pytest.raises(StoreRefused, match=f"The table {schema}.changes of .* can be rewritten by its owner alone"):
            await repository.compact()
    finally:
        await repository.close()
        await admin.execute(f"DROP OWNED BY {schema}; DROP ROLE {schema}")
        await admin.close()
