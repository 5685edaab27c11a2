"""The lanes that a process has in memory: those that have something to deliver, or had until a moment ago."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from datetime import datetime

from tasksvc_webhooks.keys import LANE, MARK, lane_name
from tasksvc_webhooks.lanes import Place


class Lane:
    """A lane in memory."""

    __slots__ = (
        "dropped",
        "idle_since",
        "is_slow",
        "marked",
        "name",
        "oldest",
        "pending_since",
        "place",
        "queued",
        "running",
        "saved",
        "timer",
        "version",
        "wants_turn",
        "webhook_id",
        "workspace",
    )

    def __init__(self, webhook_id: str, workspace: str, now: float) -> None:
        """Takes the time by the clock of the event loop."""
        self.webhook_id, self.workspace = webhook_id, workspace
        self.name = lane_name(webhook_id, workspace)
        self.place: Place | None = None
        """How far it has come; None before its record was read, and if there is none yet."""
        self.saved: Place | None = None
        """The place in its record."""
        self.version: int | None = None
        """The version of its record, 0 if there is none; None before it was read."""
        self.marked = False
        """Whether a record says that it is looked at after a start."""
        self.queued = self.running = self.wants_turn = self.is_slow = self.dropped = False
        self.timer: asyncio.TimerHandle | None = None
        """What begins its next attempt."""
        self.oldest: datetime | None = None
        """The time of the change that is to be delivered next, if it has been tried."""
        self.pending_since = now
        """Since when it has something to deliver, or may have."""
        self.idle_since = now
        """Since when it has not, if it isn't pending."""

    @property
    def key(self) -> str:
        """The key of its record."""
        return LANE + self.name

    @property
    def mark_key(self) -> str:
        """The key of the record that says that it is looked at after a start."""
        return MARK + self.name

    @property
    def is_pending(self) -> bool:
        """Whether it has something to deliver, or may have."""
        return self.queued or self.running or self.timer is not None

    @property
    def has_failed(self) -> bool:
        """Whether its last attempt failed."""
        return self.place is not None and self.place.attempts > 0

    def stop_waiting(self) -> None:
        """Forgets when its next attempt is due."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class LaneSet:
    """Lanes by their webhooks and workspaces."""

    def __init__(self) -> None:
        self._lanes: dict[str, dict[str, Lane]] = {}

    def __iter__(self) -> Iterator[Lane]:
        for lanes in self._lanes.values():
            yield from lanes.values()

    def of(self, webhook_id: str) -> Collection[Lane]:
        """Returns the lanes of a webhook."""
        return tuple(self._lanes.get(webhook_id, {}).values())

    def count_of(self, webhook_id: str) -> int:
        """Returns how many lanes of a webhook there are."""
        return len(self._lanes.get(webhook_id, ()))

    def get(self, webhook_id: str, workspace: str) -> Lane | None:
        """Returns a lane, if it's in memory."""
        return self._lanes.get(webhook_id, {}).get(workspace)

    def make(self, webhook_id: str, workspace: str) -> Lane:
        """Returns a lane, which it makes if it isn't in memory."""
        lanes = self._lanes.setdefault(webhook_id, {})
        if workspace not in lanes:
            lanes[workspace] = Lane(webhook_id, workspace, asyncio.get_running_loop().time())
        return lanes[workspace]

    def drop(self, lane: Lane) -> None:
        """Forgets a lane and its next attempt."""
        lane.dropped = True
        lane.stop_waiting()
        lanes = self._lanes.get(lane.webhook_id, {})
        if lanes.get(lane.workspace) is lane:
            del lanes[lane.workspace]
            if not lanes:
                del self._lanes[lane.webhook_id]
