"""A TaskQuery as SQL."""

from __future__ import annotations

from typing import Any, NamedTuple

from tasksvc import Cursor, SortField, TaskQuery
from tasksvc_postgresql.rows import TASK_COLUMNS, bounded, micros

Statement = tuple[str, list[Any]]

_LAST, _FIRST = 2**63 - 1, 1 - 2**63
"""What stands for a null in an index, so that it comes last in both directions."""


class Listing(NamedTuple):
    """The arguments of a find()."""

    query: TaskQuery
    after: Cursor | None
    limit: int


def listing_statement(listing: Listing) -> Statement:
    """Statement and values for the header and `limit` + 1 tasks, in one snapshot.

    Each row has the generation and seq of the header, and the columns of a task, null where there
    is none at all.
    """
    query, after, limit = listing
    values: list[Any] = []

    def value(of: Any) -> str:
        values.append(of)
        return f"${len(values)}"

    tables = ["tasks"]
    conditions: list[str] = []
    due_key = f"coalesce(due_at, {_FIRST if query.descending else _LAST})"
    # Within these bounds the index is entered and left without a look at tasks that are not due.
    is_due = f"{due_key} > {_FIRST}" if query.descending else f"{due_key} < {_LAST}"
    for number, label in enumerate(query.labels):
        tables.append(f"JOIN task_labels label{number} ON label{number}.id = tasks.id")
        conditions.append(f"label{number}.label = {value(label)}")
    if query.done is not None:
        conditions.append(f"done = {value(query.done)}")
    if query.priority_min is not None:
        conditions.append(f"priority >= {value(bounded(query.priority_min))}")
    if query.due_before is not None:
        conditions.append(f"{is_due} AND {due_key} < {value(micros(query.due_before))}")
    if query.due_after is not None:
        conditions.append(f"{is_due} AND {due_key} > {value(micros(query.due_after))}")
    if query.created_after is not None:
        conditions.append(f"created_at > {value(micros(query.created_after))}")
    if query.updated_after is not None:
        conditions.append(f"updated_at > {value(micros(query.updated_after))}")
    if query.q is not None:
        conditions.append(f"strpos(folded, {value(query.q.casefold())}) > 0")

    order = ["tasks.id"]
    if query.sort is not SortField.ID:
        order.insert(0, due_key if query.sort is SortField.DUE_AT else str(query.sort))
    further, direction = ("<", " DESC") if query.descending else (">", "")
    if after is not None:
        last_id = value(bounded(after.id))
        places = [last_id] if query.sort is SortField.ID else [value(_place(after, query.descending)), last_id]
        conditions.append(f"({', '.join(order)}) {further} ({', '.join(places)})")
        if query.sort is SortField.ID:  # of the labels too, so that their index is entered at the place
            conditions += [f"label{number}.id {further} {last_id}" for number in range(len(query.labels))]

    columns = ", ".join(f"tasks.{column}" for column in TASK_COLUMNS.split(", "))
    keys = [f"key{number}" for number in range(len(order))]
    page = " ".join(
        (
            "SELECT",
            ", ".join((columns, *(f"{key} AS {name}" for key, name in zip(order, keys, strict=True)))),
            "FROM",
            *tables,
            *(("WHERE", " AND ".join(conditions)) if conditions else ()),
            "ORDER BY",
            ", ".join(key + direction for key in order),
            f"LIMIT {limit + 1:d}",
        )
    )
    outer = ", ".join(key + direction for key in keys)
    statement = f"SELECT generation, seq, {TASK_COLUMNS} FROM header LEFT JOIN ({page}) page ON true ORDER BY {outer}"
    return statement, values


def _place(after: Cursor, descending: bool) -> int:
    """The value of a place, as it stands in the index."""
    if after.value is None:
        return _FIRST if descending else _LAST
    return bounded(after.value) if isinstance(after.value, int) else micros(after.value)
