"""Converts tasks, changes, records and idempotency keys to rows, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasksvc import Change, ChangeKind, IdempotencyKey, IdempotencyRecord, Record, Task, codec, load_results

Row = Sequence[Any]

TASK_COLUMNS = (
    "id, description, done, completed_at, due_at, priority, labels, metadata, created_at, updated_at, version"
)
"""The columns in the order of task_from_row() and task_to_row()."""
CHANGE_COLUMNS = "seq, kind, at, task_id, " + TASK_COLUMNS.removeprefix("id, ")
RECORD_COLUMNS = "namespace, key, value, version"
IDEMPOTENCY_RECORD_COLUMNS = "scope, value, fingerprint, at, results"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INTEGER_MAX = 2**63 - 1


def microseconds(at: datetime) -> int:
    """Returns the microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(at: int) -> datetime:
    """Returns the time of which microseconds() returned `at`."""
    return _EPOCH + timedelta(0, 0, at)


def clamp_int64(number: int) -> int:
    """Returns `number`, or the nearest 64-bit integer, which compares with all columns alike."""
    return max(-_INTEGER_MAX - 1, min(number, _INTEGER_MAX))


def task_to_row(task: Task) -> Row:
    """Returns the row of a task, without `folded`."""
    return (
        task.id,
        task.description,
        task.done,
        None if task.completed_at is None else microseconds(task.completed_at),
        None if task.due_at is None else microseconds(task.due_at),
        task.priority,
        to_json(task.labels),
        to_json(task.metadata),
        microseconds(task.created_at),
        microseconds(task.updated_at),
        task.version,
    )


def task_from_row(row: Row) -> Task:
    """Returns the task in a row of TASK_COLUMNS."""
    (task_id, description, done, completed, due, priority, labels, metadata, created, updated, version) = row
    return Task(
        task_id,
        description,
        done,
        None if completed is None else from_microseconds(completed),
        None if due is None else from_microseconds(due),
        priority,
        () if labels == "[]" else tuple(codec.loads(labels)),
        {} if metadata == "{}" else codec.load_object(metadata),
        from_microseconds(created),
        from_microseconds(updated),
        version,
    )


_NO_TASK: Row = (None,) * 10


def change_to_row(change: Change) -> Row:
    """Returns the row of a change."""
    task = _NO_TASK if change.task is None else task_to_row(change.task)[1:]
    return (change.seq, change.kind.value, microseconds(change.at), change.task_id, *task)


def change_from_row(row: Row) -> Change:
    """Returns the change in a row of CHANGE_COLUMNS."""
    seq, kind, at, *task = row
    return Change(
        seq,
        ChangeKind(kind),
        from_microseconds(at),
        task[0],
        None if kind == ChangeKind.DELETED else task_from_row(task),
    )


def record_to_row(record: Record) -> Row:
    """Returns the row of a record."""
    return (record.namespace, record.key, to_json(record.value), record.version)


def record_from_row(row: Row) -> Record:
    """Returns the record in a row of RECORD_COLUMNS."""
    namespace, key, value, version = row
    return Record(namespace, key, codec.loads(value), version)


def idempotency_record_to_row(record: IdempotencyRecord) -> Row:
    """Returns the row of an idempotency key, with the results of its commit."""
    key, at, results = record
    return (key.scope, key.value, key.fingerprint, microseconds(at), to_json(codec.results_to_json(results)))


def idempotency_record_from_row(row: Row) -> IdempotencyRecord:
    """Returns the idempotency key in a row of IDEMPOTENCY_RECORD_COLUMNS."""
    scope, value, fingerprint, at, results = row
    return IdempotencyRecord(
        IdempotencyKey(scope, value, fingerprint), from_microseconds(at), codec.results_from_json(codec.loads(results))
    )


async def load_idempotency_record(row: Row) -> IdempotencyRecord:
    """Does what idempotency_record_from_row() does in turns, since the results of a batch can have 8 MiB."""
    scope, value, fingerprint, at, results = row
    return IdempotencyRecord(
        IdempotencyKey(scope, value, fingerprint), from_microseconds(at), await load_results(results)
    )


def transpose(rows: Iterable[Row], count: int) -> list[Sequence[Any]]:
    """Returns the `count` columns of `rows`, for unnest()."""
    return list(zip(*rows, strict=True)) or [()] * count


def to_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Returns `value` as text for a column of type json, which keeps the text as it is."""
    return codec.dumps(value).decode() if value else "{}" if isinstance(value, Mapping) else "[]"
