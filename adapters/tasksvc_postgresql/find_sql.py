"""A TaskQuery as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tasksvc import TASK_BYTES, Cursor, SortField, TaskQuery, fold_text
from tasksvc_postgresql.rows import TASK_COLUMNS, clamp_int64, microseconds

Statement = tuple[str, list[Any]]

_LAST, _FIRST = 2**63 - 1, 1 - 2**63
"""What stands for a null in an index, so that it comes last in both directions."""
_JSON_SIZES = "octet_length(description) + octet_length(labels::text) + octet_length(metadata::text)"
_SIZE = f"({TASK_BYTES} + coalesce({_JSON_SIZES}, 0))"
"""The json_size() of a row of tasks or changes, in SQL."""


class FindArgs(NamedTuple):
    """The arguments of a find()."""

    query: TaskQuery
    after: Cursor | None
    limit: int
    max_bytes: int | None


def bounded_rows(rows: str, order: str) -> str:
    """The statement `rows`, whose order is `order`, with the column `running`: the sum of json_size() up to the row.

    It ends after the first row where the sum is more than $1, and not before the second row.
    """
    return f"""
        SELECT * FROM (
            SELECT *, sum({_SIZE}) OVER so_far AS running, row_number() OVER so_far AS number FROM ({rows}) few
            WINDOW so_far AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING)
        ) summed WHERE running - {_SIZE} <= $1 OR number = 2
    """


def listing_statement(listing: FindArgs) -> Statement:
    """Statement and values for the header and `limit` + 1 tasks, in one snapshot.

    Each row has the generation and seq of the header, the sum of the sizes of the tasks up to this one,
    and the columns of a task, null where there is none at all.  With `max_bytes` there is at most one task more
    than how_many() says.
    """
    query, after, limit, max_bytes = listing
    values = _Values()
    if max_bytes is not None:
        values.put(max_bytes)
    tables, conditions = _filtered(query, values)

    order = ["tasks.id"]
    if query.sort is not SortField.ID:
        order.insert(0, _due_key(query) if query.sort is SortField.DUE_AT else str(query.sort))
    further, direction = ("<", " DESC") if query.descending else (">", "")
    if after is not None:
        last_id = values.put(clamp_int64(after.id))
        places = [last_id] if query.sort is SortField.ID else [values.put(_seek(after, query.descending)), last_id]
        conditions.append(f"({', '.join(order)}) {further} ({', '.join(places)})")
        if query.sort is SortField.ID:  # of the labels too, so that their index is entered at the place
            conditions += [f"label{number}.task_id {further} {last_id}" for number in range(len(query.labels))]

    columns = ", ".join(f"tasks.{column}" for column in TASK_COLUMNS.split(", "))
    keys = [f"key{number}" for number in range(len(order))]
    page = " ".join(
        (
            "SELECT",
            ", ".join((columns, *(f"{key} AS {name}" for key, name in zip(order, keys, strict=True)))),
            "FROM",
            *tables,
            _where(conditions),
            "ORDER BY",
            ", ".join(key + direction for key in order),
            f"LIMIT {limit + 1:d}",
        )
    )
    outer = ", ".join(key + direction for key in keys)
    running = "0"
    if max_bytes is not None:
        page, running = bounded_rows(page, outer), "running"
    statement = (
        f"SELECT generation, last_seq, {running}, {TASK_COLUMNS}"
        f" FROM store LEFT JOIN ({page}) page ON true ORDER BY {outer}"
    )
    return statement, values.all


def how_many(sums: Sequence[int], limit: int, max_bytes: int | None) -> int:
    """Returns how many of the first `limit` rows a page has, given the sum of the sizes up to each row."""
    if max_bytes is not None and len(sums) > 1 and sums[-1] > max_bytes:
        return len(sums) - 1
    return min(len(sums), limit)


def is_indexed(query: TaskQuery) -> bool:
    """Whether an index has just the tasks of `query`, in its order."""
    if query.q is not None:
        return False
    filters = {name for name, value in _filters(query) if value is not None}
    if query.sort is not SortField.ID:
        return not query.labels and filters <= _OWN_FILTERS[query.sort]
    if query.labels:
        return len(query.labels) == 1 and not filters
    return not filters or filters in ({"done"}, {"priority"})


def _filters(query: TaskQuery) -> tuple[tuple[str, object], ...]:
    return (
        ("done", query.done),
        ("priority", query.priority),
        ("priority_min", query.priority_min),
        ("priority_max", query.priority_max),
        ("due_before", query.due_before),
        ("due_after", query.due_after),
        ("created_after", query.created_after),
        ("updated_after", query.updated_after),
    )


_OWN_FILTERS = {
    SortField.PRIORITY: {"priority", "priority_min", "priority_max"},
    SortField.DUE_AT: {"due_before", "due_after"},
    SortField.CREATED_AT: {"created_after"},
    SortField.UPDATED_AT: {"updated_after"},
}
"""For each order, the filters that its index serves too."""


def counting_statement(query: TaskQuery) -> Statement:
    """Statement and values for the number of tasks, in one row."""
    values = _Values()
    tables, conditions = _filtered(query, values)
    return " ".join(("SELECT count(*) FROM", *tables, _where(conditions))), values.all


class _Values:
    """The values of a statement."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def put(self, value: Any) -> str:
        """What stands for `value` in the statement."""
        self.all.append(value)
        return f"${len(self.all)}"


def _filtered(query: TaskQuery, values: _Values) -> tuple[list[str], list[str]]:
    """The tables where the tasks of `query` are found, and the conditions that they meet."""
    tables = ["tasks"]
    conditions: list[str] = []
    due_key = _due_key(query)
    # Within these bounds the index is entered and left without a look at tasks that are not due.
    is_due = f"{due_key} > {_FIRST}" if query.descending else f"{due_key} < {_LAST}"
    for number, label in enumerate(query.labels):
        tables.append(f"JOIN task_labels label{number} ON label{number}.task_id = tasks.id")
        conditions.append(f"label{number}.label = {values.put(label)}")
    if query.done is not None:
        conditions.append(f"done = {values.put(query.done)}")
    if query.priority is not None:
        conditions.append(f"priority = {values.put(clamp_int64(query.priority))}")
    if query.priority_min is not None:
        conditions.append(f"priority >= {values.put(clamp_int64(query.priority_min))}")
    if query.priority_max is not None:
        conditions.append(f"priority <= {values.put(clamp_int64(query.priority_max))}")
    if query.due_before is not None:
        conditions.append(f"{is_due} AND {due_key} < {values.put(microseconds(query.due_before))}")
    if query.due_after is not None:
        conditions.append(f"{is_due} AND {due_key} > {values.put(microseconds(query.due_after))}")
    if query.created_after is not None:
        conditions.append(f"created_at > {values.put(microseconds(query.created_after))}")
    if query.updated_after is not None:
        conditions.append(f"updated_at > {values.put(microseconds(query.updated_after))}")
    if query.q is not None:
        conditions.append(f"strpos(folded, {values.put(fold_text(query.q))}) > 0")
    return tables, conditions


def _where(conditions: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _due_key(query: TaskQuery) -> str:
    return f"coalesce(due_at, {_FIRST if query.descending else _LAST})"


def _seek(after: Cursor, descending: bool) -> int:
    """The value of a place, as it stands in the index."""
    if after.value is None:
        return _FIRST if descending else _LAST
    return clamp_int64(after.value) if isinstance(after.value, int) else microseconds(after.value)
