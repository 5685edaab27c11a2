"""Connections that are kept for the next one who needs one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tasksvc import StoreClosed
from tasksvc_postgresql.errors import DRIVER_ERRORS
from tasksvc_postgresql.greeting import Connection


class Pool:
    """At most `size` connections, made when they are needed, taken in the order of the asking.

    asyncpg's own pool takes a turn of the loop, or a round trip, to get a connection back, and waits
    there for the network after a result is known.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect, self._size = connect, size
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._good: set[Connection] = set()
        """Those that were not expired."""
        self._closed = False

    @property
    def is_exhausted(self) -> bool:
        """Whoever comes now has to wait."""
        return self._free.locked()

    async def take(self) -> Connection:
        """A connection that nobody else uses, until it is given back.  Raises StoreClosed."""
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
        self._good.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Takes back a connection in the state of a new one, or one that is to be dropped."""
        if connection in self._good and not connection.is_closed() and not self._closed:
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._free.release()

    def expire(self) -> None:
        """Lets no connection be used again, once it is given back."""
        self._good.clear()
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
                    self._good.discard(self._idle.pop())
        for connection in (*self._idle, *self._good):
            self._drop(connection)
        self._idle.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("The store is closed.")

    def _drop(self, connection: Connection) -> None:
        self._good.discard(connection)
        connection.terminate()
