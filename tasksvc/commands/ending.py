"""An end by force, for a process that was told to end and does not: a thread of a store may hang."""

from __future__ import annotations

import logging
import os
import threading

END_SECONDS = 25.0

log = logging.getLogger("tasksvc")


def end_by_force(*, after: float) -> None:
    """Ends the process END_SECONDS after `after` seconds, if it is still there, and says what it still had to do."""
    timer = threading.Timer(after + END_SECONDS, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    threads = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.error("The service did not end within %g s, so it ends now. Threads: %s.", END_SECONDS, ", ".join(threads))
    os._exit(1)
