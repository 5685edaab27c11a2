"""The form of the log, as text or as JSON."""

from __future__ import annotations

import contextvars
import json
import logging
import time
from typing import Literal

from tasksvc.api.observability.request_id import request_id

LogFormat = Literal["text", "json"]

_second = 0
_time_of_second = ""


def written_time(at: float) -> str:
    """Returns a time as RFC 3339 has it, in UTC with milliseconds.  All but those is kept for a second."""
    global _second, _time_of_second
    second = int(at)
    if second != _second:
        _second, _time_of_second = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{_time_of_second}.{int((at - second) * 1000):03d}Z"


class LogFormatter(logging.Formatter):
    """The form of the lines that aren't about requests, which fits that of those."""

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
                "at": written_time(record.created),
                "request_id": request_id.get(),
                "logger": record.name,
                "message": message,
                **getattr(record, "fields", {}),
            }
            return json.dumps(line)
        return f"{written_time(record.created)} {record.levelname} {record.name}: {message} [{request_id.get()}]"

    def note(self, lost: int) -> str:
        """Returns the line in place of `lost` lines that could not be written."""
        message = "Lines of this log that could not be written: %d"
        record = logging.LogRecord("tasksvc", logging.WARNING, __file__, 0, message, (lost,), None)
        in_nobodys_name = contextvars.Context()  # and not in that of a request that is answered meanwhile
        return in_nobodys_name.run(self.format, record) + "\n"
