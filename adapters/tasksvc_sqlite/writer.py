"""The one connection that commits and checkpoints.

Before 3.51.3 SQLite has a race between a checkpoint and the commit of another connection, so no
second one does either.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import aiosqlite

from tasksvc import OutcomeUnknown, Position, StoreClosed, StoreUnavailable
from tasksvc.files import HighWaterMark
from tasksvc.sql import Row
from tasksvc_sqlite.cache import StoreState
from tasksvc_sqlite.connection import interruptible
from tasksvc_sqlite.errors import BIND_ERRORS, is_locked, read_failure, write_failure
from tasksvc_sqlite.marking import KEEP_MARK
from tasksvc_sqlite.rows import Statement
from tasksvc_sqlite.schema import DEFAULT_GENERATION, STATE, renewal
from tasksvc_sqlite.settings import Settings

_CHECKPOINT_PAGES: Final = 4_000
"""Pages of SQLite's log from which it checkpoints by itself.  With a quarter of it, small writes are a tenth slower."""
_LOG_SECONDS: Final = 0.1
"""Seconds that a writer waits for readers, so that a log that is too long can start from its beginning."""
_BUSY_AGAIN_SECONDS: Final = 0.05
"""Replaces the busy timeout after a write timed out on a locked file, until one succeeds: queued writes fail fast."""
_SECURE_DELETE: Final = ("OFF", "ON", "FAST")
"""The settings of PRAGMA secure_delete, by the numbers that it answers."""


