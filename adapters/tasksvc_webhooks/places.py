"""Where in the log of a workspace a lane begins or goes on, found by looking at a few changes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

from tasksvc import LOG_START, ChangePage, Position, PositionGone
from tasksvc_webhooks.lanes import Place
from tasksvc_webhooks.subscriptions import Start

CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""By how much the clocks of replicas may differ.  A lane whose workspace has another generation goes on this long
before the last change that it delivered."""
_FIRST: Final = datetime.min.replace(tzinfo=UTC)


class Logs(Protocol):
    """The logs of all workspaces."""

    async def read_changes(
        self, workspace: str, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        """Returns what follows `since`.  Raises PositionGone."""

    async def end_of_log(self, workspace: str) -> Position:
        """Returns where the log ends."""


class Found(NamedTuple):
    """A position at which a lane goes on whose own is gone."""

    position: Position
    lost: int
    """Changes that were pruned before they were delivered."""


async def position_of_start(logs: Logs, workspace: str, start: Start) -> Position:
    """Returns the position of a start: its own, or that before the first change that isn't before its time."""
    if start.position is not None:
        return start.position
    end = await logs.end_of_log(workspace)
    return await _first_since(logs, workspace, end, start.at)


async def position_after_gone(logs: Logs, workspace: str, place: Place) -> Found | None:
    """Returns where a lane goes on whose position is gone; None if the workspace is erased.

    If changes were pruned, that's where the log begins now.  If the workspace has another generation, since it was
    erased and made again or since the store was restored, it goes on by time: no numbers lead from one generation into
    another.
    """
    end = await logs.end_of_log(workspace)
    old = place.position
    if end == LOG_START:
        return None if old.generation else Found(LOG_START, 0)
    if old.generation in ("", end.generation) and old.seq <= end.seq:
        position = await _first_since(logs, workspace, end, _FIRST)
        return Found(position, max(0, position.seq - old.seq))
    return Found(await _first_since(logs, workspace, end, place.at - CLOCKS_DIFFER), 0)


async def _first_since(logs: Logs, workspace: str, end: Position, at: datetime) -> Position:
    """Returns the position before the first change in the log that isn't before `at`; at most `end`.

    It looks from the end, since mostly that is near: 1, 2, 4, ... changes back, and then by halves.
    """

    async def is_before(seq: int) -> bool:
        """Returns whether the change after the position `seq` is before `at`, as those are that were pruned."""
        try:
            page = await logs.read_changes(workspace, Position(end.generation, seq), limit=1)
        except PositionGone:
            return True
        return bool(page.changes) and page.changes[0].at < at

    return Position(end.generation, await _first_false(is_before, end.seq))


async def _first_false(holds: Callable[[int], Awaitable[bool]], end: int) -> int:
    """Returns the lowest number for which `holds` is false, up to `end`, for which it isn't asked."""
    low, high, step = 0, end, 1
    while high > low:
        number = max(low, high - step)
        if await holds(number):
            low = number + 1
            break
        high, step = number, step * 2
    while high > low:
        number = (low + high) // 2
        if await holds(number):
            low = number + 1
        else:
            high = number
    return low
