"""All that a store holds, out and in."""

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
from tasksvc_postgresql.errors import in_our_words
from tasksvc_postgresql.greeting import SNAPSHOT, Connection
from tasksvc_postgresql.retrying import Session
from tasksvc_postgresql.rows import (
    CHANGE_COLUMNS,
    RECORD_COLUMNS,
    RETRY_KEY_COLUMNS,
    TASK_COLUMNS,
    Row,
    change_of,
    change_row,
    record_of,
    record_row,
    remembered_of,
    retry_key_row,
    task_of,
    task_row,
)

FETCHED_AT_ONCE = 100
"""Rows, each of which may have 75 KB, that are held in memory."""
COPIED_AT_ONCE = 1_000
"""Entries that are held in memory, if they are small."""
COPIED_BYTES = 2**20
"""JSON bytes of their tasks after which no more is held."""

STEP_TIMEOUT = 60.0
"""Seconds that one step may take; sorting a large table is one."""

# The other side may be slow, so a transaction may be idle for a while.
PATIENCE = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '10min'"

_PARTS: Mapping[str, tuple[str, Callable[[Row], Entry]]] = {
    "all_tasks": (f"SELECT {TASK_COLUMNS} FROM tasks ORDER BY id", task_of),
    "all_records": (f"SELECT {RECORD_COLUMNS} FROM records ORDER BY namespace, key", record_of),
    "all_idempotency_keys": (f"SELECT {RETRY_KEY_COLUMNS} FROM idempotency_keys ORDER BY scope, value", remembered_of),
    "all_changes": (f"SELECT {CHANGE_COLUMNS} FROM changes ORDER BY seq", change_of),
}
"""For each cursor, what it reads, and what its rows are."""
_EMPTY = """
    SELECT last_id = 0 AND last_seq = 0
        AND NOT EXISTS (SELECT FROM tasks) AND NOT EXISTS (SELECT FROM records)
        AND NOT EXISTS (SELECT FROM idempotency_keys)
    FROM store
"""
_BEGIN_ANEW = f"""
    WITH updated AS (UPDATE store SET generation = $1, last_id = $2, last_seq = $3, pruned_seq = $4 RETURNING *)
    SELECT {NOTIFY} FROM updated
"""


async def dump(connection: Connection, name: str) -> AsyncIterator[Entry]:
    """All that the store `name` holds, of one snapshot, a few rows at a time."""
    session = Session(connection, timeout=STEP_TIMEOUT)
    with in_our_words(name):
        await session.begin(PATIENCE, mode=SNAPSHOT)
        (header,) = await session.fetch("SELECT generation, last_id, last_seq, pruned_seq FROM store")
    yield StoreHeader(*header)
    for cursor, (statement, entry_of) in _PARTS.items():
        async for row in rows_of(session, name, statement, cursor=cursor):
            yield entry_of(row)


async def rows_of(session: Session, name: str, statement: str, *, cursor: str) -> AsyncIterator[Row]:
    """The rows of a statement of the transaction, a few at a time.

    `cursor` is a name that nothing else in the session has.  The driver's own cursors need a
    prepared statement, which a pooler would leave to the next client.
    """
    with in_our_words(name):
        await session.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {statement}")
    while True:
        with in_our_words(name):
            rows = await session.fetch(f"FETCH {FETCHED_AT_ONCE} FROM {cursor}")
        for row in rows:
            yield row
        if len(rows) < FETCHED_AT_ONCE:
            break


async def restore(connection: Connection, name: str, entries: AsyncIterable[Entry]) -> Position:
    """Fills the store `name` in one transaction.  Gives where its log is then.

    Only what the server does is put in our words: `entries` may fail in its own.
    """
    session = Session(connection, timeout=STEP_TIMEOUT)
    header = StoreHeader(new_generation(), 0, 0, 0)
    with in_our_words(name):
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
            with in_our_words(name):
                await _copy(session, batch)
            batch, size = [], 0
        batch.append(entry)
        size += _size(entry)
    with in_our_words(name, lambda: session.committing):
        await _copy(session, batch)
        await session.fetch(_BEGIN_ANEW, *header)
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
    """Adds entries that are all of one kind."""
    match batch[:1]:
        case [Task()]:
            tasks = cast(Sequence[Task], batch)
            await session.copy(
                "tasks",
                f"{TASK_COLUMNS}, folded",
                [(*task_row(task), fold_text(task.description)) for task in tasks],
            )
            labels = [(label, task.id) for task in tasks for label in task.labels]
            await session.copy("task_labels", "label, task_id", labels)
        case [Record()]:
            await session.copy(
                "records", RECORD_COLUMNS, [record_row(record) for record in cast(Sequence[Record], batch)]
            )
        case [IdempotencyRecord()]:
            rows = [retry_key_row(remembered) for remembered in cast(Sequence[IdempotencyRecord], batch)]
            await session.copy("idempotency_keys", RETRY_KEY_COLUMNS, rows)
        case [Change()]:
            await session.copy(
                "changes", CHANGE_COLUMNS, [change_row(change) for change in cast(Sequence[Change], batch)]
            )
        case []:
            pass
        case _:
            raise TypeError(f"A dump has no entries like {type(batch[0]).__name__}.")
