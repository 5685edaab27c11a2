"""Waits for changes, those of this process and those of which the server notifies it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tasksvc import Position
from tasksvc.network import LogHead
from tasksvc_postgresql.commit import CHANNEL
from tasksvc_postgresql.errors import DRIVER_ERRORS
from tasksvc_postgresql.greeting import Connection

POLL = 1.0
"""The longest wait in seconds while the server notifies of changes, in case a notification is lost."""
POLL_DEAF = 0.1
"""The longest wait in seconds while no connection listens, as behind a pooler."""
HEARTBEAT = 5.0
"""Seconds without a notification after which the connection is tested."""
RECONNECT = 0.5
"""Seconds between two attempts to connect."""


class Listener(LogHead):
    """Notices changes by other processes, of which the server notifies it, while somebody waits."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        schema: str,
        timeout: float,
        *,
        poll: float = POLL,
        poll_deaf: float = POLL_DEAF,
    ) -> None:
        """Takes the longest waits in seconds, which stand for POLL and POLL_DEAF."""
        super().__init__()
        self._connect, self._schema, self._timeout = connect, schema, timeout
        self.poll, self.poll_deaf = poll, poll_deaf
        self._is_listening = False
        self._task: asyncio.Task[None] | None = None

    async def wait(self, since: Position, *, timeout: float) -> None:
        """Returns when there may be a change after `since`, or when the polling interval has passed."""
        if self._task is None and not self.closed:  # nobody waited so far
            self._task = asyncio.create_task(self._listen_forever())
        await super().wait(since, timeout=min(timeout, self.poll if self._is_listening else self.poll_deaf))

    async def stop(self) -> None:
        """Closes the connection and ends all waits."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

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
        """Listens until the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(CHANNEL, self._on_notification)
            self._is_listening = True
            self.wake()  # who waits may have missed something
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await lost.wait()
                await connection.execute("SELECT 1", timeout=self._timeout)
        finally:
            self._is_listening = False
            connection.terminate()

    def _on_notification(self, _: object, pid: int, channel: str, payload: str) -> None:
        seq, generation, schema = payload.split(" ", 2)
        if schema == self._schema:
            self.note(Position(generation, int(seq)))
