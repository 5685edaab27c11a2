"""What is done to a whole store, with several workspaces in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    STORE,
    Capability,
    Change,
    CreateTask,
    DeleteMatching,
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
    TaskQuery,
    UpdateTask,
    VersionConflict,
    WorkspaceHeader,
    effective_generation,
)
from tasksvc.testing.dumping import (
    EMPTY_DUMP,
    ORDER,
    dumped,
    epoch_of,
    header_of,
    is_of_one_moment,
    of_kind,
    without_generations,
)
from tasksvc.testing.samples import FIRST_MOMENT, FULL, LAST_MOMENT, NOW, later, task_of, varied
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised
from tasksvc.testing.workspaces import is_unmade

KEY = IdempotencyKey("s", "key", "f")
LONG = 20.0
"""A timeout in seconds that a test of a correct store never reaches."""
NAMES = ("B", "a", "a-", "b", DEFAULT_WORKSPACE, "key")
"""Workspaces in the order of a dump. The last one holds a key alone."""


async def _fill(store: Store) -> None:
    """Fills workspaces, each with other contents, and the records of the store."""
    await store.within("key").commit(DeleteMatching([], TaskQuery()), idempotency_key=KEY)
    for number, name in enumerate(NAMES[:-1]):
        place = store.within(name)
        await place.add_all(varied(number + 3))
        await place.commit(UpdateTask(1, {"done": True}), DeleteTask(number + 3), at=later(number))
        await place.commit(CreateTask(FULL), at=later(9), idempotency_key=KEY._replace(fingerprint=name))
    if Capability.RECORDS in store.opened.capabilities:
        await store.within("a").commit(PutRecord("s", "b", {"n": 1}), PutRecord("r", "z", {}))
        await store.commit(PutRecord("s", "a", {}))


async def _generations(store: Store, names: Sequence[str] = NAMES) -> list[str]:
    return [await store.within(name).generation() for name in names]


class WholeStoresContract(StoreUnderTest):
    """Tests of dump(), restore(), renew() and prune() of several workspaces."""

    # ------------------------------------------------------------ dumping and restoring

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_dump_holds_one_workspace_after_the_other(self, store: Store) -> None:
        await _fill(store)
        await is_unmade(store.within("unmade"))

        entries = await dumped(store)

        places = [(name, ORDER.index(type(entry))) for name, entry in entries]
        assert places == sorted(places), (
            "the header of the store and records come first, and then each workspace by name, with its header, tasks,"
            " idempotency keys and changes"
        )
        assert list(dict.fromkeys(name for name, _ in entries)) == [STORE, *NAMES], (
            "every workspace that is made is there"
        )
        for name in NAMES:
            place = store.within(name)
            header = header_of(entries, name)
            assert of_kind(entries, Task, name) == await place.listed(), "a dump has the tasks of each by id"
            assert of_kind(entries, Change, name) == await place.log(), "a dump has the log of each"
            assert header.last_seq == (await place.head()).seq, "the header of each has its numbers"
            assert effective_generation(header.generation, header.epoch, epoch_of(entries)) == await place.generation()
            keys = [entry.key.fingerprint for entry in of_kind(entries, IdempotencyRecord, name)]
            assert keys == ["f" if name == "key" else name], "a dump has the keys of each"
        if Capability.RECORDS in store.opened.capabilities:
            names = [(record.namespace, record.key) for record in of_kind(entries, Record)]
            assert names == [("r", "z"), ("s", "a"), ("s", "b")], "a dump has the records once"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_dump_of_any_workspace_is_that_of_the_store(self, store: Store) -> None:
        await _fill(store)
        whole = await dumped(store)

        for name in ("a", "unmade"):
            assert await dumped(store.within(name)) == whole, "dump() is of the whole store, whatever it is called on"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_all_workspaces_are_restored(self, store: Store) -> None:
        await _fill(store)
        entries = await dumped(store)
        other = await store.another()
        born = await other.generation()

        await other.within("a").repository.restore(each_of(entries))

        again = await dumped(other)
        assert without_generations(again) == without_generations(entries), (
            "ids, versions, times, keys, logs and highest ids are as in the dump"
        )
        headers = [header_of(each, name) for each in (entries, again) for name in NAMES]
        assert headers[: len(NAMES)] == headers[len(NAMES) :], "the header of each workspace is as in the dump"
        before, after = await _generations(store), await _generations(other)
        assert len({*before, *after, born}) == 2 * len(NAMES) + 1, "and yet each has a new generation"
        for number, name in enumerate(NAMES[:-1]):
            place = other.within(name)
            await raised(
                PositionGone, place.log(Position(before[number], 0)), "a position of before, in a restored workspace"
            )
            committed = await place.commit(CreateTask(FULL), idempotency_key=KEY._replace(fingerprint=name))
            assert committed.replayed, "each has its keys"
            assert (await place.add()).id == number + 5, "each goes on behind its highest id"
            await place.check()
        assert (await other.within("unmade").add()).id == 1, "and others can be made"
        if Capability.DURABLE in other.opened.capabilities:
            heads = {name: await other.within(name).head() for name in (*NAMES, "unmade")}
            await other.reopen()
            for name, head in heads.items():
                assert await other.within(name).head() == head, "positions and generations are kept over a reopening"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_restored_store_is_restored_once_more(self, store: Store) -> None:
        await _fill(store)
        second, third = await store.another(), await store.another()
        await second.opened.restore(each_of(await dumped(store)))
        await second.within("later").add()
        await second.within("a").add()

        await third.opened.restore(each_of(await dumped(second)))

        assert without_generations(await dumped(third)) == without_generations(await dumped(second)), (
            "a copy of a copy holds all"
        )
        names = (*NAMES, "later")
        generations = [
            *await _generations(store),
            *await _generations(second, names),
            *await _generations(third, names),
        ]
        assert len(set(generations)) == len(generations), "each workspace has a new generation in each copy"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_an_entry_without_the_header_of_its_workspace_is_refused(self, store: Store) -> None:
        header, default = EMPTY_DUMP
        for entries in (
            [header, default, StoreEntry("a", task_of(FULL))],
            [header, default, StoreEntry("a", task_of(FULL)), StoreEntry("a", WorkspaceHeader("z" * 16, "x" * 16, 1))],
            [header, StoreEntry("a", WorkspaceHeader("z" * 16, "x" * 16, 1)), StoreEntry("b", task_of(FULL))],
        ):
            await raised(ValueError, store.opened.restore(each_of(entries)), "restoring a workspace without its header")
            assert len(await dumped(store)) == 2, "a refused restore leaves the store empty"
        await is_unmade(store.within("a"))

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_store_with_another_workspace_is_not_restored(self, store: Store) -> None:
        with_task, with_key, emptied = store, await store.another(), await store.another()
        await with_task.within("a").add()
        await with_key.within("a").commit(idempotency_key=KEY)
        await emptied.within("a").remove(await emptied.within("a").add())

        for other in (with_task, with_key, emptied):
            before = await dumped(other)
            await raised(
                StoreNotEmpty, other.opened.restore(each_of(EMPTY_DUMP)), "restoring where a workspace is made"
            )
            assert await dumped(other) == before, "a refused restore leaves the store as it is"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_dump_beside_writers_is_one_snapshot_of_all_workspaces(self, store: Store) -> None:
        names = ("a", "b", "default")
        for name in names:
            await store.within(name).add_all(varied(5))
        over = asyncio.Event()

        async def write() -> None:
            """Writes to the workspaces in turn, so that in each moment the first ones are ahead of the others."""
            while not over.is_set():
                for name in names:
                    task = await store.within(name).add("new")
                    await store.within(name).commit(UpdateTask(1, {"metadata": {"by": task.id}}), DeleteTask(task.id))

        writing = asyncio.ensure_future(write())
        for _ in range(4):
            entries = []
            async for entry in store.opened.dump():
                entries.append(entry)
                await asyncio.sleep(0)  # lets the writer write
            for name in names:
                is_of_one_moment(entries, name)
            seqs = [header_of(entries, name).last_seq for name in names]
            assert seqs == sorted(seqs, reverse=True), "all workspaces are of one moment"
            assert seqs[0] - seqs[-1] <= 3, "all workspaces are of one moment"
        over.set()
        await writing

    # ------------------------------------------------------------ renewing

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_renewal_gives_every_workspace_a_new_generation(self, store: Store) -> None:
        await _fill(store)
        before, held = await _generations(store), await dumped(store)
        found = await store.within("a").repository.get(1)

        await store.within("b").repository.renew()

        after = await _generations(store)
        assert len({*before, *after}) == 2 * len(NAMES), "each workspace has a new generation"
        assert without_generations(await dumped(store)) == without_generations(held), "and holds what it held"
        for number, name in enumerate(NAMES):
            place = store.within(name)
            await raised(PositionGone, place.log(Position(before[number], 0)), "a position of before a renewal")
        error = await raised(
            VersionConflict,
            store.within("a").patch(found.task, expected=Precondition(frozenset({found.version}))),
            "a version of before a renewal",
        )
        assert error.generation == after[NAMES.index("a")], "the error tells the generation of now"
        await is_unmade(store.within("new"))
        committed = await store.within("new").commit(CreateTask(FULL))
        assert committed.position == await store.within("new").head(), "a workspace is made in the new epoch"
        again = [*after, committed.position.generation]
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()
            assert await _generations(store, (*NAMES, "new")) == again, "all of it is kept over a reopening"
        await store.opened.renew()
        assert not {*await _generations(store, (*NAMES, "new"))} & {*before, *again}, "each renewal gives new ones"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_reader_that_waits_learns_of_a_renewal(self, store: Store) -> None:
        place = store.within("a")
        await place.add()
        head = await place.head()

        waiting = asyncio.ensure_future(place.repository.changes(head, limit=1, wait=LONG))
        await asyncio.sleep(0.01)

        await store.opened.renew()
        await place.add()

        await raised(PositionGone, asyncio.wait_for(waiting, LONG / 2), "waiting at a position of before a renewal")

    # ------------------------------------------------------------ pruning

    @on_store(Capability.WORKSPACES, Capability.PRUNE, alone=True)
    async def test_each_workspace_keeps_its_newest_changes(self, store: Store) -> None:
        counts = {"default": 5, "a": 1, "b": 3, "c": 4}
        for name, count in counts.items():
            await store.within(name).add_all(varied(count))

        more = await store.within("a").repository.prune(
            log_before=FIRST_MOMENT, max_changes=3, keys_before=FIRST_MOMENT, limit=1_000
        )

        assert more is False, "there is no more to prune"
        for name, count in counts.items():
            place = store.within(name)
            pruned, own = max(0, count - 3), await place.generation()
            left = [change.seq for change in await place.log(Position(own, pruned))]
            assert left == list(range(pruned + 1, count + 1)), "the newest changes of each workspace are kept"
            if pruned:
                await raised(PositionGone, place.log(Position(own, pruned - 1)), "a position that was pruned")
                await raised(PositionGone, place.log(), "LOG_START of a log that was pruned")
            assert len(await place.listed()) == count, "tasks outlive the changes that made them"

    @on_store(Capability.WORKSPACES, Capability.PRUNE, alone=True)
    async def test_old_changes_and_keys_are_pruned_in_every_workspace(self, store: Store) -> None:
        names = ("default", "a", "b")
        for number, name in enumerate(names):
            for turn in range(4):
                key = IdempotencyKey("s", f"{turn}", "f")
                await store.within(name).commit(
                    CreateTask(TaskDraft("x")), at=later(10 * turn + number), idempotency_key=key
                )

        await store.opened.prune(log_before=later(11), max_changes=100, keys_before=later(21), limit=1_000)

        for number, name in enumerate(names):
            place = store.within(name)
            pruned = 2 if number < 1 else 1
            log = await place.log(Position(await place.generation(), pruned))
            assert [change.seq for change in log] == list(range(pruned + 1, 5)), "each log is pruned by its own times"
            replayed = [
                (await place.commit(CreateTask(TaskDraft("x")), idempotency_key=IdempotencyKey("s", f"{turn}", "f")))
                for turn in range(4)
            ]
            kept = 1 if number < 1 else 2
            assert [each.replayed for each in replayed] == [False] * (4 - kept) + [True] * kept, (
                "and so are the keys of each"
            )

    @on_store(Capability.WORKSPACES, Capability.PRUNE, alone=True)
    async def test_pruning_many_workspaces_goes_in_short_steps(self, store: Store) -> None:
        names = [f"w{n}" for n in range(8)]
        for name in names:
            place = store.within(name)
            await place.add_all([TaskDraft("x")] * 2)
            await place.commit(CreateTask(TaskDraft("x")), idempotency_key=KEY)

        async def left() -> tuple[int, int]:
            """Returns the changes and the keys that are left in all workspaces."""
            if Capability.DUMP not in store.opened.capabilities:
                return -1, -1
            entries = [entry for _, entry in await dumped(store)]
            return sum(isinstance(each, Change) for each in entries), sum(
                isinstance(each, IdempotencyRecord) for each in entries
            )

        steps, before = 0, await left()
        more = True
        while more:
            more = await store.opened.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=LAST_MOMENT, limit=5)
            after = await left()
            for kind in (0, 1):
                assert before[kind] - after[kind] <= 5, "a step prunes at most `limit` of each kind, in all workspaces"
            steps, before = steps + 1, after
            assert steps <= 100, "pruning comes to an end"

        for name in names:
            place = store.within(name)
            own = await place.generation()
            assert await place.log(Position(own, 3)) == [], "no change is left"
            await raised(PositionGone, place.log(Position(own, 2)), "a position that was pruned")
            assert not (await place.commit(CreateTask(FULL), idempotency_key=KEY)).replayed, "no key is left"
            assert (await place.head()).seq == 4, "the log goes on with its numbers"
            assert (await place.listed())[-1].id == 4, "and the ids go on"

    @on_store(Capability.WORKSPACES, Capability.PRUNE, Capability.DURABLE, alone=True)
    async def test_a_workspace_that_is_pruned_empty_is_still_made(self, store: Store) -> None:
        place = store.within("a")
        await place.remove(await place.add())
        await store.within("key").commit(idempotency_key=KEY)
        head, other = await place.head(), await store.within("key").head()
        await store.opened.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=LAST_MOMENT, limit=1_000)

        await store.reopen()

        place = store.within("a")
        assert await place.head() == head, "its generation and the number of its last change are kept"
        assert await store.within("key").head() == other, "also where it never had a change"
        assert (await place.add()).id == 2, "its highest id is kept"
        assert [change.seq for change in await place.log(head)] == [3], "its log goes on"
        names = [each.name for each in await store.opened.workspaces(limit=10)]
        assert names == ["a", "default", "key"], "and it is listed"
        await raised(PositionGone, place.log(LOG_START), "LOG_START of a log that was pruned")

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_store_keeps_its_epoch(self, store: Store) -> None:
        await store.within("a").add()
        entries = await dumped(store)
        assert isinstance(entries[0].entry, StoreHeader), "the header of the store comes first"
        await store.within("b").commit(CreateTask(FULL), at=NOW)

        assert epoch_of(await dumped(store)) == epoch_of(entries), "making a workspace is no new epoch"
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()
            assert epoch_of(await dumped(store)) == epoch_of(entries), "nor is a reopening"
