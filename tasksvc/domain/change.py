"""The change log: changes, positions in it, generations."""

from __future__ import annotations

import os
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from tasksvc.domain.task import Task


class ChangeKind(StrEnum):
    """What a change did to its task."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Change(NamedTuple):
    """One entry of the change log, with the task as it left it; None if it deleted the task.

    In a commit it's also the write of that task: of several changes of one task, the last one counts.  In a dump it's
    history alone.
    """

    seq: int
    """The number: 1, 2, 3, ... without gaps, in the order of the commits."""
    kind: ChangeKind
    at: datetime
    task_id: int
    task: Task | None
    """The task as this change left it; None for a deletion."""
    by: str | None = None
    """The name of the caller who made it; None if it isn't known."""


class Position(NamedTuple):
    """A place in the change log of one life of a workspace: after the change `seq`."""

    generation: str
    """The effective generation of the workspace; "" if nothing was ever written to it."""
    seq: int


LOG_START: Final = Position("", 0)
"""The position before the first change of any workspace."""


def new_generation() -> str:
    """Returns a generation for a workspace, or an epoch for a store: 64 random bits in 16 characters of [0-9a-f]."""
    return os.urandom(8).hex()
