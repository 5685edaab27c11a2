"""Tests of task_changes(), which reads the changes of one task, and of who made a change."""

from __future__ import annotations

from typing import cast

from tasksvc import (
    LOG_START,
    Capability,
    Change,
    CreateTask,
    DeleteMatching,
    DeleteTask,
    IdempotencyKey,
    Position,
    PositionGone,
    RestoreTask,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateMatching,
    UpdateTask,
    Write,
    json_size,
)
from tasksvc.testing.samples import LAST_MOMENT, later
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised

KEY = IdempotencyKey("s", "by", "f")
LONG_NAMES = ("a" * 255, "ü" * 255, "😀" * 255, 'it\'s \\ "zoë"', "")
"""Names of callers, of the most characters or hard to write."""


async def history(store: Store, task_id: int, *, since: Position = LOG_START, limit: int = 1_000) -> list[Change]:
    """Returns the changes of a task, read page by page, and checks where each page ends."""
    changes: list[Change] = []
    while True:
        page = await store.repository.task_changes(task_id, since, limit=limit)
        changes += page.changes
        assert len(page.changes) <= limit, "a page has at most `limit` changes"
        if not page.more:
            assert page.next == await store.head(), "after the last change one reads on at the end of the log"
            return changes
        assert page.changes, "a page after which there is more has a change"
        assert page.next == Position(page.next.generation, page.changes[-1].seq), "one reads on behind the page"
        assert page.next.seq > since.seq, "a page has changes after the one before"
        since = page.next


def of_task(log: list[Change], task_id: int) -> list[Change]:
    """Returns those changes of a log that are of one task."""
    return [change for change in log if change.task_id == task_id]


async def eventful(store: Store) -> None:
    """Makes changes of several tasks in turn: task 1 exists, task 2 is deleted, and task 3 was restored."""
    await store.add_all([TaskDraft("a"), TaskDraft("b", parent_id=1), TaskDraft("c")])
    for n in range(3):
        await store.commit(*(UpdateTask(task_id, {"notes": f"{n}" * (n + 1)}) for task_id in (1, 2, 3)), at=later(n))
    await store.commit(DeleteMatching([2, 3], TaskQuery()), at=later(4))
    await store.commit(RestoreTask(3, 2), UpdateTask(3, {"priority": 1}), at=later(5))


