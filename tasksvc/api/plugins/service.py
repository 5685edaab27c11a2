"""What a plugin is given of the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from tasksvc.application import clock
from tasksvc.application.consumers import CONCURRENCY, Consumer, Handle, Lost, Start
from tasksvc.application.leases import Lease
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.log_search import end_of_log
from tasksvc.application.plugin_namespaces import namespace_of, secrets_of
from tasksvc.application.plugin_records import Records
from tasksvc.application.runtime import Runtime
from tasksvc.application.tasks import Tasks
from tasksvc.domain.change import Position
from tasksvc.domain.errors import NotSupported
from tasksvc.ports.store import ChangedWorkspaces, ChangePage

RESTART_SECONDS = 1.0
"""Seconds after which background work that has failed begins again."""


class Service:
    """The running service, as one plugin may use it.

    Whatever reads or writes the store raises StoreClosed before the store is open, so a plugin begins in its lifespan.
    """

    def __init__(
        self, plugin: str, settings: Mapping[str, Any], runtime: Runtime, is_closed: Callable[[], bool]
    ) -> None:
        """Takes the name of the plugin, the values of its settings by their flags, and what `knows_callers` asks."""
        self.name = plugin
        """The name of the plugin."""
        self.log = logging.getLogger(f"tasksvc.{plugin}")
        """The log of the plugin, as a part of the service's."""
        self._settings, self._runtime, self._is_closed = settings, runtime, is_closed

    # ------------------------------------------------------------ the service

    def setting(self, flag: str) -> Any:
        """Returns the value of a setting of the plugin, such as `--webhook-allow`.  Raises KeyError for any other."""
        return self._settings[flag]

    @property
    def limits(self) -> Limits:
        """How much the service accepts, sends and keeps."""
        return self._runtime.limits

    @property
    def timeouts(self) -> Timeouts:
        """How long the service waits, in seconds."""
        return self._runtime.timeouts

    @property
    def knows_callers(self) -> bool:
        """Whether callers have to show who they are.  If not, everybody may write in all workspaces."""
        return self._is_closed()

    def now(self) -> datetime:
        """Returns the time in UTC, as tasks and changes have it."""
        return clock.now()

    @property
    def requests_begun(self) -> int:
        """How many requests this process has begun to answer, the probes of its health included.

        Work that takes much of the thread can go slower while this number grows, so that requests come first.
        """
        return self._runtime.requests_begun

    # ------------------------------------------------------------ tasks and changes

    def tasks(self, workspace: str) -> Tasks:
        """Returns what can be done with the tasks of a workspace.  Raises InvalidWorkspaceName, NotSupported."""
        return self._runtime.tasks_of(workspace)

    async def end_of_log(self, workspace: str) -> Position:
        """Returns where the change log of a workspace ends now."""
        return await end_of_log(self._runtime.workspace(workspace))

    async def read_changes(
        self, workspace: str, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        """Returns what follows `since` in the log of a workspace, as TaskRepository.read_changes() does.

        Raises PositionGone, StoreUnavailable.
        """
        return await self._runtime.feeds.read(workspace, since, limit=limit, max_bytes=max_bytes)

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        """Returns workspaces that have changed, as TaskRepository.changed_workspaces() does."""
        return await self._runtime.change_watch.changed(since, limit=limit)

    @property
    def changes_noticed(self) -> int:
        """How often a change was noticed in any workspace, for wait_for_changes()."""
        return self._runtime.change_watch.noticed

    async def wait_for_changes(self, noticed: int, *, timeout: float) -> int:
        """Returns soon after something may have changed since `changes_noticed` was read, or after `timeout` seconds.

        It returns the new number, for the next call, so that a loop that reads and then waits misses nothing.
        """
        return await self._runtime.change_watch.wait(noticed, timeout=timeout)

    def consumer(
        self,
        name: str,
        handle: Handle,
        *,
        start: Start = Start.NOW,
        lost: Lost | None = None,
        concurrency: int = CONCURRENCY,
    ) -> Consumer:
        """Returns a consumer, which calls `handle` with every change of every workspace as long as its run() runs.

        The arguments are those of Consumer, and the store must keep records.
        """
        return Consumer(
            name,
            handle,
            records=self.records,
            workspace=self._runtime.workspace,
            watch=self._runtime.change_watch,
            start=start,
            lost=lost,
            concurrency=concurrency,
            limits=self.limits,
            timeouts=self.timeouts,
        )

    # ------------------------------------------------------------ what the plugin keeps

    @property
    def keeps_records(self) -> bool:
        """Whether the store keeps records."""
        return self._runtime.keeps_records

    @cached_property
    def records(self) -> Records:
        """The records of the plugin: JSON objects of up to 64 KiB, by keys of up to 100 characters."""
        return Records(lambda: self._runtime.repository, namespace_of(self.name))

    @cached_property
    def secrets(self) -> Records:
        """Records with secrets, which `tasksvc export` leaves out.  Backups and copies have them."""
        return Records(lambda: self._runtime.repository, secrets_of(self.name))

    def lease(self, name: str) -> Lease:
        """Returns a lease that one of all processes with the same store has at a time."""
        return Lease(self.records, name, self.timeouts)

    # ------------------------------------------------------------ background work

    @contextlib.asynccontextmanager
    async def background(self, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Runs `work` beside the block, which may be all of tasksvc_lifespan, and cancels it at the end.

        If it fails, the log says so, and it begins again after a second, unless the store can't do what it needs.
        """
        running = asyncio.create_task(self._run_for_ever(work))
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def _run_for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except NotSupported as error:  # which no other attempt changes
                return self.log.error("The plugin %s can't work with this store: %s", self.name, error)
            except Exception as error:
                self.log.error("The plugin %s failed, and begins again.", self.name, exc_info=error)
            await asyncio.sleep(RESTART_SECONDS)
