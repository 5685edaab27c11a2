"""Connections that leak no resources when their caller is cancelled."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite

from tasksvc.sql import Row
from tasksvc_sqlite.errors import read_failure
from tasksvc_sqlite.rows import Statement
from tasksvc_sqlite.settings import DEFAULTS

INTERRUPT_SECONDS: Final = 0.02
"""Seconds between two attempts to end a statement."""

Result = TypeVar("Result")


async def connect(
    path: str,
    *,
    options: str = "mode=rwc",
    native_connect: Callable[..., sqlite3.Connection] = sqlite3.connect,
    busy_timeout: float = DEFAULTS.busy_timeout,
) -> aiosqlite.Connection:
    """Opens a connection in autocommit mode, on a thread of its own.  Raises sqlite3.Error.

    `options` are those of SQLite's own URIs, and `native_connect` takes what sqlite3.connect() does.  `busy_timeout`:
    seconds that a statement waits while another program holds the file locked.
    """
    native = native_connect(
        f"{Path(path).as_uri()}?{options}",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    # Opened here and not by aiosqlite, which loses it when it is cancelled.
    opening = asyncio.ensure_future(_on_a_thread(native))
    try:
        return await run_to_completion(opening)
    except BaseException:
        if opening.cancelled() or opening.exception() is not None:
            native.close()
        else:
            await opening.result().close()  # so that its thread has ended before the event loop does
        raise


async def _on_a_thread(native: sqlite3.Connection) -> aiosqlite.Connection:
    return await aiosqlite.Connection(lambda: native, iter_chunk_size=1)


class ReadConnection:
    """A connection that reads, each statement in a snapshot of its own."""

    def __init__(self, connection: aiosqlite.Connection, path: str) -> None:
        self._connection, self._path = connection, path

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Returns all rows.  Raises StoreUnavailable."""
        try:
            return list(await self._connection.execute_fetchall(sql, values))
        except sqlite3.Error as error:
            raise read_failure(error, self._path) from error

    async def page(
        self, statement: Statement, *, size: Callable[[Row], int], max_bytes: int | None
    ) -> tuple[Row, list[Row], bool]:
        """Returns the first row, those after it, and whether there are more than these.

        `max_bytes` bounds the sum of the sizes of those after the first, except that there is at least one.  Hardly
        more than that is fetched.  Raises StoreUnavailable.
        """
        if max_bytes is None:
            head, *rows = await self.rows(*statement)
            return head, rows, False
        try:
            # By itself aiosqlite hands rows from thread to thread one by one, or all of them.
            execute: Callable[..., Awaitable[tuple[Row, list[Row], bool]]] = self._connection._execute
            return await execute(_page, self._connection._conn, statement, size, max_bytes)
        except sqlite3.Error as error:
            raise read_failure(error, self._path) from error

    async def create_function(self, name: str, function: Callable[[str, str], bool]) -> None:
        """Makes a pure function of two texts known to SQL.  Raises sqlite3.Error."""
        await self._connection.create_function(name, 2, function, deterministic=True)

    async def interrupt(self, work: asyncio.Future[Any]) -> None:
        """Ends the statements that `work` waits for, which then raise StoreClosed."""
        await interrupt(self._connection, work)


def _page(
    connection: sqlite3.Connection, statement: Statement, size: Callable[[Row], int], max_bytes: int
) -> tuple[Row, list[Row], bool]:
    rows: list[Row] = []
    total = 0
    with closing(connection.execute(*statement)) as cursor:
        head = cursor.fetchone()
        for row in cursor:
            total += size(row)
            if rows and total > max_bytes:
                return head, rows, True
            rows.append(row)
    return head, rows, False


async def interrupt(connection: aiosqlite.Connection, work: asyncio.Future[Any]) -> None:
    """Returns when `work`, which waits for statements of `connection`, is done, since they are ended.

    SQLite ends only a statement that runs.  One that was sent may still wait for its thread, so this is repeated.
    """
    while not work.done():
        await connection.interrupt()
        await asyncio.wait([work], timeout=INTERRUPT_SECONDS)


async def interruptible(connection: aiosqlite.Connection, statement: str, values: Sequence[Any] = ()) -> None:
    """Runs a statement that may take long, and interrupts it if the caller is cancelled.  Raises sqlite3.Error."""
    work = asyncio.ensure_future(connection.execute_fetchall(statement, values))
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        await run_to_completion(interrupt(connection, work))
        work.exception()  # retrieved, so that asyncio does not complain of it
        raise
    work.result()


async def run_to_completion(work: Coroutine[Any, Any, Result] | asyncio.Task[Result]) -> Result:
    """Waits for `work` to complete even if the caller is cancelled, and then cancels the caller."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not complain of it
        raise cancelled
    return task.result()
