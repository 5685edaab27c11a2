"""Tests of dump() and restore(), which write out and read all that a store holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TypeVar

from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    STORE,
    Capability,
    Change,
    CreateTask,
    DeleteRecord,
    DeleteTask,
    IdempotencyKey,
    IdempotencyRecord,
    Position,
    PositionGone,
    Precondition,
    PutRecord,
    Record,
    StoreEntry,
    StoreHeader,
    StoreNotEmpty,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    Version,
    VersionConflict,
    WorkspaceHeader,
    codec,
    effective_generation,
)
from tasksvc.testing.samples import FULL, LAST_MOMENT, later, varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised, replayed

KEY = IdempotencyKey("s", "key", "f")
ORDER = (StoreHeader, Record, WorkspaceHeader, Task, IdempotencyRecord, Change)
EMPTY_DUMP = (
    StoreEntry(STORE, StoreHeader("x" * 16)),
    StoreEntry(DEFAULT_WORKSPACE, WorkspaceHeader("y" * 16, "x" * 16)),
)
"""The dump of a store in which nothing ever was."""

Kind = TypeVar("Kind", StoreHeader, WorkspaceHeader, Task, Record, IdempotencyRecord, Change)


class _Torn(Exception):
    """The error at which a dump breaks off half-way."""


async def dumped(store: Store) -> list[StoreEntry]:
    """Returns the whole dump of `store`."""
    return [entry async for entry in store.repository.dump()]


def of_kind(entries: Iterable[StoreEntry], kind: type[Kind], workspace: str = DEFAULT_WORKSPACE) -> list[Kind]:
    """Returns the entries of a dump that are of `kind`, in `workspace` if they belong to one."""
    return [entry for name, entry in entries if isinstance(entry, kind) and name in (workspace, STORE)]


def header_of(entries: Sequence[StoreEntry], workspace: str = DEFAULT_WORKSPACE) -> WorkspaceHeader:
    """Returns the header of a workspace in a dump."""
    (header,) = of_kind(entries, WorkspaceHeader, workspace)
    return header


def epoch_of(entries: Sequence[StoreEntry]) -> str:
    """Returns the epoch of the store that was dumped."""
    workspace, header = entries[0]
    assert isinstance(header, StoreHeader), "the header of the store comes first"
    assert workspace == STORE, "it belongs to no workspace"
    return header.epoch


async def _feed(entries: Iterable[StoreEntry], *, torn_after: int | None = None) -> AsyncIterator[StoreEntry]:
    for n, entry in enumerate(entries):
        if n == torn_after:
            raise _Torn
        yield entry
        await asyncio.sleep(0)
    if torn_after is not None:
        raise _Torn


def without_generation(item: StoreEntry) -> StoreEntry:
    """Returns an item of a dump without the epoch, and without the generation of a workspace."""
    match item.entry:
        case StoreHeader():
            return item._replace(entry=StoreHeader(""))
        case WorkspaceHeader():
            return item._replace(entry=item.entry._replace(generation="", epoch=""))
    return item


def without_generations(entries: Sequence[StoreEntry]) -> list[bytes]:
    """Returns everything but epoch and generations, sorted where the order within a kind doesn't matter."""
    epoch_of(entries)
    return sorted(codec.dumps([item.workspace, codec.entry_to_json(without_generation(item))]) for item in entries)


def is_of_one_moment(entries: Sequence[StoreEntry], workspace: str = DEFAULT_WORKSPACE) -> None:
    """Checks that header, tasks and log of a workspace in a dump belong together."""
    log = of_kind(entries, Change, workspace)
    tasks = {entry.id: entry for entry in of_kind(entries, Task, workspace)}
    assert [change.seq for change in log] == list(range(1, header_of(entries, workspace).last_seq + 1)), (
        "header and log are of one moment"
    )
    assert replayed(log) == tasks, "tasks and log are of one moment"


