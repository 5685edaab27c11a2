"""Statements that write the rows of entries, and the entries of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar, cast

from tasksvc import (
    TASK_BYTES,
    TASK_FIELDS,
    Change,
    ChangeKind,
    Entry,
    FormatTooNew,
    IdempotencyRecord,
    Record,
    Settled,
    Task,
    new_generation,
    sql,
    terms_of,
)
from tasksvc.sql import Row, change_to_row, idempotency_record_to_row, microseconds, record_to_row
from tasksvc_sqlite.errors import DECODE_ERRORS, CorruptData, corrupt_data

TASK_COLUMNS: Final = ", ".join(sql.TASK_COLUMNS)
RECORD_COLUMNS: Final = ", ".join(sql.RECORD_COLUMNS)
IDEMPOTENCY_RECORD_COLUMNS: Final = ", ".join(sql.IDEMPOTENCY_RECORD_COLUMNS)
TERM_COLUMNS: Final = "term, task_id"
CHANGE_COLUMNS: Final = ", ".join(sql.CHANGE_COLUMNS)
"""The columns of a change as it is written.  To read one, take CHANGE_VALUES."""
CHANGE_VALUES: Final = CHANGE_COLUMNS.replace(
    "created_at, updated_at", "ifnull(created_at, at), ifnull(updated_at, at)"
)

_ROWS_MAX = 64
"""Rows of values of one statement."""

Converted = TypeVar("Converted")


class Statement(NamedTuple):
    """An SQL statement, and the values for its question marks."""

    sql: str
    values: Sequence[Any] = ()


# ---------------------------------------------------------------- into the store


def statements(settled: Settled) -> list[Statement]:
    """Returns the statements that write what commits leave; triggers do the rest of a change.

    Few changes and nothing else make one statement, which is a transaction in itself.
    """
    return [
        *_appends(settled.changes),
        *chunked(_delete_terms, settled.deleted_terms),
        *inserts("task_terms", TERM_COLUMNS, settled.new_terms),
        *(
            Statement(f"REPLACE INTO records ({RECORD_COLUMNS}) VALUES (?, ?, ?, ?)", record_to_row(record))
            for record in settled.records
        ),
        *(Statement("DELETE FROM records WHERE namespace = ? AND key = ?", name) for name in settled.deleted_records),
        *chunked(_insert_idempotency_records, list(map(idempotency_record_to_row, settled.idempotency_records))),
    ]


def restore_statements(batch: sql.Batch) -> list[Statement]:
    """Returns the statements that restore a part of a dump into an empty store without triggers on changes.

    They give the store a new generation where the part has the header.
    """
    terms = [(term, task.id) for task in batch.tasks for term in terms_of(task)]
    return [
        *(
            Statement(
                "UPDATE store SET generation = ?, last_id = ?, pruned_seq = ?",
                (new_generation(), header.last_id, header.pruned_seq),
            )
            for header in batch.headers
        ),
        *inserts("tasks", TASK_COLUMNS, list(map(sql.task_to_row, batch.tasks))),
        *inserts("task_terms", TERM_COLUMNS, terms),
        *inserts("records", RECORD_COLUMNS, list(map(record_to_row, batch.records))),
        *chunked(_insert_idempotency_records, list(map(idempotency_record_to_row, batch.idempotency_records))),
        *inserts("changes", CHANGE_COLUMNS, list(map(change_to_row, batch.changes))),
    ]


def inserts(table: str, columns: str, rows: Sequence[Row]) -> Iterator[Statement]:
    """Yields statements that insert `rows`, in their order."""
    return chunked(partial(_insert, table, columns), rows)


def chunked(statement: Callable[[int], str], rows: Sequence[Row]) -> Iterator[Statement]:
    """Yields statements for chunks of `rows`, in their order; `statement` makes the SQL for a number of rows."""
    for start in range(0, len(rows), _ROWS_MAX):
        chunk = rows[start : start + _ROWS_MAX]
        yield Statement(statement(len(chunk)), [value for row in chunk for value in row])


def placeholders(columns: int, rows: int) -> str:
    """Returns question marks for the values of a number of rows."""
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


_GIVEN: Final = ("id", "description", "created_at", "updated_at", "version")
"""The fields of which the log has the values of a new task anyway."""
_others: Final = attrgetter(*(field.name for field in TASK_FIELDS if field.name not in _GIVEN))
"""Returns the values of all other fields."""
_DEFAULTS: Final = tuple(field.default for field in TASK_FIELDS if field.name not in _GIVEN)
"""Their defaults, which are those of the columns of `changes` too."""


def _appends(changes: Sequence[Change]) -> Iterator[Statement]:
    if all(map(_has_only_description, changes)):  # fewer values are bound, at 0.1 us each
        rows = [(seq, microseconds(at), task_id, cast(Task, task).description) for seq, _, at, task_id, task in changes]
        return inserts("changes", "seq, at, task_id, description", rows)
    return inserts("changes", CHANGE_COLUMNS, list(map(change_to_row, changes)))


def _has_only_description(change: Change) -> bool:
    """Returns whether the columns of `changes` have defaults for all but the description of a new task."""
    task = change.task
    return (
        change.kind is ChangeKind.CREATED
        and task is not None
        and task.created_at == task.updated_at == change.at
        and _others(task) == _DEFAULTS
    )


@cache
def _insert(table: str, columns: str, rows: int) -> str:
    return f"INSERT INTO {table} ({columns}) VALUES {placeholders(columns.count(',') + 1, rows)}"


@cache
def _insert_idempotency_records(rows: int) -> str:
    # The results are bound as bytes, since as Python's text they can take four times the memory.
    values = ", ".join(["(?, ?, ?, ?, CAST(? AS TEXT))"] * rows)
    return f"INSERT INTO idempotency_keys ({IDEMPOTENCY_RECORD_COLUMNS}) VALUES {values}"


@cache
def _delete_terms(rows: int) -> str:
    return f"DELETE FROM task_terms WHERE ({TERM_COLUMNS}) IN (VALUES {placeholders(2, rows)})"


# ---------------------------------------------------------------- and back
# Each raises CorruptData.


def task_from_row(row: Row) -> Task:
    """Returns the task in a row of TASK_COLUMNS."""
    return _convert(sql.task_from_row, row, f"Task {row[0]}")


def change_from_row(row: Row) -> Change:
    """Returns the change in a row of CHANGE_VALUES."""
    return _convert(sql.change_from_row, row, f"Change {row[0]}")


def record_from_row(row: Row) -> Record:
    """Returns the record in a row of RECORD_COLUMNS."""
    return _convert(sql.record_from_row, row, f"The record {row[1]!r} of {row[0]!r}")


def entry_from_row(part: sql.DumpPart, row: Row) -> Entry:
    """Returns the entry in a row of a part of a dump."""
    names = {"tasks": f"Task {row[0]}", "changes": f"Change {row[0]}", "records": "A record"}
    return _convert(part.from_row, row, names.get(part.table, "An idempotency key"))


async def load_idempotency_record(row: Row) -> IdempotencyRecord:
    """Does what idempotency_record_from_row() does in turns, since the results of a batch can have 8 MiB."""
    try:
        return await sql.load_idempotency_record(row)
    except FormatTooNew as error:
        raise CorruptData(str(error)) from error  # so that it fails its own commit alone
    except DECODE_ERRORS as error:
        raise corrupt_data("An idempotency key", error) from error


def _convert(convert: Callable[[Row], Converted], row: Row, what: str) -> Converted:
    try:
        return convert(row)
    except DECODE_ERRORS as error:
        raise corrupt_data(what, error) from error


def size_of_task(row: Row) -> int:
    """Returns json_size() of the task of a row of TASK_COLUMNS; TASK_BYTES if it is damaged."""
    try:
        return sql.json_size_of_row(row)
    except DECODE_ERRORS:  # as task_from_row() will say
        return TASK_BYTES


def size_of_change(row: Row) -> int:
    """Returns json_size() of the task of a row of CHANGE_VALUES."""
    return size_of_task(row[3:])


# ---------------------------------------------------------------- values


def is_storable(*texts: str) -> bool:
    """Returns whether SQLite can hold, and so find, all of `texts`: none has a lone surrogate."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True
