"""Pages of change logs, which many lanes of a workspace read at about the same time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, NamedTuple

from tasksvc import Change, Position
from tasksvc.plugin import change_json
from tasksvc_webhooks.places import Logs

CHANGES_READ: Final = 100
"""Changes of a page at most."""
PAGE_BYTES: Final = 256 * 1024
"""About how many bytes a page has."""
KEPT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of all pages that are kept."""


class Sendable(NamedTuple):
    """A change, as it's sent."""

    change: Change
    position: Position
    """The position after it."""
    body: bytes


class LogPage(NamedTuple):
    """A page of a log."""

    changes: tuple[Sendable, ...]
    next: Position
    more: bool
    size: int
    """About how many bytes it takes."""


class LogPages:
    """Reads logs, each page once as long as it is kept."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._kept: OrderedDict[tuple[str, Position], LogPage] = OrderedDict()
        """Pages by the workspace and the position before them; those that were used last come last."""
        self._bytes = 0
        self._starts: dict[str, dict[Position, None]] = {}
        """The positions before the kept pages of each workspace."""
        self._reading: dict[tuple[str, Position], asyncio.Task[LogPage]] = {}

    async def read(self, workspace: str, since: Position) -> LogPage:
        """Returns what follows a position.  Raises PositionGone, and StoreUnavailable.

        It has everything that there was when forget_ends() was called the last time.
        """
        if (page := self._find(workspace, since)) is not None:
            return page
        key = workspace, since
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read(workspace, since))
            reading.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(reading)

    def forget_ends(self, workspace: str) -> None:
        """Forgets what the log of a workspace ended with, since it may go on now."""
        for since in [since for since in self._starts.get(workspace, ()) if not self._kept[workspace, since].more]:
            self._drop(workspace, since)
        for key in [key for key in self._reading if key[0] == workspace]:
            del self._reading[key]  # those who wait for it get it, and look again after that

    def _find(self, workspace: str, since: Position) -> LogPage | None:
        """Returns what a kept page has after a position, which may be within the page."""
        for start in self._starts.get(workspace, ()):
            page = self._kept[workspace, start]
            if start == since or (start.generation == since.generation and start.seq < since.seq < page.next.seq):
                self._kept.move_to_end((workspace, start))
                return page if start == since else page._replace(changes=page.changes[since.seq - page.next.seq :])
        return None

    async def _read(self, workspace: str, since: Position) -> LogPage:
        page = await self._logs.read_changes(workspace, since, limit=CHANGES_READ, max_bytes=PAGE_BYTES)
        generation = page.next.generation
        changes = tuple(
            Sendable(change, Position(generation, change.seq), change_json(change, generation))
            for change in page.changes
        )
        size = 500 + sum(len(each.body) * 2 + 500 for each in changes)
        return LogPage(changes, page.next, page.more, size)

    def _keep(self, key: tuple[str, Position], done: asyncio.Task[LogPage]) -> None:
        is_current = self._reading.get(key) is done
        if is_current:
            del self._reading[key]
        if done.cancelled() or done.exception() is not None or not is_current:
            return
        workspace, since = key
        self._kept[key] = done.result()
        self._bytes += done.result().size
        self._starts.setdefault(workspace, {})[since] = None
        while self._bytes > KEPT_BYTES:
            self._drop(*next(iter(self._kept)))

    def _drop(self, workspace: str, since: Position) -> None:
        self._bytes -= self._kept.pop((workspace, since)).size
        starts = self._starts[workspace]
        del starts[since]
        if not starts:
            del self._starts[workspace]
