"""What the commands print."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from itertools import islice

import click

from tasksvc.cli.output import OutputFailed, tell
from tasksvc.cli.output import say as say_at_once
from tasksvc_tasks.failures import Status

__all__ = ["columns", "is_terminal", "say", "say_lines", "takes_colours", "tell"]

LINES = 200
"""Lines that are written at once."""


def say(text: str) -> None:
    """Prints text on standard output.  Ends the command in silence if its reader has gone.

    Raises OutputFailed where it can't be written for another reason.
    """
    try:
        say_at_once(text)
    except OutputFailed as error:
        if isinstance(error.__cause__, BrokenPipeError):
            raise click.exceptions.Exit(Status.READER_GONE) from error
        raise


def say_lines(lines: Iterable[str]) -> int:
    """Prints lines, whose ends are added, as they come, and returns how many.  Otherwise as say()."""
    rest, count = iter(lines), 0
    while some := list(islice(rest, LINES)):
        say("\n".join(some) + "\n")
        count += len(some)
    return count


def is_terminal() -> bool:
    return sys.stdout.isatty()


def columns() -> int | None:
    """Returns how wide the terminal is that standard output is; None if it isn't one."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def takes_colours() -> bool:
    """Returns whether standard output is a terminal with colours, and nobody wants none (NO_COLOR)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb")
