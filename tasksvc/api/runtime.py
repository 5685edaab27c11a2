"""What one running application holds: the open store, the feed, and the requests in flight."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from tasksvc.api.pipeline.in_flight import InFlight
from tasksvc.api.pipeline.peers import Peers
from tasksvc.api.requests.body import Uploads
from tasksvc.api.responses.feed import ChangeFeed
from tasksvc.application.clock import now
from tasksvc.application.memory_shares import MemoryShares
from tasksvc.application.retention import Retention, prune_step
from tasksvc.application.searches import Searches
from tasksvc.application.watchdog import Watchdog
from tasksvc.domain.errors import RepositoryError, StoreClosed
from tasksvc.domain.query import TaskQuery
from tasksvc.ports.store import Capability, TaskRepository

PRUNE_SECONDS = 60.0
"""Between two looks for what is old."""
BREATH_SECONDS = 0.01
"""Between two steps of dropping it, so that others come first."""
LAST_SECONDS = 1.0
"""For answers after the last body, when the service ends."""
OPEN_SECONDS = 10.0
"""How long the store may take to open until that is said."""
GIVE_UP_SECONDS = 0.5
"""Seconds for what was asked to end at once."""
COUNT_SECONDS = 1.0
"""Seconds for counting the tasks before that, which only the log needs."""
CLOSE_SECONDS = 10.0
"""How long it may take to close."""
LOOK_SECONDS = 1.0
"""Between two looks for requests that hang."""

log = logging.getLogger("tasksvc")


class Ended(Protocol):
    """Receives what a store held when it was closed."""

    def __call__(self, tasks: int | None, *, durable: bool) -> None:
        """`tasks`: how many it held, None if they could not be counted in time; `durable`: whether it keeps them."""


class Runtime:
    """Opened on startup, stopped on shutdown, and both once."""

    def __init__(
        self,
        open_store: Callable[[], Awaitable[TaskRepository]],
        retention: Retention,
        *,
        scheme: str,
        peers: Peers,
        shares: MemoryShares,
    ) -> None:
        """`scheme` is that of the store's URL: its name in the log; `peers` tells clients apart.

        `shares`: of the memory, which clients can make the service take.
        """
        self._open_store, self._retention, self.scheme = open_store, retention, scheme
        self._repository: TaskRepository | None = None
        self._feed: ChangeFeed | None = None
        self._keepers: list[asyncio.Task[None]] = []
        self._watchdog = Watchdog(scheme)
        self._drained_by = math.inf
        self.peers, self.shares = peers, shares
        self.uploads = Uploads(peers, shares.bodies)
        self._searches, self._scans = Searches(), Searches()
        self.in_flight = InFlight(scheme)
        self.leaving = False
        """Whether readiness is off; requests are still taken until it drains."""
        self.draining = False
        self.ended: Ended | None = None
        """Called when the store was closed in order; the tasks are counted before only if it's set."""

    @property
    def is_durable(self) -> bool:
        """Whether the open store keeps what it holds.  Raises StoreClosed before the start and after the stop."""
        return Capability.DURABLE in self.repository.capabilities

    @property
    def repository(self) -> TaskRepository:
        """The open store.  Raises StoreClosed before the start and after the stop."""
        if self._repository is None:
            raise StoreClosed("The service is not running.")
        return self._repository

    @property
    def feed(self) -> ChangeFeed:
        """The live feed.  Raises StoreClosed before the start and after the stop."""
        if self._feed is None:
            raise StoreClosed("The service is not running.")
        return self._feed

    def searches_like(self, query: TaskQuery) -> Searches:
        """The searches that take turns with `query`.

        Those that look into descriptions take the longest, so they hold up each other only.
        """
        return self._scans if query.q is None else self._searches

    async def start(self) -> None:
        """Opens the store.  Raises what open_repository() raises."""
        self.leaving = self.draining = False
        self.uploads.must_end_by(math.inf)
        self._watchdog.start()
        slow = asyncio.get_running_loop().call_later(
            OPEN_SECONDS, log.warning, "The %s: store is still being opened.", self.scheme
        )
        try:
            self._repository = await self._open_store()
        finally:
            slow.cancel()
        self._feed = ChangeFeed(self._repository, scheme=self.scheme)
        self._keepers = [asyncio.create_task(self._look_after_requests())]
        if Capability.PRUNE in self._repository.capabilities:
            self._keepers.append(asyncio.create_task(self._keep_house(self._repository)))

    async def drain(self, deadline: float) -> None:
        """Ends the streams, and waits for the requests in flight, up to `deadline` seconds after the first call."""
        if not self.draining:
            self.leaving = self.draining = True
            self._drained_by = asyncio.get_running_loop().time() + deadline
            self.uploads.must_end_by(self._drained_by - LAST_SECONDS)
        if self._feed is not None:
            await self._feed.close()
        try:
            async with asyncio.timeout_at(self._drained_by):
                # Twice: a request whose head has just been read starts in the loop's next turn.
                for _ in range(2):
                    await asyncio.sleep(0)
                    await self.in_flight.empty()
        except TimeoutError:
            self.in_flight.give_up_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    await self.in_flight.empty()

    async def stop(self, deadline: float) -> None:
        """Drains, then closes the store.  A second stop does nothing."""
        await self.drain(deadline)
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
        if keepers:
            await asyncio.wait(keepers, timeout=GIVE_UP_SECONDS)
        repository, self._repository, self._feed = self._repository, None, None
        if repository is not None:
            tasks = None if self.ended is None else await self._count(repository)
            if await self._close(repository) and self.ended is not None:
                self.ended(tasks, durable=Capability.DURABLE in repository.capabilities)
        self._watchdog.stop()

    async def _count(self, repository: TaskRepository) -> int | None:
        """How many tasks there are; None if that cannot be said in time."""

        async def count() -> int:
            return await repository.count(TaskQuery())

        counting = asyncio.create_task(count())
        await asyncio.wait([counting], timeout=COUNT_SECONDS)
        if not counting.done():
            counting.cancel()
            return None
        (found,) = await asyncio.gather(counting, return_exceptions=True)
        return found if isinstance(found, int) else None

    async def _close(self, repository: TaskRepository) -> bool:
        """Closes the store, and says so where it does not close or leaves something behind; whether it closed."""

        async def close() -> None:
            await repository.close()

        closed = False
        closing = asyncio.create_task(close())
        await asyncio.wait([closing], timeout=CLOSE_SECONDS)
        if closing.done():
            (error,) = await asyncio.gather(closing, return_exceptions=True)
            closed = error is None
            if error is not None:
                log.error("The %s: store failed to close.", self.scheme, exc_info=error)
        else:
            log.error("The %s: store does not close. It is left as it is.", self.scheme)
            closing.cancel()
        package = _package(type(repository).__module__)
        left = [task for task in asyncio.all_tasks() if _package(_module_of(task)) == package]
        if left:
            log.warning("The %s: store left %d tasks running, such as %r.", self.scheme, len(left), left[0])
        return closed

    async def _look_after_requests(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.in_flight.look()

    async def _keep_house(self, repository: TaskRepository) -> None:
        while True:
            more = False
            try:
                more = await prune_step(repository, self._retention, at=now())
            except RepositoryError as error:
                log.warning("What is old could not be dropped: %s", error)
            except Exception as error:
                log.error("The %s: store failed to drop what is old.", self.scheme, exc_info=error)
            await asyncio.sleep(BREATH_SECONDS if more else PRUNE_SECONDS)


def _module_of(task: asyncio.Task[Any]) -> str:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def _package(module: str) -> str:
    return module.partition(".")[0]
