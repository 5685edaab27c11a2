"""Erasure of workspaces, and bounds on their tasks, in a store that several processes have open."""

from __future__ import annotations

import asyncio

from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    Capability,
    CommitResult,
    CreateTask,
    IdempotencyKey,
    PositionGone,
    Precondition,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    VersionConflict,
    WorkspaceFull,
)
from tasksvc.testing.erasing import fill, prune_erased, race_erasures
from tasksvc.testing.other_process import OtherProcess, ProcessEnded
from tasksvc.testing.quotas import CREATE, most, takes
from tasksvc.testing.samples import NOW, varied
from tasksvc.testing.sharing import agreed, commit_to, head_of, opened
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised
from tasksvc.testing.workspace_lists import changed

KEY = IdempotencyKey("s", "key", "f")
NAMES = ("a", DEFAULT_WORKSPACE)


class SharingErasureContract(StoreUnderTest):
    """Tests of erase() and `tasks_max` where several repositories write, in one process and in several."""

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_what_one_process_erases_is_gone_in_all_at_once(self, store: Store) -> None:
        repositories = await opened(store)

        for turn in range(6):
            name = NAMES[turn % 2]
            places = [repository.workspace(name) for repository in repositories]
            await commit_to(places[turn % 3], *map(CreateTask, varied(5)), key=KEY)
            found = [await place.get(1) for place in places]  # which each process may keep in memory
            old = await head_of(places[0])
            _, token = await changed(repositories[turn % 3], "")

            await places[(turn + 1) % 3].erase()

            heads = {await head_of(place) for place in places}
            assert len(heads) == 1, "every process reads the same of an erased workspace"
            (head,) = heads
            assert head.seq == 0, "it's empty"
            assert (head == LOG_START) == (name != DEFAULT_WORKSPACE), "and made only if it is the default one"
            for place in places:
                await raised(TaskNotFound, place.get(1), "get() in a workspace that another process erased")
                assert await place.count(TaskQuery(labels=("a",))) == 0, "nothing is counted"
                assert not (await place.read_changes(LOG_START, limit=9)).changes, "the log is empty"
                await raised(PositionGone, place.read_changes(old, limit=9), "a position of before the erasure")
                listed = [(each.name, each.tasks) for each in await place.workspaces(limit=9)]
                assert (name, 0) in listed or name not in dict(listed), "no process lists it with tasks"
                assert "a" not in dict(listed), "nor by its name, if it isn't the default one"
            again = await commit_to(places[(turn + 2) % 3], CreateTask(TaskDraft("new")), key=KEY)
            assert (again.replayed, again.position.seq) == (False, 1), "another process makes another one"
            for number, place in enumerate(places):
                update = UpdateTask(1, {"priority": number + 1}, Precondition(frozenset({found[number].version})))
                await raised(VersionConflict, commit_to(place, update), "a version of before the erasure")
                await commit_to(place, update._replace(expected=Precondition()))
                assert name in (await changed(place, token))[0], "every process names it as changed"
            await agreed(places)
            if name == "a":
                await places[turn % 3].erase()

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_an_erasure_wakes_the_readers_in_all_processes(self, store: Store) -> None:
        repositories = await opened(store)

        for turn in range(4):
            name, other = NAMES[turn % 2], NAMES[(turn + 1) % 2]
            waiting = {}
            for each in (name, other):
                await commit_to(store.opened.workspace(each), CREATE)
                head = await head_of(store.opened.workspace(each))
                waiting[each] = [
                    asyncio.ensure_future(repository.workspace(each).changes(head, limit=10, wait=store.patience))
                    for repository in repositories
                ]
            await asyncio.sleep(0.05)

            await repositories[turn % 3].workspace(name).erase()

            _, asleep = await asyncio.wait(waiting[name], timeout=store.patience / 2)
            early = [waiter for waiter in waiting[other] if waiter.done()]
            for waiter in (*asleep, *waiting[other]):
                waiter.cancel()
            assert not asleep, "an erasure by one process wakes the readers of the workspace in the others"
            assert not early, "and no reader of another workspace"
            for waiter in waiting[name]:
                await raised(PositionGone, waiter, "waiting in a workspace that another process erases")

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_commits_of_all_processes_come_before_or_after_an_erasure(self, store: Store) -> None:
        repositories = await opened(store)

        for name in NAMES:
            places = [repository.workspace(name) for repository in repositories]
            await race_erasures(places, erasures=9)
            await agreed(places)

    @on_store(Capability.SHARED, Capability.WORKSPACES, Capability.PRUNE, alone=True)
    async def test_what_was_erased_is_pruned_after_a_process_was_killed(self, store: Store) -> None:
        first, second, other = await opened(store)
        assert isinstance(other, OtherProcess)
        erased, kept = ("a", "b", "c"), ("d", DEFAULT_WORKSPACE)
        for name in (*erased, *kept):
            await fill(store.within(name), 30)
        enough = asyncio.Event()

        async def erase() -> None:
            for name in erased:
                await second.workspace(name).erase()
                await fill(store.within(name), 3)

        async def prune() -> None:
            try:
                for _ in range(10_000):
                    await prune_erased(other, limit=2, steps=1)
                    enough.set()
            except ProcessEnded:
                return

        async def kill() -> None:
            await enough.wait()
            await asyncio.sleep(0.01)  # into the middle of the next steps
            await other.kill()

        await asyncio.gather(erase(), prune(), kill())
        both = [prune_erased(repository, limit=3) for repository in (first, second)]
        assert await asyncio.gather(*both) == [False, False], "others delete the rest, also at the same time"

        for name in (*erased, *kept):
            place = store.within(name)
            assert len(await place.listed()) == (4 if name in erased else 31), "and nothing else"
            assert (await place.commit(CREATE, idempotency_key=KEY)).replayed, "keys stay"
            await place.check()

    @on_store(Capability.SHARED)
    async def test_the_bound_of_tasks_holds_for_all_processes(self, store: Store) -> None:
        repositories = await opened(store)
        await commit_to(repositories[2], CREATE, CREATE)
        start = await head_of(store.repository)

        outcomes = await asyncio.gather(
            *(repositories[n % 3].commit([CREATE] * (n % 2 + 1), at=NOW, tasks_max=20) for n in range(60)),
            return_exceptions=True,
        )

        for outcome in outcomes:
            assert isinstance(outcome, CommitResult | WorkspaceFull), f"a commit is done or refused, not {outcome!r}"
        created = sum(len(each.results) for each in outcomes if isinstance(each, CommitResult))
        assert len(await store.listed()) == 2 + created == 20, "as many are created as there is room"
        assert most(await store.log(start), 2) == 20, "and there are never more"
        await agreed(repositories)
        await commit_to(repositories[1], *[CREATE] * 3)
        await takes(store, 2, 25)
