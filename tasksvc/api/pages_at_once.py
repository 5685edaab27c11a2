"""A bound on the pages that are read at once, which come faster than they can be shown and sent."""

from __future__ import annotations

import asyncio
from collections import deque

from tasksvc.ports import Page, TaskRepository
from tasksvc.query import Cursor, TaskQuery

AT_ONCE = 8
"""Pages, each of which may take a mebibyte or two until it's shown; more than the searches that may run at once."""
SMALL_PAGE = 100
"""Tasks up to which a page isn't large, unless it has been cut for its bytes."""


class PagesAtOnce:
    """Reads pages of a store, AT_ONCE of them at a time, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def find(
        self,
        repository: TaskRepository,
        query: TaskQuery,
        *,
        after: Cursor | None = None,
        limit: int,
        max_bytes: int | None = None,
    ) -> Page:
        """TaskRepository.find(), when it's its turn.  The caller shows the page before it waits for anything else."""
        if self._free:
            self._free -= 1
        else:
            await self._turn()
        try:
            page = await repository.find(query, after=after, limit=limit, max_bytes=max_bytes)
        except BaseException:
            self._leave()
            raise
        if len(page.tasks) <= SMALL_PAGE and (page.next is None or len(page.tasks) == limit):
            self._leave()
        else:  # it may be one that the store remembers; so there aren't hundreds in a turn of the event loop either
            asyncio.get_running_loop().call_soon(self._leave)
        return page

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had come in the same moment
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
