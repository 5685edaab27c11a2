"""Looks whether the callers of open streams may still do what they do."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tasksvc.application.callers import Caller
from tasksvc.application.limits import Timeouts
from tasksvc.domain.errors import TasksvcError

SECONDS_MIN = 0.01
"""Seconds between two looks at least, where tokens are to be looked up for every request."""
AT_ONCE = 500
"""Callers that are looked at before other tasks get their turn."""

log = logging.getLogger("tasksvc")

Renew = Callable[[Caller], Awaitable[Caller | None]]
"""Returns the caller as they are now; None if they may do nothing any more."""


class WatchedCaller:
    """A caller with open streams."""

    def __init__(self, watch: CallerWatch, renew: Renew, caller: Caller) -> None:
        self._watch, self._renew, self._name = watch, renew, caller.name
        self.last: Caller | None = caller
        """The caller as of the last look; None if they may do nothing any more."""
        self.streams: set[asyncio.Event] = set()
        """What wakes each of the streams."""

    async def now(self) -> Caller | None:
        """Returns the caller as they are now; None if they may do nothing any more."""
        await self._watch.look_if_due()
        return self.last

    async def look(self) -> None:
        """Finds out who the caller is now, and wakes the streams if that has changed."""
        if self.last is None:
            return
        now = None  # where nobody can tell, nothing more is sent
        try:
            now = await self._renew(self.last)
        except TasksvcError as error:
            log.warning("The streams of %s end, since nobody can tell who may read: %s", self._name, error)
        except Exception as error:
            log.error("The streams of %s end, since nobody can tell who may read.", self._name, exc_info=error)
        self.change(now)

    def change(self, now: Caller | None) -> None:
        """Takes what the caller is now, and wakes the streams if that is something else."""
        if now != self.last:
            self.last = now
            for woken in self.streams:
                woken.set()


class CallerWatch:
    """Looks now and then at all callers who have streams open: once for each, however many streams they have."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._seconds, self._patience = max(timeouts.token_cache, SECONDS_MIN), timeouts.store_chunk
        self._watched: dict[tuple[Renew, Caller], WatchedCaller] = {}
        self._looked = -math.inf
        """When the last look began, by time.monotonic()."""
        self._again = False
        """Whether what was found by the look under way may be out of date."""
        self._looking: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, renew: Renew, caller: Caller, woken: asyncio.Event) -> Iterator[WatchedCaller]:
        """Watches `caller` within the block, for one stream: sets `woken` whenever they change or end."""
        key = renew, caller
        watched = self._watched.get(key)
        if watched is None or watched.last != caller:
            watched = self._watched[key] = WatchedCaller(self, renew, caller)
        watched.streams.add(woken)
        if self._task is None:
            self._looked = time.monotonic()
            self._task = asyncio.create_task(self._look_for_ever())
        try:
            yield watched
        finally:
            watched.streams.discard(woken)
            if not watched.streams and self._watched.get(key) is watched:
                del self._watched[key]
            if not self._watched and self._task is not None:
                self._task.cancel()
                self._task = None

    async def look_if_due(self) -> None:
        """Looks at all callers unless that was done lately."""
        if time.monotonic() - self._looked >= self._seconds:
            await asyncio.shield(self._look())

    def look_again(self) -> None:
        """Looks at all callers now, since something has changed."""
        self._again, self._looked = True, -math.inf
        if self._watched:
            self._look()

    def _look(self) -> asyncio.Task[None]:
        """Looks at all callers; those who ask meanwhile share the look."""
        if self._looking is None or self._looking.done():
            self._again = True
            self._looking = asyncio.create_task(self._look_at_all())
        return self._looking

    async def _look_at_all(self) -> None:
        while self._again:
            self._again, self._looked = False, time.monotonic()
            watched = list(self._watched.values())
            try:
                async with asyncio.timeout(self._patience):
                    for number, caller in enumerate(watched, start=1):
                        await caller.look()
                        if number % AT_ONCE == 0:
                            await asyncio.sleep(0)
            except TimeoutError:
                log.error("All streams end, since the store does not say who may read.")
                for caller in watched:
                    caller.change(None)

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await asyncio.shield(self._look())
