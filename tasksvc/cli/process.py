"""The service as a process: what systemd hears of it, and its end by force where a thread of a store hangs."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading

from tasksvc.api.observability.background_stream import BackgroundStream

END_SECONDS = 25.0
"""Seconds after the delay of a stop until the process ends by force: below the 30 s that Kubernetes waits."""
LOG_SECONDS = 2.0
"""Seconds that the end by force waits for its log line, since another thread may block the log without a limit."""

log = logging.getLogger("tasksvc")


def notify(state: str) -> None:
    """Sends READY=1 or STOPPING=1 to systemd (sd_notify(3)); does nothing where that fails or nobody listens."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path or not hasattr(socket, "AF_UNIX"):
        return
    address = "\0" + path[1:] if path.startswith("@") else path  # an abstract socket
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(state.encode(), address)


def set_exit_deadline(*, after: float) -> None:
    """Ends the process with status 1 and a log line, if it still runs END_SECONDS after `after` seconds."""
    timer = threading.Timer(after + END_SECONDS, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    threads = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    logging_thread = threading.Thread(target=_log_threads, args=[threads], daemon=True)
    logging_thread.start()
    logging_thread.join(LOG_SECONDS)
    os._exit(1)


def _log_threads(threads: list[str]) -> None:
    log.error("The service did not end within %g s, so it ends now. Threads: %s.", END_SECONDS, ", ".join(threads))
    if isinstance(sys.stderr, BackgroundStream):
        sys.stderr.drain(LOG_SECONDS)
