"""An end by force, for a process that was told to end and does not: a thread of a store may hang."""

from __future__ import annotations

import logging
import os
import sys
import threading

from tasksvc.background_stream import BackgroundStream

END_SECONDS = 25.0
LOG_SECONDS = 2.0
"""Seconds that the end waits for its line in the log.  Another thread may hold the log up for ever."""

log = logging.getLogger("tasksvc")


def end_by_force(*, after: float) -> None:
    """Ends the process END_SECONDS after `after` seconds, if it is still there, and says what it still had to do."""
    timer = threading.Timer(after + END_SECONDS, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    threads = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    saying = threading.Thread(target=_say, args=[threads], daemon=True)
    saying.start()
    saying.join(LOG_SECONDS)
    os._exit(1)


def _say(threads: list[str]) -> None:
    log.error("The service did not end within %g s, so it ends now. Threads: %s.", END_SECONDS, ", ".join(threads))
    if isinstance(sys.stderr, BackgroundStream):
        sys.stderr.drain(LOG_SECONDS)
