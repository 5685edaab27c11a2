"""A table that stays on the terminal and is drawn again whenever something changes."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Sequence

from tasksvc_client import PositionGone, TasksvcError

from tasksvc_tasks.failures import failure_of
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service

CALM_SECONDS = 0.2
"""Seconds that changes are gathered before the table is drawn again."""
REDRAW_SECONDS = 30.0
"""Seconds after which it's drawn again without a change, since `today` and `tomorrow` move on."""
CLEAR = "\x1b[H\x1b[J"
"""Moves the cursor to the upper left corner and clears what is below it."""


def watch_tasks(service: Service, position: str, draw: Callable[[], Sequence[str]]) -> None:
    """Shows the lines of `draw` until an interrupt, and again after each change since `position`.  Raises Failed."""
    changes: queue.SimpleQueue[TasksvcError | None] = queue.SimpleQueue()
    threading.Thread(target=_follow, args=(service, position, changes), daemon=True).start()
    while True:
        say(CLEAR + "\n".join(_fitting(draw(), shutil.get_terminal_size().lines - 1)) + "\n")
        _wait_for_changes(changes, service.url)


def _fitting(lines: Sequence[str], lines_max: int) -> Sequence[str]:
    """Returns the lines that fit, and the last one, which says how many tasks there are."""
    return lines if len(lines) <= lines_max else [*lines[: lines_max - 2], "…", lines[-1]]


def _follow(service: Service, position: str | None, changes: queue.SimpleQueue[TasksvcError | None]) -> None:
    """Puts None for each change until something ends the stream, and then that error."""
    from tasksvc_client import SyncClient

    try:
        with SyncClient(service.url, service.token, service.workspace) as client:
            while True:
                try:
                    for change in client.follow(position):
                        position = change.resume
                        changes.put(None)
                except PositionGone:  # the table is drawn as it is now, and followed from here
                    position = None
                    changes.put(None)
    except TasksvcError as error:
        changes.put(error)


def _wait_for_changes(changes: queue.SimpleQueue[TasksvcError | None], url: str) -> None:
    """Returns when the table has to be drawn again."""
    timeout = REDRAW_SECONDS
    while True:
        try:
            error = changes.get(timeout=timeout)
        except queue.Empty:
            return
        if error is not None:
            raise failure_of(error, url)
        timeout = CALM_SECONDS
