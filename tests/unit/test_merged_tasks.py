"""Lists that are merged from those of several workspaces."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import (
    LOG_START,
    CreateTask,
    Cursor,
    DeleteTask,
    InMemoryRepository,
    Page,
    SortField,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Write,
    select,
)
from tasksvc.application.contract_checks import ContractViolation
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.merged_tasks import MergedPage, MergedTasks
from tasksvc.application.tasks import ALL_TASKS, Turns
from tasksvc.domain.rules import ID_MAX
from tasksvc.domain.sizes import json_size
from unit import strategies as some

NAMES = ("a", "b", "c")
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
PLENTY = 2**20

workspaces = st.fixed_dictionaries(
    # The cursor after all tasks with a value has the highest id, which no store gives.
    {name: some.lists_of_tasks.map(lambda tasks: [task for task in tasks if task.id < ID_MAX]) for name in NAMES}
)


class Listed(InMemoryRepository):
    """A workspace whose tasks are those that the test says."""

    def __init__(self, name: str, tasks: Sequence[Task], *, scans: bool = False) -> None:
        super().__init__()
        self.workspace_name = name
        self._listed, self._scans = tasks, scans
        self.read = 0
        """How many tasks were given."""
        self.reading = 0
        """How many pages are read now."""

    def needs_scan(self, query: TaskQuery) -> bool:
        return self._scans

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        tasks, following = select(self._listed, query, after, limit, max_bytes)
        self.read += len(tasks)
        return Page(tasks, following, LOG_START)


def merged(repositories: Sequence[TaskRepository], turns: Turns | None = None) -> MergedTasks:
    return MergedTasks(repositories, turns or Turns(), at_once=4)


def nobody() -> None:
    """Stands for the caller."""


def union(tasks: Mapping[str, Sequence[Task]], query: TaskQuery) -> list[tuple[str, Task]]:
    """Returns the tasks of all workspaces in the order of a merged list, as its definition says."""
    found = [(name, task) for name, own in tasks.items() for task in own if query.matches(task)]
    known = [entry for entry in found if query.value_of(entry[1]) is not None]
    nulls = [entry for entry in found if query.value_of(entry[1]) is None]
    known.sort(key=lambda entry: (query.value_of(entry[1]), entry[0], entry[1].id), reverse=query.descending)
    nulls.sort(key=lambda entry: (entry[0], entry[1].id), reverse=query.descending)
    return known + nulls


async def walk(tasks: MergedTasks, query: TaskQuery, limit: int, max_bytes: int = PLENTY) -> list[MergedPage]:
    """Returns the pages of a list, each of which is read by itself."""
    pages = [await tasks.find(query, caller=nobody, limit=limit, max_bytes=max_bytes)]
    while (place := pages[-1].next) is not None:
        pages.append(await tasks.find(query, caller=nobody, after=place, limit=limit, max_bytes=max_bytes))
    return pages


@given(workspaces, some.queries, st.integers(1, 5))
def test_the_pages_of_a_walk_are_the_sorted_union_cut_up(
    tasks: dict[str, list[Task]], query: TaskQuery, limit: int
) -> None:
    repositories = [Listed(name, own) for name, own in tasks.items()]

    pages = asyncio.run(walk(merged(repositories), query, limit))

    assert [entry for page in pages for entry in page.tasks] == union(tasks, query)
    assert all(len(page.tasks) == limit for page in pages[:-1])


@given(workspaces, some.queries, st.integers(1, 5), st.integers(1, 3_000))
def test_a_whole_list_is_the_sorted_union_and_reads_each_task_once(
    tasks: dict[str, list[Task]], query: TaskQuery, limit: int, max_bytes: int
) -> None:
    repositories = [Listed(name, own) for name, own in tasks.items()]

    async def read() -> list[tuple[str, Task]]:
        whole = merged(repositories).whole(query, caller=nobody)
        found: list[tuple[str, Task]] = []
        while True:
            page = await whole.next_page(limit=limit, max_bytes=max_bytes)
            found += page.tasks
            if page.next is None:
                return found
            assert page.tasks

    found = asyncio.run(read())

    assert found == union(tasks, query)
    assert sum(repository.read for repository in repositories) == len(found)


@given(workspaces, some.queries, st.integers(1, 2_000))
def test_a_page_has_no_more_bytes_than_it_was_asked_for_but_a_task_at_least(
    tasks: dict[str, list[Task]], query: TaskQuery, max_bytes: int
) -> None:
    repositories = [Listed(name, own) for name, own in tasks.items()]

    pages = asyncio.run(walk(merged(repositories), query, 1_000, max_bytes))

    assert [entry for page in pages for entry in page.tasks] == union(tasks, query)
    for page in pages:
        assert len(page.tasks) <= 1 or sum(json_size(task) for _, task in page.tasks) <= max_bytes


changes = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["create", "update", "delete"]), st.integers(0, 9)), max_size=4
)


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.booleans(), st.integers(0, 3)), min_size=5, max_size=20),
    st.lists(changes, max_size=8),
    st.sampled_from(SortField),
    st.booleans(),
    st.integers(1, 4),
)
def test_a_walk_misses_and_repeats_nothing_that_was_there_throughout(
    made: list[tuple[str, bool, int]],
    between: list[list[tuple[str, str, int]]],
    sort: SortField,
    descending: bool,
    limit: int,
) -> None:
    """Tasks that are marked as done stay as they are; all others may change between two pages."""
    query = TaskQuery(sort=sort, descending=descending)

    async def run() -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        store = InMemoryRepository()
        for number, (name, stays, value) in enumerate(made):
            due_at = NOW + timedelta(value) if value else None
            draft = TaskDraft("x", done=stays, priority=value, due_at=due_at)
            at = NOW + timedelta(seconds=number % 3)
            await store.workspace(name).commit([CreateTask(draft)], at=at)
        stay = {
            name: [task for task in (await store.workspace(name).find(ALL_TASKS, limit=100)).tasks if task.done]
            for name in NAMES
        }
        tasks, seen, place = merged([store.workspace(name) for name in NAMES]), list[tuple[str, int]](), None
        pauses = iter(between)
        while True:
            page = await tasks.find(query, caller=nobody, after=place, limit=limit, max_bytes=PLENTY)
            seen += [(name, task.id) for name, task in page.tasks if task.done]
            if (place := page.next) is None:
                await store.close()
                return seen, [(name, task.id) for name, task in union(stay, query)]
            for name, change, value in next(pauses, ()):
                await _change(store, name, change, value)

    seen, expected = asyncio.run(run())

    assert seen == expected


async def _change(store: InMemoryRepository, name: str, change: str, value: int) -> None:
    """Changes a workspace, but none of its tasks that are done."""
    repository = store.workspace(name)
    others = [task.id for task in (await repository.find(ALL_TASKS, limit=1_000)).tasks if not task.done]
    write: Write = CreateTask(TaskDraft("new", priority=value))
    if others and change == "delete":
        write = DeleteTask(others[value % len(others)])
    elif others and change == "update":
        write = UpdateTask(others[value % len(others)], {"priority": value, "due_at": NOW + timedelta(value)})
    await repository.commit([write], at=NOW + timedelta(seconds=value))


async def test_a_walk_of_a_whole_list_holds_no_more_of_each_workspace_than_its_share() -> None:
    store = InMemoryRepository()
    for name in NAMES:
        await store.workspace(name).commit([CreateTask(TaskDraft("x" * 100))] * 100, at=NOW)
    repositories = [Listed(name, (await store.workspace(name).find(ALL_TASKS, limit=100)).tasks) for name in NAMES]

    whole = merged(repositories).whole(ALL_TASKS, caller=nobody)
    page = await whole.next_page(limit=100, max_bytes=7_040)

    assert [repository.read for repository in repositories] == [5, 5, 5]
    assert len(page.tasks) == 13, "up to the last task that was read of the first workspace"


async def test_a_search_of_many_workspaces_is_one_of_its_caller() -> None:
    turns = Turns(Limits(searches=1, searches_waiting=1), Timeouts())
    repositories = [Listed(f"w{number}", (), scans=True) for number in range(100)]

    page = await merged(repositories, turns).find(TaskQuery(q="x"), caller=nobody, limit=5, max_bytes=PLENTY)
    count = await merged(repositories, turns).count(TaskQuery(q="x"), caller=nobody)

    assert (page.tasks, page.next, count) == ([], None, 0)


async def test_a_store_that_gives_an_empty_page_before_the_end_is_at_fault() -> None:
    class Endless(Listed):
        async def find(
            self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
        ) -> Page:
            return Page((), Cursor(1, 1), LOG_START)

    with pytest.raises(ContractViolation):
        await merged([Endless("a", ())]).find(ALL_TASKS, caller=nobody, limit=5, max_bytes=PLENTY)


async def test_all_workspaces_are_read_in_one_wait() -> None:
    begun, may_answer = asyncio.Event(), asyncio.Event()

    class Slow(Listed):
        waiting = 0

        async def find(
            self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
        ) -> Page:
            Slow.waiting += 1
            if Slow.waiting == len(NAMES):
                begun.set()
            await may_answer.wait()
            return Page((), None, LOG_START)

    for scans in (False, True):
        Slow.waiting = 0
        begun.clear()
        may_answer.clear()
        tasks = merged([Slow(name, (), scans=scans) for name in NAMES])
        page = asyncio.create_task(tasks.find(ALL_TASKS, caller=nobody, limit=5, max_bytes=PLENTY))

        await begun.wait()
        may_answer.set()

        assert (await page).tasks == []
