"""Pages of lists come from an index, and cost the same wherever they are."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from tasksvc_sqlite.cache import Place
from tasksvc_sqlite.find_sql import contains, count, is_indexed, lists, page
from tasksvc_sqlite.rows import task_from_row

from stores.sqlite.stores import NOW, add, add_all, opened, raw
from tasksvc import Cursor, Due, SortField, TaskDraft, TaskQuery, select

pytestmark = pytest.mark.slow

TASKS = 5_000
LIMIT = 50
LISTS = ("inbox", "inbox", "a", "é", "z")
SOON = Due.time(NOW + timedelta(days=9))

BY_INDEX = {
    "tasks_by_done": TaskQuery(done=False),
    "tasks_by_due": TaskQuery(due_before=SOON, sort=SortField.DUE_AT),
    "tasks_by_due (2)": TaskQuery(due_after=Due.time(NOW), sort=SortField.DUE_AT, descending=True),
    "tasks_by_due (3)": TaskQuery(due_after=Due.time(NOW), due_before=SOON, sort=SortField.DUE_AT),
    "task_terms": TaskQuery(labels=("common",)),
    "task_terms (2)": TaskQuery(parent_id=1),
    "task_terms (3)": TaskQuery(metadata=(("room", 4),), descending=True),
    "tasks_by_updated_at": TaskQuery(updated_after=NOW - timedelta(1), sort=SortField.UPDATED_AT),
    "tasks_by_created_at": TaskQuery(created_after=NOW - timedelta(1), sort=SortField.CREATED_AT),
    "tasks_by_priority": TaskQuery(priority_min=3, sort=SortField.PRIORITY),
    "tasks_by_priority (2)": TaskQuery(priority_min=3, sort=SortField.PRIORITY, descending=True),
    "tasks_by_priority (3)": TaskQuery(priority_min=3, priority_max=7, sort=SortField.PRIORITY),
    "tasks_by_priority (4)": TaskQuery(priority_min=1, priority_max=7, sort=SortField.PRIORITY, descending=True),
    "tasks_by_priority (5)": TaskQuery(priority=3, sort=SortField.PRIORITY),
    "tasks_by_priority (6)": TaskQuery(priority=3),
    "tasks_by_priority (7)": TaskQuery(priority=3, descending=True),
}
"""Each filter in its natural order."""

UNFILTERED = {
    f"{'-' * down}{sort}": TaskQuery(sort=sort, descending=down) for sort in SortField for down in (False, True)
}


class Filled(NamedTuple):
    """A file with many tasks in one workspace."""

    file: Path
    place: Place | None
    """The place of the workspace; None is that of the default one."""

    def name(self, index: str) -> str:
        """Returns the name of an index of the workspace, which that of the default one has as `index`."""
        if self.place is None:
            return index
        return index.replace("task_terms", "workspace_terms").replace("tasks", "versions")


@pytest.fixture(scope="module", params=["default", "another"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A file with many tasks, and many ties, in the default workspace or in a large one."""
    file = tmp_path_factory.mktemp("plans") / "tasks.db"
    drafts = [
        TaskDraft(
            f"task {number}",
            done=number % 2 == 0,
            due_at=NOW + timedelta(days=number % 7) if number % 3 == 0 else None,
            priority=number % 10 if number % 2 else 0,
            labels=("common",) if number % 4 else ("common", "rare"),
            list=LISTS[number % len(LISTS)],
            parent_id=1 if number % 2 else None,
            metadata={"room": 4},
        )
        for number in range(TASKS)
    ]

    async def fill() -> None:
        async with opened(file) as repository:
            await add_all(repository.workspace(request.param), drafts)

    asyncio.run(fill())
    return Filled(file, None if request.param == "default" else Place(1, "", "", is_large=True))


@pytest.fixture
def place(filled: Filled) -> Place | None:
    return filled.place


@pytest.fixture(params=["as it is", "analyzed"])
def database(filled: Filled, request: pytest.FixtureRequest) -> Iterator[sqlite3.Connection]:
    """The file, before and after ANALYZE, which a user may run."""
    with raw(filled.file) as connection:
        connection.create_function("contains", 2, contains, deterministic=True)
        if request.param == "analyzed":
            connection.execute("ANALYZE")
        yield connection
        if request.param == "analyzed":
            connection.execute("DROP TABLE sqlite_stat1")


def plan_of(
    database: sqlite3.Connection, query: TaskQuery, after: Cursor | None, place: Place | None = None
) -> list[str]:
    statement = page(query, after, LIMIT, place)
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.values)]


