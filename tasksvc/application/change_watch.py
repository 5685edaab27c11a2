"""Notices that something has changed in any workspace, for all consumers of this process together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from tasksvc.application.contract_checks import check_changed_workspaces
from tasksvc.application.limits import Timeouts
from tasksvc.application.log_search import end_of_log
from tasksvc.domain.errors import RepositoryError
from tasksvc.domain.workspace import DEFAULT_WORKSPACE
from tasksvc.ports.store import Capability, ChangedWorkspaces, TaskRepository
from tasksvc.stores.broadcast import Broadcast

WORKSPACES_AT_ONCE: Final = 1_000
"""Workspaces whose names are read at once."""

log = logging.getLogger("tasksvc")


class ChangeWatch:
    """Finds the workspaces that have changed.

    However many wait for changes, the store is asked once every `timeouts.consumer_poll`, and only while somebody
    waits.
    """

    def __init__(self, store: Callable[[], TaskRepository], timeouts: Timeouts) -> None:
        """Takes what returns the default workspace of the open store, which is asked at each call."""
        self._store, self._timeouts = store, timeouts
        self._token: str | None = None
        """What was noticed up to here; None before the first look."""
        self._noticed = 0
        self._broadcast = Broadcast()
        self._waiting = 0
        self._poller: asyncio.Task[None] | None = None
        self._next_poll = 0.0

    @property
    def noticed(self) -> int:
        """How often a change was noticed, for wait().  Read it before the log is read."""
        return self._noticed

    async def changed(self, since: str, *, limit: int) -> ChangedWorkspaces:
        """Does what TaskRepository.changed_workspaces() does, for a store without workspaces too."""
        store = self._store()
        if Capability.WORKSPACES in store.capabilities:
            page = await store.changed_workspaces(since, limit=limit)
        else:
            generation, seq = await end_of_log(store)
            token = f"{generation}-{seq}"
            page = ChangedWorkspaces([] if token == since else [DEFAULT_WORKSPACE], token, more=False)
        check_changed_workspaces(page, since, limit)
        if self._token is None and not page.more:
            self._token = page.next  # so that a poll needn't read the names of all workspaces first
        return page

    async def wait(self, noticed: int, *, timeout: float) -> int:
        """Returns soon after something may have changed since `noticed` was read, or after `timeout` seconds.

        It returns the new number, for the next call.  So a loop that reads the logs and then waits misses nothing.
        """
        if noticed == self._noticed:
            self._waiting += 1
            if self._poller is None:
                self._poller = asyncio.create_task(self._poll_for_ever())
            try:
                await self._broadcast.wait(timeout)
            finally:
                self._waiting -= 1
                if not self._waiting:
                    self._poller.cancel()
                    self._poller = None
        return self._noticed

    async def _poll_for_ever(self) -> None:
        loop, timeouts = asyncio.get_running_loop(), self._timeouts
        while True:
            await asyncio.sleep(self._next_poll - loop.time())
            self._next_poll = loop.time() + timeouts.consumer_poll
            try:
                await self._poll()
            except RepositoryError as error:
                log.warning("The workspaces that have changed cannot be read: %s", error)
                self._next_poll = loop.time() + timeouts.feed_retry
            except Exception as error:
                log.error("The store failed to give the workspaces that have changed.", exc_info=error)
                self._next_poll = loop.time() + timeouts.feed_retry

    async def _poll(self) -> None:
        """Notices what has changed since the last time."""
        more = True
        while more:
            names, self._token, more = await self.changed(self._token or "", limit=WORKSPACES_AT_ONCE)
            if names:
                self._noticed += 1
                self._broadcast.notify()
