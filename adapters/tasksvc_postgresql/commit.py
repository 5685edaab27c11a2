"""Does commits as transactions of the server.

Each transaction that writes locks the row of `store` first.  So transactions take turns, each sees all that
those before it did, and the numbers of the log become visible in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, assert_never

from tasksvc import (
    Change,
    Commit,
    CommitResult,
    Entry,
    IdempotencyRecord,
    Ledger,
    Position,
    Record,
    StoreHeader,
    Task,
    decide_all,
    fold_text,
    in_turns,
    read_set,
)
from tasksvc_postgresql.rows import (
    CHANGE_COLUMNS,
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Row,
    change_to_row,
    clamp_int64,
    idempotency_record_to_row,
    load_idempotency_record,
    record_from_row,
    record_to_row,
    task_from_row,
    task_to_row,
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

_INSERT_TASKS = f"""
    WITH updated AS (
        UPDATE store SET last_id = last_id + $1, last_seq = last_seq + $1
        RETURNING generation, last_id - $1 AS last_id, last_seq - $1 AS first, last_seq
    ), added AS (
        INSERT INTO tasks ({TASK_COLUMNS}, folded)
        SELECT last_id + id, description, done, completed_at, due_at, priority, labels, metadata, at, at, 1, folded
        FROM updated, unnest(
            $2::bigint[], $3::text[], $4::bool[], $5::bigint[], $6::bigint[], $7::bigint[], $8::json[], $9::json[],
            $10::bigint[], $11::text[]
        ) AS task (id, description, done, completed_at, due_at, priority, labels, metadata, at, folded)
        RETURNING *
    ), labelled AS (
        INSERT INTO task_labels (label, task_id)
        SELECT label, last_id + task_id FROM updated, unnest($12::text[], $13::bigint[]) AS labelled (label, task_id)
    ), logged AS (
        INSERT INTO changes ({CHANGE_COLUMNS})
        SELECT first + id - last_id, 'created', created_at, {TASK_COLUMNS} FROM updated, added
    )
    SELECT generation, last_id, first, {NOTIFY} FROM updated
"""

_APPLY_CHANGES = f"""
    WITH kept AS (
        INSERT INTO tasks ({TASK_COLUMNS}, folded)
        SELECT * FROM unnest(
            $1::bigint[], $2::text[], $3::bool[], $4::bigint[], $5::bigint[], $6::bigint[], $7::json[], $8::json[],
            $9::bigint[], $10::bigint[], $11::bigint[], $12::text[]
        )
        ON CONFLICT (id) DO UPDATE SET
            description = excluded.description, done = excluded.done, completed_at = excluded.completed_at,
            due_at = excluded.due_at, priority = excluded.priority, labels = excluded.labels,
            metadata = excluded.metadata, updated_at = excluded.updated_at, version = excluded.version,
            folded = excluded.folded
    ), removed AS (
        DELETE FROM tasks WHERE id = ANY($13::bigint[])
    ), labelled AS (
        INSERT INTO task_labels (label, task_id) SELECT * FROM unnest($14::text[], $15::bigint[])
    ), unlabelled AS (
        DELETE FROM task_labels WHERE (label, task_id) IN (SELECT * FROM unnest($16::text[], $17::bigint[]))
    ), logged AS (
        INSERT INTO changes ({CHANGE_COLUMNS})
        SELECT * FROM unnest(
            $18::bigint[], $19::text[], $20::bigint[], $21::bigint[], $22::text[], $23::bool[], $24::bigint[],
            $25::bigint[], $26::bigint[], $27::json[], $28::json[], $29::bigint[], $30::bigint[], $31::bigint[]
        )
    ), updated AS (
        UPDATE store SET last_id = $32, last_seq = $33 RETURNING *
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
        await _persist(session, written.entries, found, ledger)
        await session.commit()
    else:
        await session.execute("ROLLBACK")
    return written


async def _create_tasks(session: Session, commits: Sequence[Commit]) -> GroupResult:
    """Does commits that only create tasks in one round trip: the server counts on from the end of the log."""
    from_zero = await _decide_group(Ledger(""), commits)
    tasks = [entry.task for entry in from_zero.entries if isinstance(entry, Change) and entry.task is not None]
    rows = [(*task_to_row(task)[:9], fold_text(task.description)) for task in tasks]
    labels = [(label, task.id) for task in tasks for label in task.labels]
    ((generation, last_id, first, _),) = await session.write_alone(
        _INSERT_TASKS, len(tasks), *transpose(rows, 10), *transpose(labels, 2)
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
    found = {task.id: task for task in await in_turns(task_from_row, [row[3:] for row in rows if row[3] is not None])}
    idempotency_records: dict[_Name, IdempotencyRecord] = {}
    if idempotency_keys:
        for row in await session.fetch(_IDEMPOTENCY_RECORDS, *transpose(idempotency_keys, 2)):
            idempotency_records[row[0], row[1]] = await load_idempotency_record(row)
    records: dict[_Name, Record] = {}
    if record_names:
        for row in await session.fetch(_RECORDS, *transpose(record_names, 2)):
            records[row[0], row[1]] = record_from_row(row)
    ledger = Ledger(
        generation,
        last_id=last_id,
        last_seq=last_seq,
        tasks=dict(found),
        idempotency_records=idempotency_records,
        records=records,
    )
    return ledger, found


async def _persist(session: Session, entries: Sequence[Entry], found: dict[int, Task], ledger: Ledger) -> None:
    """Writes what was decided: `found` are the tasks before it, and `ledger` has the end of the log after it."""
    changes: list[Change] = []
    idempotency_records: list[Row] = []
    records: dict[_Name, Record] = {}
    for entry in entries:
        match entry:
            case Change():
                changes.append(entry)
            case IdempotencyRecord():
                idempotency_records.append(idempotency_record_to_row(entry))
            case Record(namespace, key):
                records[namespace, key] = entry
            case Task() | StoreHeader():
                raise RuntimeError(f"A commit changes tasks by changes, and was to store a {type(entry).__name__}.")
            case _:
                assert_never(entry)
    if changes:
        left = {change.task_id: change.task for change in changes}
        kept = [(*task_to_row(task), fold_text(task.description)) for task in left.values() if task is not None]
        deleted = [task_id for task_id, task in left.items() if task is None and task_id in found]
        labels_before = {(label, task_id) for task_id in left if task_id in found for label in found[task_id].labels}
        labels_after = {(label, task.id) for task in left.values() if task is not None for label in task.labels}
        await session.fetch(
            _APPLY_CHANGES,
            *transpose(kept, 12),
            deleted,
            *transpose(labels_after - labels_before, 2),
            *transpose(labels_before - labels_after, 2),
            *transpose(map(change_to_row, changes), 14),
            ledger.last_id,
            ledger.last_seq,
        )
    if idempotency_records:
        await session.fetch(_INSERT_IDEMPOTENCY_RECORDS, *transpose(idempotency_records, 5))
    if put := [record_to_row(record) for record in records.values() if record.version]:
        await session.fetch(_PUT_RECORDS, *transpose(put, 4))
    if dropped := [name for name, record in records.items() if not record.version]:
        await session.fetch(_DELETE_RECORDS, *transpose(dropped, 2))
