"""Tasks, changes, records and idempotency keys as rows, with a column for each field of a task.

Times are microseconds since 1970, in UTC, and a day is its start; labels and objects are JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from tasksvc import (
    TASK_BYTES,
    TASK_FIELDS,
    Change,
    ChangeKind,
    FieldKind,
    IdempotencyKey,
    IdempotencyRecord,
    Record,
    Result,
    Task,
    TaskField,
    codec,
    load_results,
)

Row = Sequence[Any]

TASK_COLUMNS: Final = tuple(field.name for field in TASK_FIELDS)
CHANGE_COLUMNS: Final = ("seq", "kind", "at", "task_id", *TASK_COLUMNS[1:], "changed_by")
RECORD_COLUMNS: Final = Record._fields
IDEMPOTENCY_RECORD_COLUMNS: Final = ("scope", "value", "fingerprint", "at", "results")

INT64_MAX: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1) // _MICROSECOND
"""The microseconds of a day."""
_NO_OBJECT: Final[dict[str, Any]] = {}
_NO_TASK: Final[Row] = (None,) * (len(TASK_COLUMNS) - 1)


# ---------------------------------------------------------------- values


def microseconds(at: datetime) -> int:
    """Returns the microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """Returns the time of which microseconds() returned `number`.  Raises OverflowError if no datetime has it."""
    return _EPOCH + timedelta(0, 0, number)


def clamp_int64(number: int) -> int:
    """Returns `number`, or the nearest 64-bit integer, which compares with all columns alike."""
    return max(-INT64_MAX, min(number, INT64_MAX))


# ---------------------------------------------------------------- tasks

_TO_ROW: Final = {
    FieldKind.TIME: "({0} - _EPOCH) // _MICROSECOND",
    FieldKind.DATE: "({0}.toordinal() - _EPOCH_DAY) * DAY",
    FieldKind.TEXTS: "codec.dumps({0}).decode() if {0} else '[]'",
    FieldKind.OBJECT: "codec.dumps({0}).decode() if {0} else '{{}}'",
}
"""For each kind whose values aren't stored as they are, the expression of what is stored for {0}."""
_FROM_ROW: Final = {
    FieldKind.BOOLEAN: "{0} == 1",
    FieldKind.TIME: "_EPOCH + timedelta(0, 0, {0})",
    FieldKind.DATE: "date.fromordinal({0} // DAY + _EPOCH_DAY)",
    FieldKind.TEXTS: "() if {0} == '[]' else tuple(codec.loads({0}))",
    FieldKind.OBJECT: "_NO_OBJECT if {0} == '{{}}' else codec.load_object({0})",
}
"""For each such kind, the expression of the value that is stored as {0}."""


def _convert(templates: Mapping[FieldKind, str], field: TaskField, value: str) -> str:
    """Returns the expression for `value`, the expression of a value of `field`."""
    converted = templates.get(field.kind, "{0}").format(value)
    return f"None if {value} is None else {converted}" if field.nullable and converted != value else converted


_NAMES: Final[dict[str, Any]] = {
    "Task": Task,
    "codec": codec,
    "date": date,
    "timedelta": timedelta,
    "DAY": DAY,
    "_EPOCH_DAY": _EPOCH_DAY,
    "_EPOCH": _EPOCH,
    "_MICROSECOND": _MICROSECOND,
    "_NO_OBJECT": _NO_OBJECT,
}


def _compile(source: str) -> Callable[[Any], Any]:
    """Returns the function of `source`, a lambda.

    The functions below are made of the table of fields once, since a loop over the table for each row takes twice
    as long.
    """
    made: Callable[[Any], Any] = eval(source, _NAMES)  # noqa: S307  (of names and constants of this module)
    return made


_TO_VALUES = ", ".join([_convert(_TO_ROW, field, f"task.{field.name}") for field in TASK_FIELDS])
_FROM_VALUES = ", ".join([_convert(_FROM_ROW, field, f"row[{at}]") for at, field in enumerate(TASK_FIELDS)])

task_to_row: Final[Callable[[Task], Row]] = _compile(f"lambda task: ({_TO_VALUES})")
"""Returns the row of a task, of TASK_COLUMNS."""
task_from_row: Final[Callable[[Row], Task]] = _compile(f"lambda row: Task({_FROM_VALUES})")
"""Returns the task in a row of TASK_COLUMNS.  Raises TypeError, ValueError or OverflowError if it isn't one."""

SIZED_COLUMNS: Final = tuple(
    field.name for field in TASK_FIELDS if field.kind in (FieldKind.TEXT, FieldKind.TEXTS, FieldKind.OBJECT)
)
"""The columns whose bytes json_size() counts."""
_SIZED: Final = tuple(map(TASK_COLUMNS.index, SIZED_COLUMNS))


def json_size_of_row(row: Row) -> int:
    """Returns json_size() of the task in a row of TASK_COLUMNS.  Raises as task_from_row() does."""
    text = "".join([row[index] or "" for index in _SIZED])
    return TASK_BYTES + (len(text) if text.isascii() else len(text.encode()))


# ---------------------------------------------------------------- changes


def change_to_row(change: Change) -> Row:
    """Returns the row of a change, of CHANGE_COLUMNS."""
    seq, kind, at, task_id, task, by = change
    return (seq, kind.value, microseconds(at), task_id, *(_NO_TASK if task is None else task_to_row(task)[1:]), by)


def change_from_row(row: Row) -> Change:
    """Returns the change in a row of CHANGE_COLUMNS.  Raises as task_from_row() does."""
    seq, kind, at, task_id = row[:4]
    task = None if kind == ChangeKind.DELETED else task_from_row(row[3:])
    return Change(seq, ChangeKind(kind), from_microseconds(at), task_id, task, row[-1])


# ---------------------------------------------------------------- records and idempotency keys


def record_to_row(record: Record) -> Row:
    """Returns the row of a record, of RECORD_COLUMNS."""
    return (record.namespace, record.key, codec.dumps(record.value).decode(), record.version)


def record_from_row(row: Row) -> Record:
    """Returns the record in a row of RECORD_COLUMNS.  Raises as task_from_row() does."""
    namespace, key, value, version = row
    return Record(namespace, key, codec.loads(value), version)


def idempotency_record_to_row(record: IdempotencyRecord) -> Row:
    """Returns the row of an idempotency key, of IDEMPOTENCY_RECORD_COLUMNS, with the results as bytes."""
    key, at, results = record
    return (*key, microseconds(at), codec.dump_results(results))


def idempotency_record_from_row(row: Row) -> IdempotencyRecord:
    """Returns the idempotency key in a row of IDEMPOTENCY_RECORD_COLUMNS.  Raises as codec.load_results() does."""
    return _idempotency_record(row, codec.load_results(row[-1]))


async def load_idempotency_record(row: Row) -> IdempotencyRecord:
    """Does what idempotency_record_from_row() does in turns, since the results of a batch can have 8 MiB."""
    return _idempotency_record(row, await load_results(row[-1]))


def _idempotency_record(row: Row, results: Sequence[Result]) -> IdempotencyRecord:
    scope, value, fingerprint, at, _ = row
    return IdempotencyRecord(IdempotencyKey(scope, value, fingerprint), from_microseconds(at), results)
