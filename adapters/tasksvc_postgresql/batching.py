"""Batches concurrent calls that share a statement or a transaction, and keeps the deadline of each one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from tasksvc import Batcher, StoreUnavailable
from tasksvc_postgresql.retrying import RetryingExecutor, Session

MAX_BATCH = 256
"""The most calls that share a statement or a transaction."""
MAX_BATCH_WEIGHT = 1_000
"""The most weight of calls that share a statement or a transaction; a single call may have more."""
MIN_TIME_LEFT = 0.25
"""The smallest fraction (0 to 1) of a call's timeout that must be left for its work to start."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _Waiting(NamedTuple, Generic[Item]):
    item: Item
    deadline: float


class DeadlineBatcher(Generic[Item, Outcome]):
    """Takes items one by one and does them in batches, one batch at a time, in their order."""

    def __init__(
        self,
        executor: RetryingExecutor,
        work: Callable[[Session, Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        weight: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        """Takes `work`, which returns an outcome for each item and may be called again if it fails."""
        self._executor, self._work, self._weight = executor, work, weight
        self._batcher: Batcher[_Waiting[Item], Outcome] = Batcher(self._run, max_batch=MAX_BATCH)

    def __call__(self, item: Item) -> asyncio.Future[Outcome]:
        """Returns a future of the outcome of `item`.  Raises StoreClosed and Overloaded at once."""
        return self._batcher(_Waiting(item, self._executor.deadline()))

    async def _run(self, waiting: Sequence[_Waiting[Item]]) -> Sequence[Outcome | Exception]:
        outcomes: list[Outcome | Exception] = []
        deadline = math.inf  # that of the oldest one whose work was begun, since all are answered together
        while len(outcomes) < len(waiting):
            first = min(deadline, waiting[len(outcomes)].deadline)
            if self._executor.time_left(first) < MIN_TIME_LEFT:
                outcomes.append(StoreUnavailable("The store is too slow for all who ask at present. Try again soon."))
                continue
            deadline = first
            items = self._next_batch(waiting, len(outcomes))
            try:
                outcomes += await self._executor.run(partial(self._work_on, items), deadline=deadline)
            except Exception as error:  # whatever it is, it is that of these units alone
                outcomes += [error] * len(items)
        return outcomes

    def _next_batch(self, waiting: Sequence[_Waiting[Item]], start: int) -> list[Item]:
        items: list[Item] = []
        weight = 0
        for item, _ in waiting[start:]:
            weight += self._weight(item)
            if items and weight > MAX_BATCH_WEIGHT:
                break
            items.append(item)
        return items

    async def _work_on(self, items: Sequence[Item], session: Session) -> Sequence[Outcome | Exception]:
        return await self._work(session, items)

    async def close(self) -> None:
        """Refuses new items, and returns when those that wait are done."""
        await self._batcher.close()
