"""Tests of `tasks_max`, with which commit() bounds the number of tasks in a workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from tasksvc import (
    Capability,
    Change,
    ChangeKind,
    CommitResult,
    CreateTask,
    DeleteMatching,
    DeleteTask,
    IdempotencyKey,
    IdempotencyKeyReused,
    PutRecord,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    WorkspaceFull,
    Write,
)
from tasksvc.testing.cancellation import cancelled_everywhere
from tasksvc.testing.dumping import dumped
from tasksvc.testing.samples import LAST_MOMENT, varied
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised

KEY = IdempotencyKey("s", "key", "f")
CREATE = CreateTask(TaskDraft("x"))


async def is_full(store: Store, limit: int) -> None:
    """Checks that no further task is created where `limit` are the most."""
    before = (await store.listed(), await store.head())
    batches: list[list[Write]] = [[CREATE], [UpdateTask(before[0][0].id, {"priority": 8}), CREATE, CREATE]]
    for index, writes in enumerate(batches):
        error = await raised(
            WorkspaceFull, store.commit(*writes, tasks_max=limit), f"creating a task where {limit} are the most"
        )
        assert (error.limit, error.index) == (limit, index), "the error tells the limit, and which write it was"
    assert (await store.listed(), await store.head()) == before, "a refused commit changes nothing"


async def takes(store: Store, room: int, limit: int) -> None:
    """Checks that exactly `room` further tasks are created where `limit` are the most, and creates them."""
    await raised(
        WorkspaceFull, store.commit(*[CREATE] * (room + 1), tasks_max=limit), f"creating {room + 1} where {room} fit"
    )
    await store.commit(*[CREATE] * room, tasks_max=limit)
    await is_full(store, limit)


def most(log: Sequence[Change], before: int = 0) -> int:
    """Returns the most tasks that there were at once after the changes of a log, `before` of them before it."""
    found = count = before
    for change in log:
        count += (change.kind is ChangeKind.CREATED) - (change.kind is ChangeKind.DELETED)
        found = max(found, count)
    return found


class QuotasContract(StoreUnderTest):
    """Tests of commits with a bound on the number of tasks."""

    # ------------------------------------------------------------ one commit after the other

    @on_store()
    async def test_no_task_is_created_beyond_the_bound(self, store: Store) -> None:
        for number in range(1, 4):
            (task,) = (await store.commit(CREATE, tasks_max=3)).results
            assert getattr(task, "id", 0) == number, "there is room up to the bound"

        await is_full(store, 3)

        await store.commit(UpdateTask(1, {"priority": 1}), tasks_max=3)
        await store.commit(UpdateTask(1, {"priority": 2}), UpdateTask(2, {"done": True}), tasks_max=0)
        await store.commit(DeleteMatching([9], TaskQuery()), tasks_max=0)
        await is_full(store, 3)
        await store.commit(DeleteTask(2), tasks_max=3)
        await takes(store, 1, 3)
        assert (await store.add()).id == 5, "a commit without a bound creates, and a refused one uses up no id"
        await store.commit(CREATE, tasks_max=2**63 - 1)
        assert len(await store.listed()) == 5, "a high bound refuses nothing"
        await store.check()

    @on_store()
    async def test_a_bound_of_nothing_refuses_the_first_task(self, store: Store) -> None:
        error = await raised(WorkspaceFull, store.commit(CREATE, tasks_max=0), "creating a task where none may be")

        assert (error.limit, error.index) == (0, 0), "the error tells the limit"
        assert await store.listed() == [], "nothing is created"
        await takes(store, 1, 1)

    @on_store()
    async def test_a_batch_with_too_many_is_refused_as_a_whole(self, store: Store) -> None:
        await store.add_all(varied(4))
        before = (await store.listed(), await store.log())
        writes: list[Write] = [UpdateTask(1, {"done": True}), CREATE, DeleteTask(2), CREATE, CREATE, UpdateTask(3, {})]

        error = await raised(WorkspaceFull, store.commit(*writes, idempotency_key=KEY, tasks_max=5), "a batch")

        assert (error.limit, error.index) == (5, 4), "the error tells the limit, and the write that was too much"
        assert (await store.listed(), await store.log()) == before, "nothing of the batch is done"
        again = await store.commit(*writes, idempotency_key=KEY, tasks_max=6)
        assert not again.replayed, "a refused commit uses up no idempotency key"
        assert [getattr(task, "id", 0) for task in again.results] == [1, 5, 0, 6, 7, 3], "nor an id"
        await is_full(store, 6)

    @on_store()
    async def test_a_commit_has_the_room_that_its_deletions_make(self, store: Store) -> None:
        await store.add_all([TaskDraft("a", done=n > 3) for n in range(6)])

        await store.commit(DeleteTask(1), CREATE, tasks_max=6)
        error = await raised(
            WorkspaceFull, store.commit(CREATE, DeleteTask(2), tasks_max=6), "creating before deleting"
        )
        assert error.index == 0, "room that is made later comes too late"
        await store.commit(DeleteMatching([4, 5, 6, 99], TaskQuery(done=True)), CREATE, CREATE, tasks_max=6)
        await is_full(store, 6)
        await store.commit(DeleteTask(2), CREATE, DeleteTask(3), CREATE, tasks_max=6)
        await is_full(store, 6)
        await raised(TaskNotFound, store.commit(DeleteTask(7), DeleteTask(2), tasks_max=6), "a task that is gone")
        await is_full(store, 6)
        assert most(await store.log()) == 6, "there were never more"

    @on_store()
    async def test_a_repeated_commit_is_replayed_in_a_full_workspace(self, store: Store) -> None:
        first = await store.commit(CREATE, CREATE, idempotency_key=KEY, tasks_max=2)

        for limit in (2, 1, 0, None):
            again = await store.commit(CREATE, CREATE, idempotency_key=KEY, tasks_max=limit)
            assert again.replayed, "a replay creates nothing, so there is room for it"
            assert list(again.results) == list(first.results), "it has the first results"
            for writes in ([CREATE], [CREATE, CREATE]):
                other = store.commit(*writes, idempotency_key=KEY._replace(fingerprint="g"), tasks_max=limit)
                await raised(IdempotencyKeyReused, other, "a key that was used for something else")
        await is_full(store, 2)

    @on_store()
    async def test_under_a_lowered_bound_nothing_is_created_until_there_is_room(self, store: Store) -> None:
        await store.commit(*[CREATE] * 8, tasks_max=8)

        for deleted in range(4):
            await is_full(store, 4)
            await raised(
                WorkspaceFull,
                store.commit(DeleteTask(deleted + 1), CREATE, tasks_max=4),
                "a deletion makes no room where there are too many",
            )
            await store.commit(DeleteTask(deleted + 1), UpdateTask(8, {"priority": deleted}), tasks_max=4)
        await is_full(store, 4)
        await store.commit(DeleteTask(5))
        await takes(store, 1, 4)
        await takes(store, 2, 6)

    @on_store()
    async def test_the_bound_counts_all_that_is_written_without_one(self, store: Store) -> None:
        await store.commit(CREATE, tasks_max=10)
        for turn in range(1, 3):
            await store.add_all(varied(4))
            await store.add()
            await store.commit(DeleteMatching(range(1, 6 * turn), TaskQuery(done=True)))
            await store.remove((await store.listed())[0])
            await store.commit(CREATE, idempotency_key=KEY)

            count = len(await store.listed())
            await takes(store, 2, count + 2)

    @on_store(Capability.RECORDS)
    async def test_records_are_written_in_a_full_workspace(self, store: Store) -> None:
        await store.commit(CREATE, tasks_max=1)

        await store.commit(PutRecord("s", "a", {}), PutRecord("s", "b", {}), tasks_max=1)
        await store.commit(PutRecord("s", "c", {}), tasks_max=0)

        assert len(await store.repository.records("s", limit=9)) == 3, "the bound is one of tasks"
        await is_full(store, 1)

    # ------------------------------------------------------------ many at once

    @on_store()
    async def test_of_many_at_once_as_many_are_created_as_there_is_room(self, store: Store) -> None:
        await store.add_all(varied(3))

        outcomes = await asyncio.gather(
            *(store.commit(CREATE, tasks_max=20) for _ in range(50)), return_exceptions=True
        )

        created = [outcome for outcome in outcomes if isinstance(outcome, CommitResult)]
        refused = [outcome for outcome in outcomes if isinstance(outcome, WorkspaceFull)]
        assert (len(created), len(refused)) == (17, 33), "as many are created as there is room"
        assert len(await store.listed()) == 20, "and no more"
        await is_full(store, 20)
        await store.check()

    @on_store()
    async def test_the_bound_holds_among_all_sorts_of_commits_at_once(self, store: Store) -> None:
        await race_to_the_bound([store] * 3, limit=12)
        await store.check()

    @on_store()
    async def test_commits_with_other_bounds_at_once_are_each_held_to_their_own(self, store: Store) -> None:
        outcomes = await asyncio.gather(
            *(store.commit(CREATE, tasks_max=(None, 5, 9)[n % 3]) for n in range(30)), return_exceptions=True
        )

        for n, outcome in enumerate(outcomes):
            limit = (None, 5, 9)[n % 3]
            if isinstance(outcome, CommitResult):
                assert limit is None or outcome.position.seq <= limit, "a commit is held to its own bound"
            else:
                assert isinstance(outcome, WorkspaceFull), f"only WorkspaceFull may be raised, not {outcome!r}"
                assert outcome.limit == limit, "the error tells the bound of its commit"
        assert len(await store.listed()) == sum(isinstance(each, CommitResult) for each in outcomes), "all are there"
        await takes(store, 1, len(await store.listed()) + 1)

    # ------------------------------------------------------------ the number is kept

    @on_store(Capability.DURABLE)
    async def test_the_bound_holds_after_a_reopening(self, store: Store) -> None:
        for limit in (4, None):
            await store.commit(*[CREATE] * 4, tasks_max=limit)
            await store.remove((await store.listed())[0])
            count = len(await store.listed())

            await store.reopen()

            await takes(store, 1, count + 1)

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_pruning_makes_no_room(self, store: Store) -> None:
        await store.commit(*[CREATE] * 5, DeleteTask(1), tasks_max=5, idempotency_key=KEY)

        await store.opened.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=LAST_MOMENT, limit=1_000)

        await takes(store, 1, 5)

    @on_store(Capability.DUMP, beside="nothing")
    async def test_a_restored_store_counts_what_the_dump_had(self, store: Store) -> None:
        await store.add_all(varied(6))
        await store.commit(UpdateTask(2, {"priority": 1}), DeleteTask(1))
        other = await store.another()
        if other.workspace == store.opened.workspace_name:
            await raised(WorkspaceFull, other.commit(CREATE, tasks_max=0), "creating a task where none may be")

        await other.opened.restore(each_of(await dumped(store)))

        assert len(await other.listed()) == 5, "a restore isn't bounded"
        await is_full(other, 3)
        await takes(other, 2, 7)

    @on_store(beside="data")
    async def test_a_failed_commit_takes_no_room(self, store: Store) -> None:
        await store.commit(CREATE, CREATE, tasks_max=9)
        with store.fail_driver():
            for writes in ([CREATE], [CREATE, CREATE], [DeleteTask(1), CREATE]):
                await raised(StoreUnavailable, store.commit(*writes, tasks_max=9), "a commit while the driver fails")
        if Capability.DURABLE in store.opened.capabilities:
            await store.reopen()

        await takes(store, 3, len(await store.listed()) + 3)

    @on_store()
    async def test_a_cancelled_commit_takes_room_if_it_is_done(self, store: Store) -> None:
        limit = 2
        await store.commit(CREATE, CREATE)

        def create() -> Awaitable[object]:
            return store.commit(CREATE, tasks_max=limit + 1)

        async for _ in cancelled_everywhere(create):
            # Which waits for the cancelled one, if that goes on, and leaves nothing.
            await raised(TaskNotFound, store.commit(DeleteTask(10**9)), "there is no such task")
            if len(await store.listed()) == limit:
                await store.commit(CREATE, tasks_max=limit + 1)
            limit += 1
            await raised(WorkspaceFull, store.commit(CREATE, tasks_max=limit), "creating a task beyond the bound")
            assert len(await store.listed()) == limit, "a commit that was cancelled counts once, or not at all"

    # ------------------------------------------------------------ workspaces

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_each_workspace_has_its_own_room(self, store: Store) -> None:
        places = [store.within(name) for name in ("default", "a", "b")]
        await places[1].commit(*[CREATE] * 3, tasks_max=3)

        outcomes = await asyncio.gather(
            *(places[n % 3].commit(CREATE, tasks_max=3) for n in range(18)), return_exceptions=True
        )

        for number, place in enumerate(places):
            own = outcomes[number::3]
            created = sum(isinstance(outcome, CommitResult) for outcome in own)
            refused = sum(isinstance(outcome, WorkspaceFull) for outcome in own)
            wanted = 0 if place.workspace == "a" else 3
            assert (created, refused) == (wanted, 6 - wanted), "a full workspace takes no room of another"
            await is_full(place, 3)

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_an_erased_workspace_has_room_again(self, store: Store) -> None:
        for name in ("default", "a"):
            place = store.within(name)
            for turn in range(1, 4):
                await place.commit(*[CREATE] * turn, tasks_max=turn)
                await is_full(place, turn)

                await place.repository.erase()

                await raised(WorkspaceFull, place.commit(*[CREATE] * (turn + 1), tasks_max=turn), "more than may be")
                await takes(place, turn, turn)
                await place.repository.erase()
            outcomes = await asyncio.gather(
                *(place.commit(CREATE, tasks_max=2) for _ in range(6)),
                place.repository.erase(),
                *(place.commit(CREATE, tasks_max=2) for _ in range(6)),
                return_exceptions=True,
            )
            for outcome in outcomes:
                assert outcome is None or isinstance(outcome, CommitResult | WorkspaceFull), f"not {outcome!r}"
            await takes(place, 2, len(await place.listed()) + 2)
            await place.repository.erase()


async def race_to_the_bound(places: Sequence[Store], *, limit: int) -> None:
    """Creates and deletes through all of `places`, which are of one workspace, and checks that `limit` is never passed.

    In the end the workspace is as full as it can be.
    """
    start = await places[0].head()
    before = len(await places[0].listed())

    async def write(number: int) -> None:
        place = places[number % len(places)]
        own: list[int] = []
        for turn in range(6):
            size = (number + turn) % 3 + 1
            writes: list[Write] = [CREATE] * size
            if own and turn % 2:
                writes.insert(0, DeleteTask(own.pop()))
            try:
                committed = await place.commit(*writes, tasks_max=limit)
            except WorkspaceFull:
                if own and turn % 2:
                    continue
                if own:
                    await place.commit(DeleteTask(own.pop()))
            else:
                own += [task.id for task in committed.results if isinstance(task, Task)]
        await place.commit(*map(DeleteTask, own[1:]))

    await asyncio.gather(*map(write, range(15)))

    place = places[0]
    assert most(await place.log(start), before) <= limit, "there are never more tasks than the bound"
    await takes(place, limit - len(await place.listed()), limit)