def steps_of(
    database: sqlite3.Connection, query: TaskQuery, after: Cursor | None, place: Place | None
) -> tuple[int, Cursor | None]:
    """Returns how many times ten instructions SQLite takes for a page, and the cursor after it."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    database.set_progress_handler(step, 10)
    try:
        _, *rows = database.execute(*page(query, after, LIMIT + 1, place)).fetchall()
    finally:
        database.set_progress_handler(None, 0)
    tasks = list(map(task_from_row, rows[:LIMIT]))
    return steps, query.cursor(tasks[-1]) if len(rows) > LIMIT else None


@pytest.mark.parametrize("name", BY_INDEX)
def test_a_filter_in_its_natural_order_reads_its_index(database: sqlite3.Connection, filled: Filled, name: str) -> None:
    query, place = BY_INDEX[name], filled.place
    _, somewhere = steps_of(database, query, None, place)

    for after in (None, somewhere):
        plan = plan_of(database, query, after, place)

        assert is_indexed(query)
        assert any(filled.name(name.partition(" ")[0]) in step for step in plan), plan
        assert not any("TEMP B-TREE" in step or step in ("SCAN tasks", "SCAN versions") for step in plan), plan


@pytest.mark.parametrize("query", [*BY_INDEX.values(), *UNFILTERED.values()], ids=[*BY_INDEX, *UNFILTERED])
def test_a_page_costs_the_same_wherever_it_is(
    database: sqlite3.Connection, place: Place | None, query: TaskQuery
) -> None:
    first, after = steps_of(database, query, None, place)
    costs = []
    while after is not None:
        cost, after = steps_of(database, query, after, place)
        costs.append(cost)

    assert len(costs) > 8
    assert max(costs) < 2 * first, "the search for the place where a page starts is not a walk to it"


def test_a_query_without_an_index_is_not_marked_as_indexed() -> None:
    for query in (
        TaskQuery(q="task"),
        TaskQuery(done=True, sort=SortField.PRIORITY),
        TaskQuery(labels=("a", "b")),
        TaskQuery(labels=("a",), done=True),
        TaskQuery(labels=("a",), sort=SortField.DUE_AT),
        TaskQuery(priority_min=3),
        TaskQuery(priority_max=3),
        TaskQuery(priority=0),
        TaskQuery(priority=3, done=True),
        TaskQuery(priority=3, labels=("a",)),
        TaskQuery(priority=3, q="task"),
        TaskQuery(done=True, priority_min=3),
        TaskQuery(without_parent=True),
        TaskQuery(without_parent=True, labels=("a",)),
        TaskQuery(parent_id=1, done=True),
    ):
        assert not is_indexed(query)


COUNTED_BY_INDEX = {
    "USING COVERING INDEX tasks_by_done": TaskQuery(done=True),
    "USING COVERING INDEX tasks_by_created_at": TaskQuery(created_after=NOW - timedelta(1)),
    "USING COVERING INDEX tasks_by_updated_at": TaskQuery(updated_after=NOW - timedelta(1)),
    "USING COVERING INDEX tasks_by_priority (priority=?)": TaskQuery(priority=3),
    "USING COVERING INDEX tasks_by_priority (priority>?": TaskQuery(priority_min=3, priority_max=7),
    "USING PRIMARY KEY (term=?)": TaskQuery(labels=("rare",)),
    "SCAN tasks USING COVERING INDEX": TaskQuery(),
}


@pytest.mark.parametrize("step", COUNTED_BY_INDEX)
def test_a_count_by_one_condition_reads_no_task(database: sqlite3.Connection, filled: Filled, step: str) -> None:
    statement = count(COUNTED_BY_INDEX[step], filled.place)
    if filled.place is not None:
        step = filled.name(step).replace("SCAN", "SEARCH").replace("(", "(workspace=? AND ")

    assert statement is not None
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.values)]
    *the_workspace, counting = plan
    assert the_workspace in ([], ["SEARCH workspaces USING INTEGER PRIMARY KEY (rowid=?)", "SCALAR SUBQUERY 1"]), plan
    assert step in counting, plan


@pytest.mark.parametrize("after", ["", "a", "inbox", "y", "é"])
@pytest.mark.parametrize("limit", [1, 2, 9])
def test_lists_are_counted_in_indexes_alone(filled: Filled, after: str, limit: int) -> None:
    sql, values = lists(after, limit, filled.place)
    tasks = Counter((LISTS[number % len(LISTS)], number % 2) for number in range(TASKS))
    names = sorted(name for name in {*LISTS} if name > after)

    with raw(filled.file) as database:
        found = database.execute(sql, values).fetchall()
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]

    assert found == [(name, tasks[name, 1], tasks[name, 0] + tasks[name, 1]) for name in names[:limit]]
    reads = [step for step in plan if " tasks" in step or " versions" in step]
    assert reads
    assert all("USING COVERING INDEX" in step for step in reads), plan


def test_several_labels_are_looked_up_one_by_one(database: sqlite3.Connection, place: Place | None) -> None:
    plan = plan_of(database, TaskQuery(labels=("rare", "common")), None, place)

    assert any("SEARCH others USING PRIMARY KEY" in step and "term=? AND task_id=?" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize("after", [Cursor(0, 5), Cursor(-3, 5), Cursor(99, 5), Cursor(None, 5), Cursor(10**30, 10**30)])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("minimum", [None, -(10**30), 0, 4, 10**30])
async def test_any_place_and_bound_are_taken_as_numbers(
    tmp_path: Path, after: Cursor, descending: bool, minimum: int | None
) -> None:
    query = TaskQuery(priority_min=minimum, sort=SortField.PRIORITY, descending=descending)
    async with opened(tmp_path / "tasks.db") as repository:
        await add_all(repository, [TaskDraft("x", priority=number % 5) for number in range(20)])
        tasks = (await repository.find(TaskQuery(), limit=99)).tasks

        found = await repository.find(query, after=after, limit=99)

        assert list(found.tasks) == select(tasks, query, after, 99)[0]


async def test_statistics_of_tasks_that_are_all_alike_mislead_nobody(tmp_path: Path) -> None:
    """ANALYZE then tells SQLite that the indexes are useless, though other tasks may come."""
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository)
        alike = TaskDraft(
            "x", due_at=NOW + timedelta(1), priority=5, labels=("common",), parent_id=1, metadata={"room": 4}
        )
        await add_all(repository, [alike] * 2_000)
    with raw(tmp_path / "tasks.db") as database:
        database.execute("ANALYZE")

        for name, query in BY_INDEX.items():
            for after in (None, Cursor(5 if query.sort is SortField.PRIORITY else NOW, 5)):
                plan = plan_of(database, query, after)
                parts = [step for step in plan if " task" in step and "PRIMARY KEY (rowid=?)" not in step]
                assert parts, plan
                assert all(name.partition(" ")[0] in step for step in parts), plan
