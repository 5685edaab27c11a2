"""A repository over a ledger, and its guarantees to a durable store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from tasksvc import (
    STORE,
    CreateTask,
    IdempotencyKey,
    InMemoryRepository,
    StoreEntry,
    StoreFull,
    StoreHeader,
    StoreNotEmpty,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
)

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
MILK = TaskDraft("buy milk")
KEY = IdempotencyKey("", "key", "fingerprint")
PATIENCE = 10.0


class Journal(InMemoryRepository):
    """Appends to a list, which takes a while and can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[list[StoreEntry]] = []
        self.writing = False
        self.started = asyncio.Event()
        self.full = False
        self.free = asyncio.Event()
        self.free.set()

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        assert not self.writing, "persist() is called once at a time"
        self.writing = True
        self.started.set()
        try:
            await self.free.wait()
            await asyncio.sleep(0)
            if self.full:
                raise StoreFull("No room is left.")
            self.kept += map(list, commits)
        finally:
            self.writing = False


async def count(repository: InMemoryRepository) -> int:
    return len((await repository.find(TaskQuery(), limit=1_000)).tasks)


async def entries_of(repository: InMemoryRepository) -> list[StoreEntry]:
    return [entry async for entry in repository.dump()]


async def stream(entries: Sequence[StoreEntry]) -> AsyncIterator[StoreEntry]:
    for entry in entries:
        yield entry


@pytest.fixture
async def some_dump() -> list[StoreEntry]:
    repository = InMemoryRepository()
    await repository.commit([CreateTask(MILK), CreateTask(MILK)], at=NOW, idempotency_key=KEY)
    return await entries_of(repository)


async def test_what_was_persisted_replays_to_the_same_store() -> None:
    repository, again = Journal(), Journal()
    headers = repository.headers()
    await asyncio.gather(*(repository.commit([CreateTask(MILK)], at=NOW) for _ in range(100)))
    await repository.commit([UpdateTask(1, {"done": True})], at=NOW, idempotency_key=KEY)

    again.replay(headers)
    for entries in repository.kept:
        again.replay(entries)

    assert await entries_of(again) == await entries_of(repository)


async def test_nobody_sees_what_is_not_persisted_yet() -> None:
    repository = Journal()
    repository.free.clear()
    writing = asyncio.ensure_future(repository.commit([CreateTask(MILK)], at=NOW))
    await asyncio.wait_for(repository.started.wait(), PATIENCE)

    assert await count(repository) == 0
    repository.free.set()
    await asyncio.wait_for(writing, PATIENCE)
    assert await count(repository) == 1


async def test_what_could_not_be_persisted_never_happened_and_its_number_and_key_are_free() -> None:
    repository = Journal()
    repository.full = True
    failed = await asyncio.gather(
        *(repository.commit([CreateTask(MILK)], at=NOW, idempotency_key=KEY._replace(value=str(n))) for n in range(3)),
        return_exceptions=True,
    )
    repository.full = False

    committed = await repository.commit([CreateTask(MILK)], at=NOW, idempotency_key=KEY._replace(value="0"))

    assert [type(outcome) for outcome in failed] == [StoreFull] * 3
    assert (committed.replayed, committed.position.seq, await count(repository)) == (False, 1, 1)


async def test_a_commit_with_a_defect_fails_alone_in_its_group() -> None:
    repository = Journal()

    one, defect, refused, two = await asyncio.gather(
        repository.commit([CreateTask(MILK)], at=NOW),
        repository.commit([UpdateTask(1, {"no such field": 1})], at=NOW),
        repository.commit([UpdateTask(9, {})], at=NOW),
        repository.commit([CreateTask(MILK)], at=NOW),
        return_exceptions=True,
    )

    assert isinstance(defect, AttributeError)
    assert isinstance(refused, TaskNotFound)
    assert not isinstance(one, BaseException)
    assert not isinstance(two, BaseException)
    assert await count(repository) == 2
    assert len(repository.kept) == 2


async def test_a_restore_gives_all_that_was_dumped_under_a_new_epoch(some_dump: list[StoreEntry]) -> None:
    repository = Journal()

    await repository.restore(stream(some_dump))

    header, *rest = await entries_of(repository)
    (workspace, epoch), (dumped_workspace, dumped_epoch) = header, some_dump[0]
    assert isinstance(epoch, StoreHeader)
    assert isinstance(dumped_epoch, StoreHeader)
    assert workspace == dumped_workspace == STORE
    assert epoch.epoch not in (dumped_epoch.epoch, "")
    assert rest == some_dump[1:]
    assert repository.kept == [[header, *rest]]


async def test_a_restore_that_is_cancelled_while_it_is_written_is_complete(some_dump: list[StoreEntry]) -> None:
    repository = Journal()
    repository.free.clear()
    restoring = asyncio.ensure_future(repository.restore(stream(some_dump)))
    await asyncio.wait_for(repository.started.wait(), PATIENCE)

    restoring.cancel()
    await asyncio.wait([restoring])
    repository.free.set()
    await asyncio.wait_for(repository.close(), PATIENCE)

    assert repository.headers()[1] == some_dump[1]
    assert len(repository.kept) == 1


async def test_of_two_restores_at_once_one_is_done(some_dump: list[StoreEntry]) -> None:
    repository = Journal()

    outcomes = await asyncio.gather(*(repository.restore(stream(some_dump)) for _ in range(2)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), StoreNotEmpty]
    assert len(repository.kept) == 1


async def test_a_restore_beside_commits_finds_the_store_empty_or_is_refused(some_dump: list[StoreEntry]) -> None:
    before, after = Journal(), Journal()

    refused, *_ = await asyncio.gather(
        before.restore(stream(some_dump)), before.commit([CreateTask(MILK)], at=NOW), return_exceptions=True
    )
    added, restored = await asyncio.gather(
        after.commit([CreateTask(MILK)], at=NOW), after.restore(stream(some_dump)), return_exceptions=True
    )

    for repository, outcome in ((before, refused), (after, restored)):
        assert await count(repository) == (1 if isinstance(outcome, StoreNotEmpty) else 3)
    assert not isinstance(added, BaseException)