class WriteConnection:
    """The connection that writes.  `async with` takes a turn alone, from reading to decide until writing.

    To take a turn raises a StoreUnavailable that says why nothing can be written, if so.
    """

    def __init__(self, connection: aiosqlite.Connection, path: str, mark: HighWaterMark, settings: Settings) -> None:
        self._connection, self._path, self._mark = connection, path, mark
        self._lock = asyncio.Lock()
        # Without its log it would lose what is committed, and without its lock it is not the only one.
        self._files = {file: os.stat(file) for file in (path, f"{path}-wal", f"{path}.lock")}
        self._settings = settings
        self._busy_timeout = settings.busy_timeout
        """Seconds, as the connection has it now."""
        self._until_look, self._log_limit = settings.log_check_interval, settings.log_bytes
        self._stopped: str | None = None
        self._closed = False

    async def set_up(self) -> None:
        """Sets up the connection, before its first use.  Raises sqlite3.Error."""
        await self._execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        await self._execute(f"PRAGMA journal_size_limit = {self._settings.log_bytes}")

    async def __aenter__(self) -> WriteConnection:
        await self._lock.acquire()
        try:
            self.check()
        except BaseException:
            self._lock.release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    def check(self) -> None:
        """Raises a StoreUnavailable that says why nothing can be written, if so."""
        if self._closed:
            raise StoreClosed("The store is closed.")
        if self._stopped is not None:
            raise StoreUnavailable(self._stopped)
        for file, served in self._files.items():
            if not _is(file, served):
                raise StoreUnavailable(
                    f"{file} was moved, removed or replaced while {self._path} was served,"
                    " so nothing is written any more. Put it back, or restart."
                )

    async def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """As the last transaction left them.  Raises StoreUnavailable, and one of BIND_ERRORS."""
        try:
            return await self._execute(sql, values)
        except BIND_ERRORS:
            raise
        except sqlite3.Error as error:
            raise read_failure(error, self._path) from error

    async def state(self) -> StoreState:
        """Returns the state of the store.  Raises as rows() does."""
        (row,) = await self.rows(STATE)
        return StoreState(*row)

    async def keep_mark(self, state: StoreState) -> None:
        """Writes the state of the store to the mark beside the file.  Raises as rows() does."""
        await self.rows(KEEP_MARK, state.mark)

    async def renewal(self) -> Statement:
        """Returns the statement that gives the store a new epoch.  Raises as rows() does."""
        (row,) = await self.rows(DEFAULT_GENERATION)
        return renewal(*row)

    async def write(self, statements: Sequence[Statement], *, head: Position | None = None) -> None:
        """Does all of `statements` in one transaction, which is on disk when this returns.

        `head` is what the mark beside the file says after it, where that changes.

        Raises StoreUnavailable, StoreFull and OutcomeUnknown, and one of BIND_ERRORS where a value is;
        nothing was written then, but for OutcomeUnknown.
        """
        self._mark.due = head
        if len(statements) == 1:  # a transaction in itself
            await self._execute_all(statements)
        else:
            await self._execute_all([Statement("BEGIN IMMEDIATE"), *statements, Statement("COMMIT")])
        self._until_look -= 1
        if self._until_look <= 0:
            await self._checkpoint_if_long()

    async def begin(self) -> None:
        """Begins a transaction, to which execute_more() adds until commit() or roll_back().  All raise as write()."""
        await self._execute_all([Statement("BEGIN IMMEDIATE")])

    async def execute_more(self, statements: Sequence[Statement]) -> None:
        """Executes further statements in the open transaction."""
        await self._execute_all(statements)

    async def commit(self) -> None:
        """Commits the transaction, which is on disk when this returns."""
        await self._execute_all([Statement("COMMIT")])

    async def roll_back(self) -> None:
        """Rolls back the transaction, if one is open."""
        self._mark.due = None
        with contextlib.suppress(sqlite3.Error):  # SQLite ends it by itself after some failures
            await self._execute("ROLLBACK")

    @contextlib.asynccontextmanager
    async def without_zeros(self) -> AsyncIterator[None]:
        """Keeps SQLite from overwriting pages with zeros that it deletes in the block, as some builds do."""
        ((setting,),) = await self.rows("PRAGMA secure_delete")
        await self.rows("PRAGMA secure_delete = OFF")
        try:
            yield
        finally:
            await self.rows(f"PRAGMA secure_delete = {_SECURE_DELETE[setting]}")

    async def vacuum(self) -> None:
        """Rewrites the file without what was deleted, to SQLite's log at first; it ends when the caller is cancelled.

        Raises as write() does.
        """
        try:
            await interruptible(self._connection, "VACUUM")
        except sqlite3.Error as error:
            raise self._failure(error) from error

    async def checkpoint(self) -> None:
        """Brings what it can of SQLite's log to the file, so that it's not all due at once in the turn of a commit."""
        with contextlib.suppress(sqlite3.Error):
            await self._execute("PRAGMA wal_checkpoint(PASSIVE)")

    async def empty_log(self) -> bool:
        """Brings SQLite's log to the file, and returns whether it's empty then; readers may need what is in it."""
        try:
            await self._wait_for_others(_LOG_SECONDS)
            ((busy, _, _),) = await self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
            await self._wait_for_others(self._settings.busy_timeout)
        except sqlite3.Error:
            return False
        return not busy

    async def close(self) -> None:
        """Waits for the turn that is taken, and refuses all later ones."""
        async with self._lock:
            self._closed = True

    async def _execute_all(self, statements: Sequence[Statement]) -> None:
        """Executes statements in their order.  If one fails, the transaction is rolled back."""
        try:
            for statement in statements:
                await self._execute(*statement)
            await self._wait_for_others(self._settings.busy_timeout)
        except BIND_ERRORS:
            await self.roll_back()
            raise
        except sqlite3.Error as error:
            await self.roll_back()
            if is_locked(error):
                await self._wait_for_others(_BUSY_AGAIN_SECONDS)
            raise self._failure(error) from error
        except asyncio.CancelledError:
            # Only where the event loop itself is stopped.  The thread still executes the statement.
            self._stopped = f"Writing to {self._path} was stopped half-way. Restart."
            raise

    def _failure(self, error: sqlite3.Error) -> StoreUnavailable:
        """Returns the error of the port for a write that failed; no more is written if its outcome is unknown."""
        failure = write_failure(error, self._path)
        if isinstance(failure, OutcomeUnknown):
            self._stopped = str(failure)
        return failure

    async def _checkpoint_if_long(self) -> None:
        self._until_look = self._settings.log_check_interval
        try:
            size = os.stat(f"{self._path}-wal").st_size
        except OSError:
            return
        if size < self._log_limit:
            return
        self._log_limit = self._settings.log_bytes + (0 if await self.empty_log() else size)

    async def _wait_for_others(self, seconds: float) -> None:
        """How long statements wait while another program holds the file locked."""
        if seconds != self._busy_timeout:
            await self._execute(f"PRAGMA busy_timeout = {seconds * 1_000:.0f}")
            self._busy_timeout = seconds

    async def _execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return list(await self._connection.execute_fetchall(sql, values))


def _is(file: str, served: os.stat_result) -> bool:
    """Returns whether `file` is still the one that was opened."""
    try:
        return os.path.samestat(os.stat(file), served)
    except OSError:
        return False
