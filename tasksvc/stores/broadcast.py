"""Wakes all who wait for something."""

from __future__ import annotations

import asyncio
import contextlib


class Broadcast:
    """Wakes all who wait, each time that something has happened."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def notify(self) -> None:
        """Wakes all who wait now."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, timeout: float) -> None:
        """Returns at the next notify() after the call, or after `timeout` seconds."""
        happened = self._next
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await happened.wait()
