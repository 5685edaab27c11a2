"""Runs work on a connection, within a deadline, and again if that may help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import asyncpg

from tasksvc import StoreUnavailable
from tasksvc_postgresql.errors import DRIVER_ERRORS, Failure, is_server_error, translate_error
from tasksvc_postgresql.greeting import READ_COMMITTED, Connection
from tasksvc_postgresql.pool import Pool
from tasksvc_postgresql.rows import Row
from tasksvc_postgresql.settings import STATEMENT_TIMEOUT_SHARE, Settings

RETRY_DELAYS = (0.0, 0.05, 0.2)
"""Seconds before each further attempt, if the deadline allows it."""

Result = TypeVar("Result")


class Session:
    """A connection for one attempt at some work, which knows whether the attempt is committing."""

    def __init__(self, connection: Connection, *, timeout: float | None = None) -> None:
        """Takes `timeout`: seconds for each statement, if the work as a whole has no deadline."""
        self._connection, self._timeout = connection, timeout
        self.committing = False
        """Whether the transaction may be committed by now, even if the connection is lost."""

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Returns the rows of a statement that writes nothing, or that is part of a transaction."""
        begins = self._connection.is_pooled and not self._connection.is_in_transaction()
        if begins:
            await self.begin()
        rows: list[Any] = await self._connection.fetch(statement, *values, timeout=self._timeout)
        if begins:
            await self.execute("COMMIT")
        return rows

    async def execute(self, statements: str) -> None:
        """Executes statements without values, in one round trip."""
        await self._connection.execute(statements, timeout=self._timeout)

    async def copy(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        """Inserts rows into a table with COPY."""
        await self._connection.copy_records_to_table(
            table, columns=columns.split(", "), records=rows, timeout=self._timeout
        )

    async def write_alone(self, statement: str, *values: Any) -> list[Any]:
        """Returns the rows of a statement that writes and is a transaction of its own."""
        if self._connection.is_pooled:
            await self.begin()
            rows = await self.fetch(statement, *values)
            await self.commit()
            return rows
        written: list[Any] = await self._committed(self._connection.fetch, statement, *values)
        return written

    async def begin(self, statements: str = "", *, mode: str = READ_COMMITTED) -> None:
        """Begins a transaction with `statements`, in one round trip."""
        await self.execute(f"{self._connection.begin(mode)}; {statements}")

    async def commit(self) -> None:
        """Commits the transaction that begin() began."""
        await self._committed(self._connection.execute, "COMMIT")

    async def _committed(self, send: Callable[..., Awaitable[Any]], *statement: Any) -> Any:
        if self._connection.is_closed():
            raise asyncpg.ConnectionDoesNotExistError("the connection was lost")
        self.committing = True
        answer = await send(*statement, timeout=self._timeout)
        self.committing = False
        return answer


class RetryingExecutor:
    """Runs the statements of a store on connections of its pool, and repeats what may be repeated."""

    def __init__(self, settings: Settings, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._settings = settings
        self._pool = Pool(connect, settings.pool_size)
        self._loop = asyncio.get_running_loop()
        self._settling: set[asyncio.Task[None]] = set()

    def deadline(self, since: float | None = None) -> float:
        """Returns when a call that started at `since`, or now, has to end, on the clock of the loop."""
        return (self._loop.time() if since is None else since) + self._settings.timeout

    def time_left(self, deadline: float) -> float:
        """Returns the fraction (0 to 1) of a call's timeout that is left until `deadline`."""
        return (deadline - self._loop.time()) / self._settings.timeout

    async def run(self, work: Callable[[Session], Awaitable[Result]], *, deadline: float | None = None) -> Result:
        """Returns what `work` returns.  It is called again after an attempt that wrote nothing, if that may help.

        A transaction that it leaves open by raising is rolled back.  Errors of the driver become a StoreUnavailable.
        """
        deadline = self.deadline() if deadline is None else deadline
        pauses = iter(RETRY_DELAYS)
        while True:
            session: Session | None = None
            has_time = self.time_left(deadline) > STATEMENT_TIMEOUT_SHARE
            try:
                async with asyncio.timeout_at(deadline) as timeout:
                    connection = await self._pool.acquire()
                    session = Session(connection)
                    return await self._do(work, session, connection, timeout)
            except DRIVER_ERRORS as error:
                failure = self._translate_error(error, session)
                # Where the server had the time to give up by itself and was silent, its other connections hang too.
                if failure.expire_pool or (has_time and session is not None and isinstance(error, TimeoutError)):
                    self._pool.expire()
                pause = next(pauses, None)
                if not failure.retryable or pause is None or self._loop.time() + pause >= deadline:
                    raise failure.error from error
            await asyncio.sleep(pause)

    async def _do(
        self,
        work: Callable[[Session], Awaitable[Result]],
        session: Session,
        connection: Connection,
        timeout: asyncio.Timeout,
    ) -> Result:
        try:
            result = await work(session)
        except BaseException as error:
            if isinstance(error, Exception) and (is_server_error(error) or not isinstance(error, DRIVER_ERRORS)):
                await self._roll_back(connection)
            elif isinstance(error, asyncio.CancelledError) and not timeout.expired():
                self._settle_later(connection)
            else:
                connection.terminate()
                self._pool.release(connection)
            raise
        self._pool.release(connection)
        return result

    async def _roll_back(self, connection: Connection) -> None:
        """Rolls back the transaction of a connection that can be used again."""
        try:
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, DRIVER_ERRORS):
                raise
        finally:
            self._pool.release(connection)

    def _settle_later(self, connection: Connection) -> None:
        """Releases the connection as soon as the server has ended what was cancelled, which asyncpg has asked it to.

        A connection that is dropped at once would leave the server at work.
        """
        task = self._loop.create_task(self._settle(connection))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self._settings.timeout):
                # asyncpg sends it when the server has heard of the cancellation, which may end this at most.
                await connection.execute("SELECT")
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
        except DRIVER_ERRORS:
            connection.terminate()
        finally:
            self._pool.release(connection)

    def _translate_error(self, error: Exception, session: Session | None) -> Failure:
        if session is None and isinstance(error, TimeoutError) and self._pool.is_exhausted:
            told = f"All {self._settings.pool_size} connections to {self._settings.name} are in use. Try again soon."
            return Failure(StoreUnavailable(told), retryable=False, expire_pool=False)
        return translate_error(error, name=self._settings.name, committing=session is not None and session.committing)

    async def close(self) -> None:
        """Waits for running work, at most for the timeout of a call, and drops all connections."""
        if self._settling:
            await asyncio.wait(self._settling)
        await self._pool.close(timeout=self._settings.timeout)
