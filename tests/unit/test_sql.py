"""The statements of tasksvc.sql find what select() finds, in a database of no adapter's."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasksvc import (
    LOG_START,
    STORE,
    Change,
    ChangeKind,
    Cursor,
    Position,
    PositionGone,
    SortField,
    StoreEntry,
    StoreHeader,
    Task,
    TaskQuery,
    WorkspaceHeader,
    effective_generation,
    fold_text,
    json_size,
    select,
    terms_of,
)
from tasksvc.domain.task import create_task
from tasksvc.sql import (
    CHANGE_COLUMNS,
    FOLDED,
    STORE_DUMP,
    TASK_COLUMNS,
    WORKSPACE_DUMP,
    Dialect,
    FindArgs,
    ReadArgs,
    Statement,
    batches,
    change_to_row,
    changes_of_rows,
    changes_statement,
    count_statement,
    find_statement,
    insert_statements,
    page_of_rows,
    task_to_row,
)
from tasksvc.testing.samples import NOW, queries, varied

ROWS = Dialect(
    placeholder=lambda _: "?",
    contains="instr({0}, {1}) > 0".format,
    byte_length="length(CAST({0} AS BLOB))".format,
    quote='"{}"'.format,
    statement_bytes=2_000,
)
NO_ROWS = ROWS._replace(compares_rows=False, placeholder="?{}".format)
each_dialect = pytest.mark.parametrize("dialect", [ROWS, NO_ROWS], ids=["compares rows", "compares no rows"])

COLUMNS = (*TASK_COLUMNS, *FOLDED.values())
CHANGES = ("workspace", *CHANGE_COLUMNS)
TASKS = [create_task(number, draft, NOW + timedelta(seconds=number % 3)) for number, draft in enumerate(varied(60), 1)]
LOG = [Change(task.id, ChangeKind.CREATED, task.created_at, task.id, task) for task in TASKS]
LOG.append(Change(61, ChangeKind.DELETED, NOW, 7, None))


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    """The tables that the package expects, without any index."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE store (epoch)")
    connection.execute("INSERT INTO store VALUES ('now')")
    connection.execute("CREATE TABLE workspaces (key, name, generation, epoch, last_seq, pruned_seq)")
    connection.execute("INSERT INTO workspaces VALUES (5, 'team', 'life', 'now', 61, 2), (6, 'other', 'x', '', 9, 0)")
    connection.execute(f"CREATE TABLE tasks (workspace, {', '.join(COLUMNS)})")
    connection.execute("CREATE TABLE task_terms (workspace, term, task_id)")
    connection.execute(f"CREATE TABLE changes (workspace, {', '.join(CHANGE_COLUMNS)})")
    rows = [(5, *task_to_row(task), *(fold_text(getattr(task, name)) for name in FOLDED)) for task in TASKS]
    rows += [(6, *row[1:]) for row in reversed(rows)]  # of the workspace beside it
    terms = [(key, term, task.id) for key in (5, 6) for task in TASKS for term in terms_of(task)]
    for statements in (
        insert_statements("tasks", ["workspace", *COLUMNS], rows, ROWS),
        insert_statements("task_terms", ["workspace", "term", "task_id"], terms, ROWS),
        insert_statements("changes", CHANGES, [(6, *change_to_row(change)) for change in LOG[:9]], ROWS),
        insert_statements("changes", CHANGES, [(5, *change_to_row(change)) for change in LOG[2:]], ROWS),
    ):
        for statement, values in statements:
            connection.execute(statement, values)
    yield connection
    connection.close()


def run(database: sqlite3.Connection, statement: Statement) -> list[Any]:
    text, values = statement
    # sqlite3 takes a numbered placeholder for a named one, and from Python 3.12 on it warns of a sequence for those.
    named = {str(number): value for number, value in enumerate(values, 1)}
    return database.execute(text, named if "?1" in text else values).fetchall()


@each_dialect
@given(
    query=queries,
    place=st.none() | st.tuples(st.sampled_from(TASKS), st.none() | st.integers(-1, 61) | st.just(10**30)),
    limit=st.sampled_from([1, 2, 7, 100]),
    max_bytes=st.none() | st.sampled_from([0, 300, 1_000, 10_000]),
)
@settings(max_examples=400)
def test_a_page_is_what_select_finds(
    database: sqlite3.Connection,
    dialect: Dialect,
    query: TaskQuery,
    place: tuple[Task, int | None] | None,
    limit: int,
    max_bytes: int | None,
) -> None:
    after = None if place is None else query.cursor(place[0])
    if after is not None and place is not None and place[1] is not None:  # the task there doesn't exist any more
        after = Cursor(place[1] if query.sort is SortField.ID else after.value, place[1])
    arguments = FindArgs(query, after, limit, max_bytes)

    page = page_of_rows(arguments, run(database, find_statement("team", arguments, dialect)))

    assert (list(page.tasks), page.next) == select(TASKS, query, after, limit, max_bytes)
    assert page.position == Position("life", 61)


@each_dialect
@given(query=queries)
def test_a_count_is_that_of_the_tasks_that_match(
    database: sqlite3.Connection, dialect: Dialect, query: TaskQuery
) -> None:
    assert run(database, count_statement("team", query, dialect)) == [(sum(map(query.matches, TASKS)),)]


