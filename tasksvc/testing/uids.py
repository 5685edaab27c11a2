"""Tests of what a task brings from elsewhere: a uid, which is unique in its workspace, and times of the past."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tasksvc import (
    Capability,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    InvalidTask,
    SortField,
    Task,
    TaskDraft,
    TaskQuery,
    UidTaken,
    Write,
)
from tasksvc.testing.repeating import DAILY, DAY
from tasksvc.testing.samples import FIRST_MOMENT, NOW, exact, later
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

KEY = IdempotencyKey("s", "key", "f")
UIDS = ("a", "A", "ä", "a\u0308", "a ", " a", '"a"', "\\", "%", "_", "null", "1", "😀" * 255, "x" * 255, "x" * 254)
"""Uids that are all different."""


async def found_by(store: Store, uid: str) -> list[int]:
    """Returns the ids of the tasks with a uid."""
    return [task.id for task in await store.listed(TaskQuery(uid=uid))]


class UidsContract(StoreUnderTest):
    """Tests of uids, and of drafts that say when their tasks were created and completed."""

    # ------------------------------------------------------------ uids

    @on_store()
    async def test_a_task_is_found_by_its_uid(self, store: Store) -> None:
        await store.add()
        tasks = await store.add_all([TaskDraft("x", uid=uid) for uid in UIDS])

        for task, uid in zip(tasks, UIDS, strict=True):
            assert exact(await store.get(task.id)) == exact(task), "get() answers what the commit answered"
            assert task.uid == uid, "a uid comes back as it went in"
            assert await found_by(store, uid) == [task.id], f"{uid!r} finds its task alone"
            assert await store.repository.count(TaskQuery(uid=uid)) == 1, f"{uid!r}: count()"
        assert await found_by(store, "nowhere") == []

    @on_store()
    async def test_a_uid_is_given_to_one_task(self, store: Store) -> None:
        holder = await store.add(uid="a")
        before = await store.head()

        writes = CreateTask(TaskDraft("y")), CreateTask(TaskDraft("x", uid="a"))
        error = await raised(UidTaken, store.commit(*writes), "a uid that another task has")

        assert error.index == 1, "the error names the write"
        assert (exact(error.current), error.generation) == (exact(holder), before.generation), "and the task"
        assert await store.head() == before, "a refused commit does nothing"
        await raised(UidTaken, store.commit(*[CreateTask(TaskDraft("x", uid="b"))] * 2), "a uid twice in one commit")

    @on_store()
    async def test_the_uid_of_a_deleted_task_is_free(self, store: Store) -> None:
        task = await store.add(uid="a")
        await store.remove(task)

        new = await store.add(uid="a")
        writes: list[Write] = [DeleteTask(new.id), CreateTask(TaskDraft("z", uid="a"))]
        await store.commit(*writes)

        assert await found_by(store, "a") == [3], "also one that the same commit deletes"

    @on_store()
    async def test_a_patch_keeps_the_uid(self, store: Store) -> None:
        task = await store.add(uid="a")

        await store.patch(task, description="y", labels=("b",))

        assert await found_by(store, "a") == [task.id]
        await raised(UidTaken, store.add(uid="a"), "a uid that a task has since its first version")

    @on_store()
    async def test_of_many_commits_at_once_one_gets_a_uid(self, store: Store) -> None:
        calls = [store.add(f"{n}", uid="a") for n in range(12)]
        outcomes: Sequence[Task | BaseException] = await asyncio.gather(*calls, return_exceptions=True)

        holders = [each for each in outcomes if isinstance(each, Task)]
        assert len(holders) == 1, "one of them gets it"
        refused = [each for each in outcomes if isinstance(each, BaseException)]
        assert {type(each) for each in refused} == {UidTaken}, "the others are refused"
        assert await found_by(store, "a") == [holders[0].id]
        await store.check()

    @on_store()
    async def test_a_repeated_creation_with_a_uid_is_replayed(self, store: Store) -> None:
        first = await store.commit(CreateTask(TaskDraft("x", uid="a")), idempotency_key=KEY)

        again = await store.commit(CreateTask(TaskDraft("x", uid="a")), idempotency_key=KEY)

        assert again.replayed, "its own uid isn't taken"
        assert again.results == first.results

    @on_store(Capability.DURABLE)
    async def test_uids_are_known_after_a_reopening(self, store: Store) -> None:
        await store.add(uid="a")
        await store.reopen()

        await raised(UidTaken, store.add(uid="a"), "a uid that another task has")
        assert await found_by(store, "a") == [1]

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_each_workspace_has_its_own_uids(self, store: Store) -> None:
        await store.add(uid="a")
        other = store.within("with-uids")

        task = await other.add(uid="a")

        assert await found_by(other, "a") == [task.id], "one workspace doesn't see the uids of another"
        await raised(UidTaken, other.add(uid="a"), "a uid that a task of the workspace has")
        assert await found_by(store, "a") == [1]

    @on_store()
    async def test_the_next_task_of_a_series_has_no_uid(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY, uid="a", created_at=later(-9))

        done = await store.patch(task, at=later(1), done=True)

        following = await store.get(done.next_id or 0)
        assert (done.uid, following.uid, following.created_at) == ("a", None, later(1))
        assert await found_by(store, "a") == [1]

    # ------------------------------------------------------------ times of the past

    @on_store()
    async def test_a_draft_says_when_the_task_was_created_and_completed(self, store: Store) -> None:
        drafts = [
            TaskDraft("x", created_at=later(-9)),
            TaskDraft("x", done=True, created_at=later(-9), completed_at=later(-0.000001)),
            TaskDraft("x", done=True, completed_at=later(-10)),
            TaskDraft("x", done=True, created_at=FIRST_MOMENT, completed_at=NOW),
            TaskDraft("x", created_at=NOW),
        ]

        tasks = await store.add_all(drafts)

        assert [(task.created_at, task.completed_at) for task in tasks] == [
            (later(-9), None),
            (later(-9), later(-0.000001)),
            (NOW, later(-10)),
            (FIRST_MOMENT, NOW),
            (NOW, None),
        ]
        assert {task.updated_at for task in tasks} == {NOW}, "a new task was changed when it was made"
        assert {change.at for change in await store.log()} == {NOW}, "and so says the log"
        assert [exact(await store.get(task.id)) for task in tasks] == [exact(task) for task in tasks], "get()"
        await store.check()

    @on_store()
    async def test_times_that_do_not_fit_a_new_task_are_refused(self, store: Store) -> None:
        soon = NOW + timedelta(microseconds=1)
        refused: list[tuple[str, dict[str, Any]]] = [
            ("created_at", {"created_at": soon}),
            ("completed_at", {"done": True, "completed_at": soon}),
            ("completed_at", {"completed_at": later(-1)}),
        ]

        for field, values in refused:
            commit = store.commit(CreateTask(TaskDraft("y")), CreateTask(TaskDraft("x", **values)))
            error = await raised(InvalidTask, commit, f"{values}")
            assert (error.field, error.index) == (field, 1), "the error names the field and the write"
        assert not await store.listed(), "a refused commit does nothing"

    @on_store()
    async def test_tasks_of_the_past_are_sorted_and_filtered_by_their_times(self, store: Store) -> None:
        times = [None, later(-2), later(-1), later(-3)]
        await store.add_all([TaskDraft("x", created_at=at) for at in times])

        sorted_ids = [task.id for task in await store.listed(TaskQuery(sort=SortField.CREATED_AT), page_size=1)]
        after = [task.id for task in await store.listed(TaskQuery(created_after=later(-2)))]

        assert (sorted_ids, after) == ([4, 2, 3, 1], [1, 3])

    @on_store()
    async def test_a_task_of_the_past_is_completed_and_reopened_as_others_are(self, store: Store) -> None:
        task = await store.add(done=True, created_at=later(-9), completed_at=later(-8))

        opened = await store.patch(task, at=later(1), done=False)
        done = await store.patch(task, at=later(2), done=True)

        assert (opened.completed_at, done.completed_at, done.created_at) == (None, later(2), later(-9))
