"""Dumps and restores all that a store holds, a little at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import AsyncExitStack
from typing import Final

import aiosqlite

from tasksvc import DEFAULT_WORKSPACE, STORE, StoreEntry, StoreHeader, StoreNotEmpty, WorkspaceHeader, sql
from tasksvc.sql import Row
from tasksvc_sqlite.connection import run_to_completion
from tasksvc_sqlite.errors import BIND_ERRORS, unstorable
from tasksvc_sqlite.history import LINKING
from tasksvc_sqlite.rows import (
    CHANGE_VALUES,
    OLDEST,
    VERSION_CHANGE_COLUMNS,
    Restoring,
    Statement,
    entry_from_row,
)
from tasksvc_sqlite.schema import HOLDS_SOMETHING
from tasksvc_sqlite.writer import WriteConnection

_AT_ONCE: Final = 64
"""The number of entries that are read or written at once.  A larger one is hardly faster."""

_HEADERS: Final = """
SELECT 0 AS key, 'default' AS name, default_generation, default_epoch,
  max(last_id, ifnull((SELECT max(id) FROM tasks), 0)),
  max(pruned_seq, ifnull((SELECT max(seq) FROM changes), 0)),
  pruned_seq
FROM store
UNION ALL
SELECT key, name, generation, epoch,
  max(last_id, ifnull((SELECT max(id) FROM versions WHERE workspace = key AND current IS NOT NULL), 0)),
  max(pruned_seq, ifnull((SELECT max(seq) FROM versions WHERE workspace = key AND seq IS NOT NULL), 0)),
  pruned_seq
FROM workspaces
ORDER BY name"""
"""The statement for the headers of workspaces by their names, each after the key, 0 for that of the default one."""


_CHANGES: Final = f"SELECT {CHANGE_VALUES} FROM changes ORDER BY seq"


def _of_others(columns: Sequence[str], table: str, condition: str, order: Sequence[str]) -> str:
    """Returns the statement for rows of all workspaces but the default one, by their names, each after the key."""
    selected, by = (", ".join(f"rows.{name}" for name in names) for names in (columns, order))
    return (
        f"SELECT workspaces.key, {selected} FROM workspaces CROSS JOIN {table} AS rows"
        f" ON rows.workspace = workspaces.key{condition} ORDER BY workspaces.name, {by}"
    )


_OTHERS: Final = {
    "tasks": _of_others(sql.TASK_COLUMNS, "versions", " AND rows.current IS NOT NULL", ("id",)),
    "idempotency_keys": _of_others(sql.IDEMPOTENCY_RECORD_COLUMNS, "workspace_keys", "", ("scope", "value")),
    "changes": _of_others(VERSION_CHANGE_COLUMNS.split(", "), "versions", " AND rows.seq IS NOT NULL", ("seq",)),
}
"""The statement for each part of the dump of a workspace, by the table that the default one has for it."""


async def dump(connection: aiosqlite.Connection) -> AsyncGenerator[StoreEntry, None]:
    """Yields the entries of the store, of one snapshot.  Raises sqlite3.Error, and ValueError once it is closed."""
    await connection.execute_fetchall("BEGIN")
    for (epoch,) in await connection.execute_fetchall("SELECT epoch FROM store"):
        yield StoreEntry(STORE, StoreHeader(epoch))
    async with AsyncExitStack() as stack:

        async def select(statement: str) -> _Rows:
            return _Rows(await stack.enter_async_context(connection.execute(statement)))

        for part in sql.STORE_DUMP:
            records = await select(part.select())
            while (row := await records.next()) is not None:
                yield StoreEntry(STORE, entry_from_row(part, row))
        others = {part.table: await select(_OTHERS[part.table]) for part in sql.WORKSPACE_DUMP}
        headers = await select(_HEADERS)
        while (found := await headers.next()) is not None:
            key, name, *header = found
            yield StoreEntry(name, WorkspaceHeader(*header))
            for part in sql.WORKSPACE_DUMP:
                if name == DEFAULT_WORKSPACE:
                    rows = await select(_CHANGES if part.table == "changes" else part.select())
                    while (row := await rows.next()) is not None:
                        yield StoreEntry(name, entry_from_row(part, row))
                else:
                    while (row := await others[part.table].next(key)) is not None:
                        yield StoreEntry(name, entry_from_row(part, row[1:]))


class _Rows:
    """The rows of a cursor one by one, of which a few are fetched at once."""

    def __init__(self, cursor: aiosqlite.Cursor) -> None:
        self._cursor = cursor
        self._fetched: deque[Row] = deque()

    async def next(self, key: int | None = None) -> Row | None:
        """Returns the next row, or None if there is no more, or none that begins with `key`."""
        if not self._fetched:
            self._fetched.extend(await self._cursor.fetchmany(_AT_ONCE))
        if not self._fetched or key not in (None, self._fetched[0][0]):
            return None
        return self._fetched.popleft()


async def restore(writer: WriteConnection, restoring: Restoring, entries: AsyncIterable[StoreEntry]) -> None:
    """Fills an empty store, all or nothing.  Raises as WriteConnection.write() does, StoreNotEmpty and ValueError."""
    try:
        await run_to_completion(writer.begin())
        ((something,),) = await writer.rows(HOLDS_SOMETHING)
        if something:
            raise StoreNotEmpty("This store holds something already. Restore into a new one.")
        # The log is history here, and must not make its tasks once more.
        triggers = await writer.rows(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('changes', 'versions')"
        )
        await run_to_completion(writer.execute_more([Statement(f"DROP TRIGGER {name}") for name, _ in triggers]))
        async for batch in sql.batches(entries, max_entries=_AT_ONCE):
            await _put(writer, restoring.statements(batch))
        last = [OLDEST, *LINKING, *(Statement(made) for _, made in triggers), await writer.renewal()]
        await run_to_completion(writer.execute_more(last))
        await run_to_completion(writer.commit())
    except BaseException:
        await run_to_completion(writer.roll_back())
        raise


async def _put(writer: WriteConnection, statements: Sequence[Statement]) -> None:
    try:
        await run_to_completion(writer.execute_more(statements))
    except BIND_ERRORS as error:
        raise unstorable(error) from error
