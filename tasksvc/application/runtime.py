"""The life of a running service: it opens the store, prunes it, drains the requests and closes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from tasksvc.application.change_feed import ChangeFeeds, EncodeChange
from tasksvc.application.change_watch import ChangeWatch
from tasksvc.application.contract_checks import check_workspace
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.list_jobs import ListJobs
from tasksvc.application.merged_tasks import MergedTasks
from tasksvc.application.retention import Pruner, Retention
from tasksvc.application.tasks import Tasks, Turns
from tasksvc.application.watchdog import Watchdog
from tasksvc.domain.errors import StoreClosed
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.workspace import DEFAULT_WORKSPACE
from tasksvc.ports.store import Capability, TaskRepository

CANCELLATION_SECONDS = 0.5
"""Seconds that the stop waits for what it cancelled."""
COUNT_SECONDS = 1.0
"""Seconds that the stop waits for the number of tasks, which only the log needs."""

log = logging.getLogger("tasksvc")


class Ended(Protocol):
    """Receives what a store held when it was closed."""

    def __call__(self, tasks: int | None, *, durable: bool) -> None:
        """Takes the number of tasks, None if they could not be counted in time, and whether the store keeps them."""


class Requests(Protocol):
    """The requests that are being answered, whichever way they came in."""

    begun: int
    """How many requests there were up to now."""

    def set_deadline(self, end: float) -> None:
        """Lets no request take longer to arrive than until `end`, by the clock of the event loop."""

    async def wait_until_empty(self) -> None:
        """Returns when no request is left that comes to an end by itself."""

    def reap(self) -> None:
        """Cancels requests that take too long, and reads whose client has left."""

    def time_out_all(self) -> None:
        """Cancels all requests that wait for the store."""


class Runtime:
    """The running service.  It is started once and stopped once."""

    def __init__(
        self,
        open_store: Callable[[], Awaitable[TaskRepository]],
        retention: Retention,
        requests: Requests,
        *,
        scheme: str,
        limits: Limits,
        timeouts: Timeouts,
        encode_change: EncodeChange,
    ) -> None:
        """Prepares a runtime; `scheme` is that of the store's URL, and names the store in the log.

        `encode_change` makes the events of the feeds.
        """
        self._open_store, self._retention, self.scheme = open_store, retention, scheme
        self._requests, self._encode_change = requests, encode_change
        self.limits, self.timeouts = limits, timeouts
        self._repository: TaskRepository | None = None
        self._tasks: Tasks | None = None
        self.turns = Turns(limits, timeouts)
        """The turns at reads that take long."""
        self.change_watch = ChangeWatch(lambda: self.repository, timeouts)
        """Finds the workspaces that have changed, for what plugins do beside the requests."""
        self._list_jobs: ListJobs | None = None
        self._feeds: ChangeFeeds | None = None
        self._pruner: Pruner | None = None
        self._background_tasks: list[asyncio.Task[None]] = []
        self._watchdog = Watchdog(scheme, timeouts)
        self._drained_by = math.inf
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
    def keeps_records(self) -> bool:
        """Returns whether the open store keeps records, such as tokens.  Raises StoreClosed like is_durable."""
        return Capability.RECORDS in self.repository.capabilities

    @property
    def requests_begun(self) -> int:
        """How many requests this process has begun to answer."""
        return self._requests.begun

    @property
    def repository(self) -> TaskRepository:
        """Returns the open store.  Raises StoreClosed before the start and after the stop."""
        if self._repository is None:
            raise StoreClosed("The service is not running.")
        return self._repository

    def workspace(self, name: str) -> TaskRepository:
        """Returns a workspace of the open store.  A store without workspaces has the default one alone.

        Raises StoreClosed like `repository`, InvalidWorkspaceName, NotSupported, and ContractViolation.
        """
        workspace = self.repository.workspace(name)
        check_workspace(workspace, name)
        return workspace

    def tasks_of(self, workspace: str) -> Tasks:
        """Returns what can be done with the tasks of a workspace.  Raises what workspace() raises."""
        if workspace == DEFAULT_WORKSPACE and self._tasks is not None:  # most requests
            return self._tasks
        return Tasks(self.workspace(workspace), self.turns, tasks_max=self.limits.workspace_tasks)

    def tasks_across(self, workspaces: Iterable[str]) -> MergedTasks:
        """Returns what can be read of the tasks of several workspaces together.  Raises what workspace() raises."""
        return MergedTasks([self.workspace(name) for name in workspaces], self.turns, at_once=self.limits.pages)

    @property
    def feeds(self) -> ChangeFeeds:
        """Returns the live feeds.  Raises StoreClosed before the start and after the stop."""
        if self._feeds is None:
            raise StoreClosed("The service is not running.")
        return self._feeds

    @property
    def list_jobs(self) -> ListJobs:
        """Returns what renames and deletes lists.  Raises StoreClosed before the start and after the stop."""
        if self._list_jobs is None:
            raise StoreClosed("The service is not running.")
        return self._list_jobs

    async def erase(self, workspace: str) -> None:
        """Erases a workspace.  What it leaves in the store is pruned in the background, from now on.

        Raises what workspace() and TaskRepository.erase() raise.
        """
        await self.workspace(workspace).erase()
        log.info("The workspace %s was erased.", workspace, extra={"fields": {"workspace": workspace}})
        if self._pruner is not None:
            self._pruner.start_soon()

    async def ping(self) -> None:
        """Returns if the store can be reached.  Raises StoreUnavailable."""
        await self.repository.ping()

    def statistics(self) -> Mapping[str, float]:
        """Returns the store's metrics by name.  Raises StoreClosed before the start and after the stop."""
        return self.repository.statistics()

    async def start(self) -> None:
        """Opens the store.  Raises what open_repository() raises."""
        self.leaving = self.draining = False
        self._requests.set_deadline(math.inf)
        self._watchdog.start()
        slow = asyncio.get_running_loop().call_later(
            self.timeouts.slow_open, log.warning, "The %s: store is still being opened.", self.scheme
        )
        try:
            self._repository = await self._open_store()
        finally:
            slow.cancel()
        self._tasks = Tasks(self._repository, self.turns, tasks_max=self.limits.workspace_tasks)
        self._feeds = ChangeFeeds(
            self.workspace,
            scheme=self.scheme,
            encode=self._encode_change,
            limits=self.limits,
            timeouts=self.timeouts,
        )
        self._list_jobs = ListJobs(self._repository, self.tasks_of, self.limits, self.timeouts)
        self._background_tasks = [
            asyncio.create_task(self._reap_loop()),
            asyncio.create_task(self._list_jobs.run()),
        ]
        if Capability.PRUNE in self._repository.capabilities:
            self._pruner = Pruner(self._repository, self._retention, self.timeouts, scheme=self.scheme)
            self._background_tasks.append(asyncio.create_task(self._pruner.run()))

    async def drain(self) -> None:
        """Ends the streams, and waits for the requests in flight, up to `timeouts.drain` after the first call."""
        if not self.draining:
            self.leaving = self.draining = True
            self._drained_by = asyncio.get_running_loop().time() + self.timeouts.drain
            self._requests.set_deadline(self._drained_by - self.timeouts.final_response_grace)
        if self._feeds is not None:
            await self._feeds.close()
        try:
            async with asyncio.timeout_at(self._drained_by):
                # Twice: a request whose head has just been read starts in the loop's next turn.
                for _ in range(2):
                    await asyncio.sleep(0)
                    await self._requests.wait_until_empty()
        except TimeoutError:
            self._requests.time_out_all()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CANCELLATION_SECONDS):
                    await self._requests.wait_until_empty()

    async def stop(self) -> None:
        """Drains, then closes the store.  A second stop does nothing."""
        await self.drain()
        background, self._background_tasks = self._background_tasks, []
        if self._list_jobs is not None:
            background += self._list_jobs.running
        for task in background:
            task.cancel()
        if background:
            await asyncio.wait(background, timeout=CANCELLATION_SECONDS)
        repository = self._repository
        self._repository = self._tasks = self._feeds = self._list_jobs = self._pruner = None
        if repository is not None:
            tasks = None if self.ended is None else await self._count(repository)
            if await self._close(repository) and self.ended is not None:
                self.ended(tasks, durable=Capability.DURABLE in repository.capabilities)
        self._watchdog.stop()

    async def _count(self, repository: TaskRepository) -> int | None:
        """Returns how many tasks there are; None if that cannot be said in time."""

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
        await asyncio.wait([closing], timeout=self.timeouts.close_store)
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

    async def _reap_loop(self) -> None:
        while True:
            await asyncio.sleep(self.timeouts.check_interval)
            self._requests.reap()


def _module_of(task: asyncio.Task[Any]) -> str:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return "" if frame is None else str(frame.f_globals.get("__name__", ""))


def _package(module: str) -> str:
    return module.partition(".")[0]
