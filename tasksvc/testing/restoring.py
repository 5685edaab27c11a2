"""Tests of RestoreTask, which brings back a version of a task that the log still has."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from datetime import date
from typing import Any, cast

from tasksvc import (
    Capability,
    ChangeKind,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    Precondition,
    RestoreTask,
    Task,
    TaskDraft,
    TaskNotFound,
    UidTaken,
    UpdateTask,
    VersionConflict,
    VersionGone,
    VersionNotFound,
    WorkspaceFull,
)
from tasksvc.testing.samples import FULL, LAST_MOMENT, exact, later
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised

KEY = IdempotencyKey("s", "restore", "f")
DAILY = {"rule": "FREQ=DAILY", "zone": "UTC", "from": "each"}
DAY = date(2026, 12, 1)


async def restored(store: Store, task_id: int, version: int, **options: Any) -> Task:
    """Restores a version of a task, and returns the task."""
    committed = await store.commit(RestoreTask(task_id, version), **options)
    return cast(Task, committed.results[0])


def same(task: Task, version: Task) -> bool:
    """Returns whether a task has all that a version of it has, but for the version and the time of the change."""
    return exact(dataclasses.replace(task, updated_at=version.updated_at, version=version.version)) == exact(version)


class RestoringContract(StoreUnderTest):
    """Tests of restoring versions of tasks that exist, and of deleted ones."""

    # ------------------------------------------------------------ what comes back

    @on_store()
    async def test_a_deleted_task_comes_back_under_its_id(self, store: Store) -> None:
        first = await store.add_draft(FULL._replace(uid="u"))
        second = await store.patch(first, description="changed", at=later(1))
        await store.remove(first, at=later(2))
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()

        task = await restored(store, first.id, 2, at=later(3), by="zoë")

        assert same(task, second), "it is as that version was"
        assert (task.version, task.updated_at) == (3, later(3)), "it has a new version"
        assert exact(await store.get(1)) == exact(task), "get() answers what the commit answered"
        change = (await store.log())[-1]
        assert (change.kind, change.at, change.by) == (ChangeKind.CREATED, later(3), "zoë"), "it is created"
        assert (await store.add()).id == 2, "no id is given twice"
        await store.check()

    @on_store()
    async def test_a_task_gets_the_fields_of_an_earlier_version(self, store: Store) -> None:
        first = await store.add(metadata={"a": 1}, priority=3)
        await store.patch(first, description="changed", metadata={"a": 1.0}, labels=("x",), done=True, at=later(1))

        task = await restored(store, 1, 1, at=later(2))

        assert same(task, first), "it is as that version was"
        assert (task.version, task.updated_at) == (3, later(2)), "it has a new version"
        assert exact(await store.get(1)) == exact(task), "get() answers what the commit answered"
        assert (await store.log())[-1].kind is ChangeKind.UPDATED
        await store.check()

    @on_store()
    async def test_restoring_what_is_there_changes_nothing(self, store: Store) -> None:
        first = await store.add(metadata={"a": 1})
        await store.patch(first, priority=1)
        third = await store.patch(first, priority=0)
        before = await store.head()

        for version in (1, 3):
            assert exact(await restored(store, 1, version, at=later(1))) == exact(third), "the task is as it was"
        assert await store.head() == before, "no change is logged"
        await store.patch(first, metadata={"a": 1.0}, labels=("x",))
        await store.patch(first, metadata={"a": 1})
        assert (await restored(store, 1, 4)).version == 6, "1 and 1.0 differ"

    @on_store()
    async def test_a_chain_of_versions_comes_back(self, store: Store) -> None:
        versions = [await store.add("1")]
        versions += [await store.patch(versions[0], description=f"{n}", at=later(n)) for n in range(2, 6)]
        await store.remove(versions[0], at=later(6))

        undone = [await restored(store, 1, n, at=later(20 - n)) for n in (5, 4, 3, 2, 1)]

        assert [task.description for task in undone] == ["5", "4", "3", "2", "1"]
        assert [task.version for task in undone] == [6, 7, 8, 9, 10], "versions count up"
        await store.remove(undone[-1], at=later(30))
        assert (await restored(store, 1, 6, at=later(31))).description == "5", "a restored version comes back too"
        await store.check()

    @on_store()
    async def test_a_batch_restores_what_it_changed_and_deleted(self, store: Store) -> None:
        await store.commit(
            CreateTask(TaskDraft("a")),
            UpdateTask(1, {"description": "b"}),
            DeleteTask(1),
            RestoreTask(1, 1),
            RestoreTask(1, 2),
        )

        (task,) = await store.listed()
        assert (task.description, task.version) == ("b", 4), "each write sees the ones before it"
        await store.check()

    @on_store()
    async def test_a_parent_that_is_gone_is_no_parent_of_a_restored_task(self, store: Store) -> None:
        await store.add()
        await store.add(parent_id=1)
        await store.add(parent_id=1)
        await store.commit(DeleteTask(2), DeleteTask(1))

        assert (await restored(store, 2, 1)).parent_id is None
        assert (await restored(store, 3, 1)).parent_id is None
        await restored(store, 1, 1)
        assert (await restored(store, 3, 1)).parent_id == 1, "a parent that is back is the parent again"
        await store.check()

    @on_store()
    async def test_a_restored_parent_makes_no_cycle(self, store: Store) -> None:
        await store.add()
        child = await store.add(parent_id=1)
        await store.patch(child, parent_id=None)
        await store.patch(await store.get(1), parent_id=2)

        task = await restored(store, 2, 1)

        assert task.parent_id is None, "task 1 is below it now"
        await store.check()

    @on_store()
    async def test_a_restored_version_that_is_open_reopens_a_series(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        await store.patch(task, done=True, at=later(1))

        reopened = await restored(store, 1, 1, at=later(2))

        assert (reopened.done, reopened.next_id, reopened.repeat) == (False, None, task.repeat)
        assert [each.id for each in await store.listed()] == [1], "the next task is gone"
        done = await restored(store, 1, 2, at=later(3))
        assert (done.done, done.next_id) == (True, 3), "and is made when the task is done again"
        assert [each.done for each in await store.listed()] == [True, False]
        await store.check()

    @on_store()
    async def test_the_clock_does_not_go_back_for_a_deleted_task(self, store: Store) -> None:
        task = await store.add(at=later(5))
        await store.remove(task, at=later(7))

        back = await restored(store, 1, 1, at=later(1))

        assert back.updated_at == later(7), "it is restored after it was deleted"
        assert [change.at for change in await store.log()] == [later(5), later(7), later(7)]

    @on_store()
    async def test_a_parent_that_is_gone_is_left_out_once(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b", parent_id=1)])
        await store.commit(DeleteTask(1))
        before = await store.get(2)

        assert exact(await restored(store, 2, 1)) == exact(before), "without its parent it is as it was"

    @on_store()
    async def test_restoring_an_open_version_leaves_a_next_task_that_was_changed(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        await store.patch(task, done=True)
        await store.commit(UpdateTask(2, {"priority": 1}))

        opened = await restored(store, 1, 1)

        assert (opened.done, opened.repeat) == (False, None), "the series goes on in the next task"
        assert [each.id for each in await store.listed()] == [1, 2]
        await store.check()

    @on_store()
    async def test_restoring_a_version_that_is_done_makes_no_second_next_task(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        await store.commit(UpdateTask(task.id, {"done": True}), UpdateTask(2, {"priority": 1}))
        await store.commit(UpdateTask(task.id, {"done": False}))

        done = await restored(store, 1, 2)

        assert (done.done, done.next_id) == (True, 2), "it is there"
        assert [each.id for each in await store.listed()] == [1, 2]
        await store.check()

    @on_store()
    async def test_a_deleted_task_of_a_series_comes_back_without_another_one(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        await store.commit(UpdateTask(task.id, {"done": True}))
        await store.commit(DeleteTask(1))

        done = await restored(store, 1, 2)

        assert (done.done, done.next_id) == (True, 2)
        assert [each.id for each in await store.listed()] == [1, 2]
        await store.check()

    # ------------------------------------------------------------ what is refused

    @on_store()
    async def test_what_never_was_is_not_restored(self, store: Store) -> None:
        await store.add()
        await store.add()
        await store.remove(await store.get(2))
        before = await store.head()

        for task_id in (0, -1, 3, 2**70):
            await raised(TaskNotFound, store.commit(RestoreTask(task_id, 1)), f"the task {task_id}")
        for task_id in (1, 2):
            for version in (2, 99, 2**70):
                write = RestoreTask(task_id, version)
                error = await raised(VersionNotFound, store.commit(CreateTask(TaskDraft("x")), write), f"{write}")
                assert error.index == 1, "the error names the write"
        assert await store.head() == before, "a refused commit does nothing"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_what_the_log_has_not_any_more_is_not_restored(self, store: Store) -> None:
        kept = await store.add()
        gone = await store.add()
        await store.remove(gone)
        await store.patch(kept, priority=1)
        await store.patch(kept, priority=2)
        await store.repository.prune(log_before=later(-99), max_changes=1, keys_before=later(-99), limit=100)

        for write in (RestoreTask(1, 1), RestoreTask(1, 2), RestoreTask(2, 1)):
            await raised(VersionGone, store.commit(write), f"{write}")
        await raised(VersionNotFound, store.commit(RestoreTask(1, 4)), "a version that never was")
        assert exact(await restored(store, 1, 3)) == exact(await store.get(1)), "the present version is always there"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_an_existing_task_has_its_present_version_without_a_log(self, store: Store) -> None:
        task = await store.patch(await store.add(), priority=1)
        await store.repository.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=later(-99), limit=100)

        assert exact(await restored(store, 1, 2)) == exact(task), "nothing changes"
        await raised(VersionGone, store.commit(RestoreTask(1, 1)), "a version before")

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_a_task_whose_log_was_pruned_goes_on_with_its_version(self, store: Store) -> None:
        task = await store.add("1")
        await store.patch(task, description="2")
        await store.repository.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=later(-99), limit=100)

        await store.patch(task, description="3")

        assert (await restored(store, 1, 3)).version == 3
        await raised(VersionGone, store.commit(RestoreTask(1, 2)), "the version before the first change that is left")
        await store.commit(DeleteTask(1))
        assert (await restored(store, 1, 3)).version == 4, "the version after the last one that it had"

    @on_store()
    async def test_a_uid_that_another_has_by_now_is_taken(self, store: Store) -> None:
        await store.add(uid="u")
        await store.commit(DeleteTask(1), CreateTask(TaskDraft("x", uid="u")))

        error = await raised(UidTaken, store.commit(RestoreTask(1, 1)), "a uid that another task has")

        assert error.current.id == 2, "the error has the task that holds it"
        await store.remove(await store.get(2))
        assert (await restored(store, 1, 1)).uid == "u", "the uid is free again"
        await raised(UidTaken, store.add(uid="u"), "the uid of a restored task")

    @on_store()
    async def test_a_deleted_task_needs_room(self, store: Store) -> None:
        await store.add()
        await store.remove(await store.get(1))
        await store.add()

        await raised(WorkspaceFull, store.commit(RestoreTask(1, 1), tasks_max=1), "a workspace that is full")
        await restored(store, 1, 1, tasks_max=2)
        await store.patch(await store.get(1), priority=1)
        await restored(store, 1, 1, tasks_max=1)

    @on_store()
    async def test_a_restoration_has_a_precondition(self, store: Store) -> None:
        task = await store.add()
        await store.patch(task, priority=1)

        old = Precondition(any_of=await store.versions(1))
        error = await raised(VersionConflict, store.commit(RestoreTask(1, 1, old)), "another version")
        assert error.current.version == 2, "the error has the task as it is"
        present = Precondition(any_of=await store.versions(2))
        await store.commit(RestoreTask(1, 1, present))
        assert (await store.get(1)).priority == 0
        await store.remove(task)
        last = await store.versions(3)
        await raised(
            TaskNotFound,
            store.commit(RestoreTask(1, 1, Precondition(any_of=last))),
            "a deleted task, which is at no version",
        )
        await store.commit(RestoreTask(1, 1, Precondition(none_of=last)))
        assert (await store.get(1)).version == 4, "it is at no version that it must not be at"

    @on_store()
    async def test_a_precondition_says_whether_a_restored_task_may_exist(self, store: Store) -> None:
        await store.patch(await store.add(), priority=1)
        deleted, present = Precondition(exists=False), Precondition(exists=True)

        error = await raised(VersionConflict, store.commit(RestoreTask(1, 1, deleted)), "a task that exists")
        assert error.current.version == 2, "the error has the task as it is"
        await store.commit(RestoreTask(1, 1, present))
        assert (await store.get(1)).priority == 0
        await store.remove(await store.get(1))
        await raised(TaskNotFound, store.commit(RestoreTask(1, 1, present)), "a deleted task that must exist")
        await store.commit(RestoreTask(1, 1, deleted))
        assert (await store.get(1)).version == 4

    # ------------------------------------------------------------ at once, again, and elsewhere

    @on_store()
    async def test_restorations_of_a_deleted_task_at_once_create_it_once(self, store: Store) -> None:
        await store.add()
        await store.remove(await store.get(1))

        tasks = await asyncio.gather(*(restored(store, 1, 1) for _ in range(20)))

        assert {task.version for task in tasks} == {2}, "all see the same task"
        await store.check()

    @on_store()
    async def test_restorations_and_deletions_at_once_leave_a_log_that_holds(self, store: Store) -> None:
        await store.add_all([TaskDraft("x"), TaskDraft("y", parent_id=1), TaskDraft("z", parent_id=2)])

        async def turn(number: int) -> None:
            task_id = number % 3 + 1
            with contextlib.suppress(TaskNotFound):  # which is deleted already
                await store.commit(RestoreTask(task_id, 1) if number % 2 else DeleteTask(task_id))

        await asyncio.gather(*map(turn, range(30)))

        await store.check()

    @on_store()
    async def test_a_repeated_restoration_is_done_once(self, store: Store) -> None:
        await store.add()
        await store.remove(await store.get(1))
        first = await store.commit(RestoreTask(1, 1), idempotency_key=KEY)
        await store.remove(await store.get(1))

        again = await store.commit(RestoreTask(1, 1), idempotency_key=KEY)

        assert again.replayed
        assert [exact(cast(Task, each.results[0])) for each in (first, again)] == [
            exact(cast(Task, first.results[0]))
        ] * 2
        await raised(TaskNotFound, store.repository.get(1), "the task, which was deleted since")

    @on_store(Capability.DUMP)
    async def test_a_restored_store_has_the_versions_of_its_tasks(self, store: Store) -> None:
        task = await store.add("first")
        await store.patch(task, description="second")
        await store.add("deleted")
        await store.commit(DeleteTask(2), RestoreTask(2, 1), DeleteTask(2))
        copy = await store.another()
        await copy.repository.restore(each_of([entry async for entry in store.repository.dump()]))

        assert (await restored(copy, 1, 1)).description == "first"
        deleted = await restored(copy, 2, 2)
        assert (deleted.description, deleted.version) == ("deleted", 3)
        await copy.check()
