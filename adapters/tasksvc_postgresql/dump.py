"""Dumps and restores all that a store holds."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any, Final

from tasksvc import (
    STORE,
    StoreEntry,
    StoreHeader,
    StoreNotEmpty,
    WorkspaceHeader,
    new_generation,
    terms_of,
)
from tasksvc.sql import (
    STORE_DUMP,
    WORKSPACE_DUMP,
    Batch,
    DumpPart,
    Row,
    batches,
    change_to_row,
    record_to_row,
)
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import SNAPSHOT, Connection
from tasksvc_postgresql.listener import NOTIFY_RENEWED
from tasksvc_postgresql.locking import LOCK_ALL
from tasksvc_postgresql.rows import (
    IDEMPOTENCY_RECORD_COLUMNS,
    KEPT_CHANGE_COLUMNS,
    KEPT_TASK_COLUMNS,
    RECORD_COLUMNS,
    idempotency_row,
    searchable_row,
    transpose,
)
from tasksvc_postgresql.session import Session

FETCHED_AT_ONCE = 100
"""The number of rows that a dump holds in memory, each of which may have 155 KB."""
WORKSPACES_AT_ONCE = 1_000
"""The number of rows of workspaces that it holds."""

STEP_TIMEOUT = 60.0
"""The seconds that one step may take, such as sorting a large table."""

# The other side may be slow, so a transaction may be idle for a while.
PATIENCE = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '10min'"

_WORKSPACES = """
    SELECT key, name, generation, epoch, last_id, last_seq, pruned_seq FROM workspaces
    WHERE generation <> '' AND name > $1 ORDER BY name LIMIT $2
"""
_EMPTY = """
    SELECT NOT EXISTS (SELECT FROM records) AND NOT EXISTS (
        SELECT FROM workspaces WHERE generation <> '' AND (
            name <> 'default' OR last_id > 0 OR last_seq > 0
            OR EXISTS (SELECT FROM tasks WHERE workspace = key)
            OR EXISTS (SELECT FROM idempotency_keys WHERE workspace = key)
        )
    )
"""
_PUT_WORKSPACES = """
    INSERT INTO workspaces (name, generation, epoch, last_id, last_seq, pruned_seq)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
    ON CONFLICT (name) DO UPDATE SET
        generation = excluded.generation, epoch = excluded.epoch, last_id = excluded.last_id,
        last_seq = excluded.last_seq, pruned_seq = excluded.pruned_seq, changed_by = excluded.changed_by
    RETURNING name, key
"""
_FINISH = """
    UPDATE workspaces SET
        task_count = coalesce(counted.task_count, 0), open_count = coalesce(counted.open_count, 0),
        oldest_at = (SELECT at FROM changes WHERE workspace = named.key ORDER BY seq LIMIT 1)
    FROM workspaces AS named LEFT JOIN (
        SELECT workspace, count(*) AS task_count, count(*) FILTER (WHERE NOT done) AS open_count
        FROM tasks GROUP BY workspace
    ) AS counted ON counted.workspace = named.key
    WHERE workspaces.key = named.key AND workspaces.generation <> ''
"""
_NUMBER_PREVIOUS = """
    UPDATE changes SET previous = numbered.previous
    FROM (SELECT workspace, seq, lag(seq) OVER (PARTITION BY workspace, task_id ORDER BY seq) AS previous FROM changes)
        AS numbered
    WHERE changes.workspace = numbered.workspace AND changes.seq = numbered.seq AND numbered.previous IS NOT NULL
"""
_NUMBER_LAST = """
    UPDATE tasks SET seq = last.seq
    FROM (SELECT workspace, task_id, max(seq) AS seq FROM changes GROUP BY workspace, task_id) AS last
    WHERE tasks.workspace = last.workspace AND tasks.id = last.task_id
