"""Workspaces of one store that several processes have open: each acts as one."""

from __future__ import annotations

import asyncio
import random

from tasksvc import (
    LOG_START,
    Capability,
    CreateTask,
    IdempotencyKey,
    Position,
    PositionGone,
    PutRecord,
    TaskDraft,
    TaskNotFound,
    UpdateTask,
    Write,
)
from tasksvc.testing.other_process import OtherProcess, ProcessEnded
from tasksvc.testing.sharing import agreed, commit_to, head_of, opened
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised
from tasksvc.testing.workspace_lists import changed, follow

NAMES = ("default", "a", "b", "c", "d")


class SharingWorkspacesContract(StoreUnderTest):
    """Tests of workspaces that several repositories write to, in one process and in several."""

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_first_writes_of_several_processes_make_one_workspace(self, store: Store) -> None:
        repositories = await opened(store)

        for name in ("a", "b", "c", "d"):
            commits = await asyncio.gather(
                *(commit_to(repositories[n % 3].workspace(name), CreateTask(TaskDraft(f"{n}"))) for n in range(12))
            )
            ids = sorted(getattr(committed.results[0], "id", 0) for committed in commits)
            assert ids == list(range(1, 13)), "each first write has an id of its own, whichever process makes it"
            assert len({committed.position.generation for committed in commits}) == 1, "a workspace is made once"
            await agreed([repository.workspace(name) for repository in repositories])

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_writers_of_several_processes_write_to_many_workspaces(self, store: Store) -> None:
        repositories = await opened(store)
        has_records = Capability.RECORDS in store.opened.capabilities

        async def write(number: int) -> int:
            """Writes to all workspaces in an order of its own. Returns how many tasks it created in each."""
            chance = random.Random(number)
            for turn in range(3):
                for name in chance.sample(NAMES, len(NAMES)):
                    place = repositories[number % 3].workspace(name)
                    writes: list[Write] = [CreateTask(TaskDraft(f"{number}"))] * 2
                    if turn:  # the first task is there
                        writes.append(UpdateTask(1, {"metadata": {f"{number}": turn}}))
                    key = IdempotencyKey("s", f"{number}-{turn}", "f")
                    await commit_to(place, *writes, key=key)
                    assert (await commit_to(place, *writes, key=key)).replayed, "a key is used in its workspace once"
                    if has_records and turn == 1:
                        await commit_to(place, PutRecord("s", name, {"by": number}))
            return 6

        created = sum(await asyncio.gather(*map(write, range(12))))

        for name in NAMES:
            log, tasks = await agreed([repository.workspace(name) for repository in repositories])
            assert sorted(tasks) == list(range(1, created + 1)), "each acknowledged task is there"
            assert len(log) == created + 12 * 2, "and the log of each workspace has each change once"
        if has_records:
            for repository in repositories:
                versions = [record.version for record in await repository.records("s", limit=10)]
                assert versions == [12] * len(NAMES), "records are the same in all workspaces and processes"

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_each_process_reads_what_another_wrote_to_any_workspace(self, store: Store) -> None:
        repositories = await opened(store)

        for number in range(1, 13):
            name = f"w{number % 4}"
            for reader in repositories:
                if number <= 4:
                    await raised(TaskNotFound, reader.workspace(name).get(1), "get() in a workspace that isn't made")
                    assert await head_of(reader.workspace(name)) == LOG_START, "a workspace that isn't made is empty"
            writer = repositories[number % 3].workspace(name)
            committed = await commit_to(writer, CreateTask(TaskDraft(f"{number}")))
            for reader in repositories:
                place = reader.workspace(name)
                task_id = (number + 3) // 4
                assert (await place.get(task_id)).task.description == f"{number}", (
                    "get() sees what another process wrote"
                )
                assert await head_of(place) == committed.position, "find() sees it"
                assert (await place.read_changes(LOG_START, limit=9)).next == committed.position, (
                    "read_changes() sees it"
                )
                summaries = {each.name: each.tasks for each in await reader.workspaces(limit=10)}
                assert summaries[name] == task_id, "workspaces() sees it"
                assert len(summaries) == 1 + min(number, 4), "each workspace that is made is there once"

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_a_change_wakes_the_readers_of_its_workspace_in_all_processes(self, store: Store) -> None:
        repositories = await opened(store)
        heads = {name: await head_of(store.opened.workspace(name)) for name in ("a", "b")}

        for number in range(4):
            name, other = ("a", "b") if number % 2 else ("b", "a")
            waiting = {
                each: [
                    asyncio.ensure_future(
                        repository.workspace(each).changes(heads[each], limit=10, wait=store.patience)
                    )
                    for repository in repositories
                ]
                for each in heads
            }
            await asyncio.sleep(0.05)
            writer = repositories[number % 3].workspace(name)
            heads[name] = (await commit_to(writer, CreateTask(TaskDraft("x")))).position
            _, asleep = await asyncio.wait(waiting[name], timeout=store.patience / 2)
            early = [waiter for waiter in waiting[other] if waiter.done()]
            for waiter in (*asleep, *waiting[other]):
                waiter.cancel()
            assert not asleep, "a commit in one process wakes the readers of its workspace in the others"
            assert not early, "and no reader of another workspace"
            for waiter in waiting[name]:
                assert waiter.result().next == heads[name], "they get that change"

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_followers_in_all_processes_miss_no_change(self, store: Store) -> None:
        repositories = await opened(store)
        over = asyncio.Event()

        async def write(number: int) -> None:
            chance = random.Random(number)
            for _ in range(10):
                place = repositories[number % 3].workspace(chance.choice(NAMES))
                await commit_to(place, CreateTask(TaskDraft(f"{number}")))

        limits = dict(zip((1, 3, 50), repositories, strict=True))
        following = [asyncio.ensure_future(follow(each, over, limit=limit)) for limit, each in limits.items()]
        await asyncio.gather(*map(write, range(12)))
        over.set()

        heads = {name: await head_of(store.opened.workspace(name)) for name in NAMES}
        for seen in await asyncio.gather(*following):
            missed = [name for name in NAMES if seen.get(name, LOG_START).seq != heads[name].seq]
            assert not missed, f"a follower meets every change of every process, and missed some of {missed}"

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_a_token_of_one_process_is_good_in_another(self, store: Store) -> None:
        repositories = await opened(store)
        token = ""

        for number in range(9):
            name = f"w{number}"
            await commit_to(repositories[number % 3].workspace(name), CreateTask(TaskDraft("x")))
            await commit_to(repositories[(number + 1) % 3].workspace("again"), CreateTask(TaskDraft("x")))
            named, token = await changed(repositories[(number + 2) % 3], token)
            assert {name, "again"} <= set(named), "what changed since a token of another process is named"

    @on_store(Capability.SHARED, Capability.WORKSPACES, alone=True)
    async def test_a_follower_misses_no_change_of_a_process_that_is_killed(self, store: Store) -> None:
        first, second, other = await opened(store)
        assert isinstance(other, OtherProcess)
        over, enough = asyncio.Event(), asyncio.Event()
        acknowledged: dict[str, Position] = {}

        async def write(name: str) -> None:
            for turn in range(10_000):
                try:
                    committed = await commit_to(other.workspace(name), *[CreateTask(TaskDraft(f"{turn}"))] * 2)
                except ProcessEnded:
                    return
                acknowledged[name] = committed.position
                if turn == 5:
                    enough.set()

        async def kill() -> None:
            await enough.wait()
            await asyncio.sleep(0.01)  # into the middle of the next commits
            await other.kill()

        following = [asyncio.ensure_future(follow(repository, over, limit=2)) for repository in (first, second)]
        await asyncio.gather(kill(), *(write(f"{name}{n}") for name in NAMES for n in range(2)))
        # A server may complete a commit of the process after it was killed, so the followers may see more than this.
        there = {name: await head_of(first.workspace(name)) for name in acknowledged}
        over.set()

        for seen in await asyncio.gather(*following):
            for name, position in acknowledged.items():
                head = await head_of(first.workspace(name))
                assert there[name].seq >= position.seq, "what was acknowledged is there"
                assert head.seq % 2 == 0, "a commit of a process that was killed is whole or absent"
                met = seen.get(name, LOG_START).seq
                assert there[name].seq <= met <= head.seq, "a follower has seen every change in the log"
        for name in acknowledged:
            places = [repository.workspace(name) for repository in (first, second)]
            for place in places:
                await commit_to(place, CreateTask(TaskDraft("after")))
            await agreed(places)

    @on_store(Capability.SHARED, Capability.WORKSPACES, Capability.DUMP, alone=True)
    async def test_a_renewal_by_one_process_is_one_of_all_workspaces_in_all(self, store: Store) -> None:
        repositories = await opened(store)
        for name in NAMES:
            await commit_to(store.opened.workspace(name), CreateTask(TaskDraft("x")))
        before = {name: await head_of(repositories[1].workspace(name)) for name in NAMES}

        await repositories[2].renew()

        for name in NAMES:
            places = [repository.workspace(name) for repository in repositories]
            heads = {await head_of(place) for place in places}
            assert len(heads) == 1, "every process reads the same generation of a workspace"
            (head,) = heads
            assert head.generation != before[name].generation, "it is a new one"
            for place in places:
                await raised(PositionGone, place.read_changes(before[name], limit=1), "a position of before a renewal")
                committed = await commit_to(place, CreateTask(TaskDraft("x")))
                assert committed.position.generation == head.generation, "writes are of that generation"
