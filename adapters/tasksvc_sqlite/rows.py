"""Converts tasks, changes, records and idempotency keys to rows, and back.  Times are microseconds since 1970."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, Final, NamedTuple, assert_never, cast

from tasksvc import (
    TASK_BYTES,
    Change,
    ChangeKind,
    Entry,
    IdempotencyKey,
    IdempotencyRecord,
    Record,
    StoreHeader,
    Task,
    codec,
    load_results,
)
from tasksvc_sqlite.errors import DECODE_ERRORS, corrupt_data

INTEGER_MAX: Final = 2**63 - 1
"""The largest integer that SQLite holds."""

TASK_COLUMNS: Final = (
    "id, version, description, done, completed_at, due_at, priority, labels, metadata, created_at, updated_at"
)
CHANGE_COLUMNS: Final = f"seq, kind, at, {TASK_COLUMNS.replace('id', 'task_id', 1)}"
RECORD_COLUMNS: Final = "namespace, key, value, version"
IDEMPOTENCY_RECORD_COLUMNS: Final = "scope, value, fingerprint, at, results"
_DESCRIPTION_ONLY_COLUMNS: Final = "seq, at, task_id, description"
"""The columns that aren't defaults for the creation of a task that has only a description."""

_ROWS_MAX = 64
"""Rows of values of one statement."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_METADATA: Final[dict[str, Any]] = {}
_NO_TASK: Final = (None,) * 10

Row = Sequence[Any]


class Statement(NamedTuple):
    """An SQL statement, and the values for its question marks."""

    sql: str
    values: Sequence[Any] = ()


# ---------------------------------------------------------------- into the store


def statements(entries: Iterable[Entry]) -> list[Statement]:
    """Returns the statements that persist the entries of some commits.

    Few changes and nothing else make one statement, which is a transaction in itself.
    """
    changes: list[Change] = []
    others: list[Statement] = []
    idempotency_records: list[Row] = []
    for entry in entries:
        match entry:
            case Change():
                changes.append(entry)
            case Record(namespace, key, _, 0):
                others.append(Statement("DELETE FROM records WHERE namespace = ? AND key = ?", (namespace, key)))
            case Record():
                others.append(
                    Statement(f"REPLACE INTO records ({RECORD_COLUMNS}) VALUES (?, ?, ?, ?)", record_to_row(entry))
                )
            case IdempotencyRecord():
                idempotency_records.append(idempotency_record_to_row(entry))
            case Task() | StoreHeader():
                raise RuntimeError(f"A commit changes tasks by changes, and was to store a {type(entry).__name__}.")
            case _:
                assert_never(entry)
    return [*_appends(changes), *others, *chunked(_insert_idempotency_records, idempotency_records)]


def restore_statements(entries: Iterable[Entry]) -> list[Statement]:
    """Returns the statements that restore the entries of a dump into an empty store without triggers on changes."""
    rows: dict[type[Entry], list[Row]] = {Task: [], Record: [], IdempotencyRecord: [], Change: []}
    for entry in entries:
        match entry:
            case Task():
                rows[Task].append(task_to_row(entry))
            case Record():
                rows[Record].append(record_to_row(entry))
            case IdempotencyRecord():
                rows[IdempotencyRecord].append(idempotency_record_to_row(entry))
            case Change():
                rows[Change].append(change_to_row(entry))
            case StoreHeader():
                pass  # which goes into the row that is there
            case _:
                assert_never(entry)
    return [
        *inserts("tasks", TASK_COLUMNS, rows[Task]),
        *inserts("records", RECORD_COLUMNS, rows[Record]),
        *chunked(_insert_idempotency_records, rows[IdempotencyRecord]),
        *inserts("changes", CHANGE_COLUMNS, rows[Change]),
    ]


def inserts(table: str, columns: str, rows: Sequence[Row]) -> Iterator[Statement]:
    """Yields statements that insert `rows`, in their order."""
    return chunked(partial(_insert, table, columns), rows)


def chunked(sql: Callable[[int], str], rows: Sequence[Row]) -> Iterator[Statement]:
    """Yields statements for chunks of `rows`, in their order; `sql` makes the statement for a number of rows."""
    for start in range(0, len(rows), _ROWS_MAX):
        chunk = rows[start : start + _ROWS_MAX]
        yield Statement(sql(len(chunk)), [value for row in chunk for value in row])


def placeholders(columns: int, rows: int) -> str:
    """Returns question marks for the values of a number of rows."""
    return ", ".join([f"({', '.join('?' * columns)})"] * rows)


def _appends(changes: Sequence[Change]) -> Iterator[Statement]:
    if all(map(_has_only_description, changes)):  # fewer values are bound, at 0.1 us each
        rows = [(change.seq, microseconds(change.at), change.task_id, _description(change)) for change in changes]
        return inserts("changes", _DESCRIPTION_ONLY_COLUMNS, rows)
    return inserts("changes", CHANGE_COLUMNS, list(map(change_to_row, changes)))


@cache
def _insert(table: str, columns: str, rows: int) -> str:
    return f"INSERT INTO {table} ({columns}) VALUES {placeholders(columns.count(',') + 1, rows)}"


@cache
def _insert_idempotency_records(rows: int) -> str:
    # The results are bound as bytes, since as Python's text they can take four times the memory.
    values = ", ".join(["(?, ?, ?, ?, CAST(? AS TEXT))"] * rows)
    return f"INSERT INTO idempotency_keys ({IDEMPOTENCY_RECORD_COLUMNS}) VALUES {values}"


def _has_only_description(change: Change) -> bool:
    if change.kind is not ChangeKind.CREATED:
        return False
    task = cast(Task, change.task)
    return not (task.done or task.due_at or task.priority or task.labels or task.metadata)


def _description(change: Change) -> str:
    return cast(Task, change.task).description


def change_to_row(change: Change) -> Row:
    seq, kind, at, task_id, task = change
    tail = (task_id, *_NO_TASK) if task is None else task_to_row(task)
    return (seq, kind.value, microseconds(at), *tail)


def task_to_row(task: Task) -> Row:
    return (
        task.id,
        task.version,
        task.description,
        task.done,
        _microseconds_or_none(task.completed_at),
        _microseconds_or_none(task.due_at),
        task.priority,
        codec.dumps(task.labels).decode() if task.labels else "[]",
        codec.dumps(task.metadata).decode() if task.metadata else "{}",
        microseconds(task.created_at),
        microseconds(task.updated_at),
    )


def record_to_row(record: Record) -> Row:
    return (record.namespace, record.key, codec.dumps(record.value).decode(), record.version)


def idempotency_record_to_row(record: IdempotencyRecord) -> Row:
    key, at, results = record
    return (*key, microseconds(at), codec.dumps(codec.results_to_json(results)))


# ---------------------------------------------------------------- and back
# Each raises CorruptData.


def task_from_row(row: Row) -> Task:
    """Returns the task in a row of TASK_COLUMNS."""
    task_id, version, description, done, completed_at, due_at, priority, labels, metadata, created_at, updated_at = row
    try:
        return Task(
            task_id,
            description,
            done == 1,
            None if completed_at is None else from_microseconds(completed_at),
            None if due_at is None else from_microseconds(due_at),
            priority,
            () if labels == "[]" else tuple(codec.loads(labels)),
            _NO_METADATA if metadata == "{}" else codec.load_object(metadata),
            from_microseconds(created_at),
            from_microseconds(updated_at),
            version,
        )
    except DECODE_ERRORS as error:
        raise corrupt_data(f"Task {task_id}", error) from error


def size_of_task(row: Row) -> int:
    """Returns json_size() of the task of a row of TASK_COLUMNS."""
    description, labels, metadata = row[2], row[7], row[8]
    try:
        text = description + labels + metadata
        return TASK_BYTES + (len(text) if text.isascii() else len(text.encode()))
    except DECODE_ERRORS:  # as task_from_row() will say
        return TASK_BYTES


def size_of_change(row: Row) -> int:
    """Returns json_size() of the task of a row of CHANGE_COLUMNS."""
    return TASK_BYTES if row[1] == ChangeKind.DELETED else size_of_task(row[3:])


def change_from_row(row: Row) -> Change:
    """Returns the change in a row of CHANGE_COLUMNS."""
    seq, kind, at, *of_task = row
    try:
        if kind == ChangeKind.DELETED:
            return Change(seq, ChangeKind.DELETED, from_microseconds(at), of_task[0], None)
        if of_task[-1] is None:
            of_task[-2:] = at, at
        return Change(seq, ChangeKind(kind), from_microseconds(at), of_task[0], task_from_row(of_task))
    except DECODE_ERRORS as error:
        raise corrupt_data(f"Change {seq}", error) from error


def record_from_row(row: Row) -> Record:
    """Returns the record in a row of RECORD_COLUMNS."""
    namespace, key, value, version = row
    try:
        return Record(namespace, key, codec.loads(value), version)
    except DECODE_ERRORS as error:
        raise corrupt_data(f"The record {key!r} of {namespace!r}", error) from error


async def load_idempotency_record(row: Row) -> IdempotencyRecord:
    """Does what idempotency_record_from_row() does in turns, since the results of a batch can have 8 MiB."""
    scope, value, fingerprint, at, results = row
    key = IdempotencyKey(scope, value, fingerprint)
    try:
        return IdempotencyRecord(key, from_microseconds(at), await load_results(results))
    except DECODE_ERRORS as error:
        raise corrupt_data("An idempotency key", error) from error


def idempotency_record_from_row(row: Row) -> IdempotencyRecord:
    """Of a row of REMEMBERED_COLUMNS."""
    scope, value, fingerprint, at, results = row
    key = IdempotencyKey(scope, value, fingerprint)
    try:
        return IdempotencyRecord(key, from_microseconds(at), codec.results_from_json(codec.loads(results)))
    except DECODE_ERRORS as error:
        raise corrupt_data("An idempotency key", error) from error


# ---------------------------------------------------------------- values


def microseconds(at: datetime) -> int:
    """Returns the microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def _microseconds_or_none(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MICROSECOND


def from_microseconds(time: int) -> datetime:
    return _EPOCH + timedelta(0, 0, time)


def is_storable(*texts: str) -> bool:
    """Returns whether SQLite can hold, and so find, all of `texts`: none has a lone surrogate."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def clamp_int64(number: int) -> int:
    """Returns `number`, or the nearest integer that SQLite can compare with."""
    return max(-INTEGER_MAX, min(number, INTEGER_MAX))
