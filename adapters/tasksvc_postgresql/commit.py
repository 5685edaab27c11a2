"""Does commits as transactions of the server.

Each transaction that writes locks the row of `store` first.  So transactions take turns, each sees all that
those before it did, and the numbers of the log become visible in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tasksvc import (
    TASK_FIELDS,
    Commit,
    CommitResult,
    Entry,
    Ledger,
    Position,
    Settled,
    Task,
    decide_all,
    in_turns,
    read_set,
    settle,
    sql,
)
from tasksvc.sql import (
    change_to_row,
    clamp_int64,
    load_idempotency_record,
    record_from_row,
    record_to_row,
    task_from_row,
)
from tasksvc_postgresql.rows import (
    CHANGE_COLUMNS,
    COLUMN_TYPES,
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    idempotency_row,
    searchable_row,
    transpose,
)
from tasksvc_postgresql.session import Session

CHANNEL = "tasksvc"
"""The channel of notifications of changes, which contain last_seq, generation and schema."""

NOTIFY = f"pg_notify('{CHANNEL}', last_seq || ' ' || generation || ' ' || current_schema())"

LOCK = "SELECT FROM store FOR UPDATE"
"""The first statement of a transaction that writes, after which it sees all that earlier ones did."""

_TASKS = f"""
    SELECT generation, last_id, last_seq, {TASK_COLUMNS} FROM store LEFT JOIN tasks ON id = ANY($1::bigint[])
"""
_IDEMPOTENCY_RECORDS = f"""
    SELECT {IDEMPOTENCY_RECORD_COLUMNS} FROM idempotency_keys
    WHERE (scope, value) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""
_RECORDS = f"""
    SELECT {RECORD_COLUMNS} FROM records WHERE (namespace, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


def _unnest(first: int, types: Sequence[str]) -> str:
    """Returns a call of unnest() with arrays of `types`, which are the values from number `first` on."""
    return f"unnest({', '.join(f'${first + at}::{name}[]' for at, name in enumerate(types))})"


_TASK_TYPES = [*(COLUMN_TYPES[field.kind] for field in TASK_FIELDS), "text"]
"""The types of the columns of a searchable_row()."""
_CHANGE_TYPES = ["bigint", "text", "bigint", *_TASK_TYPES[:-1]]
_TERM_TYPES = ["text", "bigint"]
_GIVEN_ONCE = ("id", "created_at")
"""The columns that an update leaves as they are."""
_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in [*sql.TASK_COLUMNS, "folded"] if name not in _GIVEN_ONCE)

_INSERT_TASKS = f"""
    WITH updated AS (
        UPDATE store SET last_id = last_id + $1, last_seq = last_seq + $1
        RETURNING generation, last_id - $1 AS last_id, last_seq - $1 AS first, last_seq
    ), added AS (
        INSERT INTO tasks ({TASK_COLUMNS}, folded)
        SELECT last_id + {TASK_COLUMNS}, folded
        FROM updated, {_unnest(2, _TASK_TYPES)} AS task ({TASK_COLUMNS}, folded)
        RETURNING *
    ), termed AS (
        INSERT INTO task_terms (term, task_id)
        SELECT term, last_id + task_id
        FROM updated, {_unnest(2 + len(_TASK_TYPES), _TERM_TYPES)} AS termed (term, task_id)
    ), logged AS (
        INSERT INTO changes ({CHANGE_COLUMNS})
        SELECT first + id - last_id, 'created', created_at, {TASK_COLUMNS} FROM updated, added
    )
    SELECT generation, last_id, first, {NOTIFY} FROM updated
"""

_KEPT = 1
_DELETED = _KEPT + len(_TASK_TYPES)
_NEW_TERMS = _DELETED + 1
_OLD_TERMS = _NEW_TERMS + len(_TERM_TYPES)
_LOGGED = _OLD_TERMS + len(_TERM_TYPES)
_LAST_ID = _LOGGED + len(_CHANGE_TYPES)
"""The numbers of the first values of each part of _APPLY_CHANGES."""

_APPLY_CHANGES = f"""
    WITH kept AS (
        INSERT INTO tasks ({TASK_COLUMNS}, folded) SELECT * FROM {_unnest(_KEPT, _TASK_TYPES)}
        ON CONFLICT (id) DO UPDATE SET {_UPDATES}
    ), removed AS (
        DELETE FROM tasks WHERE id = ANY(${_DELETED}::bigint[])
    ), termed AS (
        INSERT INTO task_terms (term, task_id) SELECT * FROM {_unnest(_NEW_TERMS, _TERM_TYPES)}
    ), untermed AS (
        DELETE FROM task_terms WHERE (term, task_id) IN (SELECT * FROM {_unnest(_OLD_TERMS, _TERM_TYPES)})
    ), logged AS (
        INSERT INTO changes ({CHANGE_COLUMNS}) SELECT * FROM {_unnest(_LOGGED, _CHANGE_TYPES)}
    ), updated AS (
        UPDATE store SET last_id = ${_LAST_ID}, last_seq = ${_LAST_ID + 1} RETURNING *
    )
    SELECT {NOTIFY} FROM updated
