"""The access log: a line for each request, as text or as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TextIO

from tasksvc.api.observability.background_stream import in_background
from tasksvc.api.observability.log_format import LogFormat, LogFormatter, written_time
from tasksvc.api.observability.redaction import redacted

FLUSH_SECONDS = 0.25
FLUSH_LINES = 256
"""Lines that are written together at most, so that joining them never holds up requests for long."""

MAPPED = "::ffff:"
"""The prefix of an IPv4 address on a socket that takes IPv6 as well."""


RequestRecord = tuple[float, str, str | None, str, str, str, str, int, float]
"""A request that was answered: when, its id, from where, the caller, the workspace, method, path, status, and seconds
that it took."""


class RequestLog:
    """Writes a line for each request, a batch at a time, and never waits for it."""

    def __init__(self, form: LogFormat, stream: TextIO | None = None) -> None:
        """Writes to `stream`, or to standard error if none is given."""
        self._show = _as_json if form == "json" else _as_text
        self._stream = in_background(stream or sys.stderr, LogFormatter(form).note)
        self._waiting: list[RequestRecord] = []

    def add(self, seen: RequestRecord) -> None:
        """Takes in a request, which is written within FLUSH_SECONDS."""
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        waiting.append(seen)
        if len(waiting) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what was taken."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._stream.write("".join(map(self._show, waiting)))


def _as_text(seen: RequestRecord) -> str:
    at, name, remote, caller, workspace, method, path, status, seconds = seen
    path = redacted(path)
    if not path.isascii():  # and what is, has no control characters: HTTP's parser refuses them
        path = ascii(path)
    took = f"{seconds * 1000:.1f}ms"
    return f"{written_time(at)} INFO {method} {path} {status} {took} {remote} {caller} {redacted(workspace)} [{name}]\n"


def _as_json(seen: RequestRecord) -> str:
    at, name, remote, caller, workspace, method, path, status, seconds = seen
    line = {
        "level": "INFO",
        "at": written_time(at),
        "request_id": name,
        "remote": remote,
        "caller": caller,
        "workspace": redacted(workspace),
        "method": method,
        "path": redacted(path),
        "status": status,
        "ms": round(seconds * 1000, 3),
    }
    return json.dumps(line) + "\n"
