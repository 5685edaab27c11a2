"""Printing on the standard streams, whether or not anybody can read them."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from tasksvc.domain.errors import TasksvcError


class OutputFailed(TasksvcError):
    """Standard output can't be written: the disk is full, or the reader has gone."""


def prepare_streams() -> None:
    r"""Makes the standard streams take any text, and replaces closed ones.  Call it once, before anything is printed.

    A character that the encoding of a stream lacks is printed as its escape, such as \u017c, and so is a
    byte of a file name that isn't text.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the next file that is opened would get its number, and what is written to it
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115
        elif name != "stdin" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Prints `text`, which ends its last line itself, on standard output, at once.  Raises OutputFailed."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _discard(sys.stdout)
        raise OutputFailed(f"Standard output cannot be written: {error.strerror}.") from error


def tell(text: str) -> None:
    """Prints `text`, which ends its last line itself, on standard error; does nothing where that fails."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()


def finish_streams() -> None:
    """Drops what could not be printed.  Otherwise Python tries again when it ends, and exits with status 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                _discard(stream)


def _discard(stream: TextIO) -> None:
    """Discards what is left in `stream` and whatever is written to it later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
