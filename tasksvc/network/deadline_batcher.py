"""Batches concurrent calls that share a statement or a transaction, and keeps the deadline of each one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from tasksvc.domain.errors import StoreUnavailable
from tasksvc.network.executor import AnySession, Executor
from tasksvc.stores.batcher import Batcher

MAX_BATCH = 256
"""The most calls that share a statement or a transaction."""
MIN_TIME_LEFT = 0.25
"""The smallest fraction (0 to 1) of a call's timeout that must be left for its work to start."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _Waiting(NamedTuple, Generic[Item]):
    item: Item
    deadline: float


class DeadlineBatcher(Generic[Item, Outcome]):
    """Takes items one by one and does them in batches, one batch at a time, in their order.

    An item has the time of a call from when it was given.  One that has waited for most of it is refused, so that
    those behind it have enough; the others of a batch share the deadline of the oldest.
    """

    def __init__(
        self,
        executor: Executor[Any, AnySession],
        work: Callable[[AnySession, Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        weight: Callable[[Item], int] | None = None,
    ) -> None:
        """Takes `work`, which returns an outcome for each item and may be called again if it fails."""
        self._executor, self._work = executor, work
        self._batcher: Batcher[_Waiting[Item], Outcome] = Batcher(
            self._run, max_batch=MAX_BATCH, weight=weight and (lambda waiting: weight(waiting.item))
        )

    def __call__(self, item: Item) -> asyncio.Future[Outcome]:
        """Returns a future of the outcome of `item`.  Raises StoreClosed and Overloaded at once."""
        return self._batcher(_Waiting(item, self._executor.deadline()))

    async def _run(self, waiting: Sequence[_Waiting[Item]]) -> Sequence[Outcome | Exception]:
        late = sum(self._executor.time_left(deadline) < MIN_TIME_LEFT for _, deadline in waiting)  # the first ones
        outcomes: list[Outcome | Exception] = [too_slow()] * late
        items = [item for item, _ in waiting[late:]]
        if items:
            deadline = waiting[late].deadline  # all are answered together, so with that of the oldest
            try:
                outcomes += await self._executor.run(lambda session: self._work(session, items), deadline=deadline)
            except Exception as error:  # whatever it is, nothing was tried of those that are late
                outcomes += [error] * len(items)
        return outcomes

    async def close(self) -> None:
        """Refuses new items, and returns when those that wait are done."""
        await self._batcher.close()


def too_slow() -> StoreUnavailable:
    """Returns what is raised for a call that has waited for most of its time."""
    return StoreUnavailable("The store is too slow for all who ask at present. Try again soon.")
