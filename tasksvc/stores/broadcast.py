"""Wakes all who wait for something."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable


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


class Broadcasts:
    """Broadcasts by name, each of which takes memory only while somebody waits for it."""

    def __init__(self) -> None:
        self._broadcasts: dict[str, Broadcast] = {}
        self._waiting: Counter[str] = Counter()

    def notify(self, names: Iterable[str]) -> None:
        """Wakes all who wait for one of `names` now."""
        for name in names:
            if (broadcast := self._broadcasts.get(name)) is not None:
                broadcast.notify()

    def notify_all(self) -> None:
        """Wakes all who wait now."""
        self.notify(tuple(self._broadcasts))

    async def wait(self, name: str, timeout: float) -> None:
        """Returns at the next notify() of `name` after the call, or after `timeout` seconds."""
        broadcast = self._broadcasts.setdefault(name, Broadcast())
        self._waiting[name] += 1
        try:
            await broadcast.wait(timeout)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name], self._broadcasts[name]
