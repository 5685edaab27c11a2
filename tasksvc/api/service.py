"""What one running application holds: the open store, the feed, and the requests in flight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable

from tasksvc.api.body import Uploads
from tasksvc.api.feed import Feed
from tasksvc.errors import RepositoryError, StoreClosed
from tasksvc.ports import Capability, TaskRepository
from tasksvc.usecases import Retention, now, prune_step

PRUNE_SECONDS = 60.0
"""Between two looks for what is old."""
BREATH_SECONDS = 0.01
"""Between two steps of dropping it, so that others come first."""
LAST_SECONDS = 1.0
"""For answers after the last body, when the service ends."""

log = logging.getLogger("tasksvc")


class Service:
    """Opened on startup, stopped on shutdown, and both once."""

    def __init__(self, open_store: Callable[[], Awaitable[TaskRepository]], retention: Retention) -> None:
        self._open_store, self._retention = open_store, retention
        self._repository: TaskRepository | None = None
        self._feed: Feed | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._drained_by = math.inf
        self.uploads = Uploads()
        self.in_flight = 0
        self.draining = False

    @property
    def repository(self) -> TaskRepository:
        """The open store.  Raises StoreClosed before the start and after the stop."""
        if self._repository is None:
            raise StoreClosed("The service is not running.")
        return self._repository

    @property
    def feed(self) -> Feed:
        """The live feed.  Raises StoreClosed before the start and after the stop."""
        if self._feed is None:
            raise StoreClosed("The service is not running.")
        return self._feed

    async def start(self) -> None:
        """Opens the store.  Raises what open_repository() raises."""
        self.draining = False
        self.uploads.must_end_by(math.inf)
        self._repository = await self._open_store()
        self._feed = Feed(self._repository)
        if Capability.PRUNE in self._repository.capabilities:
            self._keeper = asyncio.create_task(self._keep_house(self._repository))

    async def drain(self, deadline: float) -> None:
        """Ends the streams, and waits for the requests in flight, up to `deadline` seconds after the first call."""
        if not self.draining:
            self.draining = True
            self._drained_by = asyncio.get_running_loop().time() + deadline
            self.uploads.must_end_by(self._drained_by - LAST_SECONDS)
        if self._feed is not None:
            await self._feed.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._drained_by):
                # Twice: a request whose head has just been read starts in the loop's next turn.
                for _ in range(2):
                    await asyncio.sleep(0)
                    self._idle.clear()
                    if self.in_flight:
                        await self._idle.wait()

    async def stop(self, deadline: float) -> None:
        """Drains, then closes the store.  A second stop does nothing."""
        await self.drain(deadline)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
            self._keeper = None
        repository, self._repository, self._feed = self._repository, None, None
        if repository is not None:
            await repository.close()

    def leave(self) -> None:
        """One request fewer is in flight."""
        self.in_flight -= 1
        if not self.in_flight and self.draining:
            self._idle.set()

    async def _keep_house(self, repository: TaskRepository) -> None:
        while True:
            more = False
            try:
                more = await prune_step(repository, self._retention, at=now())
            except RepositoryError as error:
                log.warning("What is old could not be dropped: %s", error)
            await asyncio.sleep(BREATH_SECONDS if more else PRUNE_SECONDS)
