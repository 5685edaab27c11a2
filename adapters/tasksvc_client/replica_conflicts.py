"""Conflicts between a queued write and what others have done meanwhile, and how they are decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tasksvc_client.models import Task

if TYPE_CHECKING:
    from typing import Final

DELETION: Final[Literal["delete"]] = "delete"
"""The decision that the task is to be deleted."""

Decision: TypeAlias = "Mapping[str, Any] | Literal['delete'] | None"
"""The fields to write to `theirs`, DELETION, or None to write nothing."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A queued write of a task that others have changed since, in the same fields, or deleted.

    To write fields to a task that was deleted brings it back first.
    """

    mine: Task | None
    """The task as the write would have left it; None if it deletes the task."""
    theirs: Task | None
    """The task as it is now; None if it was deleted."""
    base: Task | None
    """The task that the write was based on; None if it creates one, with a uid that `theirs` has."""
    fields: Mapping[str, Any]
    """The fields that the write names."""
    open: bool = False
    """Whether the write may be in `theirs` already, since it was sent more than a day ago without an answer."""


OnConflict: TypeAlias = "Callable[[Conflict], Decision | Awaitable[Decision]]"
"""Decides a conflict; it may be async where the replica is."""


def by_default(conflict: Conflict) -> Decision:
    """Decides a conflict where the caller doesn't: fields are written over others' ones, and nothing else is done.

    A task that others deleted stays deleted, one that they changed isn't deleted, and what may have been written
    already isn't written again.
    """
    writes = conflict.mine is not None and conflict.theirs is not None and conflict.base is not None
    return conflict.fields if writes and not conflict.open else None
