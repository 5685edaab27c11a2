"""Tells other processes of changes, after the commits and beside them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from tasksvc.domain.change import Position

PAUSE_SECONDS = 0.01
"""Seconds between two notifications, so that those of many commits are sent together."""


class Notifier:
    """Sends the ends of logs that have become longer, those of many commits together and one message at a time.

    It's for servers where a notification that is part of a commit would have all commits wait for each other.  A
    process that is killed before it has sent a notification leaves it out, so whoever listens looks at the logs too,
    as a Listener does.
    """

    def __init__(
        self, send: Callable[[Mapping[str, Position]], Awaitable[object]], *, pause: float = PAUSE_SECONDS
    ) -> None:
        """Takes `send`, which sends positions by workspace.  What it raises is left at that."""
        self._send, self._pause = send, pause
        self._heads: dict[str, Position] = {}
        self._task: asyncio.Task[None] | None = None

    def tell(self, heads: Mapping[str, Position]) -> None:
        """Sends `heads` with the next message."""
        self._heads.update(heads)
        if self._heads and self._task is None:
            self._task = asyncio.create_task(self._send_all())

    async def close(self) -> None:
        """Returns when all is sent."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _send_all(self) -> None:
        try:
            while self._heads:
                heads, self._heads = self._heads, {}
                with contextlib.suppress(Exception):
                    await self._send(heads)
                await asyncio.sleep(self._pause)
        finally:
            self._task = None