class TaskHistoryContract(StoreUnderTest):
    """Tests of task_changes(), and of `by` of a change."""

    # ------------------------------------------------------------ the changes of one task

    @on_store()
    async def test_the_changes_of_a_task_are_those_of_the_log(self, store: Store) -> None:
        await eventful(store)
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()
            await store.patch(await store.get(3), priority=2)

        log = await store.log()

        for task_id in (1, 2, 3):
            for limit in (1, 2, 1_000):
                told = await history(store, task_id, limit=limit)
                assert told == of_task(log, task_id), f"the changes of task {task_id}, {limit} a page"

    @on_store()
    async def test_the_changes_of_a_task_go_on_after_a_position(self, store: Store) -> None:
        await eventful(store)
        log, generation = await store.log(), await store.generation()

        for seq in range(len(log) + 1):
            for task_id in (1, 2, 3):
                told = await history(store, task_id, since=Position(generation, seq), limit=2)
                assert told == of_task(log[seq:], task_id), f"the changes of task {task_id} after change {seq}"

    @on_store()
    async def test_a_page_of_the_changes_of_a_task_ends_before_it_is_too_large(self, store: Store) -> None:
        await eventful(store)
        wanted = of_task(await store.log(), 3)
        sizes = [json_size(change.task) for change in wanted]

        for fit in range(1, len(wanted) + 1):
            for max_bytes in (sum(sizes[:fit]), sum(sizes[:fit]) + 1):
                page = await store.repository.task_changes(3, LOG_START, limit=100, max_bytes=max_bytes)
                told = len(page.changes)
                assert list(page.changes) == wanted[:told], "a page has the first ones"
                assert sum(sizes[:told]) <= max_bytes, "a page isn't larger than `max_bytes`"
                assert told == len(wanted) or sum(sizes[: told + 1]) > max_bytes, "and not smaller than it need be"
        page = await store.repository.task_changes(3, LOG_START, limit=100, max_bytes=1)
        assert (list(page.changes), page.more) == (wanted[:1], True), "but it has at least one change"

    @on_store()
    async def test_a_task_that_never_was_has_no_changes(self, store: Store) -> None:
        await store.add()

        for task_id in (0, -1, 2, 2**70):
            call = store.repository.task_changes(task_id, LOG_START, limit=1)
            await raised(TaskNotFound, call, f"the changes of task {task_id}")

    @on_store()
    async def test_a_position_of_another_log_is_gone_for_one_task_too(self, store: Store) -> None:
        await store.add()
        head = await store.head()

        for since in (head._replace(generation="another"), head._replace(seq=head.seq + 1)):
            await raised(PositionGone, store.repository.task_changes(1, since, limit=1), f"the position {since}")

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_the_changes_of_a_task_begin_where_the_log_does(self, store: Store) -> None:
        await eventful(store)
        await store.repository.prune(log_before=later(-99), max_changes=4, keys_before=later(-99), limit=100)
        head = await store.head()

        left = await store.log(head._replace(seq=head.seq - 4))

        assert len(left) == 4
        for task_id in (2, 3):
            assert await history(store, task_id, limit=1) == of_task(left, task_id), "what was pruned isn't told"
        page = await store.repository.task_changes(1, LOG_START, limit=10)
        assert (list(page.changes), page.next, page.more) == ([], head, False), "a task that exists is found"
        early = store.repository.task_changes(3, head._replace(seq=1), limit=1)
        await raised(PositionGone, early, "a position before the log")
        await store.repository.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=later(-99), limit=100)
        deleted = store.repository.task_changes(2, LOG_START, limit=1)
        await raised(TaskNotFound, deleted, "a deleted task of which the log has nothing")

    @on_store()
    async def test_a_task_of_three_hundred_versions_has_all_its_changes(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b")])
        for start in range(0, 300, 50):
            writes: list[Write] = [UpdateTask(1, {"description": f"{n}"}) for n in range(start, start + 50)]
            await store.commit(*writes, UpdateTask(2, {"description": f"{start}"}))

        changes = await history(store, 1, limit=70)

        assert [change.task.version for change in changes if change.task] == list(range(1, 302))
        assert (await store.commit(RestoreTask(1, 2))).results[0] == await store.get(1)
        assert (await store.get(1)).description == "0", "the second version is found behind 300"
        await store.check()

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_a_task_without_a_change_in_the_log_has_none(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b")])
        await store.commit(DeleteTask(2))
        await store.repository.prune(log_before=LAST_MOMENT, max_changes=0, keys_before=later(-99), limit=100)

        assert await history(store, 1) == [], "the task is there, and its changes are not"
        await raised(TaskNotFound, history(store, 2), "a deleted task of which the log knows nothing")
        await store.patch(await store.get(1), priority=1)

        assert [change.seq for change in await history(store, 1)] == [4], "new changes are there"

    @on_store(Capability.DUMP)
    async def test_a_restored_store_has_the_changes_of_its_tasks(self, store: Store) -> None:
        await eventful(store)
        copy = await store.another()
        await copy.repository.restore(each_of([entry async for entry in store.repository.dump()]))
        await copy.patch(await copy.get(1), priority=5)

        log = await copy.log()

        for task_id in (1, 2, 3):
            assert await history(copy, task_id, limit=2) == of_task(log, task_id), f"the changes of task {task_id}"

    @on_store(Capability.WORKSPACES)
    async def test_the_changes_of_a_task_are_of_its_own_workspace(self, store: Store) -> None:
        other = store.within(f"{store.workspace}-history")
        await eventful(store)
        await other.add_all([TaskDraft("x"), TaskDraft("y")])

        assert await history(other, 1) == of_task(await other.log(), 1)
        await raised(TaskNotFound, other.repository.task_changes(3, LOG_START, limit=1), "a task of another workspace")

    # ------------------------------------------------------------ who made a change

    @on_store()
    async def test_each_change_has_the_name_of_its_caller(self, store: Store) -> None:
        callers = [*LONG_NAMES, None]
        for by in callers:
            await store.commit(CreateTask(TaskDraft("x")), by=by)
        await store.commit(UpdateMatching([1, 2], TaskQuery(), {"priority": 1}), by="first")
        await store.commit(DeleteMatching([1], TaskQuery()), by="second")
        await store.commit(RestoreTask(1, 1), by="third")
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()

        told = [change.by for change in await store.log()]

        assert told == [*callers, "first", "first", "second", "third"], "a change has the name of its commit"
        assert [change.by for change in await history(store, 1)] == [callers[0], "first", "second", "third"]

    @on_store()
    async def test_all_changes_of_a_commit_are_of_its_caller(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b", parent_id=1)])

        await store.commit(DeleteTask(1), by="z")

        assert [change.by for change in await store.log()] == [None, None, "z", "z"], "also of what it changes besides"

    @on_store()
    async def test_a_replayed_commit_keeps_the_name_of_its_first_caller(self, store: Store) -> None:
        write = CreateTask(TaskDraft("x"))
        await store.commit(write, idempotency_key=KEY, by="first")

        again = await store.commit(write, idempotency_key=KEY, by="second")

        assert again.replayed
        assert [change.by for change in await store.log()] == ["first"]
        assert cast(Task, again.results[0]).id == 1

    @on_store(Capability.DUMP)
    async def test_a_restored_store_has_the_names_of_callers(self, store: Store) -> None:
        await store.commit(CreateTask(TaskDraft("x")), by="zoë")
        await store.commit(DeleteTask(1))
        copy = await store.another()
        await copy.repository.restore(each_of([entry async for entry in store.repository.dump()]))

        assert [change.by for change in await copy.log()] == ["zoë", None]
        assert [change.by for change in await history(copy, 1)] == ["zoë", None]
