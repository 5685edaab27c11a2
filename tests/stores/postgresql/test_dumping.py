"""Dumps and restores while the store is in use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from heads import generation_of

from stores.postgresql.repositories import Open
from tasksvc import (
    Change,
    CreateTask,
    IdempotencyKey,
    OutcomeUnknown,
    PutRecord,
    StoreEntry,
    StoreHeader,
    StoreNotEmpty,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    WorkspaceHeader,
)
from tasksvc.application.clock import now
from tasksvc.domain.task import create_task

HEADER = StoreEntry("default", WorkspaceHeader("0", "", 1, 0, 0))


async def fill(repository: TaskRepository, count: int) -> None:
    for start in range(0, count, 1_000):
        drafts = [
            CreateTask(TaskDraft(f"task {n}", labels=(f"l{n % 3}",))) for n in range(start, min(count, start + 1_000))
        ]
        await repository.commit(drafts, at=now(), idempotency_key=IdempotencyKey("", str(start), "f"))
    await repository.commit([PutRecord("s", "n", {"a": 1})], at=now())


async def feed(*entries: StoreEntry) -> AsyncIterator[StoreEntry]:
    for entry in entries:
        yield entry


async def test_a_dump_is_of_one_moment_whatever_is_written_meanwhile(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    await fill(repository, 2_500)

    entries: list[StoreEntry] = []
    async for entry in repository.dump():
        if len(entries) % 500 == 0:
            await repository.commit([CreateTask(TaskDraft("later")), UpdateTask(2_500, {"done": True})], at=now())
        entries.append(entry)

    found = [entry for _, entry in entries]
    (header,) = (entry for entry in found if isinstance(entry, WorkspaceHeader))
    assert (header.last_id, header.last_seq) == (2_500, 2_500)
    tasks = [entry for entry in found if isinstance(entry, Task)]
    assert [task.id for task in tasks] == list(range(1, 2_501))
    assert not tasks[-1].done
    assert len([entry for entry in found if isinstance(entry, Change)]) == 2_500


async def test_a_restored_store_is_the_same_and_serves(open_store: Open, server_url: str, schema: str) -> None:
    source = await open_store(server_url, schema=schema)
    target = await open_store(server_url, schema=f"{schema}_target")
    await fill(source, 2_500)

    await target.restore(source.dump())

    first, *rest = [entry async for entry in source.dump()]
    restored, *others = [entry async for entry in target.dump()]
    assert isinstance(first.entry, StoreHeader)
    assert isinstance(restored.entry, StoreHeader)
    assert restored.entry.epoch != first.entry.epoch
    assert await generation_of(target) != await generation_of(source)
    assert others == rest
    assert len((await target.find(TaskQuery(labels=("l1",)), limit=1_000)).tasks) == 833
    assert (await target.commit([CreateTask(TaskDraft("x"))], at=now())).position.seq == 2_501


async def test_a_dump_that_is_left_half_way_leaves_no_connection(
    open_store: Open, store_url: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await fill(repository, 10)
    dump = repository.dump()
    await anext(dump)
    idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'tasksvc'"
    assert await database.fetchval(idle) == 1

    await dump.aclose()  # type: ignore[attr-defined]

    async with asyncio.timeout(30):
        while await database.fetchval(idle):
            await asyncio.sleep(0.01)


async def test_closing_the_store_ends_a_dump(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    await fill(repository, 10)
    dump = repository.dump()
    await anext(dump)

    await repository.close()

    with pytest.raises(StoreUnavailable):
        async for _ in dump:
            pass


async def test_a_restore_whose_source_fails_says_why_and_leaves_nothing(
    open_store: Open, server_url: str, schema: str
) -> None:
    source = await open_store(server_url, schema=schema)
    target = await open_store(server_url, schema=f"{schema}_target")
    await fill(source, 1_500)

    async def broken() -> AsyncIterator[StoreEntry]:
        count = 0
        async for entry in source.dump():
            yield entry
            count += 1
            if count == 1_200:
                raise OSError("the tape is torn")

    with pytest.raises(OSError, match="the tape is torn"):
        await target.restore(broken())

    assert [type(entry) async for _, entry in target.dump()] == [StoreHeader, WorkspaceHeader]
    assert (await target.commit([CreateTask(TaskDraft("x"))], at=now())).position.seq == 1


async def test_a_restore_that_the_server_refuses_says_so_and_leaves_nothing(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    task = create_task(1, TaskDraft("x"), now())

    with pytest.raises(StoreUnavailable) as failure:
        await repository.restore(feed(HEADER, StoreEntry("default", task), StoreEntry("default", task)))

    assert not isinstance(failure.value, OutcomeUnknown)
    assert (await repository.find(TaskQuery(), limit=1)).tasks == []


async def test_only_an_empty_store_is_restored(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    await repository.commit([PutRecord("s", "n", {})], at=now())

    with pytest.raises(StoreNotEmpty):
        await repository.restore(feed(HEADER))


async def test_of_two_restores_at_once_one_is_refused(open_store: Open, server_url: str, schema: str) -> None:
    source = await open_store(server_url, schema=schema)
    await fill(source, 100)
    targets = [await open_store(server_url, schema=f"{schema}_target") for _ in range(2)]

    outcomes = await asyncio.gather(*(target.restore(source.dump()) for target in targets), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome] == [StoreNotEmpty]
    assert len((await targets[0].find(TaskQuery(), limit=1_000)).tasks) == 100


async def test_a_check_names_what_filters_and_searches_do_not_find(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await fill(repository, 20)
    assert await repository.check() == []
    await database.execute(
        f"""
        DELETE FROM {schema}.task_terms WHERE task_id = 3;
        INSERT INTO {schema}.task_terms (workspace, term, task_id) VALUES (0, 'stray', 5);
        UPDATE {schema}.tasks SET folded = 'other' WHERE id = 7;
        """
    )

    told = await repository.check()

    assert [problem.partition(" as it should")[0] for problem in told] == [
        "Task 3 is not found by its terms",
        "Task 5 is not found by its terms",
        "Task 7 is not found by its texts",
    ]
