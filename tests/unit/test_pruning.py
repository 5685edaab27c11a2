"""Which changes are due to be pruned, and how a store in memory keeps that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import (
    STORE,
    Change,
    CommitResult,
    CreateTask,
    DeleteRecord,
    DeleteTask,
    IdempotencyKey,
    IdempotencyRecord,
    InMemoryRepository,
    Prunable,
    PrunedWorkspace,
    PutRecord,
    Record,
    StoreEntry,
    StoreHeader,
    StoreUnavailable,
    Task,
    TaskDraft,
    UpdateTask,
    WorkspaceHeader,
    prunable,
)

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
KEY = IdempotencyKey("", "key", "f")
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

    def __init__(self, kept: Sequence[StoreEntry] = ()) -> None:
        super().__init__()
        self.kept = list(kept) or self.headers()
        self.replay(kept)
        self.calls: list[str] = []
        self.fails = False

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await self._call("persist")
        self.kept += [entry for entries in commits for entry in entries]

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        left = self.left_by_pruning(pruned)
        await self._call(", ".join(map(self._told, pruned)).replace("default ", ""))
        self.kept = left

    @staticmethod
    def _told(unit: PrunedWorkspace) -> str:
        if unit.erased:
            return f"{unit.workspace} {'erased' if unit.header is None else 'emptied'}"
        assert unit.header is not None
        return f"{unit.workspace} {unit.header.pruned_seq} {[key.value for key in unit.keys]}"

    async def _call(self, name: str) -> None:
        assert self.calls[-1:] != ["..."], "one call at a time"
        self.calls.append("...")
        await asyncio.sleep(0)
        self.calls[-1] = name
        if self.fails:
            raise StoreUnavailable("The disk fails.")


class Rows(InMemoryRepository):
    """Keeps a row for each entry, as a database does, and each header as the last pruning left it."""

    def __init__(self, rows: dict[tuple[object, ...], StoreEntry]) -> None:
        super().__init__()
        self.rows = rows
        if not rows:
            self._put(self.headers())
        for kind in (StoreHeader, WorkspaceHeader, Task, Record, IdempotencyRecord, Change):
            self.replay([unit for unit in rows.values() if isinstance(unit.entry, kind)])

    def _put(self, units: Iterable[StoreEntry]) -> None:
        for unit in units:
            match unit.entry:
                case Change(seq, _, _, task_id, None):
                    self.rows[unit.workspace, Change, seq] = unit
                    self.rows.pop((unit.workspace, Task, task_id), None)
                case Change(seq, _, _, task_id, task) if task is not None:
                    self.rows[unit.workspace, Change, seq] = unit
                    self.rows[unit.workspace, Task, task_id] = unit._replace(entry=task)
                case Record(namespace, key, _, 0):
                    self.rows.pop((STORE, Record, namespace, key), None)
                case Record(namespace, key):
                    self.rows[STORE, Record, namespace, key] = unit
                case IdempotencyRecord(key):
                    self.rows[unit.workspace, IdempotencyRecord, key.scope, key.value] = unit
                case StoreHeader() | WorkspaceHeader():
                    self.rows[unit.workspace, type(unit.entry)] = unit

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        self._put(unit for entries in commits for unit in entries)

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        for name, header, keys, erased in pruned:
            if erased:
                self.rows = {key: unit for key, unit in self.rows.items() if unit.workspace != name}
            if header is None:
                continue
            for key in [key for key in self.rows if key[:2] == (name, Change) and key[2] <= header.pruned_seq]:  # type: ignore[operator]
                del self.rows[key]
            for key_ in keys:
                del self.rows[name, IdempotencyRecord, key_.scope, key_.value]
            self._put([StoreEntry(name, header)])


async def entries_of(repository: InMemoryRepository) -> list[StoreEntry]:
    return [entry async for entry in repository.dump()]


def numbers(repository: InMemoryRepository) -> tuple[object, ...]:
    """Returns the highest id, the number of the last change and that up to which the log was pruned."""
    _, (_, header) = repository.headers()
    assert isinstance(header, WorkspaceHeader)
    return header[2:]


async def some_store() -> Journal:
    """A store with a task that was changed five times, a record, and a key for each of the changes."""
    store = Journal()
    await store.commit([CreateTask(MILK)], at=NOW)
    await store.commit([PutRecord("a", "b", {"n": 1})], at=NOW)
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
    assert numbers(store) == (1, 6, 4)


async def test_the_oldest_keys_go_first_and_the_rest_at_the_next_call() -> None:
    store = await some_store()

    more = [await prune(store, hours=3.5, limit=3), await prune(store, hours=3.5, limit=3)]

    assert store.calls == ["3 ['k4', 'k3', 'k2']", "5 ['k1']"]
    assert more == [True, False]


async def test_a_store_with_rows_deletes_those_that_are_pruned() -> None:
    store = Rows({})
    await store.commit([CreateTask(MILK), CreateTask(MILK)], at=NOW)
    await store.commit([PutRecord("a", "b", {}), PutRecord("a", "c", {})], at=NOW)
    await store.commit([DeleteRecord("a", "b")], at=NOW)
    await store.commit([DeleteTask(2)], at=NOW, idempotency_key=IdempotencyKey("", "k", "f"))
    await store.commit([UpdateTask(1, {"done": True})], at=NOW + timedelta(1))

    await store.prune(log_before=NOW + timedelta(1), max_changes=100, keys_before=NOW + timedelta(1), limit=100)
    again = Rows(store.rows)
    await again.commit([CreateTask(MILK)], at=NOW + timedelta(1))

    assert list(store.rows) == [
        (STORE, StoreHeader),
        ("default", WorkspaceHeader),
        ("default", Task, 1),
        (STORE, Record, "a", "c"),
        ("default", Change, 4),
        ("default", Change, 5),
        ("default", Task, 3),
    ]
    assert numbers(again) == (3, 5, 3)
    assert await entries_of(Rows(again.rows)) == await entries_of(again)


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
        async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
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
        async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
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

    assert numbers(store) == (1, 6, 4)
    assert store.headers()[1] in store.kept


async def test_a_step_takes_from_each_workspace_what_the_ones_before_it_left_of_its_limit() -> None:
    store = Journal()
    for name in ("b", "a", "default"):
        for number in range(3):
            at, key = NOW + timedelta(hours=number), IdempotencyKey("", f"k{number}", "f")
            await store.workspace(name).commit([CreateTask(MILK)], at=at, idempotency_key=key)
    store.calls.clear()

    more = [await prune(store, hours=1.5, limit=3) for _ in range(2)]

    assert store.calls == ["a 2 ['k0', 'k1'], b 1 ['k0']", "b 2 ['k1'], 2 ['k0', 'k1']"]
    assert more == [True, False]
    assert await entries_of(Journal(store.kept)) == await entries_of(store) == store.kept


async def test_what_is_erased_is_named_and_what_is_left_can_be_replayed() -> None:
    store, rows = Journal(), Rows({})
    for each in (store, rows):
        for name in ("a", "b", "default"):
            await each.workspace(name).commit([CreateTask(MILK)], at=NOW, idempotency_key=KEY)
    store.calls.clear()

    for name in ("a", "never-made", "default", "a"):
        await asyncio.gather(store.workspace(name).erase(), rows.workspace(name).erase())

    assert store.calls == ["a erased", "emptied"]
    left = await entries_of(store)
    assert left == store.kept == await entries_of(Journal(store.kept))
    assert {(unit.workspace, type(unit.entry)) for unit in left} == {
        *[(STORE, StoreHeader), ("default", WorkspaceHeader)],
        *[("b", kind) for kind in (WorkspaceHeader, Task, IdempotencyRecord, Change)],
    }
    assert numbers(store) == (0, 0, 0)
    assert await entries_of(Rows(rows.rows)) == await entries_of(rows)
    assert len(rows.rows) == len(left)


async def test_an_erasure_that_fails_changes_nothing() -> None:
    store = await some_store()
    before = await entries_of(store)
    store.fails = True

    with pytest.raises(StoreUnavailable):
        await store.erase()

    assert await entries_of(store) == before == await entries_of(Journal(store.kept))


async def test_compacting_replaces_a_log_by_what_is_left() -> None:
    store = await some_store()

    await store.workspace("a").compact()

    assert store.calls == [""]
    assert store.kept == await entries_of(store)
