"""A TaskQuery in one workspace as one SQL statement, for a database whose dialect is given.

It reads the tables `store` (epoch), `workspaces` (key, name, generation, epoch, last_seq, pruned_seq), `tasks`
(workspace, TASK_COLUMNS, those of FOLDED, and seq), `task_terms` (workspace, term, task_id) and `changes` (workspace,
CHANGE_COLUMNS, and previous).  The column `workspace` has the key of a workspace; tasks.seq has the number of the last
change of a task, and changes.previous that of the change before it of the same task, or 0.  All texts must be compared
by code point.

A statement finds the workspace by its name and never takes a key from outside: a process that keeps keys would read
another workspace as soon as the tables are replaced by a copy in which the keys are others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from tasksvc import (
    LOG_START,
    TASK_BYTES,
    TASK_FIELDS,
    ChangeKind,
    ChangePage,
    Condition,
    Cursor,
    Due,
    FieldKind,
    Operator,
    Page,
    Position,
    SortField,
    Task,
    TaskNotFound,
    TaskQuery,
    effective_generation,
    resolve_position,
    start_of_day,
)
from tasksvc.sql.arguments import FindArgs, ReadArgs
from tasksvc.sql.rows import (
    CHANGE_COLUMNS,
    INT64_MAX,
    SIZED_COLUMNS,
    TASK_COLUMNS,
    Row,
    change_from_row,
    clamp_int64,
    microseconds,
    task_from_row,
)

Statement = tuple[str, list[Any]]
"""An SQL statement, and its values."""

_TEXTS: Final = frozenset(field.name for field in TASK_FIELDS if field.kind is FieldKind.TEXT)
_NULLABLE: Final = frozenset(field.name for field in TASK_FIELDS if field.nullable)
FOLDED: Final = {"description": "folded", "notes": "folded_notes"}
"""For each of SEARCHED, the column of its fold_text()."""
_SORTED: Final[dict[str, str]] = {SortField.DUE_AT: "due_at, due_on"}
"""The columns, for an order that looks at several, of which a task has one at most."""


class Dialect(NamedTuple):
    """What differs from one database to another.

    * `placeholder(number)` returns what stands for the value of this number, counted from 1.
    * `contains(column, value)` returns the condition that a column contains a text, by code point.
    * `byte_length(column)` returns the expression for the bytes of a column as text in UTF-8.
    * `order_key(column, descending)` returns the expression by which a nullable column is ordered, if an index has
      another one than the default, coalesce(); in place of null it has null_key().
    * `compares_rows` says whether an index serves conditions such as (a, id) > (1, 2).
    * `text(text)` returns what is bound for a text.
    * `quote(name)` returns the name of a column as it stands in a statement.
    * `statement_bytes` is the most bytes of values in a statement that inserts rows.
    """

    placeholder: Callable[[int], str]
    contains: Callable[[str, str], str] = "position({1} IN {0}) > 0".format
    byte_length: Callable[[str], str] = "octet_length({0})".format
    order_key: Callable[[str, bool], str] | None = None
    compares_rows: bool = True
    text: Callable[[str], Any] = str
    quote: Callable[[str], str] = str
    """For `key` and others that may be reserved words."""
    statement_bytes: int = 2**20
    """A single row may have more."""


def null_key(field: str, descending: bool) -> int | str:
    """Returns the key of a null in the order by a field, which comes last in both directions.

    Texts that tasks are ordered by have digits and letters of ASCII alone.
    """
    if field in _TEXTS:
        return "" if descending else "~"
    return -INT64_MAX if descending else INT64_MAX


def _literal(key: int | str) -> str:
    return f"'{key}'" if isinstance(key, str) else str(key)


def find_statement(workspace: str, arguments: FindArgs, dialect: Dialect) -> Statement:
    """Returns the statement for a page of a workspace, in one snapshot: page_of_rows() makes a Page of its rows.

    Each row has what the position is made of, the sum of json_size() of the tasks up to this one, and TASK_COLUMNS.
    For an empty page there is one row, with nulls in TASK_COLUMNS; for an unknown workspace there is none.
    """
    query, after, limit, max_bytes = arguments
    values = _Values()
    keys = (
        ["tasks.id"] if query.sort is SortField.ID else [_order_key(query.sort, query.descending, dialect), "tasks.id"]
    )
    tables, conditions = _filtered(workspace, query, values, dialect)
    if after is not None:
        conditions += _beyond(query, after, keys, values, dialect)
    names = [f"key{number}" for number in range(len(keys))]
    way = " DESC" if query.descending else ""
    columns = [*(f"tasks.{column}" for column in TASK_COLUMNS), *map("{} AS {}".format, keys, names)]
    page = (
        f"SELECT {', '.join(columns)} FROM {' '.join(tables)} WHERE {' AND '.join(conditions)}"
        f" ORDER BY {', '.join(key + way for key in keys)} LIMIT {limit + 1:d}"
    )
    order = ", ".join(name + way for name in names)
    page, running = _bounded(page, order, max_bytes, values, dialect)
    found = ", ".join(f"page.{column}" for column in TASK_COLUMNS)
    return values.statement(
        f"SELECT {_POSITION}, {running}, {found} FROM workspaces CROSS JOIN store LEFT JOIN ({page}) page ON true"
        f" WHERE workspaces.name = {values.put(workspace)} ORDER BY {order}",
        dialect,
    )


_POSITION: Final = "workspaces.generation, workspaces.epoch, store.epoch, workspaces.last_seq"
"""The columns that position_of_row() takes."""


def position_of_row(row: Row) -> Position:
    """Returns the end of the log of a workspace, of its generation and epoch, the epoch of the store, and last_seq."""
    generation, epoch, store_epoch, last_seq = row
    return Position(effective_generation(generation, epoch, store_epoch), last_seq)


def page_of_rows(arguments: FindArgs, rows: Sequence[Row]) -> Page:
    """Returns the page in the rows of find_statement()."""
    if not rows:
        return Page([], None, LOG_START)
    count = how_many([row[4] for row in rows], arguments.limit, arguments.max_bytes)
    tasks: list[Task] = [task_from_row(row[5:]) for row in rows[:count] if row[5] is not None]
    following = arguments.query.cursor(tasks[-1]) if len(rows) > count else None
    return Page(tasks, following, position_of_row(rows[0][:4]))


def count_statement(workspace: str, query: TaskQuery, dialect: Dialect) -> Statement:
    """Returns the statement for the number of tasks of a workspace that match, in one row."""
    values = _Values()
    tables, conditions = _filtered(workspace, query, values, dialect)
    return values.statement(f"SELECT count(*) FROM {' '.join(tables)} WHERE {' AND '.join(conditions)}", dialect)


def changes_statement(workspace: str, arguments: ReadArgs, dialect: Dialect) -> Statement:
    """Returns the statement for a page of a log, in one snapshot: changes_of_rows() makes a ChangePage of its rows.

    Each row has what the position of the end is made of, the pruned_seq, the sum of json_size() of the changes up to
    this one, and CHANGE_COLUMNS.  For an empty page there is one row, with nulls in CHANGE_COLUMNS; for an unknown
    workspace there is none.
    """
    since, limit, max_bytes = arguments
    values = _Values()
    columns = [dialect.quote(column) for column in CHANGE_COLUMNS]
    page = (
        f"SELECT {', '.join(columns)} FROM changes WHERE {_of_workspace('changes', workspace, values, dialect)}"
        f" AND seq > {values.put(clamp_int64(since.seq))} ORDER BY seq LIMIT {limit:d}"
    )
    page, running = _bounded(page, "seq", max_bytes, values, dialect)
    found = ", ".join(f"page.{column}" for column in columns)
    return values.statement(
        f"SELECT {_POSITION}, workspaces.pruned_seq, {running}, {found}"
        f" FROM workspaces CROSS JOIN store LEFT JOIN ({page}) page ON true"
        f" WHERE workspaces.name = {values.put(workspace)} ORDER BY page.seq",
        dialect,
    )


def changes_of_rows(arguments: ReadArgs, rows: Sequence[Row]) -> ChangePage:
    """Returns the page in the rows of changes_statement().  Raises PositionGone."""
    since, limit, max_bytes = arguments
    generation, last_seq = position_of_row(rows[0][:4]) if rows else LOG_START
    start = resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=rows[0][4] if rows else 0)
    count = how_many([row[5] for row in rows], limit, max_bytes)
    changes = [change_from_row(row[6:]) for row in rows[:count] if row[6] is not None]
    end = changes[-1].seq if changes else start
    return ChangePage(changes, Position(generation, end), end < last_seq)


def task_changes_statement(workspace: str, task_id: int, arguments: ReadArgs, dialect: Dialect) -> Statement:
    """Returns the statement for changes of one task, in one snapshot, of which task_changes_of_rows() makes a page.

    They are found from the last one backwards.  That of a deleted task is its deletion, for which there should be an
    index.  The rows are as those of changes_statement(), with a column before CHANGE_COLUMNS: the number of the last
    change of the task, or null if it isn't known.
    """
    since, limit, max_bytes = arguments
    values = _Values()
    of_changes = _of_workspace("changes", workspace, values, dialect)
    start, wanted = values.put(clamp_int64(since.seq)), values.put(clamp_int64(task_id))
    last = (
        f"SELECT coalesce((SELECT seq FROM tasks WHERE {_of_workspace('tasks', workspace, values, dialect)}"
        f" AND id = {wanted}), (SELECT max(seq) FROM changes WHERE {of_changes} AND task_id = {wanted}"
        f" AND kind = '{ChangeKind.DELETED}')) AS seq"
    )
    chain = (
        f"SELECT changes.seq, changes.previous FROM changes JOIN last ON changes.seq = last.seq"
        f" WHERE {of_changes} AND changes.seq > {start}"
        f" UNION ALL SELECT changes.seq, changes.previous FROM chain JOIN changes ON changes.seq = chain.previous"
        f" WHERE {of_changes} AND changes.seq > {start}"
    )
    columns = [dialect.quote(column) for column in CHANGE_COLUMNS]
    page = (
        f"SELECT {', '.join(f'changes.{column}' for column in columns)}"
        f" FROM (SELECT seq FROM chain ORDER BY seq LIMIT {limit + 1:d}) found JOIN changes ON changes.seq = found.seq"
        f" WHERE {of_changes}"
    )
    page, running = _bounded(page, "seq", max_bytes, values, dialect)
    found = ", ".join(f"page.{column}" for column in columns)
    return values.statement(
        f"WITH RECURSIVE last AS ({last}), chain AS ({chain})"
        f" SELECT {_POSITION}, workspaces.pruned_seq, {running}, last.seq, {found}"
        f" FROM workspaces CROSS JOIN store CROSS JOIN last LEFT JOIN ({page}) page ON true"
        f" WHERE workspaces.name = {values.put(workspace)} ORDER BY page.seq",
        dialect,
    )


def task_changes_of_rows(task_id: int, arguments: ReadArgs, rows: Sequence[Row]) -> ChangePage:
    """Returns the page in the rows of task_changes_statement().  Raises PositionGone, TaskNotFound."""
    since, limit, max_bytes = arguments
    generation, last_seq = position_of_row(rows[0][:4]) if rows else LOG_START
    if since != LOG_START:
        resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=rows[0][4] if rows else 0)
    if not rows or rows[0][6] is None:
        raise TaskNotFound(task_id)
    count = how_many([row[5] for row in rows], limit, max_bytes)
    changes = [change_from_row(row[7:]) for row in rows[:count] if row[7] is not None]
    more = len(rows) > count
    return ChangePage(changes, Position(generation, changes[-1].seq if more else last_seq), more)


def insert_statements(
    table: str, columns: Sequence[str], rows: Iterable[Row], dialect: Dialect, *, verb: str = "INSERT"
) -> Iterator[Statement]:
    """Yields statements that insert `rows`, in their order, each of at most about `dialect.statement_bytes`."""
    gathered: list[Row] = []
    size = 0
    for row in rows:
        row_size = sum(len(value) if isinstance(value, str | bytes) else _NUMBER_BYTES for value in row)
        if gathered and size + row_size > dialect.statement_bytes:
            yield _insert(table, columns, gathered, dialect, verb)
            gathered, size = [], 0
        gathered.append(row)
        size += row_size
    if gathered:
        yield _insert(table, columns, gathered, dialect, verb)


_NUMBER_BYTES: Final = 20
"""The bytes that count for a number, a boolean or null."""


def _insert(table: str, columns: Sequence[str], rows: Sequence[Row], dialect: Dialect, verb: str) -> Statement:
    values = _Values()
    places = ", ".join(f"({', '.join(map(values.put, row))})" for row in rows)
    return values.statement(f"{verb} INTO {table} ({', '.join(map(dialect.quote, columns))}) VALUES {places}", dialect)


def _bounded(rows: str, order: str, max_bytes: int | None, values: _Values, dialect: Dialect) -> tuple[str, str]:
    """Returns what bounded_rows() does, and the expression of the sum; without `max_bytes`, `rows` and a zero."""
    if max_bytes is None:
        return rows, "0"
    return bounded_rows(rows, order, values.put(max_bytes), dialect), "running"


def bounded_rows(rows: str, order: str, max_bytes: str, dialect: Dialect) -> str:
    """Returns the statement `rows`, ordered by `order`, with the column `running`: the sum of json_size() up to a row.

    It ends after the first row where the sum is more than the value of the placeholder `max_bytes`, and not before
    the second row.
    """
    lengths = [f"coalesce({dialect.byte_length(column)}, 0)" for column in SIZED_COLUMNS]
    size = f"({' + '.join([str(TASK_BYTES), *lengths])})"
    return (
        f"SELECT * FROM (SELECT few.*, sum({size}) OVER so_far AS running, count(*) OVER so_far AS number,"
        f" {size} AS size FROM ({rows}) few WINDOW so_far AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING)) summed"
        f" WHERE running - size <= {max_bytes} OR number = 2"
    )


def how_many(sums: Sequence[int], limit: int, max_bytes: int | None) -> int:
    """Returns how many of the first `limit` rows a page has, given the sum of the sizes up to each row."""
    if max_bytes is not None and len(sums) > 1 and sums[-1] > max_bytes:
        return len(sums) - 1
    return min(len(sums), limit)


# ---------------------------------------------------------------- conditions


class _Values:
    """The values of a statement, which are numbered in the order of their places in it."""

    def __init__(self) -> None:
        self._all: list[Any] = []

    def put(self, value: Any) -> str:
        """Returns a mark for `value`, which may stand at several places of a statement."""
        self._all.append(value)
        return f"\0{len(self._all) - 1}\0"

    def statement(self, marked: str, dialect: Dialect) -> Statement:
        """Returns the statement `marked` with placeholders in place of the marks."""
        bound: list[Any] = []

        def placeholder(mark: re.Match[str]) -> str:
            value = self._all[int(mark[1])]
            bound.append(dialect.text(value) if isinstance(value, str) else value)
            return dialect.placeholder(len(bound))

        return _MARK.sub(placeholder, marked), bound


_MARK: Final = re.compile("\0(\\d+)\0")


def _of_workspace(table: str, workspace: str, values: _Values, dialect: Dialect) -> str:
    """Returns the condition that the rows of a table are those of the workspace of this name."""
    key = f"(SELECT {dialect.quote('key')} FROM workspaces WHERE name = {values.put(workspace)})"
    return f"{table}.workspace = {key}"


def _filtered(workspace: str, query: TaskQuery, values: _Values, dialect: Dialect) -> tuple[list[str], list[str]]:
    """Returns the tables where the tasks of `query` are found, and the conditions that they meet."""
    tables = ["tasks"]
    conditions = [_of_workspace("tasks", workspace, values, dialect)]
    for condition in query.conditions():
        _, operator, value = condition
        match operator:
            case Operator.HAS:
                name = f"term{len(tables)}"
                tables.append(
                    f"JOIN task_terms {name} ON {name}.workspace = tasks.workspace AND {name}.task_id = tasks.id"
                )
                conditions.append(f"{name}.term = {values.put(value)}")
            case Operator.CONTAINS:
                text = values.put(value)
                conditions.append(f"({' OR '.join([dialect.contains(column, text) for column in FOLDED.values()])})")
            case _:
                conditions.append(_comparison(condition, query.descending, values, dialect))
    return tables, conditions


def _comparison(condition: Condition, descending: bool, values: _Values, dialect: Dialect) -> str:
    """Returns a condition that compares a column, such that an index on the column serves it."""
    field, operator, value = condition
    if field not in TASK_COLUMNS or (isinstance(value, str) and operator is not Operator.EQUAL):
        raise ValueError(f"{condition} is none that a column can be compared by.")
    if value is None:  # for IS_NULL alone
        return f"{field} IS NULL"
    if isinstance(value, bool | str):
        return f"{field} {operator} {values.put(value)}"
    if isinstance(value, Due):
        return _compared_to_due(operator, value, descending, values, dialect)
    bound = microseconds(value) if isinstance(value, datetime) else clamp_int64(value)
    if field not in _NULLABLE:
        return f"{field} {operator} {values.put(bound)}"
    return _within(field, operator, values.put(bound), descending, dialect)


def _within(field: str, operator: Operator, bound: str, descending: bool, dialect: Dialect) -> str:
    """Returns the condition that a nullable column has a value within a bound.

    An index on its order is entered and left without a look at the tasks that have no value.
    """
    key, null = _order_key(field, descending, dialect), _literal(null_key(field, descending))
    return f"{key} {'>' if descending else '<'} {null} AND {key} {operator} {bound}"


def _compared_to_due(operator: Operator, due: Due, descending: bool, values: _Values, dialect: Dialect) -> str:
    """Returns the condition that a due time, or a due day, is within `due`.

    The index has both in one order, in which a day is its start.
    """
    at, shift = due_shift(due)
    outer = max(at, at - shift) if operator in (Operator.LESS, Operator.LESS_OR_EQUAL) else min(at, at - shift)
    within = _within(SortField.DUE_AT, operator, values.put(outer), descending, dialect)
    return f"{within} AND coalesce(due_at, due_on + {values.put(shift)}) {operator} {values.put(at)}"


def due_shift(due: Due) -> tuple[int, int]:
    """Returns the time that due times are compared with, and what is added to due days for the same comparison."""
    at = microseconds(due.at)
    return at, at - microseconds(start_of_day(due.on))


def _order_key(field: str, descending: bool, dialect: Dialect) -> str:
    if field not in _NULLABLE:
        return f"tasks.{field}"
    if dialect.order_key is not None:
        return dialect.order_key(field, descending)
    return f"coalesce({_SORTED.get(field, field)}, {_literal(null_key(field, descending))})"


def _beyond(query: TaskQuery, after: Cursor, keys: Sequence[str], values: _Values, dialect: Dialect) -> list[str]:
    """Returns the conditions that a task comes after the place `after`."""
    sign = "<" if query.descending else ">"
    if query.sort is SortField.ID:
        last_id = values.put(clamp_int64(after.id))
        terms = sum(condition.operator is Operator.HAS for condition in query.conditions())
        # Of the terms too, so that their index is entered at the place.
        return [f"{name} {sign} {last_id}" for name in ("tasks.id", *(f"term{n + 1}.task_id" for n in range(terms)))]
    value: int | str
    if after.value is None:
        value = null_key(query.sort, query.descending)
    elif isinstance(after.value, str):
        value = after.value
    else:
        value = microseconds(after.value) if isinstance(after.value, datetime) else clamp_int64(after.value)
    place, last_id = values.put(value), values.put(clamp_int64(after.id))
    key, task_id = keys
    if dialect.compares_rows:
        return [f"({key}, {task_id}) {sign} ({place}, {last_id})"]
    return [f"{key} {sign}= {place}", f"({key} {sign} {place} OR {task_id} {sign} {last_id})"]
