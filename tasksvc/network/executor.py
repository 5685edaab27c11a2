"""Runs work on a connection, within a deadline, and again if that may help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from tasksvc.domain.errors import StoreUnavailable
from tasksvc.network.failure import Failure, Translate, failure_of
from tasksvc.network.pool import Pool
from tasksvc.network.session import AnyConnection, Session

RETRY_DELAYS = (0.0, 0.05, 0.2)
"""Seconds before each further attempt, if the deadline allows it."""
STATEMENT_TIMEOUT_SHARE = 0.9
"""The share of a call's timeout after which the server should give up, so that it still answers.

An adapter sets the timeout of statements at its server to this share: the connection stays usable then.
"""

AnySession = TypeVar("AnySession", bound=Session[Any])
Result = TypeVar("Result")


class Executor(Generic[AnyConnection, AnySession]):
    """Runs the work of a store on connections of a pool, and repeats what may be repeated.

    It alone decides what an error means for a write: the outcome is unknown from when a commit was begun until
    it is answered, unless the server itself refused it.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], Awaitable[AnyConnection]],
        translate: Translate,
        name: str,
        size: int = 8,
        timeout: float = 1.8,
        session: Callable[[AnyConnection], AnySession] = Session,  # type: ignore[assignment]  # where it isn't given
        retry_delays: Sequence[float] = RETRY_DELAYS,
    ) -> None:
        """Takes `connect`, which opens a connection that is ready for use, and what an error of the driver means.

        Errors call the store `name`.  At most `size` connections are open.  A call that takes longer than
        `timeout` seconds fails, with the wait for a connection.  `session` makes what work gets of a connection.
        """
        self._translate, self._session, self._retry_delays = translate, session, retry_delays
        self._name, self._size, self._timeout = name, size, timeout
        self._pool = Pool(connect, size)
        self._scans = asyncio.Semaphore(max(1, size // 2))
        self._loop = asyncio.get_running_loop()
        self._settling: set[asyncio.Task[None]] = set()

    def deadline(self, since: float | None = None) -> float:
        """Returns when a call that started at `since`, or now, has to end, on the clock of the loop."""
        return (self._loop.time() if since is None else since) + self._timeout

    def time_left(self, deadline: float) -> float:
        """Returns the fraction (0 to 1) of a call's timeout that is left until `deadline`."""
        return (deadline - self._loop.time()) / self._timeout

    async def transact(
        self,
        work: Callable[[AnyConnection], Awaitable[Result]],
        *,
        commit: Callable[[AnyConnection], Awaitable[object]],
        deadline: float | None = None,
    ) -> Result:
        """Returns what `work` returns, which begins a transaction and writes, after `commit` has committed it.

        Both may be called again, as long as nothing was written.  Raises OutcomeUnknown where `commit` raised
        anything but the server's refusal; whatever else is raised, nothing was written.
        """

        async def attempt(session: AnySession) -> Result:
            connection: AnyConnection = session.connection
            result = await work(connection)
            await session.commit_with(lambda: commit(connection))
            return result

        return await self.run(attempt, deadline=deadline)

    async def run_scan(
        self, work: Callable[[AnySession], Awaitable[Result]], *, deadline: float | None = None
    ) -> Result:
        """Does what run() does, for work that looks at many tasks.  It gets half of the connections at most."""
        deadline = self.deadline() if deadline is None else deadline
        try:
            async with asyncio.timeout_at(deadline):
                await self._scans.acquire()
        except TimeoutError:
            raise StoreUnavailable("Too many searches run already. Try again soon.") from None
        try:
            return await self.run(work, deadline=deadline)
        finally:
            self._scans.release()

    async def run(self, work: Callable[[AnySession], Awaitable[Result]], *, deadline: float | None = None) -> Result:
        """Returns what `work` returns.  It is called again after an attempt that wrote nothing, if that may help.

        Work that commits does so by Session.commit_with().  A transaction that it leaves open by raising is rolled
        back.  Errors of the driver become a StoreUnavailable or OutcomeUnknown; others are passed on.
        """
        deadline = self.deadline() if deadline is None else deadline
        pauses = iter(self._retry_delays)
        while True:
            session: AnySession | None = None
            has_time = self.time_left(deadline) > STATEMENT_TIMEOUT_SHARE
            try:
                async with asyncio.timeout_at(deadline) as timeout:
                    connection = await self._pool.acquire()
                    session = self._session(connection)
                    return await self._attempt(work, session, connection, timeout)
            except Exception as error:
                failure = self._failure(error, session)
                if failure is None:
                    raise
                # Where the server had the time to give up by itself and was silent, its other connections hang too.
                if failure.expire_pool or (has_time and session is not None and isinstance(error, TimeoutError)):
                    self._pool.expire()
                pause = next(pauses, None)
                if not failure.retryable or pause is None or self._loop.time() + pause >= deadline:
                    raise failure.error from error
            await asyncio.sleep(pause)

    async def _attempt(
        self,
        work: Callable[[AnySession], Awaitable[Result]],
        session: AnySession,
        connection: AnyConnection,
        timeout: asyncio.Timeout,
    ) -> Result:
        try:
            result = await work(session)
        except Exception as error:
            failure = self._failure(error, session)
            if failure is None or failure.refused:
                await self._roll_back(connection)
            else:
                self._drop(connection)
            raise
        except asyncio.CancelledError:
            if timeout.expired():
                self._drop(connection)
            else:
                self._settle_later(connection)
            raise
        except BaseException:
            self._drop(connection)
            raise
        self._pool.release(connection)
        return result

    def _drop(self, connection: AnyConnection) -> None:
        connection.terminate()
        self._pool.release(connection)

    async def _roll_back(self, connection: AnyConnection) -> None:
        """Rolls back the transaction of a connection that can be used again."""
        try:
            await connection.roll_back()
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, Exception):
                raise
        finally:
            self._pool.release(connection)

    def _settle_later(self, connection: AnyConnection) -> None:
        """Releases the connection as soon as the server has ended what was cancelled.

        A connection that is dropped at once would leave the server at work.
        """
        task = self._loop.create_task(self._settle(connection))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, connection: AnyConnection) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await connection.settle()
                if not connection.is_closed():
                    await connection.roll_back()
        except Exception:  # of the driver, or the timeout
            connection.terminate()
        finally:
            self._pool.release(connection)

    def _failure(self, error: Exception, session: AnySession | None) -> Failure | None:
        if session is None and isinstance(error, TimeoutError) and self._pool.is_exhausted:
            told = f"All {self._size} connections to {self._name} are in use. Try again soon."
            return Failure(StoreUnavailable(told))
        committing = session is not None and session.committing
        return failure_of(error, self._translate, name=self._name, committing=committing)

    async def close(self) -> None:
        """Waits for running work, at most for the timeout of a call, and drops all connections."""
        if self._settling:
            await asyncio.wait(self._settling)
        await self._pool.close(timeout=self._timeout)
