"""Waiting for changes: this process's own, and those that the server tells of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tasksvc import Position
from tasksvc_postgresql.commit import CHANNEL
from tasksvc_postgresql.errors import DRIVER_ERRORS
from tasksvc_postgresql.greeting import Connection

POLL = 1.0
"""The longest wait in seconds while the server notifies of changes, in case a notification is lost."""
POLL_DEAF = 0.1
"""The same while there is no connection to listen on, or a pooler before the server."""
HEARTBEAT = 5.0
"""Seconds after which a connection that says nothing is asked whether it still lives."""
RECONNECT = 0.5
"""Seconds between attempts to connect."""


class Listener:
    """Knows the number of the last change of which this process has heard."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        schema: str,
        timeout: float,
        *,
        poll: float = POLL,
        poll_deaf: float = POLL_DEAF,
    ) -> None:
        """`poll`, `poll_deaf`: the longest waits in seconds, as POLL and POLL_DEAF."""
        self._connect, self._schema, self._timeout = connect, schema, timeout
        self.poll, self.poll_deaf = poll, poll_deaf
        self.head = Position("", 0)
        """As far as the log was seen to go."""
        self._changed = asyncio.Event()
        self._is_listening = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def saw(self, head: Position) -> None:
        """Wakes everything that waits for a change, if `head` is higher than before."""
        if head.generation != self.head.generation or head.seq > self.head.seq:
            self.head = head
            self._wake()

    async def wait(self, since: Position, *, timeout: float) -> None:
        """Returns when there may be a change after `since`, or when it is time to look."""
        if self._closed or (self.head.generation == since.generation and self.head.seq > since.seq):
            return
        if self._task is None:  # nobody waited so far
            self._task = asyncio.create_task(self._listen_forever())
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout, self.poll if self._is_listening else self.poll_deaf)):
                await changed.wait()

    async def close(self) -> None:
        """Ends the connection and all waits."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _listen_forever(self) -> None:
        while True:
            with contextlib.suppress(*DRIVER_ERRORS):
                connection = await self._connect()
                if connection.is_pooled:  # it would listen in a session that is not its own
                    connection.terminate()
                    return
                await self._listen(connection)
            await asyncio.sleep(RECONNECT)

    async def _listen(self, connection: Connection) -> None:
        """Until the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            self._is_listening = True
            self._wake()  # who waits may have missed something
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await lost.wait()
                await connection.execute("SELECT 1", timeout=self._timeout)
        finally:
            self._is_listening = False
            connection.terminate()

    def _on_notification(self, _: object, pid: int, channel: str, told: str) -> None:
        seq, generation, schema = told.split(" ", 2)
        if schema == self._schema:
            self.saw(Position(generation, int(seq)))