async def _fill(store: Store) -> None:
    """Fills a store with entries of every kind, with gaps in the ids."""
    await store.add_all(varied(12))
    await store.commit(UpdateTask(2, {"done": True, "metadata": {"n": [1, 1.0, None]}}), DeleteTask(3), at=later(1))
    await store.commit(
        CreateTask(FULL), CreateTask(TaskDraft("gone")), DeleteTask(14), at=later(2), idempotency_key=KEY
    )
    if Capability.RECORDS in store.repository.capabilities:
        await store.commit(PutRecord("b", "x", {"n": 1}), PutRecord("a", "y", {}), PutRecord("a", "x", {}))
        await store.commit(
            PutRecord("b", "x", {"n": 1.0}), DeleteRecord("a", "y"), idempotency_key=IdempotencyKey("s", "also", "f")
        )


class DumpingContract(StoreUnderTest):
    """Tests of copies and backups."""

    @on_store(Capability.DUMP, alone=True)
    async def test_a_dump_holds_everything_in_its_order(self, store: Store) -> None:
        await _fill(store)

        entries = await dumped(store)

        kinds = [ORDER.index(type(entry)) for _, entry in entries]
        assert kinds == sorted(kinds), (
            "a dump has the header of the store and records, and of each workspace its header, tasks, idempotency keys"
            " and changes, in this order"
        )
        for name, entry in entries:
            wanted = STORE if isinstance(entry, StoreHeader | Record) else DEFAULT_WORKSPACE
            assert name == wanted, "each entry names its workspace, but for the header of the store and records"
        header = header_of(entries)
        assert header[2:] == (14, 17, 0), "the header of a workspace has its numbers"
        assert effective_generation(header.generation, header.epoch, epoch_of(entries)) == await store.generation(), (
            "positions carry the effective generation"
        )
        assert of_kind(entries, Task) == await store.listed(), "a dump has the tasks by id"
        assert of_kind(entries, Change) == await store.log(), "a dump has the whole log"
        keys = [entry.key for entry in of_kind(entries, IdempotencyRecord)]
        assert KEY in keys, "a dump has the idempotency keys"
        assert keys == sorted(keys), "a dump has the idempotency keys by scope and value"
        if Capability.RECORDS in store.repository.capabilities:
            assert of_kind(entries, Record) == [Record("a", "x", {}), Record("b", "x", {"n": 1.0}, 2)], (
                "a dump has the records by namespace and key"
            )

    @on_store(Capability.DUMP, alone=True)
    async def test_an_empty_store_is_dumped_and_restored(self, store: Store) -> None:
        entries = await dumped(store)
        assert without_generations(entries) == without_generations(EMPTY_DUMP), "an empty store is two headers alone"

        other = await store.another()
        await other.repository.restore(_feed(entries))

        assert without_generations(await dumped(other)) == without_generations(entries), (
            "an empty store is restored as empty"
        )
        assert (await other.add()).id == 1, "and begins with the first id"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_restored_store_equals_the_dumped_one(self, store: Store) -> None:
        await _fill(store)
        entries = await dumped(store)
        other = await store.another()

        await other.repository.restore(_feed(entries))

        assert without_generations(await dumped(other)) == without_generations(entries), (
            "ids, versions, times, records, idempotency keys, the log and the highest id are as in the dump"
        )
        assert await other.listed() == await store.listed(), "the list is the same"
        assert await other.log() == await store.log(), "the log is the same"
        await other.check()

    @on_store(Capability.DUMP, alone=True)
    async def test_a_restored_store_has_a_new_generation(self, store: Store) -> None:
        await _fill(store)
        other = await store.another()
        born = await other.generation()

        await other.repository.restore(_feed(await dumped(store)))

        own = await other.generation()
        assert own not in (await store.generation(), born), "a restored store has a new generation"
        entries, before = await dumped(other), await dumped(store)
        assert epoch_of(entries) != epoch_of(before), "since it has a new epoch"
        assert header_of(entries) == header_of(before), "the header of a workspace is as in the dump"
        for old in (await store.generation(), born):
            await raised(
                PositionGone,
                other.repository.read_changes(Position(old, 0), limit=1),
                "a position of another generation, in a restored store",
            )
        assert (await other.head()).generation == own, "positions carry the new generation"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_renewed_store_has_a_new_generation_and_holds_the_same(self, store: Store) -> None:
        await _fill(store)
        head, found, before = await store.head(), await store.repository.get(2), await dumped(store)

        await store.repository.renew()

        own = await store.generation()
        assert own != head.generation, "renew() gives a new generation"
        assert without_generations(await dumped(store)) == without_generations(before), "renew() changes nothing else"
        await raised(
            PositionGone,
            store.repository.read_changes(head, limit=1),
            "a position from before the generation was renewed",
        )
        old = Precondition(frozenset({found.version}))
        error = await raised(VersionConflict, store.patch(found.task, expected=old), "a version from before that")
        assert error.generation == own, "the error carries the generation that the store has now"
        committed = await store.commit(CreateTask(TaskDraft("another")))
        assert committed.position == (own, head.seq + 1), "the log goes on with its numbers"
        await store.check()

    @on_store(Capability.DUMP, Capability.DURABLE, alone=True)
    async def test_a_renewed_store_is_kept_over_a_reopening(self, store: Store) -> None:
        await _fill(store)
        await store.repository.renew()
        before = await dumped(store)

        await store.reopen()

        after = await dumped(store)
        assert after[0] == before[0], "the epoch of a renewed store is kept over a reopening"
        assert header_of(after) == header_of(before), "the header of a workspace is kept over a reopening"
        assert without_generations(after) == without_generations(before), "all that it holds is kept"

    @on_store(Capability.DUMP, alone=True)
    async def test_what_is_read_after_a_restore_is_of_the_new_generation(self, store: Store) -> None:
        await _fill(store)
        other = await store.another()
        born = (await other.commit()).position.generation

        await other.repository.restore(_feed(await dumped(store)))

        found = await other.repository.get(2)
        own = found.generation
        assert own != born, "get() gives the generation that the store has now"
        assert (await other.repository.find(TaskQuery(), limit=1)).position.generation == own, "and so does find()"
        assert (await other.repository.read_changes(LOG_START, limit=1)).next.generation == own, (
            "and so does read_changes()"
        )
        old = Precondition(frozenset({Version(born, found.task.version)}))
        error = await raised(VersionConflict, other.patch(found.task, expected=old), "a version from before a restore")
        assert error.generation == own, "the error carries the generation that the store has now"
        patched = await other.commit(UpdateTask(2, {"priority": 9}, Precondition(frozenset({found.version}))))
        assert patched.position.generation == own, "a version that get() gave is the one that a write is held against"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_read_beside_a_restore_does_not_mix_generations(self, store: Store) -> None:
        await _fill(store)
        entries = await dumped(store)
        other = await store.another()
        born = await other.generation()
        restoring = asyncio.ensure_future(other.repository.restore(_feed(entries)))

        async def read() -> set[str]:
            """Returns the generations that a task was read in."""
            seen = set()
            while not restoring.done():
                await asyncio.sleep(0)
                with contextlib.suppress(TaskNotFound):
                    seen.add((await other.repository.get(2)).generation)
                page = await other.repository.find(TaskQuery(), limit=1)
                if page.tasks:
                    seen.add(page.position.generation)
            return seen

        seen = await asyncio.gather(*(read() for _ in range(5)))
        await restoring
        seen.append({(await other.repository.get(2)).generation, await other.generation()})
        assert born not in set().union(*seen), "a task of the restored store is given with the generation of that store"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_restored_store_goes_on_where_the_dump_ended(self, store: Store) -> None:
        await _fill(store)
        first = (await store.commit(CreateTask(FULL), idempotency_key=KEY)).results
        head = await store.head()
        other = await store.another()
        await other.repository.restore(_feed(await dumped(store)))

        again = await other.commit(CreateTask(FULL), idempotency_key=KEY)
        assert (again.replayed, list(again.results)) == (True, list(first)), "idempotency keys are restored"
        assert (await other.add()).id == 15, "an id is never given twice, not even in a restored store"
        assert (await other.head()).seq == head.seq + 1, "the log goes on with its numbers"
        assert (await other.patch(await other.get(2), priority=9)).version == 3, "versions go on"
        await other.check()

    @on_store(Capability.DUMP, Capability.DURABLE, alone=True)
    async def test_a_restored_store_is_kept_over_a_reopening(self, store: Store) -> None:
        await _fill(store)
        other = await store.another()
        await other.repository.restore(_feed(await dumped(store)))
        before = await dumped(other)

        await other.reopen()

        after = await dumped(other)
        assert after[0] == before[0], "the epoch of a restored store is kept over a reopening"
        assert header_of(after) == header_of(before), "the header of a workspace is kept over a reopening"
        assert without_generations(after) == without_generations(before), (
            "all that was restored is kept over a reopening"
        )

    @on_store(Capability.DUMP, alone=True)
    async def test_a_store_that_holds_something_is_not_restored(self, store: Store) -> None:
        held, emptied = await store.another(), await store.another()
        task = await held.add()
        await emptied.remove(await emptied.add())

        for other in (held, emptied):
            await raised(StoreNotEmpty, other.repository.restore(_feed(EMPTY_DUMP)), "restoring into a store in use")

        assert await held.listed() == [task], "a refused restore leaves the store as it is"
        assert (await emptied.add()).id == 2, "a store that has given ids is not empty"

    @on_store(Capability.DUMP, Capability.RECORDS, alone=True)
    async def test_a_store_that_holds_records_is_not_restored(self, store: Store) -> None:
        await store.commit(PutRecord("s", "a", {}))

        await raised(StoreNotEmpty, store.repository.restore(_feed(EMPTY_DUMP)), "restoring over records")

        assert await store.repository.record("s", "a") == Record("s", "a", {}), "a refused restore changes nothing"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_dump_that_breaks_half_way_leaves_the_store_empty(self, store: Store) -> None:
        await _fill(store)
        entries = await dumped(store)
        other = await store.another()

        for torn_after in (0, 1, 5, len(entries) // 2, len(entries) - 1, len(entries)):
            await raised(
                _Torn, other.repository.restore(_feed(entries, torn_after=torn_after)), "a dump that breaks half-way"
            )
            assert await other.listed() == [], "nothing is left of a restore that failed"
            assert await other.log() == [], "nothing is left of a restore that failed"
        await other.repository.restore(_feed(entries))
        assert without_generations(await dumped(other)) == without_generations(entries), (
            "a store that was left empty can be restored"
        )

    @on_store(Capability.DUMP, alone=True)
    async def test_a_dump_is_one_snapshot(self, store: Store) -> None:
        await store.add_all(varied(20))

        async def write(n: int) -> None:
            for _ in range(5):
                committed = await store.commit(
                    CreateTask(TaskDraft(f"new {n}")), UpdateTask(n + 1, {"metadata": {"by": n}})
                )
                await store.commit(*(DeleteTask(task.id) for task in committed.results[:1] if isinstance(task, Task)))

        async def backup() -> list[StoreEntry]:
            entries: list[StoreEntry] = []
            async for entry in store.repository.dump():
                entries.append(entry)
                await asyncio.sleep(0)  # lets the writers write
            return entries

        writers = asyncio.gather(*map(write, range(10)))
        dumps = await asyncio.gather(*(backup() for _ in range(3)))
        await writers

        for entries in (*dumps, await dumped(store)):
            is_of_one_moment(entries)
            assert header_of(entries).last_id == max(change.task_id for change in of_kind(entries, Change)), (
                "header and log are of one moment"
            )

    @on_store(Capability.DUMP, Capability.PRUNE, alone=True)
    async def test_a_pruned_store_is_restored_as_such(self, store: Store) -> None:
        for n in range(6):
            await store.commit(CreateTask(TaskDraft("x")), at=later(n), idempotency_key=KEY._replace(value=str(n)))
        await store.commit(DeleteTask(6), at=later(6))
        await store.repository.prune(log_before=later(4), max_changes=100, keys_before=later(2), limit=100)
        entries = await dumped(store)
        assert header_of(entries)[2:] == (6, 7, 4), "the header says up to where the log was pruned"

        other = await store.another()
        await other.repository.restore(_feed(entries))

        assert without_generations(await dumped(other)) == without_generations(entries), (
            "a pruned store is restored as it was"
        )
        await raised(PositionGone, other.repository.read_changes(LOG_START, limit=1), "LOG_START of a pruned log")
        own = Position(await other.generation(), 4)
        assert [change.seq for change in await other.log(own)] == [5, 6, 7], "the log is read from where it was pruned"

        await other.repository.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=LAST_MOMENT, limit=100)
        last = await store.another()
        await last.repository.restore(_feed(await dumped(other)))
        assert (await last.head()).seq == 7, "the head is restored though the log is empty"
        assert (await last.add()).id == 7, "the highest id is restored though nobody has it any more"
