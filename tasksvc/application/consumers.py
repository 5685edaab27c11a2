"""Consumers: each gets every change of every workspace at least once, and in the order of each workspace's log.

One process at a time does the work of a consumer, under a lease.  It finds the workspaces that have something new by
changed_workspaces(), so that those without cost nothing.  How far it has come is kept in records, which are written
after the changes were handled.  So after a crash another process begins where the first one was, or a little before.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NoReturn, Protocol

from tasksvc.application.change_watch import WORKSPACES_AT_ONCE, ChangeWatch
from tasksvc.application.clock import now
from tasksvc.application.contract_checks import check_changes
from tasksvc.application.leases import Lease, LeaseLost, backoff
from tasksvc.application.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts
from tasksvc.application.log_search import find_position
from tasksvc.application.places import Place, Places, State
from tasksvc.application.plugin_records import Records
from tasksvc.domain.change import LOG_START, Change, Position
from tasksvc.domain.errors import NotSupported, PositionGone, StoreUnavailable
from tasksvc.ports.store import Capability, TaskRepository

CONCURRENCY: Final = 8
"""Workspaces whose changes are handled at once."""

_is_name = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII).fullmatch

log = logging.getLogger("tasksvc")


class Handle(Protocol):
    """Handles changes of a workspace, which follow each other in its log."""

    async def __call__(self, workspace: str, changes: Sequence[Change], position: Position, /) -> None:
        """Takes one change at least, and the position after the last one."""


class Lost(Protocol):
    """Learns that changes of a workspace can't be handled any more, and may be missing."""

    async def __call__(self, workspace: str, since: Position, start: Position, /) -> None:
        """Takes the position after the last change that was handled, and the one from which changes follow.

        They are of different generations if the workspace was erased or the store restored or renewed; `start` is
        LOG_START if the workspace doesn't exist.  `since` is LOG_START if no change of the workspace was handled yet.
        """


class Start(StrEnum):
    """Where a consumer begins that is new."""

    BEGINNING = "beginning"
    """With the first change that each log has."""
    NOW = "now"
    """With the first change that is made after it began, by the clocks of those who make changes."""


