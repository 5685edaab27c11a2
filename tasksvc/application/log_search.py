"""Finds positions in the log of a workspace with few reads of it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tasksvc.domain.change import LOG_START, Position
from tasksvc.domain.errors import PositionGone
from tasksvc.domain.query import TaskQuery
from tasksvc.ports.store import TaskRepository


class FoundPosition(NamedTuple):
    """A position in a log, and what is before it."""

    position: Position
    after_pruned: bool
    """Whether the change before it was pruned, so that it may not be the position that was wanted."""


async def end_of_log(repository: TaskRepository) -> Position:
    """Returns where the log ends now: LOG_START in a workspace that isn't made."""
    return (await repository.find(TaskQuery(), limit=1)).position


async def find_position(repository: TaskRepository, since: datetime | None) -> FoundPosition:
    """Returns the position before the first change that was made at `since` or later; without it, before the first.

    It's the end of the log if there is no such change.  A log of n changes is read log n times.  The changes are taken
    to be in the order of their times; where a clock was set back, it's the position before one of several changes.
    """
    generation, seq = await end_of_log(repository)
    if not generation:
        return FoundPosition(LOG_START, after_pruned=False)
    low, high, after_pruned = 0, seq, False
    while low < high:
        middle = (low + high) // 2
        try:
            page = await repository.read_changes(Position(generation, middle), limit=1)
        except PositionGone:
            low, after_pruned = middle + 1, True
            continue
        if since is None or not page.changes or page.changes[0].at >= since:
            high = middle
        else:
            low, after_pruned = middle + 1, False
    return FoundPosition(Position(generation, low), after_pruned)
