"""How fast requests to targets follow each other, so that those to the service come first.

Both need the same thread.  While it has time to spare the pace quickens, and while it is busy it slows down, to a pace
at which deliveries fall behind and the service doesn't.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

RATE_MIN: Final = 50.0
"""Requests a second that are begun however busy the thread is."""
RATE_MAX: Final = 2_000.0
BUSY: Final = 0.6
"""The part of the time that the thread works, above which the pace slows down."""
LOOK_SECONDS: Final = 0.1
"""Between two looks at how busy the thread is."""
QUICKER: Final = 1.2
SLOWER: Final = 0.7
BURST_SECONDS: Final = 0.005
"""For how long requests may be begun at once that weren't begun in time."""


class Pace:
    """Lets requests begin one after the other."""

    def __init__(self) -> None:
        self.rate = 200.0
        """How many requests a second are begun."""
        self._next = 0.0
        self._looked = 0.0
        self._worked = 0.0

    async def turn(self) -> None:
        """Returns when one more request may begin."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._look(now)
        self._next = max(self._next, now - BURST_SECONDS) + 1 / self.rate
        if self._next > now:
            await asyncio.sleep(self._next - now)

    def _look(self, now: float) -> None:
        """Sets the pace by how much the thread has worked since the last look."""
        worked = time.thread_time()
        busy = (worked - self._worked) / (now - self._looked)
        self._looked, self._worked = now, worked
        self.rate = min(RATE_MAX, max(RATE_MIN, self.rate * (SLOWER if busy > BUSY else QUICKER)))
