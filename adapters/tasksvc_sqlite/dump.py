"""Dumps and restores all that a store holds, a little at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final

import aiosqlite

from tasksvc import Entry, StoreHeader, StoreNotEmpty, sql
from tasksvc_sqlite.connection import run_to_completion
from tasksvc_sqlite.errors import BIND_ERRORS, unstorable
from tasksvc_sqlite.rows import CHANGE_VALUES, Statement, entry_from_row, restore_statements
from tasksvc_sqlite.schema import HEADER, HOLDS_SOMETHING
from tasksvc_sqlite.writer import WriteConnection

_AT_ONCE: Final = 64
"""The number of entries that are read or written at once.  A larger one is hardly faster."""

_CHANGES: Final = f"SELECT {CHANGE_VALUES} FROM changes ORDER BY seq"


async def dump(connection: aiosqlite.Connection) -> AsyncGenerator[Entry, None]:
    """Yields the entries of the store, of one snapshot.  Raises sqlite3.Error, and ValueError once it is closed."""
    await connection.execute_fetchall("BEGIN")
    for row in await connection.execute_fetchall(HEADER):
        yield StoreHeader(*row)
    for part in sql.DUMP:
        async with connection.execute(_CHANGES if part.table == "changes" else part.select()) as cursor:
            while rows := list(await cursor.fetchmany(_AT_ONCE)):
                for row in rows:
                    yield entry_from_row(part, row)


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
        async for batch in sql.batches(entries, max_entries=_AT_ONCE):
            await _put(writer, batch)
        await run_to_completion(writer.execute_more([Statement(made) for _, made in triggers]))
        await run_to_completion(writer.commit())
    except BaseException:
        await run_to_completion(writer.roll_back())
        raise


async def _put(writer: WriteConnection, batch: sql.Batch) -> None:
    try:
        await run_to_completion(writer.execute_more(restore_statements(batch)))
    except BIND_ERRORS as error:
        raise unstorable(error) from error