"""
_SET_EPOCH = "UPDATE store SET epoch = $1"


async def dump(connection: Connection, name: str) -> AsyncIterator[StoreEntry]:
    """Yields all that the store `name` holds, of one snapshot, and reads a few rows at a time."""
    session = Session(connection, timeout=STEP_TIMEOUT)
    with translating_errors(name):
        await session.begin(PATIENCE, mode=SNAPSHOT)
        ((epoch,),) = await session.fetch("SELECT epoch FROM store")
    yield StoreEntry(STORE, StoreHeader(epoch))
    for part in STORE_DUMP:
        async for row in _rows(session, name, part, "", ()):
            yield StoreEntry(STORE, part.from_row(row))
    after = ""
    while True:
        with translating_errors(name):
            workspaces = await session.fetch(_WORKSPACES, after, WORKSPACES_AT_ONCE)
        for key, after, *header in workspaces:
            yield StoreEntry(after, WorkspaceHeader(*header))
            for part in WORKSPACE_DUMP:
                async for row in _rows(session, name, part, "workspace = $1", (key,)):
                    yield StoreEntry(after, part.from_row(row))
        if len(workspaces) < WORKSPACES_AT_ONCE:
            break


async def _rows(session: Session, name: str, part: DumpPart, where: str, values: Sequence[Any]) -> AsyncIterator[Row]:
    """Yields the rows of a part in their order, of those that meet the condition `where` with `values`.

    It reads a few at a time, each time those after the last one, since most workspaces have few: a cursor would take
    two more round trips for each of them.
    """
    first = f"{part.select(where)} LIMIT {FETCHED_AT_ONCE}"
    places = ", ".join(f"${len(values) + number}" for number in range(1, len(part.key) + 1))
    beyond = f"({', '.join(part.key)}) > ({places})"
    following = f"{part.select(f'{where} AND {beyond}' if where else beyond)} LIMIT {FETCHED_AT_ONCE}"
    key = [part.columns.index(column) for column in part.key]
    with translating_errors(name):
        rows = await session.fetch(first, *values)
    while True:
        for row in rows:
            yield row
        if len(rows) < FETCHED_AT_ONCE:
            break
        with translating_errors(name):
            rows = await session.fetch(following, *values, *(rows[-1][at] for at in key))


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


async def restore(connection: Connection, name: str, entries: AsyncIterable[StoreEntry]) -> None:
    """Fills the store `name` in one transaction.

    It translates errors of the driver only; what `entries` raises is passed on.
    """
    session = Session(connection, timeout=STEP_TIMEOUT)
    with translating_errors(name):
        await session.begin(f"{LOCK_ALL}; {PATIENCE}")
        ((is_empty,),) = await session.fetch(_EMPTY)
    if not is_empty:
        raise StoreNotEmpty(f"{name} holds something already. Restore into a new one.")
    keys: dict[str, int] = {}
    async for batch in batches(entries):
        with translating_errors(name):
            await _copy(session, batch, keys)
    with translating_errors(name, lambda: session.committing):
        await session.fetch(_NUMBER_PREVIOUS)
        await session.fetch(_NUMBER_LAST)
        await session.fetch(_FINISH)
        await session.fetch(_SET_EPOCH, new_generation())
        await session.fetch(NOTIFY_RENEWED)
        await session.commit()


_HEADER_COLUMNS: Final = 6
"""The number of values of a workspace in _PUT_WORKSPACES."""
_UNNUMBERED: Final = 0
"""The number of a change, where it isn't known until all changes are there."""


async def _copy(session: Session, batch: Batch, keys: dict[str, int]) -> None:
    """Writes a batch; `keys` has the key of each workspace that has come so far."""
    if batch.workspaces:
        headers = dict(batch.workspaces)
        columns = transpose(((name, *header) for name, header in headers.items()), _HEADER_COLUMNS)
        keys.update(await session.fetch(_PUT_WORKSPACES, *columns))
    tasks = [(keys[name], task) for name, task in batch.tasks]
    task_rows = [(key, *searchable_row(task), _UNNUMBERED) for key, task in tasks]
    terms = [(key, term, task.id) for key, task in tasks for term in terms_of(task)]
    idempotency_records = [(keys[name], *idempotency_row(record)) for name, record in batch.idempotency_records]
    changes = [(keys[name], *change_to_row(change), _UNNUMBERED) for name, change in batch.changes]
    parts: Sequence[tuple[str, str, Sequence[Row]]] = (
        ("tasks", f"workspace, {KEPT_TASK_COLUMNS}", task_rows),
        ("task_terms", "workspace, term, task_id", terms),
        ("records", RECORD_COLUMNS, list(map(record_to_row, batch.records))),
        ("idempotency_keys", f"workspace, {IDEMPOTENCY_RECORD_COLUMNS}", idempotency_records),
        ("changes", f"workspace, {KEPT_CHANGE_COLUMNS}", changes),
    )
    for table, names, rows in parts:
        if rows:
            await session.copy(table, names, rows)
