"""Tests of tasks that are parts of others: parents, what is deleted with them, and what a commit may change so."""

from __future__ import annotations

import asyncio

from tasksvc import (
    Capability,
    ChangeKind,
    CreateTask,
    DeleteMatching,
    DeleteResult,
    DeleteTask,
    IdempotencyKey,
    InvalidTask,
    Precondition,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    TooManyRelated,
    UpdateMatching,
    UpdateResult,
    UpdateTask,
    VersionConflict,
    WorkspaceFull,
    Write,
)
from tasksvc.domain.relations import PARENTS_MAX, RELATED_MAX
from tasksvc.testing.repeating import DAILY, DAY, last_changes
from tasksvc.testing.samples import NOW, exact, later
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

KEY = IdempotencyKey("s", "key", "f")
ALL = TaskQuery()


async def line(store: Store, length: int) -> list[Task]:
    """Creates tasks each of which is the child of the one before it, in one commit."""
    first = len(await store.listed()) + 1
    return await store.add_all([TaskDraft("x", parent_id=first + n - 1 if n else None) for n in range(length)])


async def family(store: Store, children: int) -> Task:
    """Creates a task with children, and returns it."""
    parent = await store.add("parent")
    for start in range(0, children, 500):
        await store.add_all([TaskDraft(f"{n}", parent_id=parent.id) for n in range(start, min(children, start + 500))])
    return parent


async def parents(store: Store) -> dict[int, int | None]:
    """Returns the parent of each task."""
    return {task.id: task.parent_id for task in await store.listed()}


