"""A progress bar on standard error, if that is a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from tasksvc.application.transfer import Progress, silent

WIDTH = 30
"""Characters of the bar, without its label."""
EVERY = 0.1
"""Seconds between two redraws, so that drawing takes next to no time."""
SURE_AFTER = 1.0
"""Seconds until the time left is shown; estimates before that jump about."""


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """Gives a function that shows progress until the block ends, which clears the line."""
    if not sys.stderr.isatty():
        yield silent
        return
    try:
        yield _Bar()
    finally:
        _show("")


class _Bar:
    def __init__(self) -> None:
        self._step = ""
        self._began = self._shown = 0.0

    def __call__(self, step: str, share: float) -> None:
        now = time.monotonic()
        if step != self._step:
            self._step, self._began = step, now
        elif now < self._shown + EVERY:
            return
        self._shown = now
        share = min(max(share, 0.0), 1.0)
        done = round(share * WIDTH)
        spent = now - self._began
        left = f", {_clock(spent / share - spent)} left" if share and spent > SURE_AFTER else ""
        _show(f"{step:10} [{'#' * done}{'.' * (WIDTH - done)}] {share:4.0%}{left}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _show(line: str) -> None:
    """Replaces the current line of the terminal."""
    sys.stderr.write(f"\r\x1b[K{line}")
    sys.stderr.flush()
