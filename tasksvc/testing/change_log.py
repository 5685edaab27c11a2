"""The change log: its contents, reading from a position, and waiting for changes."""

from __future__ import annotations

import asyncio
import string
import time

from tasksvc import (
    LOG_START,
    Change,
    ChangeKind,
    CreateTask,
    DeleteTask,
    Position,
    PositionGone,
    TaskDraft,
    TaskNotFound,
    UpdateTask,
    json_size,
)
from tasksvc.testing.samples import FULL, NOW, exact, later
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

LONG = 20.0
"""A timeout in seconds that a test of a correct store never reaches."""


class ChangeLogContract(StoreUnderTest):
    """Tests of read_changes() and changes()."""

    @on_store()
    async def test_the_log_lists_all_changes_in_order(self, store: Store) -> None:
        task = await store.add_draft(FULL, at=NOW)
        patched = await store.patch(task, at=later(1), done=False)
        await store.remove(task, at=later(2))

        assert await store.log() == [
            Change(1, ChangeKind.CREATED, NOW, 1, task),
            Change(2, ChangeKind.UPDATED, later(1), 1, patched),
            Change(3, ChangeKind.DELETED, later(2), 1, None),
        ], "each change has its number, kind, time, task id and the task, which a deletion has not"

    @on_store()
    async def test_a_change_carries_the_task_as_it_was_then(self, store: Store) -> None:
        task = await store.add(metadata={"n": 0})
        told = [task, *[await store.patch(task, description=f"revision {n}", metadata={"n": n}) for n in range(1, 4)]]

        rule = "a change carries the task as that change left it, not as it is now"
        assert [change.task and exact(change.task) for change in await store.log()] == list(map(exact, told)), rule
        await store.remove(task)
        assert [change.task and exact(change.task) for change in await store.log()] == [*map(exact, told), None], rule

    @on_store()
    async def test_the_time_of_a_change_never_goes_back_for_its_task(self, store: Store) -> None:
        task = await store.add(at=NOW)
        await store.patch(task, at=later(-60), done=True)
        await store.remove(task, at=later(-90))

        assert [change.at for change in await store.log()] == [NOW, NOW, NOW], (
            "the change of a task is not earlier than the one before it, whatever the clock does"
        )

    @on_store()
    async def test_what_changes_nothing_is_not_in_the_log(self, store: Store) -> None:
        task = await store.add(priority=1)
        await store.patch(task, priority=1)
        await raised(
            TaskNotFound, store.commit(CreateTask(TaskDraft("no")), DeleteTask(99)), "removing what is not there"
        )
        await store.remove(task)

        told = [(change.seq, change.kind) for change in await store.log()]
        assert told == [(1, ChangeKind.CREATED), (2, ChangeKind.DELETED)], (
            "patches that change nothing and commits that were refused leave no entry and no gap"
        )

    # ------------------------------------------------------------ positions

    @on_store()
    async def test_the_log_of_a_new_store_is_empty(self, store: Store) -> None:
        page = await store.repository.read_changes(LOG_START, limit=10)

        assert (list(page.changes), page.more) == ([], False), "nothing has happened in a new store"
        assert page.next == (await store.generation(), 0), "one reads on from the start, of this store"

    @on_store()
    async def test_pages_of_the_log_join_up(self, store: Store) -> None:
        await store.add_all([TaskDraft(f"task {n}") for n in range(10)])
        whole = await store.log()

        for size in (1, 3, 9, 10, 11):
            assert await store.log(page_size=size) == whole, f"pages of {size} changes join up to the whole log"
            page = await store.repository.read_changes(LOG_START, limit=size)
            assert 1 <= len(page.changes) <= size, "a page has at most `limit` changes, and some where there are some"
            assert page.more == (len(page.changes) < 10), "`more` tells whether there are more by now"
            assert page.next.seq == len(page.changes), "one reads on after the last change of the page"

    @on_store()
    async def test_a_page_of_the_log_with_a_bound_in_bytes_ends_before_the_change_that_would_pass_it(
        self, store: Store
    ) -> None:
        tasks = await store.add_all([TaskDraft("語" * (1 + 40 * n), metadata={"n": "x" * n}) for n in range(12)])
        await store.commit(*(DeleteTask(task.id) for task in tasks[::3]))
        whole = await store.log()

        for max_bytes in (1, 900, 4_000, 10**9):
            met: list[Change] = []
            more = True
            since = LOG_START
            while more:
                page = await store.repository.read_changes(since, limit=100, max_bytes=max_bytes)
                assert page.changes, f"a page has at least one change where there is one, max_bytes={max_bytes}"
                assert len(page.changes) == 1 or sum(json_size(each.task) for each in page.changes) <= max_bytes, (
                    f"a page of several changes has at most max_bytes={max_bytes}"
                )
                assert page.next.seq == page.changes[-1].seq, "one reads on after the last change of the page"
                met += page.changes
                since, more = page.next, page.more
            assert met == whole, f"such pages join up to the whole log, max_bytes={max_bytes}"

    @on_store()
    async def test_the_log_is_read_from_any_position(self, store: Store) -> None:
        await store.add_all([TaskDraft("x")] * 5)

        for seq in range(6):
            position = Position(await store.generation(), seq)
            told = [change.seq for change in await store.log(position)]
            assert told == list(range(seq + 1, 6)), f"reading after {seq} gives what came later"

    @on_store()
    async def test_at_the_head_there_is_nothing_yet(self, store: Store) -> None:
        await store.add()
        head = await store.head()

        page = await store.repository.read_changes(head, limit=10)

        assert (list(page.changes), page.next, page.more) == ([], head, False), "at the head there is nothing yet"
        await store.add()
        page = await store.repository.read_changes(head, limit=10)
        assert [change.seq for change in page.changes] == [2], "and then there is"

    @on_store()
    async def test_a_position_that_is_not_of_this_log_is_gone(self, store: Store) -> None:
        await store.add()
        own = await store.generation()

        for position in (
            Position("0" * 16, 1),
            Position("0" * 16, 0),
            Position("", 1),
            Position(own + "0", 1),
            Position(own, 2),
            Position(own, 2**63),
            Position(own, 10**30),
            Position(own, -1),
        ):
            await raised(
                PositionGone,
                store.repository.read_changes(position, limit=1),
                f"{position}, of another generation or beyond the head, in a log of {own} with one change",
            )

    @on_store()
    async def test_a_generation_is_random_and_short(self, store: Store) -> None:
        other = await store.another()
        await asyncio.gather(store.add(), other.add())

        generations = [await store.generation(), await other.generation()]
        for generation in generations:
            assert 1 <= len(generation) <= 32, "a generation has 1 to 32 characters"
            assert set(generation) <= set(string.ascii_lowercase + string.digits), "a generation is of [0-9a-z]"
        assert generations[0] != generations[1], "each store has a generation of its own"

    # ------------------------------------------------------------ waiting

    @on_store()
    async def test_a_waiting_reader_is_woken_by_a_change(self, store: Store) -> None:
        head = await store.head()
        for n in range(1, 4):
            waiting = asyncio.ensure_future(store.repository.changes(head, limit=10, wait=LONG))
            await asyncio.sleep(0.01)
            assert not waiting.done(), "a reader at the head waits"

            await store.add()
            page = await asyncio.wait_for(waiting, LONG / 2)

            assert [change.seq for change in page.changes] == [n], "a change ends the wait, and is what it answers"
            head = page.next

    @on_store()
    async def test_many_readers_are_woken_by_one_change(self, store: Store) -> None:
        head = await store.head()
        waiting = [asyncio.ensure_future(store.repository.changes(head, limit=10, wait=LONG)) for _ in range(50)]
        await asyncio.sleep(0.01)

        await store.add()

        pages = await asyncio.wait_for(asyncio.gather(*waiting), LONG / 2)
        assert [len(page.changes) for page in pages] == [1] * 50, "a change ends every wait for it"

    @on_store()
    async def test_a_wait_without_a_change_times_out(self, store: Store) -> None:
        await store.add()
        head = await store.head()

        began = time.monotonic()
        page = await asyncio.wait_for(store.repository.changes(head, limit=10, wait=0.1), LONG)

        assert (list(page.changes), page.next, page.more) == ([], head, False), "a wait in vain answers an empty page"
        assert time.monotonic() - began > 0.09, "and not before its time"

    @on_store()
    async def test_what_is_there_already_is_not_waited_for(self, store: Store) -> None:
        await store.add()

        page = await asyncio.wait_for(store.repository.changes(LOG_START, limit=10, wait=LONG), LONG / 2)

        assert [change.seq for change in page.changes] == [1], "changes() waits for the first change only"

    @on_store()
    async def test_waiting_holds_nobody_up(self, store: Store) -> None:
        head = await store.head()
        waiting = [asyncio.ensure_future(store.repository.changes(head, limit=10, wait=LONG)) for _ in range(100)]
        await asyncio.sleep(0.01)
        for reader in waiting[1:]:
            reader.cancel()

        task = await asyncio.wait_for(store.add(), LONG / 2)
        assert await store.get(1) == task, "reads and writes go on while readers wait or give up"

        assert len((await asyncio.wait_for(waiting[0], LONG / 2)).changes) == 1, "a reader outlives those that gave up"
        await asyncio.gather(*waiting, return_exceptions=True)

    @on_store()
    async def test_waiting_at_a_position_that_is_gone_fails_at_once(self, store: Store) -> None:
        await raised(
            PositionGone,
            asyncio.wait_for(store.repository.changes(Position("0" * 16, 7), limit=1, wait=LONG), LONG / 2),
            "waiting after a position of another generation",
        )

    @on_store()
    async def test_a_commit_that_changes_nothing_wakes_nobody(self, store: Store) -> None:
        task = await store.add(priority=1)
        head = await store.head()
        waiting = asyncio.ensure_future(store.repository.changes(head, limit=10, wait=LONG))
        await asyncio.sleep(0.01)

        await store.commit(UpdateTask(task.id, {"priority": 1}))
        await asyncio.sleep(0.01)
        assert not waiting.done(), "what changes nothing ends no wait"

        await store.remove(task)
        assert [change.kind for change in (await waiting).changes] == [ChangeKind.DELETED], "the next change does"
