"""The service as a process: what systemd hears of it, and its end by force where a thread of a store hangs."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading

from tasksvc.api.observability.background_stream import BackgroundStream

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


def set_exit_deadline(timeout: float, *, after: float) -> None:
    """Ends the process with status 1 and a log line, if it still runs `timeout` seconds after `after` seconds."""
    timer = threading.Timer(after + timeout, _end, [timeout])
    timer.daemon = True
    timer.start()


def _end(timeout: float) -> None:
    threads = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    logging_thread = threading.Thread(target=_log_threads, args=[threads, timeout], daemon=True)
    logging_thread.start()
    logging_thread.join(LOG_SECONDS)
    os._exit(1)


def _log_threads(threads: list[str], timeout: float) -> None:
    log.error("The service did not end within %g s, so it ends now. Threads: %s.", timeout, ", ".join(threads))
    if isinstance(sys.stderr, BackgroundStream):
        sys.stderr.drain(LOG_SECONDS)
