"""Tests of lists(), which says what lists there are and how many tasks they have."""

from __future__ import annotations

import asyncio

from tasksvc import DEFAULT_LIST, Capability, DeleteTask, ListSummary, TaskDraft, UpdateTask
from tasksvc.testing.samples import varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store

NAMES = ("A", "Inbox", "a", "a b", "ab", "a\u0308", "inbox", "inboy", "z", "ä", "\uffff", "😀")
"""Names of lists, in the order of their code points."""


async def lists(store: Store, *, after: str = "", limit: int = 100) -> list[tuple[str, int, int]]:
    """Returns a page of the lists: of each one its name, the number of its open tasks and that of all."""
    return [(name, opened, total) for name, opened, total in await store.repository.lists(after=after, limit=limit)]


class ListsContract(StoreUnderTest):
    """Tests of the lists of a workspace."""

    @on_store()
    async def test_a_list_has_its_open_tasks_and_all_of_them_counted(self, store: Store) -> None:
        assert await lists(store) == [], "an empty workspace has no list"
        drafts = [TaskDraft("x", done=n % 3 == 0, list=name) for n, name in enumerate(("b", "b", "inbox", "b", "a"))]

        await store.add_all(drafts)

        found = await store.repository.lists(limit=100)
        assert list(found) == [ListSummary("a", 1, 1), ListSummary("b", 1, 3), ListSummary(DEFAULT_LIST, 1, 1)]

    @on_store()
    async def test_lists_are_in_the_order_of_their_code_points(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", list=name) for name in reversed(NAMES)])

        assert [name for name, _, _ in await lists(store)] == list(NAMES)

    @on_store()
    async def test_pages_of_lists_join_up(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", list=name) for name in NAMES])
        whole = await lists(store)

        for limit in (1, 2, 5, len(NAMES)):
            joined: list[tuple[str, int, int]] = []
            while page := await lists(store, after=joined[-1][0] if joined else "", limit=limit):
                assert len(page) <= limit, "a page has at most `limit` lists"
                assert not joined or page[0][0] > joined[-1][0], "a page begins behind the one before"
                joined += page
            assert joined == whole, f"pages of {limit} give all lists"
        for after in ("!", "Inbox!", "inbo", "inbox\x01", "zz", "😀😀"):
            wanted = [each for each in whole if each[0] > after]
            assert await lists(store, after=after) == wanted, f"lists after {after!r}, which none is called"

    @on_store()
    async def test_lists_follow_what_is_written(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", list=name) for name in ("a", "a", "inbox", "b")])

        await store.commit(UpdateTask(1, {"list": "b"}), UpdateTask(2, {"done": True}))
        assert await lists(store) == [("a", 0, 1), ("b", 2, 2), ("inbox", 1, 1)]
        await store.commit(UpdateTask(2, {"list": None}), DeleteTask(3), DeleteTask(4))

        assert await lists(store) == [("b", 1, 1), ("inbox", 0, 1)], "a list without a task is none"

    @on_store()
    async def test_a_workspace_without_an_inbox_lists_none(self, store: Store) -> None:
        await store.add(list="a")

        assert await lists(store) == [("a", 1, 1)]
        assert await lists(store, after="a") == []

    @on_store(Capability.WORKSPACES, alone=True)
    async def test_each_workspace_has_its_own_lists(self, store: Store) -> None:
        await store.add(list="a")
        other = store.within("with-lists")
        assert await lists(other) == [], "a workspace that isn't made has no list"

        await other.add(list="b")

        assert (await lists(store), await lists(other)) == ([("a", 1, 1)], [("b", 1, 1)])

    @on_store()
    async def test_lists_equal_what_the_tasks_say(self, store: Store) -> None:
        tasks = await store.add_all(varied(60))
        names = sorted({task.list for task in tasks})

        wanted = [
            (name, sum(task.list == name and not task.done for task in tasks), sum(task.list == name for task in tasks))
            for name in names
        ]
        assert await lists(store) == wanted

    @on_store()
    async def test_lists_are_of_one_snapshot(self, store: Store) -> None:
        """A task that moves from list to list is in one of them."""
        task = await store.add(list="a")
        await store.add_all([TaskDraft("x", list="m")] * 20)

        async def move() -> None:
            for turn in range(40):
                await store.patch(task, list=("inbox", "z", "a")[turn % 3])

        moving = asyncio.ensure_future(move())
        while not moving.done():
            found = await lists(store)
            assert sum(total for _, _, total in found) == 21, f"each task is in one list: {found}"
            await asyncio.sleep(0)
        await moving

    @on_store(Capability.DURABLE)
    async def test_lists_are_known_after_a_reopening(self, store: Store) -> None:
        await store.add_all([TaskDraft("x", list="a"), TaskDraft("y")])
        await store.reopen()

        assert await lists(store) == [("a", 1, 1), ("inbox", 1, 1)]