class Consumer:
    """A consumer, as one of the processes sees it that may do its work."""

    def __init__(
        self,
        name: str,
        handle: Handle,
        *,
        records: Records,
        workspace: Callable[[str], TaskRepository],
        watch: ChangeWatch,
        start: Start = Start.NOW,
        lost: Lost | None = None,
        concurrency: int = CONCURRENCY,
        limits: Limits = DEFAULT_LIMITS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        """Takes a name of 1 to 32 characters of a-z, 0-9 and -, which is unique among those in `records`.

        `handle` is called for one workspace at a time `concurrency` times at most, and again for the same changes if
        it raises.  `lost` is called before it where changes may be missing, and again if it raises.  `workspace` gives
        a workspace of the open store by its name.
        """
        if not _is_name(name):
            raise ValueError(f"{name!r} can't be the name of a consumer: 1 to 32 characters of a-z, 0-9 and '-'.")
        self.name, self.handle, self.lost = name, handle, lost
        self.records, self.workspace, self.watch = records, workspace, watch
        self.start, self.concurrency, self.limits, self.timeouts = start, concurrency, limits, timeouts
        self._lease = Lease(records, f"consumer:{name}", timeouts)
        self._places = Places(records, self._lease, name)
        self._running: Consumption | None = None

    @property
    def is_running(self) -> bool:
        """Whether this process does the work now, and no other one."""
        return self._lease.is_held

    @property
    def pending(self) -> int:
        """The number of workspaces that wait for their turn or for another attempt, if this process does the work."""
        return 0 if self._running is None else len(self._running.pending)

    async def run(self) -> NoReturn:
        """Does the work whenever this process holds the lease, until it's cancelled.

        Raises NotSupported if the store keeps no records.
        """
        if Capability.RECORDS not in self.records.capabilities:
            raise NotSupported("The store keeps no records, so a consumer can't say in it how far it has come.")
        while True:
            await self._lease.hold(self._consume)

    async def forget(self, workspace: str) -> None:
        """Deletes what is kept of a workspace, which was erased.  Raises StoreUnavailable."""
        await self._places.forget(workspace)

    async def _consume(self) -> None:
        self._running = Consumption(self, self._places)
        try:
            await self._running.run()
        finally:
            self._running = None


class _Pending:
    """A workspace that may have changes to handle."""

    def __init__(self, *, is_behind: bool) -> None:
        self.again = False
        """Whether it was named again since its log was read."""
        self.failures = 0
        """The failures since the last success."""
        self.is_behind = is_behind
        """Whether a record says that it has yet to be looked at."""


class Consumption:
    """The work of a consumer, as long as this process holds the lease."""

    def __init__(self, consumer: Consumer, places: Places) -> None:
        self._consumer, self._places, self._timeouts = consumer, places, consumer.timeouts
        self._label = f"{consumer.name} of {consumer.records.namespace}"
        self.pending: dict[str, _Pending] = {}
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        """Those of the pending workspaces whose turn it is."""
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._moved = asyncio.Event()
        """Set while the token is newer than that of the state."""
        self._token = ""
        self._state = State("", None)
        self._writing = asyncio.Lock()
        """Held while the workspaces that are behind are written."""

    async def run(self) -> None:
        """Handles changes until it's cancelled.  Raises LeaseLost, and StoreUnavailable if it can't begin."""
        self._state = await self._places.state() or await self._begin()
        self._token = self._state.token
        async for name in self._places.behind():
            self._mark(name, is_behind=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                group.create_task(self._keep_state())
                for _ in range(self._consumer.concurrency):
                    group.create_task(self._work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _begin(self) -> State:
        """Makes the state of a new consumer."""
        state = State("", None)
        if self._consumer.start is Start.NOW:
            token, more = "", True
            while more:  # the names aren't kept, since there may be very many
                _, token, more = await self._consumer.watch.changed(token, limit=WORKSPACES_AT_ONCE)
            state = State(token, now())
        await self._places.put_state(state)
        return state

    # ------------------------------------------------------------ finding workspaces

    def _mark(self, name: str, *, is_behind: bool = False) -> None:
        """Takes note that a workspace may have changes."""
        if (unit := self.pending.get(name)) is not None:
            unit.again = True
            return
        self.pending[name] = _Pending(is_behind=is_behind)
        self._ready.put_nowait(name)
        if len(self.pending) >= self._consumer.limits.consumer_workspaces:
            self._has_room.clear()

    async def _follow(self) -> None:
        """Marks the workspaces that have changed."""
        watch = self._consumer.watch
        while True:
            await self._has_room.wait()
            noticed = watch.noticed
            try:
                names, token, more = await watch.changed(self._token, limit=WORKSPACES_AT_ONCE)
            except Exception as error:
                self._log_error("cannot read which workspaces have changed", error)
                await asyncio.sleep(self._timeouts.feed_retry)
                continue
            for name in names:
                self._mark(name)
            self._token = token
            if names:
                self._moved.set()
            if not more:
                await watch.wait(noticed, timeout=self._timeouts.feed_wait)

    async def _keep_state(self) -> None:
        """Writes how far it has come now and then, if it has come further."""
        while True:
            await self._moved.wait()
            await asyncio.sleep(self._timeouts.consumer_token)
            self._moved.clear()
            try:
                await self._write_state()
            except LeaseLost:
                raise
            except Exception as error:
                self._log_error("cannot write how far it has come", error)
                self._moved.set()

    async def _write_state(self) -> None:
        async with self._writing:
            state = self._state._replace(token=self._token)
            behind = [name for name, unit in self.pending.items() if not unit.is_behind]
            await self._places.put_state(state, behind=behind)
            for name in behind:
                if (unit := self.pending.get(name)) is not None:
                    unit.is_behind = True

    # ------------------------------------------------------------ handling changes

    async def _work(self) -> None:
        """Handles changes of one workspace after the other."""
        task = asyncio.current_task()
        assert task is not None
        while True:
            name = await self._ready.get()
            unit = self.pending[name]
            unit.again = False
            try:
                more = await self._advance(name) or not await self._catch_up(name, unit)
            except LeaseLost:
                raise
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and task.cancelling():
                    raise
                unit.failures += 1
                self._log_error(f"failed in the workspace {name}, and will try again", error)
                pause = backoff(unit.failures, self._timeouts)
                asyncio.get_running_loop().call_later(pause, self._ready.put_nowait, name)
                continue
            unit.failures = 0
            if more:
                self._ready.put_nowait(name)

    async def _catch_up(self, name: str, unit: _Pending) -> bool:
        """Forgets a workspace whose log was read to its end, unless it was named again; whether it did."""
        async with self._writing:
            if unit.is_behind:
                await self._places.catch_up(name)
                unit.is_behind = False
            if unit.again:
                return False
            del self.pending[name]
        if len(self.pending) < self._consumer.limits.consumer_workspaces:
            self._has_room.set()
        return True

    async def _advance(self, name: str) -> bool:
        """Handles the next changes of a workspace, and returns whether there may be more."""
        place = await self._places.get(name)
        repository = self._consumer.workspace(name)
        since = LOG_START if place is None else place.position
        if place is None and self._state.begun is not None:
            start, after_pruned = await find_position(repository, self._state.begun)
            if after_pruned:
                what = f"may lack changes of the workspace {name}, which were pruned up to {start.seq}"
                log.info("The consumer %s %s.", self._label, what)
                await self._skip(name, None, since, start)
                return True
            since = start
        limits = self._consumer.limits
        try:
            page = await repository.read_changes(since, limit=limits.changes_read, max_bytes=limits.stream_bytes)
        except PositionGone as error:
            start, _ = await find_position(repository, None)
            if start == since:
                raise
            log.warning("The consumer %s lacks changes of the workspace %s: %s", self._label, name, error)
            await self._skip(name, place, since, start)
            return True
        check_changes(page, since)
        if page.changes:
            await self._consumer.handle(name, page.changes, page.next)
            await self._places.move(name, place, page.next)
        return page.more

    async def _skip(self, name: str, place: Place | None, since: Position, start: Position) -> None:
        """Moves the place in a workspace over changes that are gone."""
        if self._consumer.lost is not None:
            await self._consumer.lost(name, since, start)
        if start != LOG_START:
            await self._places.move(name, place, start)
        elif place is not None:
            await self._places.drop(name, place)

    def _log_error(self, what: str, error: BaseException) -> None:
        if isinstance(error, StoreUnavailable):
            log.warning("The consumer %s %s: %s", self._label, what, error)
        else:
            log.error("The consumer %s %s.", self._label, what, exc_info=error)
