"""Tests of erase(), after which a workspace is gone for every reader, and of what takes away what it held."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    Capability,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    OutcomeUnknown,
    Position,
    PositionGone,
    Precondition,
    PutRecord,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    VersionConflict,
)
from tasksvc.testing.cancellation import cancelled_everywhere
from tasksvc.testing.dumping import dumped, header_of, is_of_one_moment, without_generations
from tasksvc.testing.samples import FIRST_MOMENT, FULL, NOW, later, varied
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised
from tasksvc.testing.workspace_lists import changed
from tasksvc.testing.workspaces import is_unmade

KEY = IdempotencyKey("s", "key", "f")
LONG = 20.0
"""A timeout in seconds that a test of a correct store never reaches."""
ALL_CHANGES = 2**63 - 1
"""More changes than any log has."""
OTHERS = ("A", "aa", "a-", "a.", "b", DEFAULT_WORKSPACE)
"""Workspaces whose names are much like that of the erased one, and the default one."""
MARK = "xq7rv2mzk9"
"""A text that is in no file unless a task, a key or a name has it."""


async def fill(store: Store, count: int = 7) -> None:
    """Writes tasks, changes and idempotency keys to the workspace of `store`."""
    await store.add_all(varied(count))
    await store.commit(UpdateTask(1, {"done": True, "priority": 9}), DeleteTask(2), at=later(1))
    await store.commit(CreateTask(FULL), at=later(2), idempotency_key=KEY)
    await store.commit(CreateTask(TaskDraft("b")), at=later(3), idempotency_key=KEY._replace(value="another"))


async def prune_erased(repository: TaskRepository, *, limit: int = 1_000, steps: int = 1_000) -> bool:
    """Deletes what erased workspaces have left, and nothing else, in at most `steps`. Returns whether more is left."""
    for _ in range(steps):
        if not await repository.prune(
            log_before=FIRST_MOMENT, max_changes=ALL_CHANGES, keys_before=FIRST_MOMENT, limit=limit
        ):
            return False
    return True


async def is_new(store: Store) -> None:
    """Checks that the workspace of `store` is as before the first write to it."""
    if store.workspace != DEFAULT_WORKSPACE:
        await is_unmade(store)
        return
    page = await store.repository.find(TaskQuery(), limit=10)
    assert page.position.generation, "the default workspace is made with the store"
    assert (list(page.tasks), page.next, page.position.seq) == ([], None, 0), "an erased default workspace is empty"
    assert await store.repository.count(TaskQuery()) == 0, "it counts nothing"
    assert await store.log() == [], "its log is empty, and LOG_START is good"
    summaries = [tuple(each) for each in await store.opened.workspaces(prefix=DEFAULT_WORKSPACE, limit=1)]
    assert summaries == [(DEFAULT_WORKSPACE, 0, 0, None)], "it is listed, and empty"


async def _is_gone(store: Store, positions: Iterable[Position]) -> None:
    """Checks that nothing of an erased workspace is there, nor any of the `positions` in it."""
    await is_new(store)
    for task_id in range(1, 12):
        await raised(TaskNotFound, store.get(task_id), f"get({task_id}) in an erased workspace")
    for query in (TaskQuery(labels=("a",)), TaskQuery(q="alpha"), TaskQuery(done=True), TaskQuery(priority_min=1)):
        assert await store.listed(query) == [], f"nothing is found in an erased workspace: {query}"
        assert await store.repository.count(query) == 0, f"nothing is counted in an erased workspace: {query}"
    for position in positions:
        await raised(PositionGone, store.log(position), f"{position} in an erased workspace")


def whole_generations(commits: Sequence[CommitResult], *, size: int) -> dict[str, list[CommitResult]]:
    """Returns commits by generation, after checking that each generation began with id 1 and lacks none of them.

    Each of the commits has created `size` tasks, and nobody else has written anything.
    """
    found: defaultdict[str, list[CommitResult]] = defaultdict(list)
    for committed in commits:
        found[committed.position.generation].append(committed)
    for each in found.values():
        count = len(each)
        assert sorted(committed.position.seq for committed in each) == [size * n for n in range(1, count + 1)], (
            "commits beside an erasure come before it, or make a workspace whose log begins with 1"
        )
        ids = sorted(getattr(task, "id", 0) for committed in each for task in committed.results)
        assert ids == list(range(1, size * count + 1)), "and whose ids begin with 1"
    return dict(found)


class ErasingContract(StoreUnderTest):
    """Tests of workspaces that are erased."""

    # ------------------------------------------------------------ what an erasure does

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_an_erased_workspace_is_gone_at_once(self, store: Store) -> None:
        for name in ("a", DEFAULT_WORKSPACE):
            place = store.within(name)
            await fill(place)
            await place.listed(TaskQuery(labels=("a",)))  # which a store may keep in memory
            head = await place.head()

            await place.repository.erase()

            await _is_gone(place, [head, head._replace(seq=0), head._replace(seq=3)])
            assert "a" not in (await changed(store.opened, ""))[0], "changed_workspaces() doesn't name it"
            if Capability.DUMP in store.opened.capabilities:
                assert len(await dumped(store)) == 2, "a dump has the two headers of an empty store"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_what_is_written_after_an_erasure_makes_another_workspace(self, store: Store) -> None:
        for name in ("a", DEFAULT_WORKSPACE):
            place, generations = store.within(name), set[str]()
            for turn in range(3):
                await fill(place)
                generations.add(await place.generation())
                old = await place.head()
                found = [await place.repository.get(n) for n in (1, 3)]

                await place.repository.erase()
                again = await place.commit(*map(CreateTask, varied(3)), idempotency_key=KEY)

                assert not again.replayed, "an idempotency key of before is forgotten"
                assert [getattr(task, "id", 0) for task in again.results] == [1, 2, 3], "ids begin with 1"
                assert again.position.seq == 3, "the log begins with 1"
                assert again.position.generation not in {"", *generations}, "it has a generation of its own"
                for write in (
                    UpdateTask(3, {"priority": 1}, Precondition(frozenset({found[1].version}))),
                    DeleteTask(1, Precondition(frozenset({each.version for each in found}))),
                ):
                    error = await raised(VersionConflict, place.commit(write), "a version of before the erasure")
                    assert error.generation == again.position.generation, "the error tells the generation of now"
                for position in (old, old._replace(seq=0), old._replace(seq=3)):
                    await raised(PositionGone, place.log(position), f"{position}, of before the erasure")
                assert [change.seq for change in await place.log(LOG_START)] == [1, 2, 3], "LOG_START is good"
                assert (await place.commit(CreateTask(FULL), idempotency_key=KEY)).replayed, "new keys are kept"
                assert (await place.add()).id == 4, "and one goes on from there"
                await place.check()
                generations.add(again.position.generation)
                await place.repository.erase()
                await is_new(place)
                assert len(generations) == 2 * (turn + 1), "each one that is made has a generation of its own"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_other_workspaces_stay_as_they_are(self, store: Store) -> None:
        places = [store.within(name) for name in OTHERS]
        for place in (store.within("a"), *places):
            await fill(place)
        if Capability.RECORDS in store.opened.capabilities:
            await store.within("a").commit(PutRecord("s", "a", {"n": 1}))
        before = await _told(places)

        await store.within("a").repository.erase()

        assert await _told(places) == before, "another workspace keeps its tasks, its log and its numbers"
        if Capability.PRUNE in store.opened.capabilities:
            await prune_erased(store.opened)
            assert await _told(places) == before, "also where what the erased one left is deleted"
        if Capability.RECORDS in store.opened.capabilities:
            record = await store.opened.record("s", "a")
            assert record is not None, "records are the store's, and stay"
        for place in places:
            assert (await place.commit(CreateTask(FULL), idempotency_key=KEY)).replayed, "another one keeps its keys"
            assert (await place.add()).id == 10, "and its highest id"
            await place.check()

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_erasing_what_is_not_made_makes_nothing(self, store: Store) -> None:
        await fill(store)
        before = await _told([store])

        for place in (store.within("new"), store.within("erased")):
            if place.workspace == "erased":
                await fill(place)
            for _ in range(2):
                await place.repository.erase()
                await is_unmade(place)

        assert await _told([store]) == before, "and the default workspace stays as it is"
        names = [each.name for each in await store.opened.workspaces(limit=9)]
        assert names == [DEFAULT_WORKSPACE], "no workspace is made"

    @on_store(Capability.WORKSPACES, Capability.DURABLE, alone=True)
    async def test_an_erasure_is_kept_over_a_reopening(self, store: Store) -> None:
        for name in ("a", "b", DEFAULT_WORKSPACE):
            await fill(store.within(name))
        heads = {name: await store.within(name).head() for name in ("a", "b", DEFAULT_WORKSPACE)}
        await store.within("a").repository.erase()
        await store.opened.erase()
        born = await store.head()

        await store.reopen()

        for name in ("a", DEFAULT_WORKSPACE):
            await _is_gone(store.within(name), [heads[name], heads[name]._replace(seq=0)])
        assert await store.head() == born, "the default workspace keeps its new generation"
        assert await store.within("b").head() == heads["b"], "another workspace is there"
        for name in ("a", DEFAULT_WORKSPACE):
            place = store.within(name)
            again = await place.commit(CreateTask(FULL), idempotency_key=KEY)
            assert not again.replayed, "no idempotency key is left"
            assert [getattr(task, "id", 0) for task in again.results] == [1], "ids begin with 1"
            await place.check()
        written = {name: await store.within(name).head() for name in ("a", "b", DEFAULT_WORKSPACE)}
        await store.reopen()
        for name, head in written.items():
            assert await store.within(name).head() == head, "what was written since is kept over a reopening too"

    # ------------------------------------------------------------ readers and followers

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_readers_that_wait_are_woken_by_an_erasure(self, store: Store) -> None:
        for name, other in (("a", DEFAULT_WORKSPACE), (DEFAULT_WORKSPACE, "b")):
            for is_written_again in (False, True):
                place, beside = store.within(name), store.within(other)
                await asyncio.gather(place.add(), beside.add())
                waiting, staying = [
                    asyncio.ensure_future(each.repository.changes(await each.head(), limit=10, wait=LONG))
                    for each in (place, beside)
                ]
                await asyncio.sleep(0.01)

                await place.repository.erase()
                if is_written_again:
                    await place.add()

                await raised(PositionGone, asyncio.wait_for(waiting, LONG / 2), "waiting in an erased workspace")
                assert not staying.done(), "no reader of another workspace is woken"
                await beside.add("last")
                assert len((await staying).changes) == 1, "which goes on to wait"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_reader_beside_an_erasure_sees_all_or_nothing(self, store: Store) -> None:
        for name in ("a", DEFAULT_WORKSPACE):
            place, over = store.within(name), asyncio.Event()
            for _ in range(2):
                await place.add_all(varied(300))
                head, query = await place.head(), TaskQuery(priority_min=0)
                over.clear()
                reading = [
                    asyncio.ensure_future(each) for each in (_find(place, head, query, over), _read(place, head, over))
                ]
                await asyncio.sleep(0.005)

                await place.repository.erase()

                await asyncio.sleep(0.005)
                over.set()
                assert all(await asyncio.gather(*reading)), "a reader that reads after an erasure finds nothing"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_dump_beside_an_erasure_is_one_snapshot(self, store: Store) -> None:
        for name in ("a", DEFAULT_WORKSPACE):
            for begun in (0, 1, 20):
                places = [store.within(each) for each in ("a", "b", DEFAULT_WORKSPACE)]
                await asyncio.gather(*(place.add_all(varied(50)) for place in places))
                seqs = {place.workspace: (await place.head()).seq for place in places}
                erasing: asyncio.Future[None] | None = None

                entries = []
                async for entry in store.opened.dump():
                    entries.append(entry)
                    if len(entries) > begun and erasing is None:
                        erasing = asyncio.ensure_future(store.within(name).repository.erase())
                    await asyncio.sleep(0)

                assert erasing is not None, "a dump has entries"
                await erasing
                for place in places:
                    is_of_one_moment(entries, place.workspace)
                    seq = header_of(entries, place.workspace).last_seq
                    assert seq == seqs[place.workspace], "a dump that has begun has all of each workspace"
                await is_new(store.within(name))

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_follower_meets_what_is_written_after_an_erasure(self, store: Store) -> None:
        for name in ("a", "b", DEFAULT_WORKSPACE):
            await store.within(name).add()
        _, token = await changed(store.opened, "")
        await store.within("a").add()
        _, later_token = await changed(store.opened, "")

        await store.within("a").repository.erase()
        for since in ("", token, later_token):
            named, _ = await changed(store.opened, since)
            assert "a" not in named, "an erased workspace isn't named"
        _, last_token = await changed(store.opened, later_token)
        if Capability.PRUNE in store.opened.capabilities:
            await prune_erased(store.opened)
        await store.within("a").add()

        for since in ("", token, later_token, last_token):
            for limit in (1, 100):
                named, following = await changed(store.opened, since, limit=limit)
                assert "a" in named, "it is named once it's written to again"
                await store.within("b").add()
                assert "b" in (await changed(store.opened, following))[0], "and one goes on from there"
        _, token = await changed(store.opened, "")
        await store.opened.erase()
        await store.add()
        named, token = await changed(store.opened, token)
        assert DEFAULT_WORKSPACE in named, "so is the default workspace"
        await store.within("a").repository.erase()
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()
        await store.within("a").add()
        assert "a" in (await changed(store.opened, token))[0], "also over a reopening"

    # ------------------------------------------------------------ commits at the same time

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_commits_beside_an_erasure_come_before_or_after_it(self, store: Store) -> None:
        for name in ("a", DEFAULT_WORKSPACE):
            place, beside = store.within(name), store.within("b")
            repositories = [place.repository] * 2
            await race_erasures(repositories, erasures=6)
            await place.check()
            created = await asyncio.gather(
                *(beside.add(f"{name} {n}") for n in range(20)), *(place.repository.erase() for _ in range(3))
            )
            ids = [task.id for task in created if isinstance(task, Task)]
            assert len(set(ids)) == 20, "commits to other workspaces go on"
            await beside.check()

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_updates_beside_an_erasure_are_done_or_find_no_task(self, store: Store) -> None:
        for name in ("a", DEFAULT_WORKSPACE):
            place = store.within(name)
            for _ in range(3):
                tasks = await place.add_all(varied(20))
                old = (await place.head()).generation

                outcomes = await asyncio.gather(
                    *(place.commit(UpdateTask(task.id, {"metadata": {"n": task.id}})) for task in tasks[:10]),
                    place.repository.erase(),
                    *(place.commit(UpdateTask(task.id, {"metadata": {"n": task.id}})) for task in tasks[10:]),
                    return_exceptions=True,
                )

                for outcome in outcomes:
                    if isinstance(outcome, CommitResult):
                        assert outcome.position.generation == old, "an update that is done came before the erasure"
                    else:
                        assert outcome is None or isinstance(outcome, TaskNotFound), f"it finds no task: {outcome!r}"
                await is_new(place)

    # ------------------------------------------------------------ what is left

    @on_store(Capability.WORKSPACES, Capability.PRUNE, alone=True)
    async def test_what_erased_workspaces_left_is_pruned_in_short_steps(self, store: Store) -> None:
        erased = [store.within(name) for name in ("a", "c", DEFAULT_WORKSPACE, "d")]
        kept = [store.within(name) for name in ("A", "b", "e")]
        for place in (*erased, *kept):
            await fill(place, 12)
        for place in erased:
            await place.repository.erase()
        for place in erased[1:]:
            await fill(place, 5)
        told = await _told([*erased, *kept])

        for steps in range(1_000):
            more = await prune_erased(store.opened, limit=3, steps=1)
            if steps % 5 == 0:
                assert await _told([*erased, *kept]) == told, "a step deletes nothing of a workspace that is made"
            if not more:
                break
        else:
            raise AssertionError("what erased workspaces have left is all deleted in the end")

        assert await _told([*erased, *kept]) == told, "nothing else is deleted"
        assert await prune_erased(store.within("A").repository, steps=1) is False, "nothing more is left"
        for place in (*erased[1:], *kept):
            assert (await place.commit(CreateTask(FULL), idempotency_key=KEY)).replayed, "keys of others stay"
            await place.check()
        await is_unmade(erased[0])

    @on_store(Capability.WORKSPACES, Capability.PRUNE, Capability.DURABLE, alone=True)
    async def test_pruning_what_was_erased_goes_on_after_a_reopening(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            await fill(store.within(name), 12)
        for name in ("a", "c"):
            await store.within(name).repository.erase()
        await fill(store.within("c"), 5)
        told = await _told([store.within(name) for name in ("a", "b", "c")])

        for _ in range(4):
            await prune_erased(store.opened, limit=2, steps=2)
            await store.reopen()
            assert await _told([store.within(name) for name in ("a", "b", "c")]) == told, "all reads as before"

        await fill(store.within("d"), 3)
        await store.within("a").add("new")
        assert await prune_erased(store.opened, limit=2) is False, "the rest is deleted"
        await store.reopen()
        names = [each.name for each in await store.opened.workspaces(limit=9)]
        assert names == ["a", "b", "c", "d", DEFAULT_WORKSPACE], "what was made meanwhile is there"
        for name in names:
            await store.within(name).check()
        assert await _told([store.within(name) for name in ("b", "c")]) == told[1:], "and so are the others"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_workspace_is_erased_again_while_it_is_pruned(self, store: Store) -> None:
        for turn in range(4):
            for name in ("a", DEFAULT_WORKSPACE):
                place = store.within(name)
                await fill(place, 6 + turn)
                await place.check()
                if Capability.PRUNE in store.opened.capabilities:
                    await prune_erased(store.opened, limit=2, steps=turn)
                await place.repository.erase()
                await is_new(place)
        await fill(store.within("a"))
        if Capability.PRUNE in store.opened.capabilities:
            assert await prune_erased(store.opened, limit=4) is False, "what all of them left is deleted"
        await store.within("a").check()
        assert len(await store.within("a").listed()) == 8, "and the last one is there"

    @on_store(Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_store_whose_workspaces_are_erased_is_restored_as_a_new_one(self, store: Store) -> None:
        full, names = await store.another(), ("a", "b", DEFAULT_WORKSPACE)
        for name in names:
            await fill(full.within(name), 9)
            await fill(store.within(name), 5)
        entries = await dumped(full)
        before = [await store.within(name).generation() for name in names]
        for name in names:
            await store.within(name).repository.erase()

        await store.opened.restore(each_of(entries))

        assert without_generations(await dumped(store)) == without_generations(entries), "it holds what was dumped"
        if Capability.PRUNE in store.opened.capabilities:
            assert await prune_erased(store.opened, limit=3) is False, "what the erased ones left is deleted"
        assert without_generations(await dumped(store)) == without_generations(entries), "and nothing else"
        for name in names:
            await store.within(name).check()
            assert await store.within(name).generation() not in before, "each has a new generation"

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_compacting_changes_nothing_that_is_read(self, store: Store) -> None:
        names = ("a", "b", DEFAULT_WORKSPACE)
        for name in names:
            await fill(store.within(name), 30)
        await store.within("a").repository.erase()
        await fill(store.within("a"), 3)
        await store.within("a").repository.erase()
        token = (await changed(store.opened, ""))[1]
        told = await _told([store.within(name) for name in names])

        await asyncio.gather(store.opened.compact(), store.within("b").repository.compact())

        assert await _told([store.within(name) for name in names]) == told, "every workspace reads as before"
        assert (await store.commit(CreateTask(FULL), idempotency_key=KEY)).replayed, "and has its keys"
        if Capability.PRUNE in store.opened.capabilities:
            assert await prune_erased(store.opened, steps=1) is False, "nothing is left to prune of what was erased"
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()
            assert await _told([store.within(name) for name in names]) == told, "also after a reopening"
        for name in names[1:]:
            place = store.within(name)
            assert (await place.commit(CreateTask(FULL), idempotency_key=KEY)).replayed, "keys are kept"
            assert (await place.add()).id == 33, "highest ids are kept"
            assert name in (await changed(store.opened, token))[0], "and one follows on"
            await place.check()
        assert (await store.within("a").add()).id == 1, "an erased one is made again"

    @on_store(Capability.WORKSPACES, Capability.DURABLE, alone=True)
    async def test_what_was_erased_is_in_no_file_of_a_compacted_store(self, store: Store) -> None:
        """A store that has no file in its folder passes."""
        for name in (f"w-{MARK}", DEFAULT_WORKSPACE):
            place = store.within(name)
            await place.add_all([TaskDraft(f"{MARK} {n}", labels=(MARK,)) for n in range(200)])
            await place.commit(UpdateTask(1, {"metadata": {MARK: MARK}}), DeleteTask(2))
            await place.commit(CreateTask(TaskDraft(MARK)), idempotency_key=IdempotencyKey(MARK, MARK, MARK))
            await place.listed(TaskQuery(q=MARK))
        await store.within("b").add_all(varied(20))
        before = await _told([store.within("b")])

        for name in (f"w-{MARK}", DEFAULT_WORKSPACE):
            await store.within(name).repository.erase()
        await store.opened.compact()
        await store.close()

        held = [path.name for path in store.folder.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()]
        assert not held, f"nothing of an erased workspace is in a file: {held}"
        await store.reopen()
        assert await _told([store.within("b")]) == before, "the others are there"

    # ------------------------------------------------------------ failures

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_a_cancelled_erasure_is_whole_or_absent(self, store: Store) -> None:
        for name in ("a", DEFAULT_WORKSPACE):
            place = store.within(name)
            await fill(place)
            told = await _told([place])
            async for _ in cancelled_everywhere(place.repository.erase):
                # Which waits for the cancelled one, if that goes on, and leaves nothing.
                await raised(TaskNotFound, place.commit(DeleteTask(10**9)), "there is no such task")
                if await place.listed():
                    assert await _told([place]) == told, "a workspace that isn't erased is whole"
                else:
                    await is_new(place)
                    await fill(place)
                    told = await _told([place])
            await place.check()

    @on_store(Capability.WORKSPACES, Capability.DURABLE, alone=True)
    async def test_a_failed_erasure_changes_nothing(self, store: Store) -> None:
        await _fails(store, store.fail_driver, needs_error=True)

    @on_store(Capability.WORKSPACES, Capability.DURABLE, alone=True)
    async def test_an_erasure_whose_answer_is_lost_is_whole_or_absent(self, store: Store) -> None:
        await _fails(store, store.cut_commit, needs_error=False)


async def _fails(store: Store, failing: Callable[[], AbstractContextManager[None]], *, needs_error: bool) -> None:
    """Checks that an erasure during `failing` says whether it was done, and is done as a whole or not at all."""
    for name in ("a", DEFAULT_WORKSPACE):
        place = store.within(name)
        await fill(place)
        told = await _told([place])
        error: StoreUnavailable | None = None
        with failing():
            try:
                await place.repository.erase()
            except StoreUnavailable as raised_:
                error = raised_
        assert error is not None or not needs_error, "an erasure that fails raises a StoreUnavailable"
        await store.reopen()

        place = store.within(name)
        if await place.listed():
            assert error is not None, "an erasure that was answered is done"
            assert await _told([place]) == told, "one that failed changed nothing"
        else:
            assert error is None or isinstance(error, OutcomeUnknown), "StoreUnavailable says that nothing was erased"
            await is_new(place)
        await place.repository.erase()
        await is_new(place)


async def race_erasures(repositories: Sequence[TaskRepository], *, erasures: int) -> None:
    """Commits to one workspace beside erasures of it, and checks that each commit comes before or after each of them.

    The commits and the erasures are made through each of `repositories`, which are of that workspace.
    """
    progress, over = asyncio.Event(), asyncio.Event()
    commits: list[tuple[IdempotencyKey, CommitResult]] = []

    async def commit(number: int, name: str) -> None:
        key = IdempotencyKey("s", name, "f")
        writes = [CreateTask(TaskDraft(f"{name}-{n}")) for n in range(2)]
        repository = repositories[number % len(repositories)]
        commits.append((key, await repository.commit(writes, at=NOW, idempotency_key=key)))
        progress.set()

    async def write(number: int) -> None:
        for turn in range(8):
            await commit(number, f"{number}-{turn}")

    async def erase() -> None:
        for number in range(erasures):
            await progress.wait()
            progress.clear()
            if over.is_set():
                return
            await asyncio.gather(repositories[number % len(repositories)].erase(), commit(number + 1, f"{number}"))

    erasing = asyncio.ensure_future(erase())
    await asyncio.gather(*map(write, range(12)))
    over.set()
    progress.set()
    await erasing

    repository = repositories[0]
    last = await repository.commit([CreateTask(TaskDraft("x"))] * 2, at=NOW)
    by_generation = whole_generations([*(committed for _, committed in commits), last], size=2)
    own = last.position.generation
    tasks = {task.id: task for task in (await repository.find(TaskQuery(), limit=1_000)).tasks}
    there = [task for committed in by_generation[own] for task in committed.results if isinstance(task, Task)]
    assert tasks == {task.id: task for task in there}, "what was committed after the last erasure is there, no more"
    for key, committed in commits:
        again = await repository.commit([], at=NOW, idempotency_key=key)
        is_there = committed.position.generation == own
        assert again.replayed == is_there, "a key of a commit before the last erasure is forgotten, a later one kept"


async def _told(places: Iterable[Store]) -> list[object]:
    """Returns what reads tell of each workspace, and what the list of workspaces does."""
    return [
        (
            await place.listed(),
            await place.listed(TaskQuery(labels=("a",))),
            await place.head(),
            await place.log(),
            [each for each in await place.opened.workspaces(limit=99) if each.name == place.workspace],
        )
        for place in places
    ]


async def _find(place: Store, head: Position, query: TaskQuery, over: asyncio.Event) -> bool:
    """Reads lists and counts until `over`. Returns whether the last ones were empty."""
    while True:
        is_last = over.is_set()
        page = await place.repository.find(query, limit=1_000)
        assert len(page.tasks) in (0, 300), "a list has all tasks, or none"
        assert (page.position == head) == bool(page.tasks), "and the position of the workspace that it's from"
        assert await place.repository.count(query) in (0, 300), "a count is of all tasks, or none"
        await asyncio.sleep(0)
        if is_last:
            return not page.tasks


async def _read(place: Store, head: Position, over: asyncio.Event) -> bool:
    """Reads the log until `over`. Returns whether the position was gone in the end."""
    while True:
        is_last = over.is_set()
        try:
            page = await place.repository.read_changes(head._replace(seq=0), limit=1_000)
        except PositionGone:
            return True
        assert len(page.changes) == 300, "the log is whole until the workspace is erased"
        assert page.next == head, "and ends where it ended"
        await asyncio.sleep(0)
        if is_last:
            return False
