"""Says when the event loop is held up, and where: whoever blocks it stops everybody.

It is a thread, since only that can tell while it lasts.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from time import monotonic

from tasksvc.application.limits import Timeouts

FRAMES = 6
"""Frames of the stack that the log shows, the innermost ones."""

log = logging.getLogger("tasksvc")


class Watchdog:
    """Watches the loop in which it is started."""

    def __init__(self, scheme: str, timeouts: Timeouts) -> None:
        """Prepares a watchdog; `scheme` is that of the store, for the log."""
        self._scheme = scheme
        self._interval, self._late = timeouts.loop_check, timeouts.loop_late
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts to watch the running loop."""
        self._stopped.clear()
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._beat()
        self._thread = threading.Thread(target=self._watch, name="tasksvc-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops watching.  A second stop does nothing."""
        if self._thread is not None:
            self._stopped.set()
            self._thread.join()
            self._thread = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._beaten = monotonic()
        self._timer = self._loop.call_later(self._interval, self._beat)

    def _watch(self) -> None:
        held_since: float | None = None
        while not self._stopped.wait(self._interval):
            beaten = self._beaten
            if held_since is not None and beaten > held_since:
                log.warning("The event loop goes on, after %.1f s.", beaten - held_since)
                held_since = None
            elif held_since is None and monotonic() - beaten > self._interval + self._late:
                held_since = beaten
                log.warning("The event loop is held up. The store is %s:. It is here:\n%s", self._scheme, self._stack())

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)
        return "".join(traceback.format_stack(frame, FRAMES)).rstrip()
