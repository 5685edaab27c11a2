"""Dumps and restores, in little memory and completely or not at all."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from heads import generation_of
from patience import PATIENCE_SECONDS

from stores.sqlite.stores import NOW, add, descriptions, opened, raw
from tasksvc import (
    DEFAULT_WORKSPACE,
    STORE,
    Change,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    IdempotencyRecord,
    InvalidTask,
    Position,
    PutRecord,
    StoreEntry,
    StoreHeader,
    StoreNotEmpty,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    WorkspaceHeader,
)
from tasksvc.domain.task import create_task
from tasksvc.testing.cancellation import cancelled_everywhere

TASKS = 20_000
MEGABYTE = 2**20


async def of_many(count: int, workspace: str = DEFAULT_WORKSPACE) -> AsyncIterator[StoreEntry]:
    """Yields a dump of `count` tasks of about 2 KB."""
    yield StoreEntry(STORE, StoreHeader("0"))
    yield StoreEntry(workspace, WorkspaceHeader("0", "0", count, count, count))
    for number in range(1, count + 1):
        task = create_task(number, TaskDraft(f"{number} {'x' * 2_000}", labels=("a",)), NOW)
        yield StoreEntry(workspace, task)


@pytest.mark.slow
async def test_a_large_store_is_restored_and_dumped_in_little_memory(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        tracemalloc.start()
        try:
            await repository.restore(of_many(TASKS))
            restoring = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            count = 0
            async for _ in repository.dump():
                count += 1
            dumping = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert count == TASKS + 2
        assert restoring < 8 * MEGABYTE, "of 40 MB"
        assert dumping < 8 * MEGABYTE
        assert len((await repository.find(TaskQuery(labels=("a",)), limit=1_000)).tasks) == 1_000


async def test_a_dump_is_one_snapshot_and_holds_no_writer_up(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await repository.restore(of_many(2_000))
        dump = repository.dump()
        entries = [await anext(dump)]

        async with asyncio.timeout(PATIENCE_SECONDS):
            await add(repository, "after the snapshot")
            await repository.commit((DeleteTask(1_999),), at=NOW)
        entries += [entry async for entry in dump]

        assert [entry.id for _, entry in entries if isinstance(entry, Task)] == list(range(1, 2_001))
        assert entries[1] == StoreEntry(DEFAULT_WORKSPACE, WorkspaceHeader("0", "0", 2_000, 2_000, 2_000))


async def filled(repository: TaskRepository) -> list[StoreEntry]:
    """Fills a store with entries of every kind, prunes it, and returns its dump."""
    for number in range(5):
        at, key = NOW + timedelta(number), IdempotencyKey("", f"{number}", "x")
        await repository.commit((CreateTask(TaskDraft(f"{number}", labels=("a",))),), at=at, idempotency_key=key)
        await repository.commit((PutRecord("space", f"{number}", {"value": number}),), at=at)
    await repository.commit((DeleteTask(5),), at=NOW + timedelta(9))
    await repository.prune(log_before=NOW + timedelta(2), max_changes=100, keys_before=NOW + timedelta(1), limit=100)
    return [entry async for entry in repository.dump()]


async def given(entries: list[StoreEntry]) -> AsyncIterator[StoreEntry]:
    for entry in entries:
        yield entry


async def test_a_restored_store_goes_on_where_the_other_one_was(tmp_path: Path) -> None:
    async with opened(tmp_path / "from.db") as source:
        entries = await filled(source)

    async with opened(tmp_path / "to.db") as target:
        await target.restore(given(entries))
        assert [entry async for entry in target.dump()][1:] == entries[1:]
        again = await target.commit((CreateTask(TaskDraft("x")),), at=NOW, idempotency_key=IdempotencyKey("", "4", "x"))
        assert again.replayed
        task = await add(target)
        assert task.id == 6
        assert (await target.find(TaskQuery(), limit=9)).position.seq == 7

    async with opened(tmp_path / "to.db") as target:
        page = await target.read_changes(Position(await generation_of(target), 2), limit=9)
        assert page.next.seq == 7
        assert (await add(target)).id == 7, "the triggers are there again"
    with raw(tmp_path / "from.db") as one, raw(tmp_path / "to.db") as other:
        schema = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        assert other.execute(schema).fetchall() == one.execute(schema).fetchall()


@pytest.mark.slow
async def test_a_restore_that_is_cancelled_anywhere_leaves_all_or_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "from.db") as source:
        entries = await filled(source)
    stores: list[TaskRepository] = []

    async def restore() -> None:
        await stores[-1].restore(given(entries))

    restored = 0
    places = cancelled_everywhere(restore)
    for number in itertools.count():
        async with opened(tmp_path / f"{number}.db") as target:
            stores.append(target)
            if await anext(places, "the end") == "the end":
                break
            whole = [entry async for entry in target.dump()]
            (header,) = [entry for _, entry in whole if isinstance(entry, WorkspaceHeader)]
            if len(whole) > 2:
                assert whole[1:] == entries[1:]
                restored += 1
            else:
                assert header == WorkspaceHeader(await generation_of(target), header.epoch)
            assert (await add(target, "after")).id == header.last_id + 1

    assert len(stores) > 20
    assert restored > 0


async def test_a_restore_that_fails_half_way_leaves_the_store_empty(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[StoreEntry]:
        async for entry in of_many(1_000):
            yield entry
        raise LookupError("the source broke off")

    async def twice() -> AsyncIterator[StoreEntry]:
        async for entry in of_many(1_000):
            yield entry
        async for entry in of_many(1_000):
            yield entry

    async def unstorable() -> AsyncIterator[StoreEntry]:
        async for entry in of_many(1_000):
            yield entry
        broken_task = create_task(1_001, TaskDraft("\ud800"), NOW)
        yield StoreEntry(DEFAULT_WORKSPACE, broken_task)

    async with opened(tmp_path / "tasks.db") as repository:
        for entries, error in ((broken, LookupError), (twice, StoreUnavailable), (unstorable, InvalidTask)):
            with pytest.raises(error):
                await repository.restore(entries())
            assert await descriptions(repository) == []

        assert (await add(repository)).id == 1
        with pytest.raises(StoreNotEmpty):
            await repository.restore(of_many(1))
        assert await descriptions(repository) == ["a task"]


async def test_pruning_drops_a_little_at_a_time(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        for number in range(25):
            await repository.commit(
                (CreateTask(TaskDraft("x")),), at=NOW, idempotency_key=IdempotencyKey("", f"{number}", "")
            )
        later = NOW + timedelta(1)

        for step in range(1, 4):
            more = await repository.prune(log_before=later, max_changes=0, keys_before=later, limit=10)

            entries = [entry async for entry in repository.dump()]
            assert more == (step < 3)
            (header,) = [entry for _, entry in entries if isinstance(entry, WorkspaceHeader)]
            assert header[2:] == (25, 25, min(10 * step, 25))
            assert sum(isinstance(entry, IdempotencyRecord) for _, entry in entries) == max(0, 25 - 10 * step)
            assert sum(isinstance(entry, Change) for _, entry in entries) == max(0, 25 - 10 * step)

    async with opened(tmp_path / "tasks.db") as repository:
        assert (await repository.find(TaskQuery(), limit=1)).position.seq == 25
        assert (await add(repository)).id == 26