"""
_INSERT_IDEMPOTENCY_RECORDS = f"""
    INSERT INTO idempotency_keys ({IDEMPOTENCY_RECORD_COLUMNS})
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::json[])
"""
_PUT_RECORDS = f"""
    INSERT INTO records ({RECORD_COLUMNS}) SELECT * FROM unnest($1::text[], $2::text[], $3::json[], $4::bigint[])
    ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, version = excluded.version
"""
_DELETE_RECORDS = """
    DELETE FROM records WHERE (namespace, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


_Name = tuple[str, str]


class GroupResult(NamedTuple):
    """The outcomes of some commits, and what they change."""

    outcomes: list[CommitResult | Exception]
    entries: list[Entry]
    """The entries to persist."""
    position: Position
    """The position of the log after them."""


async def write(session: Session, commits: Sequence[Commit]) -> GroupResult:
    """Does `commits` in one transaction, in which each one succeeds or fails alone."""
    task_ids, idempotency_keys, record_names = read_set(commits)
    if not task_ids and not idempotency_keys and not record_names:
        return await _create_tasks(session, commits)
    await session.begin(LOCK)
    ledger, found = await _read(session, task_ids, idempotency_keys, record_names)
    written = await _decide_group(ledger, commits)
    if written.entries:
        await _persist(session, settle(written.entries, found), ledger)
        await session.commit()
    else:
        await session.execute("ROLLBACK")
    return written


async def _create_tasks(session: Session, commits: Sequence[Commit]) -> GroupResult:
    """Does commits that only create tasks in one round trip: the server counts on from the end of the log."""
    from_zero = await _decide_group(Ledger(""), commits)
    settled = settle(from_zero.entries, {})
    ((generation, last_id, first, _),) = await session.write_alone(
        _INSERT_TASKS,
        len(settled.tasks),
        *transpose(map(searchable_row, settled.tasks), len(_TASK_TYPES)),
        *transpose(settled.new_terms, len(_TERM_TYPES)),
    )
    return await _decide_group(Ledger(generation, last_id=last_id, last_seq=first), commits)


async def _decide_group(ledger: Ledger, commits: Sequence[Commit]) -> GroupResult:
    """Decides `commits`, and brings the ledger up to date."""
    outcomes, entries = await decide_all(ledger, commits)
    return GroupResult(outcomes, entries, ledger.position)


async def _read(
    session: Session, task_ids: set[int], idempotency_keys: set[_Name], record_names: set[_Name]
) -> tuple[Ledger, dict[int, Task]]:
    """Returns a ledger that knows what is named, and the tasks in it.

    Each statement has a snapshot of its own (READ COMMITTED), taken after the lock.
    """
    rows = await session.fetch(_TASKS, [task_id for task_id in task_ids if clamp_int64(task_id) == task_id])
    generation, last_id, last_seq = rows[0][:3]
    tasks = await in_turns(task_from_row, [row[3:] for row in rows if row[3] is not None])
    found: list[Entry] = [*tasks]
    if idempotency_keys:
        rows = await session.fetch(_IDEMPOTENCY_RECORDS, *transpose(idempotency_keys, 2))
        found += [await load_idempotency_record(row) for row in rows]
    if record_names:
        found += map(record_from_row, await session.fetch(_RECORDS, *transpose(record_names, 2)))
    ledger = Ledger(generation, last_id=last_id, last_seq=last_seq)
    ledger.apply(found)
    return ledger, {task.id: task for task in tasks}


async def _persist(session: Session, settled: Settled, ledger: Ledger) -> None:
    """Writes what was decided; `ledger` has the end of the log after it."""
    if settled.changes:
        await session.fetch(
            _APPLY_CHANGES,
            *transpose(map(searchable_row, settled.tasks), len(_TASK_TYPES)),
            settled.deleted_tasks,
            *transpose(settled.new_terms, len(_TERM_TYPES)),
            *transpose(settled.deleted_terms, len(_TERM_TYPES)),
            *transpose(map(change_to_row, settled.changes), len(_CHANGE_TYPES)),
            ledger.last_id,
            ledger.last_seq,
        )
    if settled.idempotency_records:
        rows = list(map(idempotency_row, settled.idempotency_records))
        await session.fetch(_INSERT_IDEMPOTENCY_RECORDS, *transpose(rows, len(rows[0])))
    if settled.records:
        await session.fetch(_PUT_RECORDS, *transpose(map(record_to_row, settled.records), len(sql.RECORD_COLUMNS)))
    if settled.deleted_records:
        await session.fetch(_DELETE_RECORDS, *transpose(settled.deleted_records, 2))