class RelationsContract(StoreUnderTest):
    """Tests of parents and children."""

    # ------------------------------------------------------------ which parents there may be

    @on_store()
    async def test_a_task_has_a_parent_that_exists(self, store: Store) -> None:
        parent = await store.add()

        child = await store.add(parent_id=parent.id)
        moved = await store.patch(await store.add(), parent_id=child.id)

        assert (child.parent_id, moved.parent_id) == (1, 2)
        assert [exact(await store.get(each.id)) for each in (child, moved)] == [exact(child), exact(moved)], "get()"
        assert (await store.patch(moved, parent_id=None)).parent_id is None, "a task can leave its parent"
        await store.check()

    @on_store()
    async def test_a_parent_that_does_not_exist_is_refused(self, store: Store) -> None:
        task = await store.add()
        gone = await store.add()
        await store.remove(gone)

        for parent_id in (gone.id, 99, 0, -1, 2**80):
            for write in (
                CreateTask(TaskDraft("x", parent_id=parent_id)),
                UpdateTask(task.id, {"parent_id": parent_id}),
            ):
                commit = store.commit(CreateTask(TaskDraft("y")), write)
                error = await raised(InvalidTask, commit, f"the parent {parent_id}")
                assert (error.field, error.index) == ("parent_id", 1), "the error names the field and the write"
        assert [exact(each) for each in await store.listed()] == [exact(task)], "a refused commit does nothing"

    @on_store()
    async def test_a_task_is_not_below_itself(self, store: Store) -> None:
        tasks = await line(store, 3)

        for child in tasks:
            error = await raised(InvalidTask, store.patch(tasks[0], parent_id=child.id), "a task below itself")
            assert error.field == "parent_id", "the error names the field"
        assert await parents(store) == {1: None, 2: 1, 3: 2}, "a refused commit does nothing"

    @on_store()
    async def test_tasks_have_at_most_eight_levels(self, store: Store) -> None:
        await line(store, PARENTS_MAX + 1)
        await line(store, 2)

        await raised(InvalidTask, store.add(parent_id=8), "a ninth level")
        await raised(
            InvalidTask, store.commit(UpdateTask(9, {"parent_id": 7})), "a ninth level below a task that moves"
        )
        await store.commit(UpdateTask(9, {"parent_id": 6}))

        assert (await parents(store))[9] == 6, "eight levels are allowed"
        await store.check()

    @on_store()
    async def test_a_commit_sees_the_parents_that_it_makes(self, store: Store) -> None:
        await store.add()
        writes: list[Write] = [
            CreateTask(TaskDraft("a", parent_id=1)),
            CreateTask(TaskDraft("b", parent_id=2)),
            UpdateTask(2, {"parent_id": None}),
            UpdateTask(1, {"parent_id": 3}),
        ]

        await store.commit(*writes)

        assert await parents(store) == {1: 3, 2: None, 3: 2}
        refused: list[Write] = [DeleteTask(2), UpdateTask(1, {"parent_id": 2})]
        error = await raised(InvalidTask, store.commit(*refused), "a parent that the commit deletes before")
        assert error.index == 1, "the error names the write"
        await store.check()

    @on_store()
    async def test_completing_a_parent_completes_no_child(self, store: Store) -> None:
        parent = await family(store, 2)

        await store.patch(parent, done=True)

        assert [task.done for task in await store.listed()] == [True, False, False]

    @on_store()
    async def test_moves_at_once_make_no_circle(self, store: Store) -> None:
        await store.add_all([TaskDraft("x")] * 4)
        moves = [(low, high) for low in range(1, 5) for high in range(1, 5) if low != high]

        outcomes = await asyncio.gather(
            *(store.commit(UpdateTask(low, {"parent_id": high})) for low, high in moves), return_exceptions=True
        )

        refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert {type(each) for each in refused} == {InvalidTask}, "moves are refused that would close a circle"
        above = await parents(store)
        for task_id in above:
            seen = [task_id]
            while (parent_id := above[seen[-1]]) is not None:
                assert parent_id not in seen, "no task is below itself"
                seen.append(parent_id)
        await store.check()

    @on_store()
    async def test_a_deletion_and_a_new_child_at_once_leave_no_child_of_nothing(self, store: Store) -> None:
        for _ in range(8):
            parent = await store.add()
            await asyncio.gather(
                store.remove(parent),
                *(store.add(parent_id=parent.id) for _ in range(3)),
                store.commit(DeleteTask(parent.id, children=True)),
                return_exceptions=True,
            )

        above = await parents(store)
        assert set(above.values()) <= {None, *above}, "every parent exists"
        await store.check()

    # ------------------------------------------------------------ finding

    @on_store()
    async def test_filter_by_parent(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b", parent_id=1), TaskDraft("c", parent_id=2)])
        await store.add_all([TaskDraft("d", parent_id=1), TaskDraft("e")])

        for query, wanted in (
            (TaskQuery(parent_id=1), [2, 4]),
            (TaskQuery(parent_id=2), [3]),
            (TaskQuery(parent_id=3), []),
            (TaskQuery(parent_id=2**80), []),
            (TaskQuery(without_parent=True), [1, 5]),
            (TaskQuery(without_parent=True, parent_id=1), []),
            (TaskQuery(parent_id=1, q="D"), [4]),
        ):
            assert [task.id for task in await store.listed(query, page_size=1)] == wanted, f"{query}: find()"
            assert await store.repository.count(query) == len(wanted), f"{query}: count()"

    @on_store()
    async def test_a_filter_follows_a_task_to_another_parent(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b"), TaskDraft("c", parent_id=1)])

        await store.commit(UpdateTask(3, {"parent_id": 2}))
        assert [[task.id for task in await store.listed(TaskQuery(parent_id=n))] for n in (1, 2)] == [[], [3]]
        await store.commit(DeleteTask(2))

        assert not await store.listed(TaskQuery(parent_id=2)), "a deleted task has no children"
        assert [task.id for task in await store.listed(TaskQuery(without_parent=True))] == [1, 3]

    # ------------------------------------------------------------ deleting

    @on_store()
    async def test_children_of_a_deleted_task_have_no_parent(self, store: Store) -> None:
        parent = await family(store, 2)
        await store.add(parent_id=2)

        await store.remove(parent, at=later(1))

        assert await parents(store) == {2: None, 3: None, 4: 2}, "the grandchild keeps its parent"
        children = [await store.get(2), await store.get(3)]
        assert [(child.version, child.updated_at) for child in children] == [(2, later(1))] * 2
        assert await last_changes(store, 3) == [
            (ChangeKind.UPDATED, 2),
            (ChangeKind.UPDATED, 3),
            (ChangeKind.DELETED, 1),
        ], "the children lose their parent before it's deleted"
        await store.check()

    @on_store()
    async def test_a_task_is_deleted_with_all_below_it(self, store: Store) -> None:
        drafts = [TaskDraft("x", parent_id=parent_id) for parent_id in (None, 1, 1, 2, 3, 4, None)]
        await store.add_all(drafts)

        committed = await store.commit(DeleteTask(1, children=True))

        assert list(committed.results) == [None]
        assert [task.id for task in await store.listed()] == [7], "what isn't below it stays"
        deleted = await last_changes(store, 6)
        assert deleted == [(ChangeKind.DELETED, task_id) for task_id in (6, 4, 5, 2, 3, 1)], "the deepest come first"
        await store.check()

    @on_store()
    async def test_a_deletion_with_children_has_a_precondition(self, store: Store) -> None:
        await family(store, 1)
        await store.commit(UpdateTask(1, {"priority": 1}))

        first = Precondition(any_of=await store.versions(1))
        await raised(VersionConflict, store.commit(DeleteTask(1, first, children=True)), "another version")
        await raised(TaskNotFound, store.commit(DeleteTask(99, children=True)), "nothing to delete")

        assert await parents(store) == {1: None, 2: 1}, "a refused commit does nothing"

    @on_store()
    async def test_a_batch_deletes_what_it_has_put_below_a_task(self, store: Store) -> None:
        await store.add_all([TaskDraft("x")] * 3)
        writes: list[Write] = [
            UpdateTask(2, {"parent_id": 1}),
            CreateTask(TaskDraft("y", parent_id=2)),
            DeleteTask(1, children=True),
            UpdateTask(3, {"priority": 1}),
        ]

        await store.commit(*writes)

        assert await parents(store) == {3: None}
        await store.check()

    @on_store()
    async def test_a_deletion_by_a_query_takes_children_before_their_parents(self, store: Store) -> None:
        await line(store, 3)
        await store.add(parent_id=2, done=True)

        committed = await store.commit(DeleteMatching([1, 2, 3, 4], TaskQuery(done=False)))

        assert committed.results == (DeleteResult(3, more=False),), "all that match are deleted"
        assert await parents(store) == {4: None}, "and others have no parent any more"
        assert await last_changes(store, 4) == [
            (ChangeKind.DELETED, 3),
            (ChangeKind.UPDATED, 4),
            (ChangeKind.DELETED, 2),
            (ChangeKind.DELETED, 1),
        ]
        await store.check()

    @on_store()
    async def test_a_repeated_deletion_with_children_is_replayed(self, store: Store) -> None:
        await family(store, 2)
        first = await store.commit(DeleteTask(1, children=True), idempotency_key=KEY)

        again = await store.commit(DeleteTask(1, children=True), idempotency_key=KEY)

        assert (again.replayed, again.position) == (True, first.position), "it is done once"

    # ------------------------------------------------------------ how much a commit may change so

    @on_store()
    async def test_a_commit_changes_at_most_a_thousand_others(self, store: Store) -> None:
        await family(store, RELATED_MAX)
        await store.add(parent_id=1)
        before = await store.head()

        for write in (DeleteTask(1), DeleteTask(1, children=True)):
            error = await raised(TooManyRelated, store.commit(CreateTask(TaskDraft("y")), write), "1,001 children")
            assert error.index == 1, "the error names the write"
        assert await store.head() == before, "a refused commit does nothing"

        await store.commit(UpdateTask(2, {"parent_id": None}))
        await store.commit(DeleteTask(1))

        assert await store.repository.count(TaskQuery(without_parent=True)) == RELATED_MAX + 1, "a thousand may change"

    @on_store()
    async def test_a_thousand_tasks_are_deleted_with_their_parent(self, store: Store) -> None:
        await family(store, RELATED_MAX)

        await store.commit(DeleteTask(1, children=True))

        assert await store.repository.count(ALL) == 0
        assert (await store.head()).seq == 2 * (RELATED_MAX + 1)

    @on_store()
    async def test_a_deletion_by_a_query_stops_before_it_changes_too_many_others(self, store: Store) -> None:
        for _ in range(3):
            await family(store, 400)
        named = [1, 402, 803]

        first = await store.commit(DeleteMatching(named, TaskQuery(q="parent")))
        result = first.results[0]
        assert isinstance(result, DeleteResult)
        assert 1 <= result.tasks < 3, "some are deleted, since the children of all three are too many"
        assert result.more, "there are more"
        second = await store.commit(DeleteMatching(named[result.tasks :], TaskQuery(q="parent")))

        assert second.results == (DeleteResult(3 - result.tasks, more=False),), "the next call deletes the rest"
        assert await store.repository.count(TaskQuery(without_parent=True)) == 1_200

    @on_store()
    async def test_a_deletion_by_a_query_of_a_parent_and_most_of_its_children_leaves_the_rest_without_one(
        self, store: Store
    ) -> None:
        await family(store, RELATED_MAX + 200)

        committed = await store.commit(DeleteMatching(range(1, RELATED_MAX + 1), ALL, more=True))

        assert committed.results == (DeleteResult(RELATED_MAX, more=True),)
        assert set((await parents(store)).values()) == {None}, "each of 201 children that are left has no parent"
        assert await store.repository.count(ALL) == 201

    @on_store()
    async def test_children_that_a_batch_deletes_or_moves_before_do_not_count(self, store: Store) -> None:
        await family(store, RELATED_MAX + 600)

        await store.commit(
            *(DeleteTask(task_id) for task_id in range(2, 402)),
            UpdateMatching(range(402, 702), ALL, {"parent_id": None}),
            DeleteTask(1),
        )

        assert set((await parents(store)).values()) == {None}, "none is below the task that is gone"
        assert await store.repository.count(ALL) == RELATED_MAX + 200

    @on_store()
    async def test_a_deletion_by_a_query_that_can_delete_none_is_refused(self, store: Store) -> None:
        await family(store, RELATED_MAX)
        await store.add(parent_id=1)

        await raised(TooManyRelated, store.commit(DeleteMatching([1], TaskQuery(q="parent"))), "1,001 children")

        assert await store.repository.count(ALL) == RELATED_MAX + 2, "a refused commit does nothing"

    # ------------------------------------------------------------ updating by a query

    @on_store()
    async def test_an_update_by_a_query_changes_what_matches(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", list=name) for name in ("a", "b", "a", "a")])
        await store.remove(await store.get(3))

        committed = await store.commit(
            UpdateMatching([1, 2, 3, 4, 99], TaskQuery(list="a"), {"list": "c", "parent_id": 2}, more=True), at=later(1)
        )

        assert committed.results == (UpdateResult(2, more=True),), "it counts those that it changed"
        assert [(task.id, task.list, task.parent_id) for task in await store.listed()] == [
            (1, "c", 2),
            (2, "b", None),
            (4, "c", 2),
        ]
        assert await last_changes(store, 2) == [(ChangeKind.UPDATED, 1), (ChangeKind.UPDATED, 4)]
        await store.check()

    @on_store()
    async def test_an_update_by_a_query_counts_no_task_that_it_leaves_as_it_is(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", priority=n) for n in (1, 2)])

        write = UpdateMatching([1, 2], ALL, {"priority": 2})
        committed = await store.commit(write, idempotency_key=KEY)
        again = await store.commit(write, idempotency_key=KEY)

        assert committed.results == again.results == (UpdateResult(1, more=False),)
        assert again.replayed

    @on_store()
    async def test_an_update_by_a_query_is_done_for_all_or_for_none(self, store: Store) -> None:
        await line(store, 2)
        await store.add()
        before = await store.head()

        error = await raised(
            InvalidTask, store.commit(UpdateMatching([3, 1], ALL, {"parent_id": 2, "priority": 1})), "below itself"
        )

        assert error.field == "parent_id", "the error names the field"
        assert await store.head() == before, "a refused commit does nothing"

    # ------------------------------------------------------------ series

    @on_store()
    async def test_the_next_task_of_a_series_has_the_same_parent(self, store: Store) -> None:
        await store.add()
        task = await store.add(due_on=DAY, repeat=DAILY, parent_id=1)

        done = await store.patch(task, done=True)

        assert (await store.get(done.next_id or 0)).parent_id == 1

    @on_store()
    async def test_a_next_task_with_children_stays_when_the_one_before_is_reopened(self, store: Store) -> None:
        task = await store.add(due_on=DAY, repeat=DAILY)
        await store.patch(task, done=True)
        await store.add(parent_id=2)

        reopened = await store.patch(task, done=False)

        assert reopened.repeat is None, "the series goes on in the next one, which somebody has used"
        assert await parents(store) == {1: None, 2: None, 3: 2}
        await store.check()

    # ------------------------------------------------------------ reopening, and room

    @on_store(Capability.DURABLE)
    async def test_parents_are_known_after_a_reopening(self, store: Store) -> None:
        await line(store, 3)
        await store.reopen()

        await raised(InvalidTask, store.commit(UpdateTask(1, {"parent_id": 3})), "a task below itself")
        await store.commit(DeleteTask(2))

        assert await parents(store) == {1: None, 3: None}
        await store.check()

    @on_store()
    async def test_a_deletion_with_children_makes_room(self, store: Store) -> None:
        await family(store, 2)
        new = [CreateTask(TaskDraft("y"))] * 3

        await store.commit(DeleteTask(1, children=True), *new, tasks_max=3)

        await raised(WorkspaceFull, store.commit(CreateTask(TaskDraft("z")), at=NOW, tasks_max=3), "a fourth task")
        assert len(await store.listed()) == 3
