"""Does commits as transactions of the server, those of several workspaces in one; see locking.py.

The row of a workspace is inserted before the first commit there, in a transaction of its own and without a generation,
so that nobody sees it.  So a commit always finds the row to lock, and two that come first at the same time take turns
like all others.  A commit that persists nothing needs no row: it is answered from an empty workspace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tasksvc import (
    TASK_FIELDS,
    Commit,
    CommitResult,
    Ledger,
    Position,
    Record,
    Settled,
    Task,
    WorkspaceHeader,
    decide_all,
    read_set,
    settle,
    sql,
)
from tasksvc.sql import (
    INT64_MAX,
    Row,
    change_to_row,
    microseconds,
    record_to_row,
)
from tasksvc_postgresql.locking import lock
from tasksvc_postgresql.reading import Head, Known, RecordName, read_known
from tasksvc_postgresql.rows import (
    COLUMN_TYPES,
    IDEMPOTENCY_RECORD_COLUMNS,
    KEPT_CHANGE_COLUMNS,
    KEPT_TASK_COLUMNS,
    RECORD_COLUMNS,
    SEARCHABLE_COLUMNS,
    TASK_COLUMNS,
    idempotency_row,
    searchable_row,
    transpose,
)
from tasksvc_postgresql.session import UNSYNCED, Session

_ROWS = "SELECT name FROM workspaces WHERE name = ANY($1::text[])"
_INSERT_ROWS = f"""
    INSERT INTO workspaces (name) SELECT name FROM {UNSYNCED} CROSS JOIN unnest($1::text[]) AS name
    ON CONFLICT (name) DO NOTHING
