"""Pages of change logs, which many lanes of a workspace read at about the same time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, NamedTuple

from tasksvc import Change, Position
from tasksvc.plugin import Service, change_json

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

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: OrderedDict[tuple[str, Position], LogPage] = OrderedDict()
        self._bytes = 0
        self._last: dict[str, dict[Position, None]] = {}
        """The positions of kept pages that the log ended with, by workspace."""
        self._reading: dict[tuple[str, Position], asyncio.Task[LogPage]] = {}

    async def read(self, workspace: str, since: Position) -> LogPage:
        """Returns what follows a position.  Raises PositionGone, and StoreUnavailable.

        It has everything that there was when forget_ends() was called the last time.
        """
        key = workspace, since
        if (page := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return page
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(self._read(workspace, since))
            reading.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(reading)

    def forget_ends(self, workspace: str) -> None:
        """Forgets what the log of a workspace ended with, since it may go on now."""
        for since in self._last.pop(workspace, ()):
            self._bytes -= self._kept.pop((workspace, since)).size
        for key in [key for key in self._reading if key[0] == workspace]:
            del self._reading[key]  # those who wait for it get it, and are told of the change too

    async def _read(self, workspace: str, since: Position) -> LogPage:
        page = await self._service.read_changes(workspace, since, limit=CHANGES_READ, max_bytes=PAGE_BYTES)
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
        page = done.result()
        workspace, since = key
        self._kept[key] = page
        self._bytes += page.size
        if not page.more:
            self._last.setdefault(workspace, {})[since] = None
        while self._bytes > KEPT_BYTES:
            (workspace, since), oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size
            if not oldest.more:
                ends = self._last[workspace]
                del ends[since]
                if not ends:
                    del self._last[workspace]
