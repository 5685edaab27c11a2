"""Many calls at once: 64 writers, identical writes, and readers beside them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Iterable
from typing import Any

from tasksvc import (
    LOG_START,
    Capability,
    Change,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    IdempotencyKeyReused,
    Page,
    Precondition,
    PutRecord,
    RecordConflict,
    SortField,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    VersionConflict,
    select,
)
from tasksvc.testing.samples import later, varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised, replayed

WRITERS = 64


async def _together(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """Runs all `calls` at once and returns what each of them returns or raises."""
    return await asyncio.gather(*calls, return_exceptions=True)


def _answers(outcomes: list[Any], kind: type[Exception], *, count: int) -> list[Any]:
    """Returns the `count` results, after checking that all errors are of `kind`."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, kind):
            raise AssertionError(f"in this race only {kind.__name__} may be raised, not {outcome!r}") from outcome
    answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(answers) == count, f"of {len(outcomes)} in this race {count} are answered, the others are refused"
    return answers


class RacesContract(StoreUnderTest):
    """Tests that commits happen one after the other, however many are made at once."""

    # ------------------------------------------------------------ writers

    @on_store()
    async def test_no_write_of_many_writers_is_lost(self, store: Store) -> None:
        async def write(n: int) -> list[Task]:
            return [await store.add(f"{n}-{turn}") for turn in range(4)]

        written = [task for tasks in await asyncio.gather(*map(write, range(WRITERS))) for task in tasks]

        assert sorted(task.id for task in written) == list(range(1, 4 * WRITERS + 1)), "each task has an id of its own"
        assert await store.listed() == sorted(written, key=lambda task: task.id), "each acknowledged task is there"
        await store.check()

    @on_store()
    async def test_writers_of_different_fields_of_one_task_lose_nothing(self, store: Store) -> None:
        task = await store.add()
        fields: list[dict[str, Any]] = [{"metadata": {f"m{n}": n}} for n in range(WRITERS - 5)]
        fields += [{"description": "new"}, {"done": True}, {"priority": 5}, {"labels": ("a",)}, {"due_at": later(1)}]

        await asyncio.gather(*(store.patch(task, **each) for each in fields))

        kept = await store.get(task.id)
        assert kept.metadata == {f"m{n}": n for n in range(WRITERS - 5)}, "no patch undoes another"
        assert (kept.description, kept.done, kept.priority, kept.labels) == ("new", True, 5, ("a",))
        assert (kept.due_at, kept.version) == (later(1), WRITERS + 1), "each patch makes a version of its own"
        await store.check()

    @on_store()
    async def test_of_many_with_one_expected_version_one_wins(self, store: Store) -> None:
        task = await store.add()
        expected = Precondition(await store.versions(1))

        outcomes = await _together(store.patch(task, expected=expected, metadata={"by": n}) for n in range(50))

        (winner,) = _answers(outcomes, VersionConflict, count=1)
        assert winner == await store.get(task.id), "the one that was acknowledged is the one that is there"
        for outcome in outcomes:
            if isinstance(outcome, VersionConflict):
                assert outcome.current == winner, "the others are told of the winner"
        assert len(await store.log()) == 2, "the others changed nothing"

    @on_store()
    async def test_of_many_deletes_of_one_task_one_succeeds(self, store: Store) -> None:
        task = await store.add()

        outcomes = await _together(store.remove(task) for _ in range(50))

        assert _answers(outcomes, TaskNotFound, count=1) == [None], "a task is removed once"
        assert len(await store.log()) == 2, "the log has one deletion"

    @on_store(Capability.RECORDS)
    async def test_of_many_that_expect_no_record_one_wins(self, store: Store) -> None:
        outcomes = await _together(store.commit(PutRecord("leases", "a", {"holder": n}, expected=0)) for n in range(50))

        (winner,) = _answers(outcomes, RecordConflict, count=1)
        assert [await store.repository.record("leases", "a")] == list(winner.results), "compare-and-set lets one win"

    @on_store()
    async def test_identical_requests_with_one_key_at_once_create_one_task(self, store: Store) -> None:
        key = IdempotencyKey("s", "key", "f")

        outcomes = await _together(
            store.commit(CreateTask(TaskDraft(f"twin {n}")), idempotency_key=key) for n in range(100)
        )

        committed = _answers(outcomes, IdempotencyKeyReused, count=100)
        assert len({result.description for each in committed for result in each.results}) == 1, "with the same task"
        assert sum(not each.replayed for each in committed) == 1, "one of them is the first"
        assert len(await store.listed()) == 1, "commits with one key make one task"
        await store.check()

    @on_store()
    async def test_of_racing_requests_under_one_key_one_wins(self, store: Store) -> None:
        outcomes = await _together(
            store.commit(CreateTask(TaskDraft(f"{n}")), idempotency_key=IdempotencyKey("s", "key", f"f{n}"))
            for n in range(50)
        )

        (winner,) = _answers(outcomes, IdempotencyKeyReused, count=1)
        assert await store.listed() == list(winner.results), "one request has the key, the others did nothing"

    @on_store()
    async def test_commits_do_not_mix(self, store: Store) -> None:
        async def write(n: int) -> CommitResult:
            return await store.commit(*(CreateTask(TaskDraft(f"{n}")) for _ in range(5)))

        commits = await asyncio.gather(*map(write, range(WRITERS)))

        log = await store.log()
        for n, committed in enumerate(commits):
            own = [change.seq for change in log if change.task is not None and change.task.description == f"{n}"]
            assert own == list(range(own[0], own[0] + 5)), "the changes of a commit follow each other in the log"
            assert committed.position.seq >= own[-1], "the position of a commit is behind its changes"
            ids = [task.id for task in committed.results if isinstance(task, Task)]
            assert ids == list(range(ids[0], ids[0] + 5)), "the tasks of a commit have ids that follow each other"
        await store.check()

    @on_store()
    async def test_a_refused_commit_fails_alone(self, store: Store) -> None:
        async def write(n: int) -> CommitResult:
            if n % 4:
                return await store.commit(CreateTask(TaskDraft(f"good {n}")))
            return await store.commit(CreateTask(TaskDraft(f"bad {n}")), DeleteTask(10**6 + n))

        outcomes = await _together(map(write, range(WRITERS)))

        for n, outcome in enumerate(outcomes):
            if n % 4:
                assert isinstance(outcome, CommitResult), (
                    f"a good commit is not failed by a bad one beside it: {outcome!r}"
                )
            else:
                assert isinstance(outcome, TaskNotFound), "a bad commit is refused"
                assert outcome.task_id == 10**6 + n, "each is told of its own fault"
        kept = {task.description for task in await store.listed()}
        assert kept == {f"good {n}" for n in range(WRITERS) if n % 4}, (
            "the good commits are there, the bad ones are not"
        )
        await store.check()

    @on_store()
    async def test_each_writer_reads_its_own_writes(self, store: Store) -> None:
        async def write(n: int) -> None:
            task = await store.add(f"{n}")
            for turn in range(1, 4):
                head = await store.repository.find(TaskQuery(), limit=1)
                task = await store.patch(task, metadata={"turn": turn})
                assert await store.get(task.id) == task, "get() sees what its caller just wrote"
                page = await store.repository.find(TaskQuery(q=f"{n}"), limit=1_000)
                assert task in page.tasks, "find() sees what its caller just wrote"
                log = [change.task for change in await store.log(head.position)]
                assert task in log, "read_changes() sees what its caller just wrote"
            await store.remove(task)
            await raised(TaskNotFound, store.get(task.id), "get() after its caller removed the task")

        await asyncio.gather(*map(write, range(WRITERS)))
        await store.check()

    # ------------------------------------------------------------ readers

    @on_store()
    async def test_a_reader_of_the_log_sees_every_change_once_and_in_order(self, store: Store) -> None:
        over = asyncio.Event()

        async def write(n: int) -> None:
            task = await store.add(f"{n}")
            await store.patch(task, done=True)
            await store.commit(CreateTask(TaskDraft(f"{n} more")), DeleteTask(task.id))

        async def follow(limit: int) -> list[Change]:
            seen: list[Change] = []
            since = LOG_START
            while True:
                last = over.is_set()
                page = await store.repository.changes(since, limit=limit, wait=0 if last else 0.02)
                seen += page.changes
                since = page.next
                if last and not page.changes:
                    return seen

        readers = [asyncio.ensure_future(follow(limit)) for limit in (1, 7, 1_000)]
        await asyncio.gather(*map(write, range(WRITERS)))
        over.set()

        for seen in await asyncio.gather(*readers):
            assert [change.seq for change in seen] == list(range(1, 4 * WRITERS + 1)), (
                "a reader that goes on from `next` meets every change once and in order"
            )
        await store.check()

    @on_store()
    async def test_pages_beside_writers_are_snapshots(self, store: Store) -> None:
        await store.add_all(varied(20))
        over = asyncio.Event()
        pages: list[tuple[TaskQuery, Page]] = []

        async def write(n: int) -> None:
            for turn in range(3):
                await store.commit(
                    CreateTask(varied(40)[20 + n % 20]),
                    UpdateTask(n % 20 + 1, {"done": turn % 2 == 0, "priority": n % 10}),
                )

        async def read(query: TaskQuery) -> None:
            while not over.is_set():
                pages.append((query, await store.repository.find(query, limit=1_000)))
                await asyncio.sleep(0)

        selections = (TaskQuery(done=True), TaskQuery(sort=SortField.PRIORITY), TaskQuery(labels=("a",)))
        readers = [asyncio.ensure_future(read(query)) for query in selections]
        await asyncio.gather(*map(write, range(WRITERS)))
        over.set()
        await asyncio.gather(*readers)

        log = await store.log()
        for query, page in {(query, page.position): (query, page) for query, page in pages}.values():
            wanted, _ = select(replayed(log[: page.position.seq]).values(), query, None, 1_000)
            assert list(page.tasks) == wanted, f"a page holds the tasks of the moment that its position tells: {query}"
        await store.check()

    @on_store()
    async def test_a_page_has_the_position_of_its_own_snapshot(self, store: Store) -> None:
        await store.add_all([TaskDraft(f"{n}") for n in range(3)])
        over = asyncio.Event()

        async def write(n: int) -> None:
            chance = random.Random(n)
            for _ in range(25):
                await store.commit(UpdateTask(n + 1, {"metadata": {"by": n, "n": chance.random()}}))
                await asyncio.sleep(chance.choice((0, 0, 0.001, 0.002)))  # so that writers don't fall into step

        async def read(query: TaskQuery) -> None:
            while not over.is_set():
                page = await store.repository.find(query, limit=10)
                changes = sum(task.version for task in page.tasks)  # each change makes one version
                assert page.position.seq == changes, "the position of a page is that of the snapshot of its tasks"
                await asyncio.sleep(0)

        # Of few writers each commit ends at a position of its own, and few readers don't slow them down.
        readers = [asyncio.ensure_future(read(query)) for query in (TaskQuery(), TaskQuery(descending=True))]
        await asyncio.gather(*map(write, range(3)))
        over.set()
        await asyncio.gather(*readers)
        await store.check()

    @on_store()
    async def test_many_reads_at_once_are_answered_each_with_its_own(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft(f"{n}") for n in range(100)])

        outcomes = await _together(store.get(n % 110 + 1) for n in range(330))

        for n, outcome in enumerate(outcomes):
            if n % 110 < 100:
                assert outcome == tasks[n % 110], "each read is answered with the task that it asked for"
            else:
                assert isinstance(outcome, TaskNotFound), "a read of what is not there fails alone"
                assert outcome.task_id == n % 110 + 1, "each is told of its own id"
