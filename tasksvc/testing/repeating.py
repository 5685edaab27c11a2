"""Tests of tasks that repeat: a commit that completes one creates the next one of its series."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from tasksvc import (
    Capability,
    Change,
    ChangeKind,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    InvalidTask,
    Precondition,
    SkipOccurrence,
    Task,
    TaskDraft,
    TaskNotFound,
    UpdateTask,
    VersionConflict,
    Write,
)
from tasksvc.testing.samples import NOW, exact, later
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

KEY = IdempotencyKey("s", "key", "f")
DUE = datetime(2026, 12, 1, 8, 0, 0, 1, tzinfo=UTC)
DAY = date(2026, 12, 1)
DAILY: dict[str, Any] = {"rule": "FREQ=DAILY", "zone": "Europe/Berlin", "from": "each"}
DONE: dict[str, Any] = {"done": True}


async def last_changes(store: Store, count: int) -> list[tuple[ChangeKind, int]]:
    """Returns the kinds and the tasks of the last changes."""
    return [(change.kind, change.task_id) for change in (await store.log())[-count:]]


def numbered(changes: list[Change]) -> list[int]:
    """Returns the numbers of changes."""
    return [change.seq for change in changes]


class RepeatingContract(StoreUnderTest):
    """Tests of completing, reopening, skipping and deleting tasks that repeat."""

    # ------------------------------------------------------------ completing

    @on_store()
    async def test_completing_creates_the_next_task_in_the_same_commit(self, store: Store) -> None:
        task = await store.add(
            "water", notes="all", due_at=DUE, priority=3, labels=("a",), list="b", metadata={"c": 1}, repeat=DAILY
        )

        done = await store.patch(task, at=later(1), done=True)

        following = await store.get(2)
        assert (done.done, done.completed_at, done.next_id) == (True, later(1), 2), "it is done, and names the next"
        assert done.repeat == task.repeat, "the task that is done keeps how it repeats"
        alike = ("description", "notes", "priority", "labels", "list", "metadata")
        assert [getattr(following, name) for name in alike] == [getattr(task, name) for name in alike], "both are alike"
        assert following.due_at == DUE + timedelta(days=1), "it is due at the next occurrence"
        assert (following.done, following.completed_at, following.version) == (False, None, 1), "it is new"
        assert (following.created_at, following.series_id, following.next_id) == (later(1), 1, None), (
            "and of the series"
        )
        log = await store.log()
        assert numbered(log) == [1, 2, 3], "completing makes two changes"
        assert [(change.kind, change.task_id, change.at) for change in log[1:]] == [
            (ChangeKind.UPDATED, 1, later(1)),
            (ChangeKind.CREATED, 2, later(1)),
        ], "the completion comes first"
        await store.check()

    @on_store()
    async def test_completing_again_changes_nothing(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        done = await store.patch(task, done=True)

        again = await store.patch(task, at=later(1), done=True)

        assert exact(again) == exact(done), "the task is as it was"
        assert len(await store.listed()) == 2, "there is one next task"

    @on_store()
    async def test_a_series_goes_on_in_its_last_task_and_keeps_its_number(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        for _ in range(3):
            done = await store.patch(task, done=True)
            task = await store.get(done.next_id or 0)

        assert (task.id, task.due_on, task.series_id) == (4, DAY + timedelta(days=3), 1)
        assert [each.series_id for each in await store.listed()] == [None, 1, 1, 1]

    @on_store()
    async def test_a_series_ends_with_its_last_occurrence(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat={**DAILY, "rule": "FREQ=DAILY;COUNT=2"})
        done = await store.patch(task, done=True)

        last = await store.patch(await store.get(done.next_id or 0), done=True)

        assert (last.done, last.next_id) == (True, None), "nothing follows"
        assert len(await store.listed()) == 2
        reopened = await store.patch(last, done=False)
        assert reopened.repeat is not None, "it is open as it was"
        await store.check()

    @on_store()
    async def test_the_clock_stays_the_same_over_daylight_saving(self, store: Store) -> None:
        saturday = datetime(2026, 3, 28, 1, 30, tzinfo=UTC)  # 2:30 in Berlin, which doesn't exist on the next day
        task = await store.add(due_at=saturday, repeat=DAILY)

        sunday = await store.get((await store.patch(task, done=True)).next_id or 0)
        monday = await store.get((await store.patch(sunday, done=True)).next_id or 0)

        assert sunday.due_at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
        assert monday.due_at == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)

    @on_store()
    async def test_a_batch_sees_the_task_that_it_makes(self, store: Store) -> None:
        await store.add(due_on=DAY, repeat=DAILY)
        writes: list[Write] = [
            UpdateTask(1, DONE),
            UpdateTask(2, {"priority": 5}),
            UpdateTask(2, DONE),
            DeleteTask(3),
            CreateTask(TaskDraft("x")),
        ]

        committed = await store.commit(*writes)

        ids = [None if result is None else cast(Task, result).id for result in committed.results]
        assert ids == [1, 2, 2, None, 4], "each write sees the ones before it"
        assert [(task.id, task.done, task.priority) for task in await store.listed()] == [
            (1, True, 0),
            (2, True, 5),
            (4, False, 0),
        ]
        await store.check()

    @on_store()
    async def test_a_bound_on_tasks_does_not_stop_a_series(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)

        done = await store.commit(UpdateTask(task.id, DONE), tasks_max=1)

        assert cast(Task, done.results[0]).next_id == 2
        assert len(await store.listed()) == 2
        await store.check()

    @on_store()
    async def test_a_repeated_completion_creates_one_task(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        first = await store.commit(UpdateTask(task.id, DONE), idempotency_key=KEY)

        again = await store.commit(UpdateTask(task.id, DONE), idempotency_key=KEY)

        assert again.replayed
        assert [exact(cast(Task, each.results[0])) for each in (first, again)] == [exact(await store.get(1))] * 2
        assert len(await store.listed()) == 2

    @on_store()
    async def test_completions_at_once_create_one_task(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)

        done = await asyncio.gather(*(store.patch(task, done=True) for _ in range(20)))

        assert {each.next_id for each in done} == {2}, "all see the same next task"
        assert len(await store.listed()) == 2
        await store.check()

    # ------------------------------------------------------------ reopening

    @on_store()
    async def test_reopening_deletes_the_next_task_if_nobody_changed_it(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        await store.patch(task, at=later(1), done=True)

        reopened = await store.patch(task, at=later(2), done=False)

        assert exact(reopened) == exact(await store.get(1)), "get() answers what the patch answered"
        assert (reopened.next_id, reopened.repeat, reopened.done) == (None, task.repeat, False), "it is as before"
        await raised(TaskNotFound, store.repository.get(2), "the next task")
        assert await last_changes(store, 2) == [(ChangeKind.UPDATED, 1), (ChangeKind.DELETED, 2)]
        again = await store.patch(task, at=later(3), done=True)
        assert again.next_id == 3, "an id is never given again"
        await store.check()

    @on_store(Capability.DURABLE)
    async def test_a_task_is_reopened_after_the_store_was(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        other = await store.add(due_on=DAY, repeat=DAILY)
        await store.patch(task, done=True)
        await store.patch(await store.get((await store.patch(other, done=True)).next_id or 0), priority=1)
        await store.reopen()

        await store.commit(UpdateTask(1, {"done": False}), UpdateTask(2, {"done": None}))

        assert [(each.id, each.done, each.repeat is None) for each in await store.listed()] == [
            (1, False, False),
            (2, False, True),
            (4, False, False),
        ], "the next task is found, whether somebody changed it or not"
        await store.check()

    @on_store()
    async def test_a_task_that_is_reopened_after_the_next_was_changed_does_not_repeat(self, store: Store) -> None:
        for change in (UpdateTask(2, {"priority": 1}), SkipOccurrence(5), DeleteTask(8)):
            task = await store.add(due_on=DAY, repeat=DAILY)
            await store.patch(task, done=True)
            await store.commit(change)

            reopened = await store.patch(task, done=False)

            assert (reopened.done, reopened.repeat) == (False, None), "the series goes on in the next, or has ended"
            done = await store.patch(task, done=True)
            assert done.next_id == task.id + 1, "completing it again creates nothing"
            await store.add()  # so that ids differ by 3
        await store.check()

    @on_store()
    async def test_completing_and_reopening_in_one_commit_leaves_one_task(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)

        await store.commit(UpdateTask(task.id, DONE), UpdateTask(task.id, {"done": False}))

        (left,) = await store.listed()
        assert (left.id, left.done, left.next_id, left.repeat) == (1, False, None, task.repeat)
        await store.check()

    @on_store()
    async def test_completions_and_reopenings_at_once_leave_one_open_task(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)

        await asyncio.gather(*(store.patch(task, done=turn % 2 == 0) for turn in range(30)))

        assert [each.done for each in await store.listed()].count(False) == 1
        await store.check()

    # ------------------------------------------------------------ skipping

    @on_store()
    async def test_skipping_moves_the_task_to_its_next_occurrence(self, store: Store) -> None:
        await store.add(due_at=DUE, repeat=DAILY)

        committed = await store.commit(SkipOccurrence(1), at=later(1))

        skipped = cast(Task, committed.results[0])
        assert (skipped.id, skipped.done, skipped.due_at, skipped.version) == (1, False, DUE + timedelta(days=1), 2)
        assert (skipped.updated_at, skipped.created_at, skipped.next_id) == (later(1), NOW, None)
        assert exact(await store.get(1)) == exact(skipped), "get() answers what the skip answered"
        assert await last_changes(store, 1) == [(ChangeKind.UPDATED, 1)]
        await store.check()

    @on_store()
    async def test_what_cannot_be_skipped_is_refused(self, store: Store) -> None:
        await store.add("doesn't repeat", due_on=DAY)
        last = await store.add(due_on=DAY, repeat={**DAILY, "rule": "FREQ=DAILY;COUNT=2"})
        await store.commit(SkipOccurrence(last.id))
        done = await store.add(due_on=DAY, repeat=DAILY)
        await store.patch(done, done=True)
        before = (await store.listed(), await store.head())

        for task_id in (1, last.id, done.id):
            write = SkipOccurrence(task_id)
            error = await raised(InvalidTask, store.commit(CreateTask(TaskDraft("y")), write), "skipping nothing")
            assert (error.field, error.index) == ("repeat", 1), "the error names the field and the write"
        await raised(TaskNotFound, store.commit(SkipOccurrence(99)), "skipping what is not there")
        assert (await store.listed(), await store.head()) == before, "a refused commit does nothing"

    @on_store()
    async def test_a_skip_has_a_precondition(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        first = SkipOccurrence(task.id, Precondition(any_of=await store.versions(1)))
        await store.commit(first)

        error = await raised(VersionConflict, store.commit(first), "skipping another version")

        assert error.current.due_on == DAY + timedelta(days=1), "the error has the task as it is"

    # ------------------------------------------------------------ what a task may repeat by

    @on_store()
    async def test_what_cannot_repeat_is_refused(self, store: Store) -> None:
        task = await store.add(due_on=DAY)
        refused: list[dict[str, Any]] = [
            {"due_on": None, "repeat": DAILY},
            {"due_on": DAY, "done": True, "repeat": DAILY},
            {"due_on": DAY, "repeat": {**DAILY, "rule": "FREQ=HOURLY"}},
            {"due_on": DAY, "repeat": {**DAILY, "rule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}},
            {"due_on": DAY, "repeat": {**DAILY, "zone": "Mars/Base"}},
        ]

        for fields in refused:
            for write in (CreateTask(TaskDraft("x", **fields)), UpdateTask(task.id, fields)):
                error = await raised(InvalidTask, store.commit(CreateTask(TaskDraft("y")), write), f"{fields}")
                assert (error.field, error.index) == ("repeat", 1), "the error names the field and the write"
        assert [exact(each) for each in await store.listed()] == [exact(task)], "a refused commit does nothing"

    @on_store()
    async def test_a_due_that_is_moved_leaves_the_schedule_and_one_that_is_cleared_ends_it(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)

        moved = await store.patch(task, due_on=DAY + timedelta(days=5))
        assert moved.repeat == task.repeat, "the schedule stays"
        cleared = await store.patch(task, due_on=None)

        assert cleared.repeat is None, "what isn't due doesn't repeat"
        assert exact(await store.get(1)) == exact(cleared)
