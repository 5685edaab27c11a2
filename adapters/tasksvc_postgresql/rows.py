"""Tasks, changes and what else a store holds as rows, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasksvc import Change, ChangeKind, IdempotencyKey, IdempotencyRecord, Record, Task, codec, load_results

Row = Sequence[Any]

TASK_COLUMNS = (
    "id, description, done, completed_at, due_at, priority, labels, metadata, created_at, updated_at, version"
)
"""In the order of task_of() and task_row()."""
CHANGE_COLUMNS = "seq, kind, at, task_id, " + TASK_COLUMNS.removeprefix("id, ")
RECORD_COLUMNS = "namespace, key, value, version"
RETRY_KEY_COLUMNS = "scope, value, fingerprint, at, results"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INTEGER_MAX = 2**63 - 1


def micros(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The time that micros() gave."""
    return _EPOCH + timedelta(0, 0, at)


def bounded(number: int) -> int:
    """`number`, or the nearest one that the server's integers reach; it compares with all of them alike."""
    return max(-_INTEGER_MAX - 1, min(number, _INTEGER_MAX))


def task_row(task: Task) -> Row:
    """The columns of a task."""
    return (
        task.id,
        task.description,
        task.done,
        None if task.completed_at is None else micros(task.completed_at),
        None if task.due_at is None else micros(task.due_at),
        task.priority,
        to_json(task.labels),
        to_json(task.metadata),
        micros(task.created_at),
        micros(task.updated_at),
        task.version,
    )


def task_of(row: Row) -> Task:
    """The task of its columns."""
    (task_id, description, done, completed, due, priority, labels, metadata, created, updated, version) = row
    return Task(
        task_id,
        description,
        done,
        None if completed is None else moment(completed),
        None if due is None else moment(due),
        priority,
        () if labels == "[]" else tuple(codec.loads(labels)),
        {} if metadata == "{}" else codec.load_object(metadata),
        moment(created),
        moment(updated),
        version,
    )


_NO_TASK: Row = (None,) * 10


def change_row(change: Change) -> Row:
    """The columns of a change."""
    task = _NO_TASK if change.task is None else task_row(change.task)[1:]
    return (change.seq, change.kind.value, micros(change.at), change.task_id, *task)


def change_of(row: Row) -> Change:
    """The change of its columns."""
    seq, kind, at, *task = row
    return Change(seq, ChangeKind(kind), moment(at), task[0], None if kind == ChangeKind.DELETED else task_of(task))


def record_row(record: Record) -> Row:
    """The columns of a record."""
    return (record.namespace, record.key, to_json(record.value), record.version)


def record_of(row: Row) -> Record:
    """The record of its columns."""
    namespace, key, value, version = row
    return Record(namespace, key, codec.loads(value), version)


def retry_key_row(remembered: IdempotencyRecord) -> Row:
    """The columns of an idempotency key that was used."""
    key, at, results = remembered
    return (key.scope, key.value, key.fingerprint, micros(at), to_json(codec.results_to_json(results)))


def remembered_of(row: Row) -> IdempotencyRecord:
    """The idempotency key of its columns, with what its commit did."""
    scope, value, fingerprint, at, results = row
    return IdempotencyRecord(
        IdempotencyKey(scope, value, fingerprint), moment(at), codec.results_from_json(codec.loads(results))
    )


async def load_remembered(row: Row) -> IdempotencyRecord:
    """As remembered_of(), and lets others have their turn: the results of a batch can have 8 MiB."""
    scope, value, fingerprint, at, results = row
    return IdempotencyRecord(IdempotencyKey(scope, value, fingerprint), moment(at), await load_results(results))


def columns_of(rows: Iterable[Row], count: int) -> list[Sequence[Any]]:
    """The `count` columns of `rows`, for unnest()."""
    return list(zip(*rows, strict=True)) or [()] * count


def to_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """`value` for a column of type json, which keeps the text as it is."""
    return codec.dumps(value).decode() if value else "{}" if isinstance(value, Mapping) else "[]"