@each_dialect
@given(
    seq=st.integers(-1, 63), limit=st.sampled_from([1, 5, 100]), max_bytes=st.none() | st.sampled_from([0, 600, 10_000])
)
def test_a_page_of_the_log_begins_after_the_position_and_ends_at_the_limits(
    database: sqlite3.Connection, dialect: Dialect, seq: int, limit: int, max_bytes: int | None
) -> None:
    arguments = ReadArgs(Position("life", seq), limit, max_bytes)
    rows = run(database, changes_statement("team", arguments, dialect))

    if not 2 <= seq <= 61:
        with pytest.raises(PositionGone):
            changes_of_rows(arguments, rows)
        return
    page = changes_of_rows(arguments, rows)

    assert list(page.changes) == LOG[seq : seq + len(page.changes)]
    assert (page.next.seq, page.more) == (seq + len(page.changes), seq + len(page.changes) < 61)
    sizes = [json_size(change.task) for change in page.changes]
    following = LOG[page.next.seq : page.next.seq + 1]
    assert len(sizes) == limit or not following or sum(sizes) + json_size(following[0].task) > (max_bytes or 0)
    assert max_bytes is None or len(sizes) <= 1 or sum(sizes) <= max_bytes


def test_a_workspace_of_an_older_epoch_has_another_generation(database: sqlite3.Connection) -> None:
    arguments = FindArgs(TaskQuery(), None, 1, None)

    page = page_of_rows(arguments, run(database, find_statement("other", arguments, ROWS)))

    assert page.position == Position(effective_generation("x", "", "now"), 9)


def test_a_workspace_that_nobody_knows_is_empty(database: sqlite3.Connection) -> None:
    finding, reading = FindArgs(TaskQuery(), None, 10, 1_000), ReadArgs(LOG_START, 10, 1_000)

    page = page_of_rows(finding, run(database, find_statement("unknown", finding, ROWS)))
    log = changes_of_rows(reading, run(database, changes_statement("unknown", reading, ROWS)))

    assert (page.tasks, page.next, page.position) == ([], None, LOG_START)
    assert (log.changes, log.next, log.more) == ([], LOG_START, False)
    assert run(database, count_statement("unknown", TaskQuery(), ROWS)) == [(0,)]


def test_statements_that_insert_have_a_bounded_size() -> None:
    rows = [(number, "x" * size) for number, size in enumerate([10, 500, 600, 5_000, 10, 1_900, 1_900])]

    statements = list(insert_statements("t", ["a", "b"], rows, ROWS))

    assert [values for _, values in statements] == [
        [0, "x" * 10, 1, "x" * 500, 2, "x" * 600],
        [3, "x" * 5_000],
        [4, "x" * 10, 5, "x" * 1_900],
        [6, "x" * 1_900],
    ]
    assert statements[1][0] == 'INSERT INTO t ("a", "b") VALUES (?, ?)'


def test_a_dump_has_its_parts_in_order(database: sqlite3.Connection) -> None:
    tasks, _, changes = WORKSPACE_DUMP
    few = tasks.select("workspace = 5 AND id > 57", ROWS.quote)

    assert [part.table for part in (*STORE_DUMP, *WORKSPACE_DUMP)] == [
        "records",
        "tasks",
        "idempotency_keys",
        "changes",
    ]
    assert [tasks.from_row(row) for row in database.execute(few)] == TASKS[57:]
    assert [changes.from_row(row) for row in database.execute(changes.select("workspace = 5", ROWS.quote))] == LOG[2:]


async def test_what_is_restored_comes_in_batches_by_kind() -> None:
    header = WorkspaceHeader("life", "", 1, 1)
    entries = [
        StoreEntry(STORE, StoreHeader("")),
        StoreEntry("a", header),
        StoreEntry("a", TASKS[0]),
        StoreEntry("b", header),
        StoreEntry("b", LOG[0]),
    ]

    first, second = [batch async for batch in batches(feed(entries), max_entries=3)]

    assert (first.headers, first.workspaces, first.tasks) == ([StoreHeader("")], [("a", header)], [("a", TASKS[0])])
    assert (second.workspaces, second.changes) == ([("b", header)], [("b", LOG[0])])


async def test_an_entry_before_the_header_of_its_workspace_is_refused() -> None:
    entries = [StoreEntry("a", WorkspaceHeader("life", "")), StoreEntry("b", TASKS[0])]

    with pytest.raises(ValueError, match="A Task of the workspace 'b' comes before"):
        _ = [batch async for batch in batches(feed(entries))]


async def feed(entries: Sequence[StoreEntry]) -> AsyncIterator[StoreEntry]:
    for entry in entries:
        yield entry


def test_a_condition_that_no_column_has_is_refused() -> None:
    class Query(TaskQuery):
        def conditions(self) -> Any:
            (condition,) = TaskQuery(priority=1).conditions()
            return (condition._replace(field="colour"),)

    with pytest.raises(ValueError, match="colour"):
        count_statement("team", Query(), ROWS)


@pytest.mark.parametrize(
    "statement",
    [
        find_statement("team", FindArgs(TaskQuery(), None, 10, 1_000), ROWS)[0],
        changes_statement("team", ReadArgs(Position("life", 2), 10, 1_000), ROWS)[0],
    ],
    ids=["page", "log"],
)
def test_a_bound_in_bytes_uses_no_function_that_standard_sql_forbids_with_a_window_frame(statement: str) -> None:
    assert "ROWS UNBOUNDED PRECEDING" in statement
    assert "row_number" not in statement, "MariaDB refuses a frame there"
