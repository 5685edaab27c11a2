"""Listens to notifications of changes, with LISTEN, and sends them.

NOTIFY takes a lock of the whole server until its transaction is committed, with the wait for the disk and for standbys.
So it isn't part of commits: a Notifier sends it after them, in transactions that wait for neither.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping

from tasksvc import Position, codec
from tasksvc.network import Listener, Look
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.session import UNSYNCED, Session

CHANNEL = "tasksvc"
"""The channel of notifications: JSON arrays of the schema, and of name, generation and last_seq of each workspace."""
PAYLOAD_BYTES = 7_000
"""The bytes of a notification after which another one is begun; the server takes less than 8,000."""

HEARTBEAT = 5.0
"""Seconds without a notification after which the connection is tested."""

NOTIFY_RENEWED = f"SELECT pg_notify('{CHANNEL}', json_build_array(current_schema())::text)"
"""Tells that the store was renewed, as part of the transaction that does so, which is rare."""
_NOTIFY = f"SELECT pg_notify('{CHANNEL}', payload) FROM unnest($1::text[]) AS payload CROSS JOIN {UNSYNCED}"


async def notify(session: Session, schema: str, heads: Mapping[str, Position]) -> None:
    """Notifies those who listen of the ends of logs."""
    await session.fetch(_NOTIFY, list(_payloads(schema, heads)))


def _payloads(schema: str, heads: Mapping[str, Position]) -> Iterator[str]:
    payload: list[object] = [schema]
    size = 0
    for name, (generation, seq) in heads.items():
        payload += (name, generation, seq)
        size += len(name) + 64
        if size > PAYLOAD_BYTES:
            yield codec.dumps(payload).decode()
            payload, size = [schema], 0
    if len(payload) > 1:
        yield codec.dumps(payload).decode()


class NotifyListener(Listener):
    """Notices changes by other processes, of which they notify it, while somebody waits."""

    def __init__(
        self,
        look: Callable[[str], Awaitable[Look]],
        connect: Callable[[], Awaitable[Connection]],
        saw: Callable[[Mapping[str, Position]], None],
        *,
        schema: str,
        timeout: float,
    ) -> None:
        """Takes `saw`, which gets all that is noticed, and the timeout of a statement in seconds."""
        super().__init__(look, self._listen_on_connection)
        self._connect, self._saw, self._schema, self._timeout = connect, saw, schema, timeout

    def note(self, workspace: str, position: Position) -> None:
        """Does what LogHeads.note() does."""
        self._saw({workspace: position})
        super().note(workspace, position)

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
        schema, *heads = codec.loads(payload)
        if schema == self._schema:
            for name, generation, seq in zip(heads[::3], heads[1::3], heads[2::3], strict=True):
                self.note(name, Position(generation, seq))
            if not heads:
                self.wake()
