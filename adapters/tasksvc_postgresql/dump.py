"""Dumps and restores all that a store holds."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from typing import cast

from tasksvc import (
    Change,
    Entry,
    IdempotencyRecord,
    Position,
    Record,
    StoreHeader,
    StoreNotEmpty,
    Task,
    fold_text,
    json_size,
    new_generation,
)
from tasksvc_postgresql.commit import LOCK, NOTIFY
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import SNAPSHOT, Connection
from tasksvc_postgresql.rows import (
    CHANGE_COLUMNS,
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Row,
    change_from_row,
    change_to_row,
    idempotency_record_from_row,
    idempotency_record_to_row,
    record_from_row,
    record_to_row,
    task_from_row,
    task_to_row,
)
from tasksvc_postgresql.session import Session

FETCHED_AT_ONCE = 100
"""The number of rows that a dump holds in memory, each of which may have 75 KB."""
COPIED_AT_ONCE = 1_000
"""The most entries that a restore holds in memory, if they are small."""
COPIED_BYTES = 2**20
"""The JSON bytes of the tasks in them after which a restore writes what it holds."""

STEP_TIMEOUT = 60.0
"""The seconds that one step may take, such as sorting a large table."""

# The other side may be slow, so a transaction may be idle for a while.
PATIENCE = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '10min'"

_PARTS: Mapping[str, tuple[str, Callable[[Row], Entry]]] = {
    "all_tasks": (f"SELECT {TASK_COLUMNS} FROM tasks ORDER BY id", task_from_row),
    "all_records": (f"SELECT {RECORD_COLUMNS} FROM records ORDER BY namespace, key", record_from_row),
    "all_idempotency_keys": (
        f"SELECT {IDEMPOTENCY_RECORD_COLUMNS} FROM idempotency_keys ORDER BY scope, value",
        idempotency_record_from_row,
    ),
    "all_changes": (f"SELECT {CHANGE_COLUMNS} FROM changes ORDER BY seq", change_from_row),
}
"""For each cursor, its statement, and what makes entries of its rows."""
_EMPTY = """
    SELECT last_id = 0 AND last_seq = 0
        AND NOT EXISTS (SELECT FROM tasks) AND NOT EXISTS (SELECT FROM records)
        AND NOT EXISTS (SELECT FROM idempotency_keys)
    FROM store
"""
_UPDATE_STORE = f"""
    WITH updated AS (UPDATE store SET generation = $1, last_id = $2, last_seq = $3, pruned_seq = $4 RETURNING *)
    SELECT {NOTIFY} FROM updated
"""


async def dump(connection: Connection, name: str) -> AsyncIterator[Entry]:
    """Yields all that the store `name` holds, of one snapshot, and reads a few rows at a time."""
    session = Session(connection, timeout=STEP_TIMEOUT)
    with translating_errors(name):
        await session.begin(PATIENCE, mode=SNAPSHOT)
        (header,) = await session.fetch("SELECT generation, last_id, last_seq, pruned_seq FROM store")
    yield StoreHeader(*header)
    for cursor, (statement, entry_of) in _PARTS.items():
        async for row in rows_of(session, name, statement, cursor=cursor):
            yield entry_of(row)


async def rows_of(session: Session, name: str, statement: str, *, cursor: str) -> AsyncIterator[Row]:
    """Yields the rows of a statement of the transaction, and reads a few of them at a time.

    `cursor` is a name that nothing else in the session has.  The driver's own cursors need a
    prepared statement, which a pooler would leave to the next client.
    """
    with translating_errors(name):
        await session.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {statement}")
    while True:
        with translating_errors(name):
            rows = await session.fetch(f"FETCH {FETCHED_AT_ONCE} FROM {cursor}")
        for row in rows:
            yield row
        if len(rows) < FETCHED_AT_ONCE:
            break


async def restore(connection: Connection, name: str, entries: AsyncIterable[Entry]) -> Position:
    """Fills the store `name` in one transaction, and returns the end of its log.

    It translates errors of the driver only; what `entries` raises is passed on.
    """
    session = Session(connection, timeout=STEP_TIMEOUT)
    header = StoreHeader(new_generation(), 0, 0, 0)
    with translating_errors(name):
        await session.begin(f"{LOCK}; {PATIENCE}")
        ((is_empty,),) = await session.fetch(_EMPTY)
    if not is_empty:
        raise StoreNotEmpty(f"{name} holds something already. Restore into a new one.")
    batch: list[Entry] = []
    size = 0
    async for entry in entries:
        if isinstance(entry, StoreHeader):
            header = entry._replace(generation=header.generation)
            continue
        if batch and (len(batch) == COPIED_AT_ONCE or size > COPIED_BYTES or type(batch[0]) is not type(entry)):
            with translating_errors(name):
                await _copy(session, batch)
            batch, size = [], 0
        batch.append(entry)
        size += _size(entry)
    with translating_errors(name, lambda: session.committing):
        await _copy(session, batch)
        await session.fetch(_UPDATE_STORE, *header)
        await session.commit()
    return Position(header.generation, header.last_seq)


def _size(entry: Entry) -> int:
    match entry:
        case Task():
            return json_size(entry)
        case Change():
            return json_size(entry.task)
    return 0


async def _copy(session: Session, batch: Sequence[Entry]) -> None:
    """Inserts entries that are all of one kind."""
    match batch[:1]:
        case [Task()]:
            tasks = cast(Sequence[Task], batch)
            await session.copy(
                "tasks",
                f"{TASK_COLUMNS}, folded",
                [(*task_to_row(task), fold_text(task.description)) for task in tasks],
            )
            labels = [(label, task.id) for task in tasks for label in task.labels]
            await session.copy("task_labels", "label, task_id", labels)
        case [Record()]:
            await session.copy(
                "records", RECORD_COLUMNS, [record_to_row(record) for record in cast(Sequence[Record], batch)]
            )
        case [IdempotencyRecord()]:
            rows = [idempotency_record_to_row(record) for record in cast(Sequence[IdempotencyRecord], batch)]
            await session.copy("idempotency_keys", IDEMPOTENCY_RECORD_COLUMNS, rows)
        case [Change()]:
            await session.copy(
                "changes", CHANGE_COLUMNS, [change_to_row(change) for change in cast(Sequence[Change], batch)]
            )
        case []:
            pass
        case _:
            raise TypeError(f"A dump has no entries like {type(batch[0]).__name__}.")
