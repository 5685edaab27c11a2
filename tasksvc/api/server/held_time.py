"""How long the event loop was held up, so that nobody's deadline passes while nothing could be done for them."""

from __future__ import annotations

import asyncio
from time import monotonic

BEAT_SECONDS = 0.1
"""Seconds between two beats.  At most this much of a longer hold of the loop isn't noticed."""


class HeldTime:
    """Measures by how much beats are late, as long as somebody watches.  Nothing is done at other times."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._watching = 0
        self._due = 0.0
        """When the next beat is due, by monotonic(): uvloop's own time stands still in a turn that takes long."""
        self._beat: asyncio.TimerHandle | None = None

    def seconds(self) -> float:
        """Returns for how many seconds the loop has been held so far, while it was watched."""
        late = 0.0 if self._beat is None else max(0.0, monotonic() - self._due)
        return self._seconds + late

    def watch(self) -> None:
        """Watches the loop until unwatch() was called as often as this."""
        self._watching += 1
        if self._beat is None:
            self._expect_beat()

    def unwatch(self) -> None:
        """Undoes one call of watch()."""
        self._watching -= 1

    def _expect_beat(self) -> None:
        self._due = monotonic() + BEAT_SECONDS
        self._beat = asyncio.get_running_loop().call_at(self._due, self._come)

    def _come(self) -> None:
        self._seconds, self._beat = self.seconds(), None
        if self._watching:
            self._expect_beat()
