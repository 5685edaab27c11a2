"""The access log: a line for each request, as text or as JSON."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import sys
import time
from typing import Literal, TextIO

from tasksvc.api.observability.background_stream import in_background
from tasksvc.api.observability.redaction import redacted
from tasksvc.api.observability.request_id import request_id

LogFormat = Literal["text", "json"]
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
            self._stream.write("".join([self._show(*seen) for seen in waiting]))


_second = 0
_time_of_second = ""


def _time(at: float) -> str:
    """Returns a time as RFC 3339 has it, in UTC with milliseconds.  All but those is kept for a second."""
    global _second, _time_of_second
    second = int(at)
    if second != _second:
        _second, _time_of_second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{_time_of_second}.{int((at - second) * 1000):03d}Z"


def _as_text(
    at: float,
    name: str,
    remote: str | None,
    caller: str,
    workspace: str,
    method: str,
    path: str,
    status: int,
    seconds: float,
) -> str:
    path = redacted(path)
    if not path.isascii():  # and what is, has no control characters: HTTP's parser refuses them
        path = ascii(path)
    took = f"{seconds * 1000:.1f}ms"
    return f"{_time(at)} INFO {method} {path} {status} {took} {remote} {caller} {workspace} [{name}]\n"


def _as_json(
    at: float,
    name: str,
    remote: str | None,
    caller: str,
    workspace: str,
    method: str,
    path: str,
    status: int,
    seconds: float,
) -> str:
    line = {
        "level": "INFO",
        "at": _time(at),
        "request_id": name,
        "remote": remote,
        "caller": caller,
        "workspace": workspace,
        "method": method,
        "path": redacted(path),
        "status": status,
        "ms": round(seconds * 1000, 3),
    }
    return json.dumps(line) + "\n"


class LogFormatter(logging.Formatter):
    """The form of all other lines of the log, which fits that of the requests."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Returns one record, with the id of the request that it belongs to, and in JSON what it has as `fields`."""
        try:
            message = record.getMessage()
        except Exception as error:  # the arguments don't fit the text
            message = f"{record.msg!r} could not be put together with {record.args!r}: {error!r}"
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        if self._form == "json":
            line = {
                "level": record.levelname,
                "at": _time(record.created),
                "request_id": request_id.get(),
                "logger": record.name,
                "message": message,
                **getattr(record, "fields", {}),
            }
            return json.dumps(line)
        return f"{_time(record.created)} {record.levelname} {record.name}: {message} [{request_id.get()}]"

    def note(self, lost: int) -> str:
        """Returns the line in place of `lost` lines that could not be written."""
        message = "Lines of this log that could not be written: %d"
        record = logging.LogRecord("tasksvc", logging.WARNING, __file__, 0, message, (lost,), None)
        in_nobodys_name = contextvars.Context()  # and not in that of a request that is answered meanwhile
        return in_nobodys_name.run(self.format, record) + "\n"
