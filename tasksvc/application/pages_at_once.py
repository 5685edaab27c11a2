"""A bound on the pages that are read at once, which come faster than they can be shown and sent."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tasksvc.domain.query import Cursor, TaskQuery
from tasksvc.ports.store import Page, TaskRepository

SMALL_PAGE = 100
"""Tasks up to which a page isn't large, unless it has been cut for its bytes."""


class _Asked(NamedTuple):
    """A page that is asked for."""

    workspace: str
    query: TaskQuery
    after: Cursor | None
    limit: int
    max_bytes: int | None


class _Turn:
    """The requests that read the same page at once."""

    def __init__(self, asked: _Asked) -> None:
        self.asked = asked
        self.requests = 0
        """Those that wait for it and those that read."""
        self.begun = asyncio.Event()


class PagesAtOnce:
    """Reads pages of the workspaces of a store, a limited number at a time, in the order in which they were asked for.

    Requests that wait for the same page have one turn together, in which the store may answer all of them
    with one read.
    """

    def __init__(self, free: int) -> None:
        """Lets `free` pages be read at once."""
        self._free = free
        self._waiting: dict[_Asked, _Turn] = {}

    async def find(
        self,
        repository: TaskRepository,
        query: TaskQuery,
        *,
        after: Cursor | None = None,
        limit: int,
        max_bytes: int | None = None,
    ) -> Page:
        """Returns what TaskRepository.find() does, when it's its turn.  Show the page before awaiting anything else."""
        turn = self._join(_Asked(repository.workspace_name, query, after, limit, max_bytes))
        try:
            await turn.begun.wait()
            page = await repository.find(query, after=after, limit=limit, max_bytes=max_bytes)
        except BaseException:
            self._leave(turn)
            raise
        if len(page.tasks) <= SMALL_PAGE and (page.next is None or len(page.tasks) == limit):
            self._leave(turn)
        else:  # it may be one that the store remembers; so there aren't hundreds in a turn of the event loop either
            asyncio.get_running_loop().call_soon(self._leave, turn)
        return page

    def _join(self, asked: _Asked) -> _Turn:
        if self._free:  # then nothing waits
            self._free -= 1
            turn = _Turn(asked)
            turn.begun.set()
        else:
            turn = self._waiting.get(asked) or self._waiting.setdefault(asked, _Turn(asked))
        turn.requests += 1
        return turn

    def _leave(self, turn: _Turn) -> None:
        turn.requests -= 1
        if turn.requests:
            return
        if not turn.begun.is_set():
            del self._waiting[turn.asked]
        elif self._waiting:
            following = self._waiting.pop(next(iter(self._waiting)))
            following.begun.set()
        else:
            self._free += 1
