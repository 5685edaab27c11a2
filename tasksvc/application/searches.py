"""Searches of several callers take turns at the store, so that nobody waits for all that another one asks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from tasksvc.application.limits import Limits, Timeouts
from tasksvc.domain.errors import Overloaded, StoreUnavailable

RETRY_SECONDS = 5.0
"""Seconds after which a search that was refused is worth trying again."""

Answer = TypeVar("Answer")


class Searches:
    """The searches that run and wait.  A caller has one at the store at a time, and callers come round in turn."""

    def __init__(self, limits: Limits, timeouts: Timeouts) -> None:
        self._at_once, self._waiting_max, self._timeout = limits.searches, limits.searches_waiting, timeouts.search
        self._running: set[Hashable] = set()
        """Callers of the searches that run."""
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """Searches that wait, by caller; the caller whose turn is next comes first."""

    async def run(self, caller: Hashable, search: Callable[[], Awaitable[Answer]]) -> Answer:
        """Returns what `search` returns, which begins when it is the turn of `caller`.

        Cancelled, the search is cancelled too, or never begins.  Raises what `search` does, Overloaded where too many
        searches of the caller wait, and StoreUnavailable where it times out.
        """
        try:
            async with asyncio.timeout(self._timeout) as timeout:
                await self._turn(caller)
                try:
                    return await search()
                finally:
                    self._running.discard(caller)
                    self._begin_next()
        except TimeoutError:
            if not timeout.expired():
                raise
            raise StoreUnavailable(
                f"The search was not done within {self._timeout:g} s."
                " Narrow it, such as by a label, or order it by id, or try again later.",
                retry_after=RETRY_SECONDS,
            ) from None

    async def _turn(self, caller: Hashable) -> None:
        """Returns when it is the turn of `caller`, who then counts as running."""
        if caller not in self._running and len(self._running) < self._at_once:  # then no other caller may begin either
            self._running.add(caller)
            return
        queue = self._waiting.setdefault(caller, deque())
        if len(queue) >= self._waiting_max:
            raise Overloaded(
                f"{self._waiting_max} searches of yours wait already. Try again when they are done.",
                retry_after=RETRY_SECONDS,
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(caller, turn)
            else:  # it had come in the same moment
                self._running.discard(caller)
                self._begin_next()
            raise

    def _leave(self, caller: Hashable, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(caller, deque())
        if turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[caller]

    def _begin_next(self) -> None:
        """Gives the turn to the callers who have waited longest since their last one."""
        for caller in tuple(self._waiting):
            if len(self._running) >= self._at_once:
                return
            if caller in self._running:
                continue
            queue = self._waiting.pop(caller)
            while queue:
                turn = queue.popleft()
                if not turn.done():  # or it was cancelled, and is about to leave
                    turn.set_result(None)
                    self._running.add(caller)
                    break
            if queue:
                self._waiting[caller] = queue  # behind all others
