"""Listens to notifications of changes, with LISTEN."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tasksvc import Position
from tasksvc.network import Listener
from tasksvc_postgresql.commit import CHANNEL
from tasksvc_postgresql.greeting import Connection

HEARTBEAT = 5.0
"""Seconds without a notification after which the connection is tested."""


class NotifyListener(Listener):
    """Notices changes by other processes, of which the server notifies it, while somebody waits."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], schema: str, timeout: float) -> None:
        """Takes the timeout of a statement in seconds."""
        super().__init__(self._listen_on_connection)
        self._connect, self._schema, self._timeout = connect, schema, timeout

    async def _listen_on_connection(self, begin: Callable[[], None]) -> None:
        """Listens until the connection is lost, and raises what the driver does."""
        connection = await self._connect()
        lost = asyncio.Event()
        try:
            if connection.is_pooled:  # it would listen in a session that is not its own
                return
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._on_notification)
            begin()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT):
                        await lost.wait()
                await connection.execute("SELECT 1", timeout=self._timeout)  # raises if it is lost
        finally:
            connection.terminate()

    def _on_notification(self, _: object, pid: int, channel: str, payload: str) -> None:
        seq, generation, schema = payload.split(" ", 2)
        if schema == self._schema:
            self.note(Position(generation, int(seq)))
