"""Statements that write the rows of entries, and the entries of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeVar, cast

from tasksvc import (
    DEFAULT_WORKSPACE,
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
    WorkspaceHeader,
    sql,
    terms_of,
)
from tasksvc.sql import Row, change_to_row, idempotency_record_to_row, microseconds, record_to_row
from tasksvc_sqlite.cache import Header
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

VERSION_CHANGE_COLUMNS: Final = CHANGE_COLUMNS.replace("task_id", "id")
"""The columns of a change in `versions`."""
_VERSION_COLUMNS: Final = f"number, workspace, current, {VERSION_CHANGE_COLUMNS}"
_NEW_TASK_COLUMNS: Final = "number, workspace, current, seq, at, id, description, created_at, updated_at, changed_by"
"""The columns of `versions` that have no default for a new task with only a description."""
WORKSPACE_TERM_COLUMNS: Final = f"workspace, {TERM_COLUMNS}"
WORKSPACE_KEY_COLUMNS: Final = f"workspace, {IDEMPOTENCY_RECORD_COLUMNS}"
_WORKSPACE_COLUMNS: Final = "key, name, generation, epoch, last_id, pruned_seq, pruned_position, oldest_at, is_large"
LARGE_FROM: Final = 1_000
"""The ids that a workspace has given before its tasks get into all indexes; fewer are found fast enough without."""

_ROWS_MAX = 64
"""Rows of values of one statement."""

Converted = TypeVar("Converted")


class Statement(NamedTuple):
    """An SQL statement, and the values for its question marks."""

    sql: str
    values: Sequence[Any] = ()


# ---------------------------------------------------------------- into the store


class Written(NamedTuple):
    """What commits leave in a workspace beside the default one."""

    workspace: str
    header: Header
    """The header as it was before them, but with its key."""
    settled: Settled
    last_id: int
    """The highest id that is given after them."""

    @property
    def grows_large(self) -> bool:
        """Whether the tasks of the workspace are to be in all indexes from now on."""
        return not self.header.is_large and self.last_id > LARGE_FROM


def statements(settled: Settled) -> list[Statement]:
    """Returns the statements that write what commits leave in the default workspace; triggers do the rest of a change.

    Few changes and nothing else make one statement, which is a transaction in itself.
    """
    return [
        *_appends(settled.changes),
        *chunked(partial(_delete_terms, "task_terms", TERM_COLUMNS), settled.deleted_terms),
        *inserts("task_terms", TERM_COLUMNS, settled.new_terms),
        *record_statements(settled),
        *chunked(_insert_idempotency_records, list(map(idempotency_record_to_row, settled.idempotency_records))),
    ]


def record_statements(settled: Settled) -> list[Statement]:
    """Returns the statements that write records."""
    return [
        *(
            Statement(f"REPLACE INTO records ({RECORD_COLUMNS}) VALUES (?, ?, ?, ?)", record_to_row(record))
            for record in settled.records
        ),
        *(Statement("DELETE FROM records WHERE namespace = ? AND key = ?", name) for name in settled.deleted_records),
    ]


def workspace_statements(written: Sequence[Written], position: int) -> list[Statement]:
    """Returns the statements that write what commits leave in other workspaces; a trigger does the rest of a change.

    `position` is the one of the last change so far.  Records aren't among them.  New tasks in workspaces that are made
    already, and nothing else, make one statement.
    """
    first: list[Statement] = []
    terms: list[Row] = []
    old_terms: list[Row] = []
    keys: list[Row] = []
    for workspace in written:
        header, settled = workspace.header, workspace.settled
        key = header.key
        if settled.header is not None or header.last_seq == header.pruned_seq or workspace.grows_large:
            first += _on_workspace(workspace)
        if settled.new_terms or settled.deleted_terms:
            terms += [(key, *row) for row in settled.new_terms]
            old_terms += [(key, *row) for row in settled.deleted_terms]
        keys += [(key, *idempotency_record_to_row(record)) for record in settled.idempotency_records]
    return [
        *first,
        *_version_inserts(written, position),
        *chunked(partial(_delete_terms, "workspace_terms", WORKSPACE_TERM_COLUMNS), old_terms),
        *inserts("workspace_terms", WORKSPACE_TERM_COLUMNS, terms),
        *chunked(_insert_workspace_keys, keys),
    ]


def _on_workspace(written: Written) -> Iterator[Statement]:
    """Yields the statements that bring the row of a workspace up to date, where its changes need that."""
    name, header, settled, _ = written
    oldest_at = microseconds(settled.changes[0].at) if settled.changes else None
    if settled.header is not None:
        generation, epoch, *_ = settled.header
        yield workspace_insert(header.key, name, generation, epoch, 0, 0, oldest_at, written.grows_large)
    else:
        if header.last_seq == header.pruned_seq and oldest_at is not None:
            yield Statement("UPDATE workspaces SET oldest_at = ? WHERE key = ?", (oldest_at, header.key))
        if written.grows_large:
            yield Statement("UPDATE workspaces SET is_large = 1 WHERE key = ?", (header.key,))
            yield Statement(
                "UPDATE versions SET current = 2 WHERE workspace = ? AND current IS NOT NULL", (header.key,)
            )


def workspace_insert(*values: Any) -> Statement:
    """Returns the statement that makes a workspace.

    It takes the values of all columns in their order, but for `pruned_position`.
    """
    return Statement(f"INSERT INTO workspaces ({_WORKSPACE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)", values)


def _version_inserts(written: Sequence[Written], position: int) -> Iterator[Statement]:
    rows: list[Row] = []
    if all(map(_has_only_description, chain.from_iterable([workspace.settled.changes for workspace in written]))):
        for workspace in written:
            key, current = workspace.header.key, _current(workspace)
            for seq, _, at, task_id, task, by in workspace.settled.changes:
                position += 1
                time = microseconds(at)
                description = cast(Task, task).description
                rows.append((position, key, current, seq, time, task_id, description, time, time, by))
        return inserts("versions", _NEW_TASK_COLUMNS, rows)
    for workspace in written:
        key, current = workspace.header.key, _current(workspace)
        for change in workspace.settled.changes:
            position += 1
            rows.append((position, key, None if change.task is None else current, *change_to_row(change)))
    return inserts("versions", _VERSION_COLUMNS, rows)


def _current(written: Written) -> int:
    """Returns what the column `current` has for a task of the workspace."""
    return 2 if written.header.is_large or written.grows_large else 1


class Restoring:
    """Makes the statements that restore a dump into an empty store without triggers on changes, part by part."""

    def __init__(self, position: int, last_key: int) -> None:
        """Takes the last position and the last key that were ever given."""
        self._position, self._last_key = position, last_key
        self._workspaces: dict[str, tuple[int, int]] = {}
        """The key of each workspace but the default one, and what the column `current` has for its tasks."""

    def statements(self, batch: sql.Batch) -> list[Statement]:
        """Returns the statements for the next part."""
        tasks = [task for name, task in batch.tasks if name == DEFAULT_WORKSPACE]
        keys = [record for name, record in batch.idempotency_records if name == DEFAULT_WORKSPACE]
        changes = [change for name, change in batch.changes if name == DEFAULT_WORKSPACE]
        return [
            *inserts("records", RECORD_COLUMNS, list(map(record_to_row, batch.records))),
            *(self._header(*named) for named in batch.workspaces),
            *inserts("tasks", TASK_COLUMNS, list(map(sql.task_to_row, tasks))),
            *inserts("task_terms", TERM_COLUMNS, [(term, task.id) for task in tasks for term in terms_of(task)]),
            *chunked(_insert_idempotency_records, list(map(idempotency_record_to_row, keys))),
            *inserts("changes", CHANGE_COLUMNS, list(map(change_to_row, changes))),
            *self._of_others(batch),
        ]

    def _of_others(self, batch: sql.Batch) -> Iterator[Statement]:
        rows: list[Row] = []
        terms: list[Row] = []
        keys: list[Row] = []
        for name, task in batch.tasks:
            if name != DEFAULT_WORKSPACE:
                self._position += 1
                key, current = self._workspaces[name]
                kept = (None, ChangeKind.CREATED.value, microseconds(task.updated_at), *sql.task_to_row(task), None)
                rows.append((self._position, key, current, *kept))
                terms += [(key, term, task.id) for term in terms_of(task)]
        for name, change in batch.changes:
            if name != DEFAULT_WORKSPACE:
                self._position += 1
                rows.append((self._position, self._workspaces[name][0], None, *change_to_row(change)))
        for name, record in batch.idempotency_records:
            if name != DEFAULT_WORKSPACE:
                keys.append((self._workspaces[name][0], *idempotency_record_to_row(record)))
        yield from inserts("versions", _VERSION_COLUMNS, rows)
        yield from inserts("workspace_terms", WORKSPACE_TERM_COLUMNS, terms)
        yield from chunked(_insert_workspace_keys, keys)

    def _header(self, name: str, header: WorkspaceHeader) -> Statement:
        generation, epoch, last_id, _, pruned_seq = header
        if name == DEFAULT_WORKSPACE:
            return Statement(
                "UPDATE store SET default_generation = ?, default_epoch = ?, last_id = ?, pruned_seq = ?",
                (generation, epoch, last_id, pruned_seq),
            )
        self._last_key += 1
        is_large = last_id > LARGE_FROM
        self._workspaces[name] = (self._last_key, 2 if is_large else 1)
        return workspace_insert(self._last_key, name, generation, epoch, last_id, pruned_seq, None, is_large)


OLDEST: Final = Statement(
    "UPDATE workspaces SET oldest_at ="
    " (SELECT at FROM versions WHERE workspace = key AND seq IS NOT NULL ORDER BY seq LIMIT 1)"
)
"""The statement that notes how old each log is, after a restore."""


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
        rows = [
            (seq, microseconds(at), task_id, cast(Task, task).description, by)
            for seq, _, at, task_id, task, by in changes
        ]
        return inserts("changes", "seq, at, task_id, description, changed_by", rows)
    return inserts("changes", CHANGE_COLUMNS, list(map(change_to_row, changes)))


def _has_only_description(change: Change) -> bool:
    """Returns whether the columns of `changes` have defaults for all but the description of a new task."""
    task = change.task
    return (
        change.kind is ChangeKind.CREATED
        and task is not None
        and task.created_at == task.updated_at == change.at
        and task.version == 1
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
def _insert_workspace_keys(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?, ?, CAST(? AS TEXT))"] * rows)
    return f"INSERT INTO workspace_keys ({WORKSPACE_KEY_COLUMNS}) VALUES {values}"


@cache
def _delete_terms(table: str, columns: str, rows: int) -> str:
    return f"DELETE FROM {table} WHERE ({columns}) IN (VALUES {placeholders(columns.count(',') + 1, rows)})"


# ---------------------------------------------------------------- and back
# Each raises CorruptData.


def task_from_row(row: Row) -> Task:
    """Returns the task in a row of TASK_COLUMNS."""
    return _convert(sql.task_from_row, row, f"Task {row[0]}")


def terms_of_row(row: Row) -> Sequence[str]:
    """Returns terms_of() the task in a row of TASK_COLUMNS."""
    return _convert(_terms_of_row, row, f"Task {row[0]}")


def _terms_of_row(row: Row) -> Sequence[str]:
    return terms_of(sql.task_from_row(row))


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
