"""Dumps and restores all that a store holds, a little at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Final

import aiosqlite

from tasksvc import Entry, StoreHeader, StoreNotEmpty
from tasksvc.sql import Batch, Row, batches
from tasksvc_sqlite.connection import run_to_completion
from tasksvc_sqlite.errors import BIND_ERRORS, unstorable
from tasksvc_sqlite.rows import (
    CHANGE_VALUES,
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Statement,
    change_from_row,
    idempotency_record_from_row,
    record_from_row,
    restore_statements,
    task_from_row,
)
from tasksvc_sqlite.schema import HEADER, HOLDS_SOMETHING
from tasksvc_sqlite.writer import WriteConnection

_AT_ONCE: Final = 64
"""The number of entries that are read or written at once.  A larger one is hardly faster."""

_KINDS: Final[tuple[tuple[str, Callable[[Row], Entry]], ...]] = (
    (f"SELECT {TASK_COLUMNS} FROM tasks ORDER BY id", task_from_row),
    (f"SELECT {RECORD_COLUMNS} FROM records ORDER BY namespace, key", record_from_row),
    (f"SELECT {IDEMPOTENCY_RECORD_COLUMNS} FROM idempotency_keys ORDER BY scope, value", idempotency_record_from_row),
    (f"SELECT {CHANGE_VALUES} FROM changes ORDER BY seq", change_from_row),
)


async def dump(connection: aiosqlite.Connection) -> AsyncGenerator[Entry, None]:
    """Yields the entries of the store, of one snapshot.  Raises sqlite3.Error, and ValueError once it is closed."""
    await connection.execute_fetchall("BEGIN")
    for row in await connection.execute_fetchall(HEADER):
        yield StoreHeader(*row)
    for sql, to_entry in _KINDS:
        async with connection.execute(sql) as cursor:
            while rows := list(await cursor.fetchmany(_AT_ONCE)):
                for row in rows:
                    yield to_entry(row)


async def restore(writer: WriteConnection, entries: AsyncIterable[Entry]) -> None:
    """Fills an empty store, all or nothing.  Raises as WriteConnection.write() does, and StoreNotEmpty."""
    try:
        await run_to_completion(writer.begin())
        ((something,),) = await writer.rows(HOLDS_SOMETHING)
        if something:
            raise StoreNotEmpty("This store holds something already. Restore into a new one.")
        # The log is history here, and must not make its tasks once more.
        triggers = await writer.rows(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'changes'"
        )
        await run_to_completion(writer.execute_more([Statement(f"DROP TRIGGER {name}") for name, _ in triggers]))
        async for batch in batches(entries, max_entries=_AT_ONCE):
            await _put(writer, batch)
        await run_to_completion(writer.execute_more([Statement(sql) for _, sql in triggers]))
        await run_to_completion(writer.commit())
    except BaseException:
        await run_to_completion(writer.roll_back())
        raise


async def _put(writer: WriteConnection, batch: Batch) -> None:
    try:
        await run_to_completion(writer.execute_more(restore_statements(batch)))
    except BIND_ERRORS as error:
        raise unstorable(error) from error
