"""What the service does with a repository."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasksvc import (
    LOG_START,
    CommitResult,
    CreateTask,
    DeleteResult,
    DeleteTask,
    IdempotencyKey,
    IdempotencyKeyReused,
    InMemoryRepository,
    Page,
    PositionGone,
    Precondition,
    SortField,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    VersionConflict,
)
from tasksvc.application import clock, retention
from tasksvc.application.retention import CLOCK_STEP, KEY_HOURS, Retention
from tasksvc.application.tasks import Tasks

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MILK = TaskDraft("buy milk")
KEY = IdempotencyKey("", "key", "fingerprint")


@pytest.fixture
async def repository() -> AsyncIterator[InMemoryRepository]:
    repository = InMemoryRepository()
    yield repository
    await repository.close()


def _whole(page: Page) -> Page:
    return page


async def fill(repository: InMemoryRepository, count: int, *, done: bool = False) -> None:
    await repository.commit([CreateTask(TaskDraft("task", done=done))] * count, at=NOW)


def test_now_is_in_utc() -> None:
    assert clock.now().tzinfo is UTC


async def test_a_task_is_created_at_the_time_of_the_call(repository: InMemoryRepository) -> None:
    made, replayed = await Tasks(repository).create(MILK, at=NOW)

    assert (made.task.description, made.task.created_at, replayed) == ("buy milk", NOW, False)
    assert await repository.get(made.task.id) == made


async def test_a_create_that_is_repeated_with_its_key_creates_one_task(repository: InMemoryRepository) -> None:
    made = await asyncio.gather(*(Tasks(repository).create(MILK, at=NOW, idempotency_key=KEY) for _ in range(20)))

    assert [found.task.id for found, _ in made] == [1] * 20
    assert [replayed for _, replayed in made].count(False) == 1
    with pytest.raises(IdempotencyKeyReused):
        await Tasks(repository).create(MILK, at=NOW, idempotency_key=KEY._replace(fingerprint="another"))


async def test_a_patch_gives_the_task_as_it_then_is(repository: InMemoryRepository) -> None:
    await Tasks(repository).create(MILK, at=NOW)

    patched, replayed = await Tasks(repository).update(1, {"done": True}, at=LATER)

    assert not replayed
    assert (patched.task.done, patched.task.completed_at, patched.task.version) == (True, LATER, 2)
    assert await repository.get(1) == patched


async def test_of_many_patches_that_expect_one_version_one_is_done(repository: InMemoryRepository) -> None:
    made, _ = await Tasks(repository).create(MILK, at=NOW)
    precondition = Precondition(any_of=frozenset({made.version}))

    outcomes = await asyncio.gather(
        *(Tasks(repository).update(1, {"priority": n % 9 + 1}, at=NOW, precondition=precondition) for n in range(50)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 49


async def test_concurrent_patches_of_different_fields_are_all_kept(repository: InMemoryRepository) -> None:
    await Tasks(repository).create(MILK, at=NOW)

    await asyncio.gather(
        *(Tasks(repository).update(1, {"metadata": {str(n): n}}, at=NOW) for n in range(50)),
    )

    task = (await repository.get(1)).task
    assert task.metadata == {str(n): n for n in range(50)}
    assert task.version == 51


async def test_a_deleted_task_is_gone(repository: InMemoryRepository) -> None:
    made, _ = await Tasks(repository).create(MILK, at=NOW)

    with pytest.raises(VersionConflict):
        await Tasks(repository).delete(1, at=NOW, precondition=Precondition(none_of=frozenset({made.version})))
    await Tasks(repository).delete(1, at=NOW)

    with pytest.raises(TaskNotFound):
        await Tasks(repository).delete(1, at=NOW)


async def test_a_batch_is_done_completely_or_not_at_all(repository: InMemoryRepository) -> None:
    with pytest.raises(TaskNotFound) as caught:
        await Tasks(repository).batch(
            [CreateTask(MILK), UpdateTask(1, {"done": True}), DeleteTask(9)], at=NOW, idempotency_key=KEY
        )
    assert caught.value.index == 2
    assert (await repository.find(TaskQuery(), limit=10)).position.seq == 0

    committed = await Tasks(repository).batch(
        [CreateTask(MILK), UpdateTask(1, {"done": True})], at=NOW, idempotency_key=KEY
    )
    again = await Tasks(repository).batch(
        [CreateTask(MILK), UpdateTask(1, {"done": True})], at=LATER, idempotency_key=KEY
    )

    assert (committed.replayed, again.replayed) == (False, True)
    assert committed.results == again.results
    assert again.position.seq == 2


async def test_removing_what_matches_takes_the_first_by_id(repository: InMemoryRepository) -> None:
    await fill(repository, 2)
    await fill(repository, 15, done=True)
    done = TaskQuery(done=True)

    first, _ = await Tasks(repository).delete_matching(done, at=NOW, limit=10)
    left = await repository.find(TaskQuery(), limit=100)
    second, _ = await Tasks(repository).delete_matching(done, at=NOW, limit=10)
    third, _ = await Tasks(repository).delete_matching(done, at=NOW, limit=10)

    assert [task.id for task in left.tasks] == [1, 2, 13, 14, 15, 16, 17]
    assert (first, second, third) == (
        DeleteResult(10, more=True),
        DeleteResult(5, more=False),
        DeleteResult(0, more=False),
    )


async def test_a_task_that_stops_matching_before_it_is_deleted_is_left_alone() -> None:
    class Overtaken(InMemoryRepository):
        """A store in which another client is always faster."""

        async def find(self, query: TaskQuery, **options: Any) -> Page:
            page = await super().find(query, **options)
            await self.commit([UpdateTask(1, {"done": False}), DeleteTask(2)], at=NOW)
            return page

    repository = Overtaken()
    await fill(repository, 3, done=True)

    removed, _ = await Tasks(repository).delete_matching(TaskQuery(done=True), at=LATER)

    assert removed == DeleteResult(1, more=False)
    assert (await repository.get(1)).task.done is False
    await repository.close()


async def test_changes_and_removals_that_are_repeated_with_their_key_are_done_once(
    repository: InMemoryRepository,
) -> None:
    await fill(repository, 3, done=True)
    keys = [KEY._replace(value=str(n)) for n in range(3)]

    for replayed in (False, True):
        patched, patched_before = await Tasks(repository).update(1, {"priority": 1}, at=NOW, idempotency_key=keys[0])
        removed_before = await Tasks(repository).delete(2, at=NOW, idempotency_key=keys[1])
        removed, matching_before = await Tasks(repository).delete_matching(
            TaskQuery(done=True, priority=0), at=NOW, idempotency_key=keys[2]
        )
        assert (patched.task.version, removed) == (2, DeleteResult(1, more=False))
        assert (patched_before, removed_before, matching_before) == (replayed, replayed, replayed)
        await Tasks(repository).create(TaskDraft("made meanwhile", done=True), at=NOW)


async def test_a_removal_of_what_matches_without_a_key_commits_nothing_where_nothing_matches() -> None:
    class Watched(InMemoryRepository):
        commits = 0

        async def commit(self, *arguments: Any, **more: Any) -> CommitResult:
            self.commits += 1
            return await super().commit(*arguments, **more)

    repository = Watched()

    without = await Tasks(repository).delete_matching(TaskQuery(), at=NOW)
    with_key = await Tasks(repository).delete_matching(TaskQuery(), at=NOW, idempotency_key=KEY)

    assert without == with_key == (DeleteResult(0, more=False), False)
    assert repository.commits == 1
    await repository.close()


@pytest.mark.parametrize(("count", "pages"), [(0, [0]), (4, [4]), (10, [4, 4, 2]), (8, [4, 4])])
async def test_a_walk_gives_the_whole_list_page_by_page(
    repository: InMemoryRepository, count: int, pages: list[int]
) -> None:
    await fill(repository, count)
    newest_first = TaskQuery(sort=SortField.ID, descending=True)

    rest = Tasks(repository).iter_pages(newest_first, _whole, page_size=4, max_bytes=10**6)
    walked = [page async for page in rest]

    assert [len(page.tasks) for page in walked] == pages
    assert [task.id for page in walked for task in page.tasks] == list(range(count, 0, -1))


async def test_a_walk_can_start_at_a_place(repository: InMemoryRepository) -> None:
    await fill(repository, 5)
    first = await repository.find(TaskQuery(), limit=2)

    rest = Tasks(repository).iter_pages(TaskQuery(), _whole, after=first.next, page_size=100, max_bytes=10**6)
    walked = [page async for page in rest]

    assert [task.id for page in walked for task in page.tasks] == [3, 4, 5]


async def test_pruning_lets_go_of_what_is_old_in_short_steps_and_keeps_the_rest(repository: InMemoryRepository) -> None:
    policy = Retention(max_age=timedelta(days=2), max_changes=1_000, idempotency_key_ttl=timedelta(days=1))
    for n in range(5):
        await Tasks(repository).create(MILK, at=NOW, idempotency_key=KEY._replace(value=str(n)))
    await Tasks(repository).create(MILK, at=NOW + timedelta(days=1), idempotency_key=KEY._replace(value="expired"))
    await Tasks(repository).create(MILK, at=NOW + timedelta(days=2), idempotency_key=KEY)
    at = NOW + timedelta(days=2, seconds=1)

    steps = 1
    while await retention.prune_step(repository, policy, at=at, limit=2):
        steps += 1

    assert steps == 3
    page = await repository.find(TaskQuery(), limit=10)
    assert len(page.tasks) == 7
    assert len((await repository.read_changes(page.position._replace(seq=5), limit=10)).changes) == 2
    with pytest.raises(PositionGone):
        await repository.read_changes(LOG_START, limit=10)
    assert not (await Tasks(repository).create(MILK, at=at, idempotency_key=KEY._replace(value="expired")))[1]
    assert (await Tasks(repository).create(MILK, at=at, idempotency_key=KEY))[1]


@pytest.mark.parametrize("clock", [-CLOCK_STEP, timedelta(0), CLOCK_STEP])
async def test_a_key_is_good_as_long_as_is_promised_though_the_clock_is_set(
    repository: InMemoryRepository, clock: timedelta
) -> None:
    """When it was used the clock was off by `clock`, and when old keys are deleted, by as much the other way."""
    await Tasks(repository).create(MILK, at=NOW + clock, idempotency_key=KEY)

    await retention.prune_step(repository, Retention(), at=NOW + timedelta(hours=KEY_HOURS) - clock)

    assert (await Tasks(repository).create(MILK, at=NOW, idempotency_key=KEY))[1]


async def test_pruning_keeps_no_more_of_the_log_than_is_wanted(repository: InMemoryRepository) -> None:
    await fill(repository, 10)

    more = await retention.prune_step(repository, Retention(max_changes=3), at=NOW)

    position = (await repository.find(TaskQuery(), limit=1)).position
    assert not more
    assert len((await repository.read_changes(position._replace(seq=7), limit=10)).changes) == 3
    with pytest.raises(PositionGone):
        await repository.read_changes(position._replace(seq=6), limit=10)
