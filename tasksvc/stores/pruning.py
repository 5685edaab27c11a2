"""Which changes are due to be pruned, decided once for every store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, TypeVar


class _Ordered(Protocol):
    def __ge__(self, other: Any, /) -> bool: ...


Moment = TypeVar("Moment", bound=_Ordered)
"""A time as the store keeps it, such as a datetime or a number of microseconds."""


class Prunable(NamedTuple):
    """What one step of pruning takes from the change log."""

    pruned_seq: int | None
    """The number of the newest change that is due, with all before it; None if no change is."""
    more: bool
    """Whether further changes are due after them."""


def prunable(
    oldest: Iterable[tuple[int, Moment]], *, last_seq: int, log_before: Moment, max_changes: int, limit: int
) -> Prunable:
    """Returns which changes TaskRepository.prune() deletes.

    `oldest` are the numbers and times of the oldest changes in the log, in their order; `limit` + 1 of them are
    enough.  `last_seq` is the number of the newest change.  A change is due if it's from before `log_before` or beyond
    the newest `max_changes`.  The log is pruned from its start alone, so one that isn't due keeps all that come after
    it.
    """
    pruned_seq, due = None, 0
    for seq, at in oldest:
        if at >= log_before and last_seq - seq < max_changes:
            break
        if due == limit:
            return Prunable(pruned_seq, more=True)
        pruned_seq, due = seq, due + 1
    return Prunable(pruned_seq, more=False)
