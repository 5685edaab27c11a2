"""Writes the places of lanes, many in one commit, and so that a start finds every lane that has something to deliver.

After a start, the workspaces are looked at that have changed since the token `followed`, and the lanes that have a
mark.  So before a token is written, each lane that was pending when it was read, and still is, gets a mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from tasksvc import OutcomeUnknown, RecordConflict
from tasksvc.plugin import Delete, Put, Service
from tasksvc_webhooks.lane_set import Lane, LaneSet
from tasksvc_webhooks.lanes import Place, place_to_json
from tasksvc_webhooks.settings import WebhookSettings
from tasksvc_webhooks.statuses import Statuses
from tasksvc_webhooks.storing import WebhookStore

WRITES_MAX: Final = 500
"""Records in one commit."""
PAUSE_RATIO: Final = 100.0
"""How many times as long as a commit of places took the next one should wait, since requests wait for it too."""


class _Snapshot(NamedTuple):
    """The token as it was read at a time, by the clock of the event loop."""

    token: str | None
    at: float


class Saver:
    """Writes what has become of lanes."""

    def __init__(
        self,
        service: Service,
        store: WebhookStore,
        lanes: LaneSet,
        statuses: Statuses,
        settings: WebhookSettings,
        reload: Callable[[Lane], None],
        is_paused: Callable[[Lane], bool],
        followed: str | None,
    ) -> None:
        """Takes the token that is written, if any, and what asks whether a lane's webhook is paused.

        `reload` makes a lane read its record again, which isn't as this process has written it.
        """
        self._service, self._store, self._lanes, self._statuses = service, store, lanes, statuses
        self._settings = settings
        self._reload, self._is_paused = reload, is_paused
        self._moved: dict[Lane, None] = {}
        """Lanes whose places must be written now."""
        self._skipped: dict[Lane, float] = {}
        """Lanes whose places may be written later, with the time when they moved first."""
        self._deletions: list[str] = []
        self._snapshot: _Snapshot | None = None
        self.due_at = 0.0
        """When the next commit of places is due, by the clock of the event loop."""
        self.followed = followed
        """The token that is written."""

    def moved(self, lane: Lane) -> None:
        """Has the place of a lane written soon."""
        self._moved[lane] = None

    def skipped(self, lane: Lane) -> None:
        """Has the place of a lane written later."""
        self._skipped.setdefault(lane, asyncio.get_running_loop().time())

    def delete(self, lane: Lane) -> None:
        """Has the records of a lane deleted, which has left the memory."""
        self._moved.pop(lane, None)
        self._skipped.pop(lane, None)
        self._deletions += [lane.key, lane.mark_key]

    # ------------------------------------------------------------ places

    async def save(self, *, everything: bool = False) -> None:
        """Writes the places that are due; with `everything`, all.  Raises StoreUnavailable."""
        now = asyncio.get_running_loop().time()
        if self._statuses.has_losses:
            await self._statuses.save()
        age = 0.0 if everything else self._settings.save_skipped
        due = [lane for lane, since in self._skipped.items() if now - since >= age]
        for lane in due:
            del self._skipped[lane]
        lanes = list({**self._moved, **dict.fromkeys(due)})
        self._moved.clear()
        for start in range(0, len(lanes), WRITES_MAX):
            part = lanes[start : start + WRITES_MAX]
            try:
                await self._write_places(part)
            except BaseException:
                self._moved = {**dict.fromkeys(lanes[start:]), **self._moved}
                raise
        await self._delete()
        end = asyncio.get_running_loop().time()
        self.due_at = end + PAUSE_RATIO * (end - now)

    async def _write_places(self, lanes: Sequence[Lane]) -> None:
        taken = [(lane, lane.place) for lane in lanes if lane.place != lane.saved and not lane.dropped]
        writes = [(lane, place) for lane, place in taken if place is not None]
        try:
            await self._commit(writes)
        except (RecordConflict, OutcomeUnknown):
            for write in writes:  # all but those whose records are others than this process thinks
                try:
                    await self._commit([write])
                except RecordConflict:
                    self._reload(write[0])

    async def _commit(self, writes: Sequence[tuple[Lane, Place]]) -> None:
        if not writes:
            return
        puts = [Put(lane.key, place_to_json(place), lane.version) for lane, place in writes]
        writing = asyncio.create_task(self._service.records.write(puts))
        try:
            await asyncio.shield(writing)
        finally:
            await asyncio.wait([writing])  # a write goes on if the wait for it is cancelled at the end
            if not writing.cancelled() and writing.exception() is None:
                for lane, place in writes:
                    lane.saved = place
                    lane.version = (lane.version or 0) + 1

    async def _delete(self) -> None:
        while self._deletions:
            keys = self._deletions[:WRITES_MAX]
            await self._service.records.write([Delete(key) for key in keys])
            del self._deletions[: len(keys)]

    # ------------------------------------------------------------ the token

    async def checkpoint(self, token: str | None) -> float | None:
        """Writes the token that the last call was given, and keeps this one for the next call.

        Returns when the last call was: what was pending then is found after a start from now on.  None at the first
        call.  Raises StoreUnavailable.
        """
        now = asyncio.get_running_loop().time()
        snapshot = self._snapshot
        if snapshot is not None:
            await self._mark(snapshot.at)
            if snapshot.token is not None and snapshot.token != self.followed:
                await self._store.set_followed(snapshot.token)
                self.followed = snapshot.token
        self._snapshot = _Snapshot(token, now)
        await self._forget_idle(now)
        return None if snapshot is None else snapshot.at

    async def _mark(self, at: float) -> None:
        """Marks the lanes that have been pending since `at`."""
        unmarked = [lane for lane in self._lanes if lane.is_pending and not lane.marked and lane.pending_since <= at]
        for start in range(0, len(unmarked), WRITES_MAX):
            part = unmarked[start : start + WRITES_MAX]
            await self._service.records.write([Put(lane.mark_key, {"workspace": lane.workspace}) for lane in part])
            for lane in part:
                lane.marked = True

    async def _forget_idle(self, now: float) -> None:
        idle = [
            lane
            for lane in self._lanes
            if not lane.is_pending and now - lane.idle_since >= self._settings.idle and lane.place == lane.saved
        ]
        for start in range(0, len(idle), WRITES_MAX):
            part = idle[start : start + WRITES_MAX]
            # A paused webhook goes on with the lanes that have marks, when it's resumed.
            if marked := [lane for lane in part if lane.marked and not self._is_paused(lane)]:
                await self._service.records.write([Delete(lane.mark_key) for lane in marked])
            for lane in marked:
                lane.marked = False
            for lane in part:
                if not lane.is_pending:
                    self._lanes.drop(lane)
