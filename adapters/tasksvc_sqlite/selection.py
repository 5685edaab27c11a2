"""From a query to SQL: its filter, its order, and the place where a page starts.

Most tasks have no due time and no priority, so the indexes on these leave those tasks out.  A list
in such an order has two runs: what the index has, and the rest, by id.  A page starts somewhere in
a run and may go on in the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any, Final, NamedTuple

from tasksvc import Cursor, SortField, TaskQuery
from tasksvc_sqlite.rows import TASK_COLUMNS, Statement, clamped, is_storable, marks, microseconds, with_rows

_HEAD: Final = "SELECT generation, max(floor, ifnull((SELECT max(seq) FROM changes), 0)), floor"
_REST: Final = {SortField.DUE_AT: None, SortField.PRIORITY: 0}
"""What the tasks that an index leaves out are sorted by."""
_INDEXED: Final = {SortField.DUE_AT: "due_at IS NOT NULL", SortField.PRIORITY: "priority <> 0"}
"""The condition of such an index."""
_HAS_LABEL: Final = (
    "EXISTS (SELECT 1 FROM task_labels AS others WHERE others.label = ? AND others.task_id = task_labels.task_id)"
)


def with_head(columns: str, parts: Sequence[Statement], limit: int) -> Statement:
    """One row of the generation, the head and the floor of the log; then at most `limit` rows of `parts`.

    It is one statement, so one snapshot.  SQLite takes the parts in turn, until there are enough.
    """
    head = _HEAD + ", NULL" * (columns.count(",") - 2) + " FROM store"
    sql = " UNION ALL ".join([head, *(f"SELECT * FROM ({part.sql} LIMIT ?)" for part in parts)])
    values = [value for part in parts for value in (*part.values, limit)]
    return Statement(f"{sql} LIMIT ?", [*values, limit + 1])


def page(query: TaskQuery, after: Cursor | None, limit: int) -> Statement:
    """The head of the log, and at most `limit` tasks."""
    possible = is_storable(*query.labels, query.q or "")
    return with_head(TASK_COLUMNS, list(_parts(query, after)) if possible else [], limit)


def is_indexed(query: TaskQuery) -> bool:
    """Whether an index has just the tasks of `query`, in its order, so that all its pages cost the same."""
    columns = {condition.column for condition in _conditions(query)}
    if query.q is not None:
        return False
    if query.sort is SortField.ID:
        return (not columns and len(query.labels) <= 1) or (columns == {"done"} and not query.labels)
    return columns <= {query.sort.value} and not query.labels


def lookups(columns: str, table: str, names: tuple[str, ...], keys: Sequence[Sequence[Any]]) -> Iterator[Statement]:
    """Selections of the rows whose columns `names` are one of `keys`, found one by one in an index."""
    return with_rows(partial(_lookup, columns, table, names), keys)


@cache
def _lookup(columns: str, table: str, names: tuple[str, ...], keys: int) -> str:
    wanted = [f"wanted_{name}" for name in names]
    on = " AND ".join(f"{name} = {value}" for name, value in zip(names, wanted, strict=True))
    return (
        f"WITH wanted ({', '.join(wanted)}) AS (VALUES {marks(len(names), keys)})"
        f" SELECT {columns} FROM wanted CROSS JOIN {table} ON {on}"
    )


def contains(text: str, folded: str) -> bool:
    """What `q` asks of a description.  It is called from SQL, so that Python's rules decide."""
    return folded in text.casefold()


class _Condition(NamedTuple):
    column: str
    operator: str
    value: Any


def _conditions(query: TaskQuery) -> list[_Condition]:
    """The filter, as far as it compares columns."""
    asked = (
        ("done", "=", query.done),
        ("priority", ">=", query.priority_min),
        ("due_at", "<", query.due_before),
        ("due_at", ">", query.due_after),
        ("created_at", ">", query.created_after),
        ("updated_at", ">", query.updated_after),
    )
    return [_Condition(column, operator, _held(value)) for column, operator, value in asked if value is not None]


