"""How a replica and the service become equal, in steps that an async and a sync client both can drive.

Each generator yields what a call of the client returns, and is sent its result: for the async client that is awaited
first, for the other one it's the result already.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Generator
from typing import Any, TypeAlias, TypeVar

from tasksvc_client.errors import PositionGone
from tasksvc_client.models import Change, Page
from tasksvc_client.replica_log import LogCopy
from tasksvc_client.replica_queue import Queue

LOG = logging.getLogger("tasksvc_client.replica")

CHUNK = 1_000
"""Changes that are applied in one transaction."""

T = TypeVar("T")
Steps: TypeAlias = Generator[Any, Any, T]


class Reading:
    """Reads the list and the change log of the service into a copy."""

    def __init__(self, client: Any, log: LogCopy, queue: Queue) -> None:
        """Takes a Client or a SyncClient, in the workspace of the copy."""
        self._client, self._log, self._queue = client, log, queue

    def catch_up(self, *, to: str | None = None) -> Steps[None]:
        """Brings the copy to the end of the log, or to the position `to`, and drops answered writes that it shows.

        A new copy, and one whose position is gone, reads the list.
        """
        gone = False
        while True:
            seen, position = self._queue.last_answered(), self._log.position
            try:
                if position is None or gone:
                    gone = False
                    yield from self._walk(position)
                    if to is None or self._log.position == to:
                        return
                elif (yield from self._read_log(position, to)):
                    if to is None:
                        self._log.drop_answered(seen)
                    return
            except PositionGone:
                LOG.warning("%s is gone", position)
                gone = True

    def _read_log(self, position: str, to: str | None) -> Steps[bool]:
        """Applies the changes after `position`. Returns False if somebody else has moved the copy meanwhile."""
        changes, more = self._client.changes(since=position), True
        while more and position != to:
            chunk = list[Change]()
            while len(chunk) < CHUNK and (not chunk or chunk[-1].position != to):
                change = yield _next(changes)
                if change is None:
                    more = False
                    break
                chunk.append(change)
            if not self._log.apply(chunk, position):
                yield _close(changes)
                return False
            position = chunk[-1].position if chunk else position
        yield _close(changes)
        return True

    def _walk(self, instead_of: str | None) -> Steps[None]:
        """Reads the list, and what was changed while it was read, in place of the copy."""
        seen, position, count = self._queue.last_answered(), None, 0
        self._log.begin_walk()
        pages = self._client.pages()
        while (page := (yield _next(pages))) is not None:
            assert isinstance(page, Page)
            position = position or page.position  # the first page's, since later ones may show more
            self._log.add_walked(page.tasks)
            count += len(page.tasks)
        assert position is not None, "a list has at least one page"
        changes = self._client.changes(since=position)
        while (change := (yield _next(changes))) is not None:
            self._log.apply_walked([change])
            position = change.position
        self._log.finish_walk(position, instead_of, seen)
        LOG.info("walked the list: %d tasks at %s", count, position)


def _next(items: Generator[T, None, None] | AsyncGenerator[T, None]) -> Any:
    """Returns the next of some items, or None at their end; of an async generator what gives that when it's awaited."""
    return anext(items, None) if isinstance(items, AsyncGenerator) else next(items, None)


def _close(items: Generator[T, None, None] | AsyncGenerator[T, None]) -> Any:
    """Ends a generator of which not all items may have been read; an async one when the result is awaited."""
    return items.aclose() if isinstance(items, AsyncGenerator) else items.close()
