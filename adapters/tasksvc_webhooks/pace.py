"""How fast requests to targets follow each other, so that those to the service come first.

Both need the same thread.  While the service has few requests, nothing holds the others up.  While it has many, the
pace quickens as long as the thread has time to spare, and slows down while it is busy, to a pace at which deliveries
fall behind and the service doesn't.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

RATE_MIN: Final = 50.0
"""Requests a second that are begun however busy the thread is: they take about a thirtieth of its time."""
RATE_MAX: Final = 2_000.0
FEW: Final = 20.0
"""Requests to the service a second up to which the pace doesn't slow down."""
BUSY: Final = 0.6
"""The part of the time that the thread works, above which the pace slows down."""
LATE_SECONDS: Final = 0.003
"""How much later than it should the thread wakes on average, above which the pace slows down.  It shows, too, that
other processes take the processor."""
LOOK_SECONDS: Final = 0.1
"""Between two looks at that."""
QUICKER: Final = 1.15
SLOWER: Final = 0.6
BURST_SECONDS: Final = 0.002
"""For how long requests may be begun at once that weren't begun in time."""


class Pace:
    """Lets requests begin one after the other."""

    def __init__(self, requests_begun: Callable[[], int]) -> None:
        """Takes what returns how many requests the service has had."""
        self.rate = RATE_MAX
        """How many requests a second are begun."""
        self._requests_begun, self._seen = requests_begun, 0
        self._next = 0.0
        self._looked = self._worked = 0.0
        self._late, self._slept = 0.0, 0

    async def turn(self) -> None:
        """Returns when one more request may begin."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._look(now)
        due = self._next = max(self._next, now - BURST_SECONDS) + 1 / self.rate
        if due > now:
            await asyncio.sleep(due - now)
            self._late += time.monotonic() - due
            self._slept += 1

    def _look(self, now: float) -> None:
        """Sets the pace by what the thread has done since the last look."""
        seconds, worked, begun = now - self._looked, time.thread_time(), self._requests_begun()
        is_busy = worked - self._worked > BUSY * seconds
        is_late = self._late > LATE_SECONDS * self._slept
        if begun - self._seen <= max(1, FEW * seconds):
            self.rate = RATE_MAX
        else:
            self.rate = min(RATE_MAX, max(RATE_MIN, self.rate * (SLOWER if is_busy or is_late else QUICKER)))
        self._looked, self._worked, self._seen, self._late, self._slept = now, worked, begun, 0.0, 0
