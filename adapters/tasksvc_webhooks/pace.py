"""How fast requests to targets follow each other, so that those to the service come first.

Both need the same thread.  The pace quickens as long as the thread has time to spare, and slows down while it is busy,
to one at which deliveries fall behind and the service doesn't.  The fewer requests the service has, the less it slows
down, and not at all if there are none.

Requests that failed before have a slow pace of their own.  When many targets die at once, all of them are tried again
at the same time, and each such request takes a new connection and mostly fails: they must not hold up the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

RATE_MAX: Final = 2_000.0
REPEATED_RATE: Final = 100.0
"""Requests a second at most that repeat one that failed."""
RATE_MIN: Final = 25.0
"""Requests a second that are begun however busy the thread is, and however many requests the service has."""
YIELDS: Final = 7_500.0
"""The pace slows down to this number divided by the requests that the service has a second."""
MANY: Final = 20.0
"""The service begins to be busy with more requests a second than these."""
RATE_BEGUN: Final = 200.0
"""The pace at most when it begins to be busy."""
BUSY: Final = 0.35
"""The part of the time that the thread works, above which the pace slows down."""
LATE_SECONDS: Final = 0.002
"""How much later than it should the thread wakes on average, above which the pace slows down.  It shows, too, that
other processes take the processor."""
LOOK_SECONDS: Final = 0.1
"""Between two looks at that."""
RECENT_SECONDS: Final = 1.0
"""Requests that came in a longer time, in which nothing was delivered, say nothing of now."""
QUICKER: Final = 1.15
SLOWER: Final = 0.4
BURST_SECONDS: Final = 0.002
"""For how long requests may be begun at once that weren't begun in time."""


class Pace:
    """Lets requests begin one after the other."""

    def __init__(self, requests_begun: Callable[[], int]) -> None:
        """Takes what returns how many requests the service has had."""
        self.rate = RATE_MAX
        """How many requests a second are begun."""
        self._requests_begun = requests_begun
        self._requests = 0.0
        """How many requests a second the service had."""
        self._next = self._next_repeated = 0.0
        self._looked, self._worked, self._seen = time.monotonic(), time.thread_time(), requests_begun()
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

    async def turn_of_repeated(self) -> None:
        """Returns when one more request may begin that repeats one that failed."""
        now = time.monotonic()
        due = self._next_repeated = max(self._next_repeated, now - BURST_SECONDS) + 1 / REPEATED_RATE
        if due > now:
            await asyncio.sleep(due - now)
        await self.turn()

    def _look(self, now: float) -> None:
        """Sets the pace by what the thread has done since the last look."""
        seconds, worked, begun = now - self._looked, time.thread_time(), self._requests_begun()
        had_many, self._requests = self._requests > MANY, (begun - self._seen) / seconds
        if seconds > RECENT_SECONDS:
            self._requests = 0.0
        is_busy = worked - self._worked > BUSY * seconds
        is_late = self._late > LATE_SECONDS * self._slept
        if self._requests > MANY and not had_many:
            self.rate = min(self.rate, RATE_BEGUN)
        least = min(RATE_MAX, max(RATE_MIN, YIELDS / max(1.0, self._requests)))
        self.rate = min(RATE_MAX, max(least, self.rate * (SLOWER if is_busy or is_late else QUICKER)))
        self._looked, self._worked, self._seen, self._late, self._slept = now, worked, begun, 0.0, 0
