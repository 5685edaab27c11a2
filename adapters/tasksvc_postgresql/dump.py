"""Dumps and restores all that a store holds."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from tasksvc import Entry, Position, StoreHeader, StoreNotEmpty, new_generation, terms_of
from tasksvc.sql import (
    DUMP,
    Batch,
    Row,
    batches,
    change_to_row,
    record_to_row,
)
from tasksvc_postgresql.commit import LOCK, NOTIFY
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import SNAPSHOT, Connection
from tasksvc_postgresql.rows import (
    CHANGE_COLUMNS,
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    idempotency_row,
    searchable_row,
)
from tasksvc_postgresql.session import Session

FETCHED_AT_ONCE = 100
"""The number of rows that a dump holds in memory, each of which may have 75 KB."""

STEP_TIMEOUT = 60.0
"""The seconds that one step may take, such as sorting a large table."""

# The other side may be slow, so a transaction may be idle for a while.
PATIENCE = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '10min'"

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
    for part in DUMP:
        async for row in rows_of(session, name, part.select(), cursor=f"all_{part.table}"):
            yield part.from_row(row)


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
    async for batch in batches(entries):
        for given in batch.headers:
            header = given._replace(generation=header.generation)
        with translating_errors(name):
            await _copy(session, batch)
    with translating_errors(name, lambda: session.committing):
        await session.fetch(_UPDATE_STORE, *header)
        await session.commit()
    return Position(header.generation, header.last_seq)


async def _copy(session: Session, batch: Batch) -> None:
    terms = [(term, task.id) for task in batch.tasks for term in terms_of(task)]
    for table, columns, rows in (
        ("tasks", f"{TASK_COLUMNS}, folded", list(map(searchable_row, batch.tasks))),
        ("task_terms", "term, task_id", terms),
        ("records", RECORD_COLUMNS, list(map(record_to_row, batch.records))),
        ("idempotency_keys", IDEMPOTENCY_RECORD_COLUMNS, list(map(idempotency_row, batch.idempotency_records))),
        ("changes", CHANGE_COLUMNS, list(map(change_to_row, batch.changes))),
    ):
        if rows:
            await session.copy(table, columns, rows)
