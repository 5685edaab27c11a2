"""The log of the process that runs the service."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from tasksvc.api.observability.background_stream import in_background

if TYPE_CHECKING:
    from tasksvc.api.observability.log_format import LogFormat

LOG_FORMAT = "--log-format"

log = logging.getLogger("tasksvc")


def wants_json(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Returns whether the log is to be JSON Lines, by arguments that were not parsed yet and may be wrong."""
    form = environment.get("TASKSVC_LOG_FORMAT")
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if argument == LOG_FORMAT:
            form = following
        elif argument.startswith(f"{LOG_FORMAT}="):
            form = argument.removeprefix(f"{LOG_FORMAT}=")
    return form == "json"


def set_up(form: LogFormat) -> None:
    """Sends the log of the whole process to standard error in this form.

    With "json", all else that the process would write there is JSON too: Python's warnings, and errors that
    nothing caught, in any thread.  From then on writing to standard output and standard error never blocks.
    """
    from tasksvc.api.observability.log_format import LogFormatter

    formatter = LogFormatter(form)
    sys.stdout = in_background(sys.stdout, formatter.note)
    sys.stderr = in_background(sys.stderr, formatter.note)
    handler = _Handler() if form == "json" else logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    if form == "json":
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread
        sys.unraisablehook = _log_unraisable


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Drops a line that can't be written; the traceback that logging would print isn't JSON."""


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    log.critical("The process ends with an unexpected error.", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    error = failure.exc_value
    if error is not None and not isinstance(error, SystemExit):
        name = "" if failure.thread is None else failure.thread.name
        exc_info = (type(error), error, failure.exc_traceback)
        log.error("The thread %s ended with an unexpected error.", name, exc_info=exc_info)


def _log_unraisable(failure: sys.UnraisableHookArgs) -> None:
    error = failure.exc_value
    exc_info = None if error is None else (type(error), error, failure.exc_traceback)
    log.error("%s: %r", failure.err_msg or "An error was passed over", failure.object, exc_info=exc_info)
