"""A pool of connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tasksvc import StoreClosed
from tasksvc_postgresql.errors import DRIVER_ERRORS
from tasksvc_postgresql.greeting import Connection


class Pool:
    """At most `size` connections, opened when they are needed, and acquired in the order of the calls.

    asyncpg's own pool takes a turn of the loop, or a round trip, to get a connection back, and waits
    there for the network after a result is known.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect, self._size = connect, size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._live: set[Connection] = set()
        """The connections that were not expired."""
        self._closed = False

    @property
    def is_exhausted(self) -> bool:
        """Whether acquire() has to wait now."""
        return self._free.locked()

    async def acquire(self) -> Connection:
        """Returns a connection for the caller alone, until its release().  Raises StoreClosed."""
        self._check_open()
        await self._free.acquire()
        try:
            self._check_open()
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._drop(connection)
            connection = await self._connect()
        except BaseException:
            self._free.release()
            raise
        self._live.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Takes back a connection that is in the state of a new one; a closed or expired one is dropped."""
        if connection in self._live and not connection.is_closed() and not self._closed:
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._free.release()

    def expire(self) -> None:
        """Drops all idle connections now, and all others at their release()."""
        self._live.clear()
        while self._idle:
            self._drop(self._idle.pop())

    async def close(self, *, timeout: float) -> None:
        """Waits up to `timeout` seconds for those in use, and drops the rest."""
        self._closed = True
        with contextlib.suppress(*DRIVER_ERRORS):
            async with asyncio.timeout(timeout):
                for _ in range(self._size):
                    await self._free.acquire()
                while self._idle:
                    await self._idle[-1].close()
                    self._live.discard(self._idle.pop())
        for connection in (*self._idle, *self._live):
            self._drop(connection)
        self._idle.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("The store is closed.")

    def _drop(self, connection: Connection) -> None:
        self._live.discard(connection)
        connection.terminate()