def _held(value: datetime | int) -> int:
    """As a column holds it."""
    return microseconds(value) if isinstance(value, datetime) else clamped(value)


# ---------------------------------------------------------------- the runs of a list


def _parts(query: TaskQuery, after: Cursor | None) -> Iterator[Statement]:
    """Selections that make up the list from `after` on, one after the other."""
    if query.sort is SortField.ID:
        yield _by_id(query, _conditions(query), after)
    elif query.sort not in _REST:
        yield from _by_value(query, after)
    elif query.sort is SortField.PRIORITY and not query.descending:
        yield from _rest(query, after)
        yield from _by_value(query, after)
    else:
        yield from _by_value(query, after)
        yield from _rest(query, after)


def _by_value(query: TaskQuery, after: Cursor | None) -> Iterator[Statement]:
    """What the index on the sort column has, from `after` on."""
    column = query.sort.value
    beyond, way = _direction(query)
    order = f"{column} {way}, id {way}"
    index = f"tasks_by_{column}" if is_indexed(query) else None
    filtered = _conditions(query)
    indexed = _INDEXED.get(query.sort)
    if after is None:
        yield _select(query, filtered, indexed, order, index)
    elif after.value is not None:
        value = _held(after.value)
        # The place is to bound the search in the index.  A plus keeps a bound of the filter from that.
        others = [
            bound._replace(column=f"+{column}") if bound.column == column and bound.operator[0] == beyond else bound
            for bound in filtered
        ]
        alike = [_Condition(column, "=", value), _Condition("id", beyond, clamped(after.id))]
        yield _select(query, [*alike, *others], indexed, order, index)
        yield _select(query, [_Condition(column, beyond, value), *others], indexed, order, index)


def _rest(query: TaskQuery, after: Cursor | None) -> Iterator[Statement]:
    """What that index leaves out, from `after` on."""
    column, value = query.sort.value, _REST[query.sort]
    filtered = _conditions(query)
    if any(value is None or bound.value > value for bound in filtered if bound.column == column):
        return
    if after is not None and after.value != value:
        if value is not None and not _precedes(after, value, query):
            return
        after = None
    others = [bound for bound in filtered if bound.column != column]
    yield _by_id(query, others, after, f"{column} IS {'NULL' if value is None else value}")


def _precedes(after: Cursor, value: int, query: TaskQuery) -> bool:
    """Whether the place lies before all that is sorted by `value`."""
    if not isinstance(after.value, int):
        return False
    return after.value > value if query.descending else after.value < value


def _by_id(
    query: TaskQuery, filtered: Sequence[_Condition], after: Cursor | None, also: str | None = None
) -> Statement:
    column = "task_id" if query.labels else "id"  # the index on the labels has it under this name
    beyond, way = _direction(query)
    onwards = () if after is None else (_Condition(column, beyond, clamped(after.id)),)
    index = "tasks_by_done" if query.done is not None and is_indexed(query) else None
    return _select(query, [*onwards, *filtered], also, f"{column} {way}", index)


def _direction(query: TaskQuery) -> tuple[str, str]:
    return ("<", "DESC") if query.descending else (">", "ASC")


def _select(
    query: TaskQuery, conditions: Sequence[_Condition], also: str | None, order: str, index: str | None
) -> Statement:
    """Tasks that meet the conditions, and those of `query` that compare no columns."""
    source = "tasks"
    terms: list[str] = []
    values: list[Any] = []
    if query.labels:
        source = "task_labels CROSS JOIN tasks ON id = task_id"  # in this order
        first, *others = query.labels
        terms = ["task_labels.label = ?", *[_HAS_LABEL] * len(others)]
        values = [first, *others]
    elif index is not None:
        source = f"tasks INDEXED BY {index}"
    terms += [f"{column} {operator} ?" for column, operator, _ in conditions]
    values += [condition.value for condition in conditions]
    if also is not None:
        terms.append(also)
    if query.q is not None:
        terms.append("contains(description, ?)")
        values.append(query.q.casefold())
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    return Statement(f"SELECT {TASK_COLUMNS} FROM {source}{where} ORDER BY {order}", values)