"""


class _Arrays:
    """The arrays of a statement, which are numbered in the order of their places in it."""

    def __init__(self) -> None:
        self._count = 0

    def unnest(self, *types: str) -> str:
        """Returns a call of unnest() with the next arrays, which are of `types`."""
        first = self._count + 1
        self._count += len(types)
        return f"unnest({', '.join(f'${first + at}::{name}[]' for at, name in enumerate(types))})"


_FIELD_TYPES = [COLUMN_TYPES[field.kind] for field in TASK_FIELDS]
_TASK_TYPES = [*_FIELD_TYPES, *("text" for _ in sql.FOLDED)]
"""The types of the columns of a searchable_row()."""
_CHANGE_TYPES = ["bigint", "text", "bigint", *_FIELD_TYPES, "text"]
_TERM_TYPES = ["text", "bigint"]
_GIVEN_ONCE = ("id", "created_at")
"""The columns that an update leaves as they are."""
_UPDATED = [name for name in [*sql.TASK_COLUMNS, *sql.FOLDED.values(), "seq"] if name not in _GIVEN_ONCE]
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in _UPDATED)

_OLDEST_AT = "CASE workspaces.last_seq WHEN workspaces.pruned_seq THEN {} ELSE oldest_at END"
"""The new value of the column, where the first of the new changes has the time {}."""

_NEW_GENERATION = "right(replace(gen_random_uuid()::text, '-', ''), 16)"
"""A new generation, which the server makes for the few commits that are the first ones in their workspaces."""


def _create_tasks_statement(*, several: bool) -> str:
    """Returns the statement that creates tasks, in one workspace or in `several`.

    It returns a row for each workspace that has one.  It does nothing, and the rows are empty but for the place, if a
    workspace has no row, or would have more than `tasks_max` tasks.  Its rows are locked by their names before the
    first one is updated.  Of a single one, the update itself does that: where it has to wait for another transaction,
    it compares the row as that left it, which may have erased the workspace.
    """
    arrays = _Arrays()
    if several:
        lock_rows = "ORDER BY name FOR UPDATE OF workspaces"
        unless_full = "NOT EXISTS (SELECT FROM locked WHERE task_count + count > tasks_max)"
    else:
        lock_rows = ""
        unless_full = "workspaces.name = locked.name AND workspaces.task_count + count <= tasks_max"
    return f"""
        WITH given AS (
            SELECT * FROM {arrays.unnest("bigint", "text", "bigint", "bigint", "bigint", "bigint")}
            AS given (place, name, count, open, tasks_max, at)
        ), locked AS (
            SELECT place, key, name, count, open, tasks_max, at, task_count FROM given JOIN workspaces USING (name)
            {lock_rows}
        ), updated AS (
            UPDATE workspaces SET
                generation = CASE generation WHEN '' THEN {_NEW_GENERATION} ELSE generation END,
                epoch = CASE generation WHEN '' THEN store.epoch ELSE workspaces.epoch END,
                last_id = last_id + count, last_seq = last_seq + count,
                task_count = workspaces.task_count + count, open_count = open_count + open,
                oldest_at = {_OLDEST_AT.format("locked.at")},
                changed_by = pg_current_xact_id()
            FROM locked CROSS JOIN store
            WHERE workspaces.key = locked.key AND (SELECT count(*) FROM locked) = (SELECT count(*) FROM given)
            AND {unless_full}
            RETURNING place, workspaces.key, generation, workspaces.epoch, store.epoch AS store_epoch,
                last_id - count AS last_id, last_seq - count AS last_seq, workspaces.task_count - count AS task_count
        ), new (key, seq, changed_by, {SEARCHABLE_COLUMNS}) AS (
            SELECT key, last_seq + id, changed_by, last_id + {SEARCHABLE_COLUMNS}
            FROM {arrays.unnest("bigint", *_TASK_TYPES, "text")} AS task (place, {SEARCHABLE_COLUMNS}, changed_by)
            JOIN updated USING (place)
        ), added AS (
            INSERT INTO tasks (workspace, {KEPT_TASK_COLUMNS}) SELECT key, {KEPT_TASK_COLUMNS} FROM new
        ), termed AS (
            INSERT INTO task_terms (workspace, term, task_id)
            SELECT key, term, last_id + task_id
            FROM {arrays.unnest("bigint", *_TERM_TYPES)} AS termed (place, term, task_id)
            JOIN updated USING (place)
        ), logged AS (
            INSERT INTO changes (workspace, {KEPT_CHANGE_COLUMNS})
            SELECT key, seq, 'created', updated_at, {TASK_COLUMNS}, changed_by, 0 FROM new
        )
        SELECT place, generation, epoch, store_epoch, last_id, last_seq, updated.task_count
        FROM locked LEFT JOIN updated USING (place)
    """


_CREATE_TASKS = _create_tasks_statement(several=False)
_CREATE_TASKS_IN_SEVERAL = _create_tasks_statement(several=True)


def _apply_changes_statement() -> str:
    arrays = _Arrays()
    return f"""
        WITH kept AS (
            INSERT INTO tasks (workspace, {KEPT_TASK_COLUMNS})
            SELECT * FROM {arrays.unnest("bigint", *_TASK_TYPES, "bigint")}
            ON CONFLICT (workspace, id) DO UPDATE SET {_UPDATES}
        ), removed AS (
            DELETE FROM tasks WHERE (workspace, id) IN (SELECT * FROM {arrays.unnest("bigint", "bigint")})
        ), termed AS (
            INSERT INTO task_terms (workspace, term, task_id) SELECT * FROM {arrays.unnest("bigint", *_TERM_TYPES)}
        ), untermed AS (
            DELETE FROM task_terms
            WHERE (workspace, term, task_id) IN (SELECT * FROM {arrays.unnest("bigint", *_TERM_TYPES)})
        ), logged AS (
            INSERT INTO changes (workspace, {KEPT_CHANGE_COLUMNS})
            SELECT * FROM {arrays.unnest("bigint", *_CHANGE_TYPES, "bigint")}
        )
        UPDATE workspaces SET
            generation = head.generation, epoch = head.epoch, last_id = head.last_id, last_seq = head.last_seq,
            task_count = head.task_count, open_count = open_count + opened,
            oldest_at = {_OLDEST_AT.format("head.at")},
            changed_by = pg_current_xact_id()
        FROM {arrays.unnest("bigint", "text", "text", "bigint", "bigint", "bigint", "bigint", "bigint")}
        AS head (key, generation, epoch, last_id, last_seq, task_count, opened, at)
        WHERE workspaces.key = head.key
    """


_APPLY_CHANGES = _apply_changes_statement()
_INSERT_IDEMPOTENCY_RECORDS = f"""
    INSERT INTO idempotency_keys (workspace, {IDEMPOTENCY_RECORD_COLUMNS})
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::json[])
"""
_PUT_RECORDS = f"""
    INSERT INTO records ({RECORD_COLUMNS}) SELECT * FROM unnest($1::text[], $2::text[], $3::json[], $4::bigint[])
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, version = excluded.version
"""
_DELETE_RECORDS = """
    DELETE FROM records WHERE (namespace, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


class WorkspaceCommit(NamedTuple):
    """A commit, and the name of its workspace."""

    workspace: str
    commit: Commit


class Written(NamedTuple):
    """What some commits came to."""

    outcomes: list[CommitResult | Exception]
    """The outcome of each, in their order."""
    changed: Mapping[str, Position]
    """The ends of the logs that have become longer."""


class _Decided(NamedTuple):
    """What is decided on the commits in one workspace."""

    outcomes: list[CommitResult | Exception]
    settled: Settled
    ledger: Ledger
    """The state after them."""
    found: Mapping[int, Task]
    """The tasks that were read, as they were before."""

    @property
    def opened(self) -> int:
        """How many tasks more than before aren't done."""
        left = _open(self.settled.tasks)
        if not self.found:
            return left
        written = {*(task.id for task in self.settled.tasks), *self.settled.deleted_tasks}
        return left - _open(task for task_id, task in self.found.items() if task_id in written)


class _RowsMissing(Exception):
    """There is no row for some workspaces that need one, and nothing was written."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.names = names


async def write(session: Session, items: Sequence[WorkspaceCommit]) -> Written:
    """Does `items` in one transaction, in which each one succeeds or fails alone."""
    groups: dict[str, list[Commit]] = {}
    for name, commit in items:
        groups.setdefault(name, []).append(commit)
    while True:
        try:
            decided = await _write_groups(session, groups)
            break
        except _RowsMissing as missing:
            await _insert_rows(session, missing.names)
    outcomes = {name: iter(group.outcomes) for name, group in decided.items()}
    return Written(
        [next(outcomes[name]) for name, _ in items],
        {name: group.ledger.position for name, group in decided.items() if group.settled.changes},
    )


async def _write_groups(session: Session, groups: Mapping[str, Sequence[Commit]]) -> Mapping[str, _Decided]:
    """Does commits by their workspaces in one transaction.  Raises _RowsMissing."""
    if not any(map(any, (read_set(commits) for commits in groups.values()))):
        from_zero = {name: await _decide(Ledger("?"), commits, {}) for name, commits in groups.items()}
        if all(group.settled.changes for group in from_zero.values()):
            created = await _create_tasks(session, groups, from_zero)
            if created is not None:
                return created
    return await _read_and_write(session, groups)


async def _create_tasks(
    session: Session, groups: Mapping[str, Sequence[Commit]], from_zero: Mapping[str, _Decided]
) -> Mapping[str, _Decided] | None:
    """Does commits that only create tasks in one round trip: the server counts on from the ends of the logs.

    `from_zero` has what they come to in empty workspaces.  Returns None, and does nothing, where the result may be
    another one: where a workspace would have more tasks than the smallest `tasks_max` of its commits.
    """
    settled = [group.settled for group in from_zero.values()]
    rows = await session.write_alone(
        _CREATE_TASKS_IN_SEVERAL if len(groups) > 1 else _CREATE_TASKS,
        [*range(len(groups))],
        list(groups),
        [len(one.tasks) for one in settled],
        [group.opened for group in from_zero.values()],
        [_tasks_max(commits) for commits in groups.values()],
        [microseconds(one.changes[0].at) for one in settled],
        *_arrays(
            (
                (
                    place,
                    ((*searchable_row(task), change.by) for task, change in zip(one.tasks, one.changes, strict=True)),
                )
                for place, one in enumerate(settled)
            ),
            2 + len(_TASK_TYPES),
        ),
        *_arrays(((place, one.new_terms) for place, one in enumerate(settled)), 1 + len(_TERM_TYPES)),
    )
    if len(rows) < len(groups):
        raise _RowsMissing(list(groups))
    if rows[0][1] is None:
        return None
    heads = {place: Head(None, *numbers) for place, *numbers in rows}
    return {
        name: await _decide(heads[place].ledger({}), commits, {})
        for place, (name, commits) in enumerate(groups.items())
    }


def _tasks_max(commits: Sequence[Commit]) -> int:
    """Returns the smallest `tasks_max` of some commits."""
    return min((commit.tasks_max for commit in commits if commit.tasks_max is not None), default=INT64_MAX)


def _arrays(groups: Iterable[tuple[Any, Iterable[Row]]], count: int) -> list[Sequence[Any]]:
    """Returns the `count` columns of the rows of some groups, the first of which has the mark of the group."""
    return transpose(((mark, *row) for mark, rows in groups for row in rows), count)


async def _decide(ledger: Ledger, commits: Sequence[Commit], found: Mapping[int, Task]) -> _Decided:
    """Decides the commits in one workspace, and brings its ledger up to date."""
    outcomes, entries = await decide_all(ledger, commits)
    return _Decided(outcomes, settle(entries, found), ledger, found)


def _open(tasks: Iterable[Task]) -> int:
    return sum(not task.done for task in tasks)


async def _read_and_write(session: Session, groups: Mapping[str, Sequence[Commit]]) -> Mapping[str, _Decided]:
    """Locks the workspaces of commits, reads what these name, and writes what is decided."""
    known = {name: Known(commits) for name, commits in groups.items()}
    tag = await session.begin(lock(groups, records=any(each.named.records for each in known.values())))
    if tag == f"SELECT {len(groups)}":
        locked = set(groups)
    else:
        locked = {name for (name,) in await session.fetch(_ROWS, list(groups))}
        if tag != f"SELECT {len(locked)}":  # one of these was inserted since, so it isn't locked
            await session.execute("ROLLBACK")
            raise _RowsMissing([])
    records = await read_known(session, known, locked)
    decided = {
        name: await _decide(known[name].ledger(records), commits, known[name].reading.tasks)
        for name, commits in groups.items()
    }
    missing = [name for name, group in decided.items() if group.settled.header and name not in locked]
    if missing:
        await session.execute("ROLLBACK")
        raise _RowsMissing(missing)
    if any(map(_persists, decided.values())):
        await _persist(session, known, decided)
        await session.commit()
    else:
        await session.execute("ROLLBACK")
    return decided


def _persists(group: _Decided) -> bool:
    settled = group.settled
    return bool(settled.changes or settled.idempotency_records or settled.records or settled.deleted_records)


async def _persist(session: Session, known: Mapping[str, Known], decided: Mapping[str, _Decided]) -> None:
    """Writes what was decided."""
    groups = [(known[name], group) for name, group in decided.items()]
    if any(group.settled.changes or group.settled.header for _, group in groups):
        parts = [(each.head.key, each, group.settled) for each, group in groups]
        await session.fetch(
            _APPLY_CHANGES,
            *_arrays(((key, _task_rows(settled)) for key, _, settled in parts), 2 + len(_TASK_TYPES)),
            *_arrays(((key, ((task_id,) for task_id in settled.deleted_tasks)) for key, _, settled in parts), 2),
            *_arrays(((key, settled.new_terms) for key, _, settled in parts), 1 + len(_TERM_TYPES)),
            *_arrays(((key, settled.deleted_terms) for key, _, settled in parts), 1 + len(_TERM_TYPES)),
            *_arrays(
                ((key, _change_rows(settled, each.last_changes)) for key, each, settled in parts),
                2 + len(_CHANGE_TYPES),
            ),
            *transpose(
                (
                    _head_row(each.head, group)
                    for each, group in groups
                    if group.settled.changes or group.settled.header
                ),
                8,
            ),
        )
    rows = [
        (each.head.key, *idempotency_row(record))
        for each, group in groups
        for record in group.settled.idempotency_records
    ]
    if rows:
        await session.fetch(_INSERT_IDEMPOTENCY_RECORDS, *transpose(rows, len(rows[0])))
    await _persist_records(session, [group.settled for _, group in groups])


def _task_rows(settled: Settled) -> Iterator[Row]:
    """Yields the rows of tasks that are left, of KEPT_TASK_COLUMNS."""
    last = {change.task_id: change.seq for change in settled.changes}
    for task in settled.tasks:
        yield (*searchable_row(task), last[task.id])


def _change_rows(settled: Settled, last_changes: Mapping[int, int]) -> Iterator[Row]:
    """Yields the rows of changes, of KEPT_CHANGE_COLUMNS, given the last change of each task before them."""
    last = dict(last_changes)
    for change in settled.changes:
        yield (*change_to_row(change), last.get(change.task_id, 0))
        last[change.task_id] = change.seq


def _head_row(head: Head, group: _Decided) -> Row:
    """Returns what becomes of the row of a workspace."""
    made = group.settled.header or WorkspaceHeader(head.generation, head.epoch)
    changes, ledger = group.settled.changes, group.ledger
    at = microseconds(changes[0].at) if changes else None
    return (head.key, made.generation, made.epoch, ledger.last_id, ledger.last_seq, ledger.task_count, group.opened, at)


async def _persist_records(session: Session, settled: Iterable[Settled]) -> None:
    """Writes records.  Those of several workspaces may be the same: the last one counts."""
    left: dict[RecordName, Record | None] = {}
    for one in settled:
        left.update(((record.namespace, record.key), record) for record in one.records)
        left.update((name, None) for name in one.deleted_records)
    put = [record for record in left.values() if record is not None]
    deleted = [name for name, record in left.items() if record is None]
    if put:
        await session.fetch(_PUT_RECORDS, *transpose(map(record_to_row, put), len(sql.RECORD_COLUMNS)))
    if deleted:
        await session.fetch(_DELETE_RECORDS, *transpose(deleted, 2))


async def _insert_rows(session: Session, names: Sequence[str]) -> None:
    """Inserts the rows of workspaces, where there are none, in a transaction of its own.

    In the order of names, since each row waits for others that insert it.  The disk isn't waited for: if the rows are
    lost, so is every later commit, and an acknowledged one can't be.
    """
    await session.fetch(_INSERT_ROWS, sorted(names))
