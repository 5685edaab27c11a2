"""What this store adds to the rows of `tasksvc.sql`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tasksvc import FieldKind, IdempotencyRecord, Task, fold_text, sql
from tasksvc.sql import Row

TASK_COLUMNS = ", ".join(sql.TASK_COLUMNS)
CHANGE_COLUMNS = ", ".join(sql.CHANGE_COLUMNS)
RECORD_COLUMNS = ", ".join(sql.RECORD_COLUMNS)
IDEMPOTENCY_RECORD_COLUMNS = ", ".join(sql.IDEMPOTENCY_RECORD_COLUMNS)


def lookup(columns: str, table: str, *conditions: str) -> str:
    """Returns what is joined for the row of a workspace in `table` that meets `conditions`, which are its whole key.

    The planner takes the key of the workspace and all of `conditions` into the index, since it plans this alone.  In a
    plain join it may take the key of the workspace alone and read all of its rows, where it expects few.
    """
    wanted = " AND ".join((f"{table}.workspace = workspaces.key", *conditions))
    return f"LATERAL (SELECT {columns} FROM {table} WHERE {wanted} LIMIT 1) AS found"


TASK_BY_ID = lookup(TASK_COLUMNS, "tasks", "id = wanted.task_id")
"""The task of which `wanted` has the id."""


COLUMN_TYPES = {
    FieldKind.INTEGER: "bigint",
    FieldKind.BOOLEAN: "bool",
    FieldKind.TEXT: "text",
    FieldKind.TIME: "bigint",
    FieldKind.DATE: "bigint",
    FieldKind.TEXTS: "json",
    FieldKind.OBJECT: "json",
}
"""The type of the columns of each kind of field.  A column of type json keeps the text as it is."""


SEARCHABLE_COLUMNS = f"{TASK_COLUMNS}, {', '.join(sql.FOLDED.values())}"
"""The columns of a task, and those that a search looks into."""
KEPT_TASK_COLUMNS = f"{SEARCHABLE_COLUMNS}, seq"
"""All columns of a task but that of its workspace."""
KEPT_CHANGE_COLUMNS = f"{CHANGE_COLUMNS}, previous"
"""All columns of a change but that of its workspace."""


def searchable_row(task: Task) -> Row:
    """Returns the row of a task, and after it the texts that a search compares, for SEARCHABLE_COLUMNS."""
    return (*sql.task_to_row(task), *(fold_text(getattr(task, name)) for name in sql.FOLDED))


def idempotency_row(record: IdempotencyRecord) -> Row:
    """Returns the row of an idempotency key, with its results as text."""
    *key, results = sql.idempotency_record_to_row(record)
    return (*key, results.decode())


def transpose(rows: Iterable[Row], count: int) -> list[Sequence[Any]]:
    """Returns the `count` columns of `rows`, for unnest()."""
    return list(zip(*rows, strict=True)) or [()] * count
