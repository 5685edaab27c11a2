"""Which changes are due to be pruned, and how a store in memory keeps that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import (
    CommitResult,
    CreateTask,
    Entry,
    IdempotencyKey,
    InMemoryRepository,
    Prunable,
    PutRecord,
    StoreHeader,
    StoreUnavailable,
    TaskDraft,
    UpdateTask,
    prunable,
)

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
MILK = TaskDraft("buy milk")


@given(
    st.lists(st.integers(0, 9), max_size=12),
    st.integers(0, 5),
    st.integers(0, 10),
    st.integers(0, 13),
    st.integers(1, 13),
)
def test_the_log_is_pruned_from_its_start_to_the_first_change_that_is_not_due(
    times: list[int], pruned: int, log_before: int, max_changes: int, limit: int
) -> None:
    log = list(enumerate(times, start=pruned + 1))
    kept = [seq for seq, at in log if at >= log_before and seq > pruned + len(log) - max_changes]
    due = [seq for seq, _ in log if not kept or seq < kept[0]]

    found = prunable(
        log[: limit + 1], last_seq=pruned + len(log), log_before=log_before, max_changes=max_changes, limit=limit
    )

    assert found == Prunable(due[:limit][-1] if due else None, more=len(due) > limit)


class Journal(InMemoryRepository):
    """Keeps its entries in a list, and notes which calls were made."""

    def __init__(self, kept: Sequence[Entry] = ()) -> None:
        super().__init__()
        self.kept = list(kept) or [self.header]
        self.replay(kept)
        self.calls: list[str] = []
        self.fails = False

    async def persist(self, commits: Sequence[Sequence[Entry]]) -> None:
        await self._call("persist")
        self.kept += [entry for entries in commits for entry in entries]

    async def persist_pruned(self, header: StoreHeader, keys: Sequence[IdempotencyKey]) -> None:
        left = self.left_by_pruning(header, keys)
        await self._call(f"{header.pruned_seq} {[key.value for key in keys]}")
        self.kept = left

    async def _call(self, name: str) -> None:
        assert self.calls[-1:] != ["..."], "one call at a time"
        self.calls.append("...")
        await asyncio.sleep(0)
        self.calls[-1] = name
        if self.fails:
            raise StoreUnavailable("The disk fails.")


async def entries_of(repository: InMemoryRepository) -> list[Entry]:
    return [entry async for entry in repository.dump()]


async def some_store() -> Journal:
    """A store with a task that was changed five times, a record, and a key for each of the changes."""
    store = Journal()
    await store.commit([CreateTask(MILK), PutRecord("a", "b", {"n": 1})], at=NOW)
    for number in range(5):
        at, key = NOW + timedelta(hours=number), IdempotencyKey("", f"k{4 - number}", "f")
        await store.commit([UpdateTask(1, {"priority": number + 1})], at=at, idempotency_key=key)
    store.calls.clear()
    return store


async def prune(store: Journal, *, hours: float, limit: int = 100) -> bool:
    at = NOW + timedelta(hours=hours)
    return await store.prune(log_before=at, max_changes=100, keys_before=at, limit=limit)


async def test_what_is_pruned_is_named_and_what_is_left_can_be_replayed() -> None:
    store = await some_store()

    more = await prune(store, hours=2.5)

    assert more is False
    assert store.calls == ["4 ['k4', 'k3', 'k2']"]
    assert await entries_of(Journal(store.kept)) == await entries_of(store) == store.kept
    assert store.header == StoreHeader(store.header.generation, 1, 6, 4)


async def test_the_oldest_keys_go_first_and_the_rest_at_the_next_call() -> None:
    store = await some_store()

    more = [await prune(store, hours=3.5, limit=3), await prune(store, hours=3.5, limit=3)]

    assert store.calls == ["3 ['k4', 'k3', 'k2']", "5 ['k1']"]
    assert more == [True, False]


async def test_where_nothing_is_due_nothing_is_persisted() -> None:
    store = await some_store()

    assert await prune(store, hours=0) is False
    assert store.calls == []


async def test_a_pruning_that_fails_changes_nothing_in_memory() -> None:
    store = await some_store()
    before = await entries_of(store)
    store.fails = True

    with pytest.raises(StoreUnavailable):
        await prune(store, hours=9)

    assert await entries_of(store) == before == await entries_of(Journal(store.kept))


async def test_commits_and_prunings_that_wait_together_are_done_in_turn() -> None:
    store = await some_store()

    outcomes = await asyncio.gather(
        store.commit([CreateTask(MILK)], at=NOW),
        store.commit([CreateTask(MILK)], at=NOW),
        prune(store, hours=1),
        prune(store, hours=2.5),
        store.commit([CreateTask(MILK)], at=NOW),
    )

    assert [outcome.position.seq if isinstance(outcome, CommitResult) else outcome for outcome in outcomes] == [
        *(7, 8, False, False, 9)
    ]
    assert store.calls == ["persist", "2 ['k4']", "4 ['k3', 'k2']", "persist"]
    assert await entries_of(Journal(store.kept)) == await entries_of(store)


async def test_a_pruning_that_fails_harms_no_commit_that_waited_with_it() -> None:
    class FailsToPrune(Journal):
        async def persist_pruned(self, header: StoreHeader, keys: Sequence[IdempotencyKey]) -> None:
            raise StoreUnavailable("The disk fails.")

    store = FailsToPrune((await some_store()).kept)

    first, pruned, second = await asyncio.gather(
        store.commit([CreateTask(MILK)], at=NOW),
        prune(store, hours=9),
        store.commit([CreateTask(MILK)], at=NOW),
        return_exceptions=True,
    )

    assert isinstance(pruned, StoreUnavailable)
    assert isinstance(first, CommitResult)
    assert isinstance(second, CommitResult)
    assert await entries_of(Journal(store.kept)) == await entries_of(store)


async def test_a_commit_that_fails_harms_no_pruning_and_no_commit_before_it() -> None:
    class FailsLater(Journal):
        async def persist(self, commits: Sequence[Sequence[Entry]]) -> None:
            self.fails = "persist" in self.calls
            await super().persist(commits)

    store = FailsLater((await some_store()).kept)

    first, pruned, second = await asyncio.gather(
        store.commit([CreateTask(MILK)], at=NOW),
        prune(store, hours=2.5),
        store.commit([CreateTask(MILK)], at=NOW),
        return_exceptions=True,
    )

    assert isinstance(first, CommitResult)
    assert pruned is False
    assert isinstance(second, StoreUnavailable)
    assert await entries_of(Journal(store.kept)) == await entries_of(store)


async def test_a_cancelled_pruning_is_done_all_the_same_once_it_began() -> None:
    store = await some_store()
    pruning = asyncio.ensure_future(prune(store, hours=2.5))
    while not store.calls:
        await asyncio.sleep(0)

    pruning.cancel()
    await store.close()

    assert store.kept[0] == StoreHeader(store.header.generation, 1, 6, 4) == store.header
