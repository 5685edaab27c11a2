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


def of_table(table: str, columns: str) -> str:
    """Returns `columns`, each with the name of its table."""
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


COLUMN_TYPES = {
    FieldKind.INTEGER: "bigint",
    FieldKind.BOOLEAN: "bool",
    FieldKind.TEXT: "text",
    FieldKind.TIME: "bigint",
    FieldKind.TEXTS: "json",
    FieldKind.OBJECT: "json",
}
"""The type of the columns of each kind of field.  A column of type json keeps the text as it is."""


def searchable_row(task: Task) -> Row:
    """Returns the row of a task, and after it the text that a search compares, for the column `folded`."""
    return (*sql.task_to_row(task), fold_text(task.description))


def idempotency_row(record: IdempotencyRecord) -> Row:
    """Returns the row of an idempotency key, with its results as text."""
    *key, results = sql.idempotency_record_to_row(record)
    return (*key, results.decode())


def transpose(rows: Iterable[Row], count: int) -> list[Sequence[Any]]:
    """Returns the `count` columns of `rows`, for unnest()."""
    return list(zip(*rows, strict=True)) or [()] * count
