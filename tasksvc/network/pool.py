"""A pool of connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic

from tasksvc.domain.errors import StoreClosed
from tasksvc.network.session import AnyConnection


class Pool(Generic[AnyConnection]):
    """At most `size` connections, opened when they are needed, and acquired in the order of the calls.

    Pools of drivers take a turn of the loop, or a round trip, to get a connection back, and wait there for the
    network after a result is known.
    """

    def __init__(self, connect: Callable[[], Awaitable[AnyConnection]], size: int) -> None:
        self._connect, self._size = connect, size
        self._free = asyncio.Semaphore(size)
        self._idle: list[AnyConnection] = []
        self._live: set[AnyConnection] = set()
        """The connections that were not expired."""
        self._closed = False

    @property
    def is_exhausted(self) -> bool:
        """Whether acquire() has to wait now."""
        return self._free.locked()

    async def acquire(self) -> AnyConnection:
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

    def release(self, connection: AnyConnection) -> None:
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
        """Waits up to `timeout` seconds for those in use, and drops the rest.  A second close does nothing."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(Exception):  # a driver's, or the timeout
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

    def _drop(self, connection: AnyConnection) -> None:
        self._live.discard(connection)
        connection.terminate()
