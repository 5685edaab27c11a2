"""One store that several processes have open: they act as one."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence

from tasksvc import (
    LOG_START,
    Capability,
    Change,
    ChangeKind,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    Position,
    PositionGone,
    Precondition,
    PutRecord,
    RecordConflict,
    StoreRefused,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Version,
    VersionConflict,
    Write,
)
from tasksvc.testing.dumping import dumped, header_of
from tasksvc.testing.other_process import OtherProcess, ProcessEnded
from tasksvc.testing.samples import FIRST_MOMENT, NOW, varied
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised, replayed

WRITERS = 8
"""Writers of each process at once."""
ROUNDS = 6
"""Commits that each of them makes, one after the other."""


async def opened(store: Store) -> list[TaskRepository]:
    """Returns three repositories of one store: two in this process, and one in another."""
    replica, other = await asyncio.gather(store.replica(), store.other_process())
    return [store.repository, replica, other]


async def commit_to(repository: TaskRepository, *writes: Write, key: IdempotencyKey | None = None) -> CommitResult:
    return await repository.commit(writes, at=NOW, idempotency_key=key)


async def head_of(repository: TaskRepository) -> Position:
    return (await repository.find(TaskQuery(), limit=1)).position


async def _followed(repository: TaskRepository, over: asyncio.Event, *, limit: int) -> list[Change]:
    """Returns all changes from the start of the log, read beside the writers and until they are done."""
    seen: list[Change] = []
    since = LOG_START
    while True:
        is_last = over.is_set()
        page = await repository.changes(since, limit=limit, wait=0 if is_last else 0.02)
        seen += page.changes
        since = page.next
        if is_last and not page.more:
            return seen


async def agreed(repositories: Sequence[TaskRepository]) -> tuple[list[Change], dict[int, object]]:
    """Returns the log and the tasks of a store, after checking that all repositories give the same."""
    found = []
    for repository in repositories:
        page = await repository.find(TaskQuery(), limit=1_000)
        log = (await repository.read_changes(LOG_START, limit=1_000)).changes
        found.append((page.position, {task.id: task for task in page.tasks}, list(log)))
    assert all(each == found[0] for each in found), "all repositories of a store hold the same tasks, log and position"
    position, tasks, log = found[0]
    assert [change.seq for change in log] == list(range(1, position.seq + 1)), "the log has no gaps, up to the position"
    assert replayed(log) == tasks, "the log, replayed, gives the tasks"
    return log, dict(tasks)


class SharingContract(StoreUnderTest):
    """Tests of a store that several repositories have open, in one process and in several."""

    # ------------------------------------------------------------ one log

    @on_store(Capability.SHARED)
    async def test_a_new_store_is_one_store_for_all_that_open_it_at_once(self, store: Store) -> None:
        url = store.url_of_another()

        repositories: list[TaskRepository] = [
            *await asyncio.gather(store.replica(url), store.replica(url), store.other_process(url))
        ]

        heads = {await head_of(repository) for repository in repositories}
        assert len(heads) == 1, "processes that create a store at the same time create one store"
        for number, repository in enumerate(repositories, 1):
            committed = await commit_to(repository, CreateTask(TaskDraft("x")))
            assert [getattr(task, "id", 0) for task in committed.results] == [number], "with one sequence of ids"
        await agreed(repositories)

    @on_store(Capability.SHARED)
    async def test_writers_of_several_processes_write_one_log(self, store: Store) -> None:
        repositories = await opened(store)
        await store.add("the one that all of them update")
        over = asyncio.Event()

        async def write(repository: TaskRepository, number: int) -> list[CommitResult]:
            commits = []
            for turn in range(ROUNDS):
                writes: list[Write] = [CreateTask(TaskDraft(f"{number}", labels=("x",)))] * (1 + (number + turn) % 3)
                if (number + turn) % 2:  # others only create, which may take a shorter way
                    writes.append(UpdateTask(1, {"metadata": {f"{number}": turn}}))
                commits.append(await commit_to(repository, *writes))
            return commits

        readers = [
            asyncio.ensure_future(_followed(repository, over, limit=limit))
            for repository, limit in zip(repositories, (1_000, 7, 3), strict=True)
        ]
        commits = [
            committed
            for each in await asyncio.gather(
                *(write(repositories[n % len(repositories)], n) for n in range(len(repositories) * WRITERS))
            )
            for committed in each
        ]
        over.set()
        logs = await asyncio.gather(*readers)

        log, tasks = await agreed(repositories)
        for seen in logs:
            assert [change.seq for change in seen] == list(range(1, len(log) + 1)), (
                "a reader in any process meets every change once and in order, beside writers in all of them"
            )
            assert seen == log, "readers in all processes see the same changes"
        created = [task.id for committed in commits for task in committed.results if getattr(task, "id", 1) != 1]  # type: ignore[union-attr]
        assert max(Counter(created).values()) == 1, "an id is given once, whichever process gives it"
        assert sorted([1, *created]) == sorted(tasks), "each acknowledged task is there"
        made = [change.task_id for change in log if change.kind is ChangeKind.CREATED]
        assert sorted(made) == sorted(tasks), "and the log has it once"
        assert max(committed.position.seq for committed in commits) == len(log), "the last commit ends the log"

    @on_store(Capability.SHARED)
    async def test_each_process_reads_what_another_acknowledged(self, store: Store) -> None:
        repositories = await opened(store)

        for number in range(1, 25):
            writer = repositories[number % 3]
            committed = await commit_to(
                writer, CreateTask(TaskDraft(f"{number}")), UpdateTask(1, {"priority": number % 9})
            )
            for reader in repositories:
                role = "its own writes" if reader is writer else "what another process acknowledged"
                assert (await reader.get(number)).task.description == f"{number}", f"get() sees {role}"
                assert (await reader.get(1)).task == committed.results[-1], f"get() sees {role}, in place of what was"
                page = await reader.find(TaskQuery(), limit=1_000)
                assert (page.position, len(page.tasks)) == (committed.position, number), f"find() sees {role}"
                assert await reader.count(TaskQuery()) == number, f"count() sees {role}"
                changes = await reader.read_changes(LOG_START, limit=1_000)
                assert changes.next == committed.position, f"read_changes() sees {role}"
        await agreed(repositories)

    @on_store(Capability.SHARED)
    async def test_a_process_that_is_killed_leaves_whole_commits(self, store: Store) -> None:
        first, second, other = await opened(store)
        assert isinstance(other, OtherProcess)
        acknowledged: list[str] = []
        enough = asyncio.Event()

        async def write(number: int) -> None:
            for turn in itertools.count():
                name = f"{number}-{turn}"
                try:
                    await commit_to(other, *[CreateTask(TaskDraft(name))] * 3)
                except ProcessEnded:
                    return
                acknowledged.append(name)
                if len(acknowledged) == 5 * WRITERS:
                    enough.set()

        async def kill() -> None:
            await enough.wait()
            await asyncio.sleep(0.01)  # into the middle of the next commits
            await other.kill()

        killing = asyncio.ensure_future(kill())
        await asyncio.gather(*map(write, range(WRITERS)))
        await killing

        for repository in (first, second):
            await commit_to(repository, CreateTask(TaskDraft("after")))
        _, tasks = await agreed([first, second])
        there = Counter(getattr(task, "description", "") for task in tasks.values())
        assert there.pop("after") == 2, "the other processes go on"
        assert set(there.values()) == {3}, "a commit of a process that was killed is whole or absent"
        assert there.keys() >= set(acknowledged), "what was acknowledged is there"

    # ------------------------------------------------------------ races

    @on_store(Capability.SHARED)
    async def test_of_conditional_writes_in_several_processes_one_wins(self, store: Store) -> None:
        repositories = await opened(store)
        task = await store.add()
        expected = Precondition(await store.versions(1))

        outcomes = await asyncio.gather(
            *(
                commit_to(repositories[n % 3], UpdateTask(task.id, {"metadata": {"by": n}}, expected))
                for n in range(30)
            ),
            return_exceptions=True,
        )

        won = [outcome for outcome in outcomes if isinstance(outcome, CommitResult)]
        lost = [outcome for outcome in outcomes if isinstance(outcome, VersionConflict)]
        assert (len(won), len(lost)) == (1, 29), f"one expected version lets one write in: {outcomes}"
        for conflict in lost:
            assert conflict.current == won[0].results[0], "the others are told of the winner"
        for repository in repositories:
            assert (await repository.get(task.id)).task == won[0].results[0], "every process has the winner's task"

    @on_store(Capability.SHARED)
    async def test_updates_of_one_task_in_several_processes_are_all_kept(self, store: Store) -> None:
        repositories = await opened(store)
        await store.add()

        await asyncio.gather(
            *(commit_to(repositories[n % 3], UpdateTask(1, {"metadata": {f"m{n}": n}})) for n in range(30))
        )

        task = await store.get(1)
        assert task.metadata == {f"m{n}": n for n in range(30)}, "no process undoes what another one wrote"
        assert task.version == 31, "each update makes a version of its own"
        await agreed(repositories)

    @on_store(Capability.SHARED)
    async def test_an_idempotency_key_is_used_once_in_all_processes(self, store: Store) -> None:
        repositories = await opened(store)

        for number in range(4):
            key = IdempotencyKey("s", f"key {number}", "f")
            outcomes = await asyncio.gather(
                *(commit_to(repositories[n % 3], CreateTask(TaskDraft(f"{number}")), key=key) for n in range(12))
            )
            assert sum(not outcome.replayed for outcome in outcomes) == 1, "of twins in several processes one is done"
            assert all(outcome.results == outcomes[0].results for outcome in outcomes), "all get the same results"
        _, tasks = await agreed(repositories)
        assert len(tasks) == 4, "a key makes one task, whichever processes it is sent to"

    @on_store(Capability.SHARED, Capability.RECORDS)
    async def test_a_record_is_compared_and_set_in_all_processes(self, store: Store) -> None:
        repositories = await opened(store)

        outcomes = await asyncio.gather(
            *(commit_to(repositories[n % 3], PutRecord("leases", "a", {"holder": n}, expected=0)) for n in range(30)),
            return_exceptions=True,
        )

        won = [outcome for outcome in outcomes if isinstance(outcome, CommitResult)]
        lost = [outcome for outcome in outcomes if isinstance(outcome, RecordConflict)]
        assert (len(won), len(lost)) == (1, 29), f"one process creates the record: {outcomes}"
        for repository in repositories:
            assert await repository.record("leases", "a") == won[0].results[0], "every process reads it"

    # ------------------------------------------------------------ waking

    @on_store(Capability.SHARED)
    async def test_a_change_wakes_readers_in_all_processes(self, store: Store) -> None:
        repositories = await opened(store)
        head = (await store.commit(CreateTask(TaskDraft("x")))).position

        for number in range(6):
            waiting = [
                asyncio.ensure_future(repository.changes(head, limit=10, wait=store.patience))
                for repository in repositories
            ]
            await asyncio.sleep(0.05)
            assert not any(waiter.done() for waiter in waiting), "a reader waits as long as there is no change"
            head = (await commit_to(repositories[number % 3], CreateTask(TaskDraft("x")))).position
            _, asleep = await asyncio.wait(waiting, timeout=store.patience / 2)
            for waiter in asleep:
                waiter.cancel()
            assert not asleep, "a commit in one process wakes the readers that wait in the others"
            for waiter in waiting:
                assert [change.seq for change in waiter.result().changes] == [head.seq], "it gets that change"

    # ------------------------------------------------------------ generations, and pruning

    @on_store(Capability.SHARED, Capability.DUMP, alone=True)
    async def test_a_store_that_one_process_restores_has_a_new_generation_in_all(self, store: Store) -> None:
        source = await store.another()
        await source.add_all(varied(3))
        entries = await dumped(source)
        await source.close()
        repositories = await opened(store)
        born = {(await head_of(repository)).generation for repository in repositories}
        assert len(born) == 1, "all processes see one generation"

        await store.repository.restore(each_of(entries))

        own = await self._all_have_a_new_generation(repositories, born.pop())
        assert own != header_of(entries).generation, "nor is it that of the dump"

    @on_store(Capability.SHARED, Capability.DUMP, alone=True)
    async def test_a_store_that_one_process_renews_has_a_new_generation_in_all(self, store: Store) -> None:
        await store.add_all(varied(3))
        repositories = await opened(store)
        born = {(await head_of(repository)).generation for repository in repositories}

        await repositories[2].renew()

        await self._all_have_a_new_generation(repositories, born.pop())

    async def _all_have_a_new_generation(self, repositories: Sequence[TaskRepository], born: str) -> str:
        """Checks what each process reads of a store with three tasks, and returns its generation."""
        generations = set()
        for repository in repositories:  # each call is the first one since
            generations.add((await repository.get(1)).generation)
        for repository in repositories:
            generations.add((await head_of(repository)).generation)
            generations.add((await repository.read_changes(LOG_START, limit=1)).next.generation)
        assert len(generations) == 1, "every process reads the same generation"
        (own,) = generations
        assert own != born, "it is a new one, also for a process that had the store open before"
        for number, repository in enumerate(repositories, 1):
            await raised(
                PositionGone,
                repository.read_changes(Position(born, 0), limit=1),
                "a position from before, in a process that had the store open",
            )
            old, new = (Precondition(frozenset({Version(generation, 1)})) for generation in (born, own))
            error = await raised(
                VersionConflict, commit_to(repository, DeleteTask(number, old)), "a version from before, in any process"
            )
            assert error.generation == own, "the error carries the generation that the store has now"
            await commit_to(repository, DeleteTask(number, new))
        return own

    @on_store(Capability.SHARED, Capability.PRUNE, alone=True)
    async def test_a_reader_beside_a_prune_of_another_process_misses_nothing(self, store: Store) -> None:
        repositories = await opened(store)
        await store.add_all(varied(60))
        over = asyncio.Event()

        async def write(repository: TaskRepository) -> None:
            for _ in range(20):
                await commit_to(repository, CreateTask(TaskDraft("x")))

        async def prune(repository: TaskRepository) -> None:
            while not over.is_set():
                await repository.prune(log_before=FIRST_MOMENT, max_changes=20, keys_before=FIRST_MOMENT, limit=7)
                await asyncio.sleep(0)

        async def read(repository: TaskRepository) -> None:
            since = LOG_START
            while not over.is_set():
                await asyncio.sleep(0)  # a store in memory answers without a pause
                try:
                    page = await repository.read_changes(since, limit=5)
                except PositionGone:
                    since = await head_of(repository)
                    continue
                numbers = [change.seq for change in page.changes]
                assert numbers == list(range(since.seq + 1, since.seq + 1 + len(numbers))), (
                    "a reader gets every change after its position, or PositionGone"
                )
                since = page.next

        maintenance = [asyncio.ensure_future(prune(repository)) for repository in repositories[1:]]
        readers = [asyncio.ensure_future(read(repository)) for repository in repositories]
        await asyncio.gather(*map(write, repositories))
        over.set()
        await asyncio.gather(*maintenance, *readers)
        await store.add_all(varied(20))
        other = repositories[2]
        while await other.prune(log_before=FIRST_MOMENT, max_changes=20, keys_before=FIRST_MOMENT, limit=7):
            pass

        generation = await store.generation()
        for repository in repositories:
            page = await repository.read_changes(Position(generation, 120), limit=100)
            assert [change.seq for change in page.changes] == list(range(121, 141)), "the newest 20 changes are left"
            await raised(
                PositionGone,
                repository.read_changes(Position(generation, 119), limit=1),
                "a position in what another process pruned",
            )

    # ------------------------------------------------------------ a store of one process

    @on_store(Capability.DURABLE, alone=True)
    async def test_a_store_that_is_not_shared_is_opened_by_one_process(self, store: Store) -> None:
        if Capability.SHARED in store.repository.capabilities:
            return
        task = await store.add()

        await raised(
            StoreRefused, store.other_process(), "opening a store that another process has open, and that isn't SHARED"
        )

        assert await store.listed() == [task], "the process that has it open goes on"
        await store.add()
        await store.check()
