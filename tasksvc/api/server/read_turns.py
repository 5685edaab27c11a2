"""Turns at being read from, so that many connections that send much at once don't hold up the others."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class Reader(Protocol):
    """A connection that isn't read from until it's its turn."""

    def read_on(self) -> None:
        """Reads on, since it's its turn."""


class ReadTurns:
    """Lets one connection go on at each turn of the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[Reader] = deque()

    def wait(self, reader: Reader) -> None:
        """Calls `reader.read_on()` in one of the next turns of the loop."""
        self._waiting.append(reader)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        if len(self._waiting) > 1:
            asyncio.get_running_loop().call_soon(self._next)
        self._waiting.popleft().read_on()
