"""Concurrent calls that share a statement or a transaction, each with a deadline of its own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from tasksvc import Batcher, StoreUnavailable
from tasksvc_postgresql.retrying import Connections, Session

GROUP = 256
"""The most calls that share a statement."""
HEAVIEST = 1_000
"""The most weight that calls share a statement with; a single call may have more."""
RESERVE = 0.25
"""Of the time that a call has: work that would begin with less is not begun."""

Unit = TypeVar("Unit")
Outcome = TypeVar("Outcome")


class _Waiting(NamedTuple, Generic[Unit]):
    unit: Unit
    deadline: float


class Grouping(Generic[Unit, Outcome]):
    """Takes units one by one and does them in groups, one group at a time, in their order."""

    def __init__(
        self,
        connections: Connections,
        work: Callable[[Session, Sequence[Unit]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        weight: Callable[[Unit], int] = lambda _: 1,
    ) -> None:
        """`work` gives one outcome for each unit, as Batcher asks for it; it may be done again."""
        self._connections, self._work, self._weight = connections, work, weight
        self._group: Batcher[_Waiting[Unit], Outcome] = Batcher(self._run, group=GROUP)

    def __call__(self, unit: Unit) -> asyncio.Future[Outcome]:
        """A future of the outcome of `unit`.  Raises StoreClosed and Overloaded at once."""
        return self._group(_Waiting(unit, self._connections.deadline()))

    async def _run(self, waiting: Sequence[_Waiting[Unit]]) -> Sequence[Outcome | Exception]:
        outcomes: list[Outcome | Exception] = []
        deadline = math.inf  # that of the oldest one whose work was begun, since all are answered together
        while len(outcomes) < len(waiting):
            first = min(deadline, waiting[len(outcomes)].deadline)
            if self._connections.left(first) < RESERVE:
                outcomes.append(StoreUnavailable("The store is too slow for all who ask at present. Try again soon."))
                continue
            deadline = first
            units = self._next_portion(waiting, len(outcomes))
            try:
                outcomes += await self._connections.run(partial(self._work_on, units), deadline=deadline)
            except Exception as error:  # whatever it is, it is that of these units alone
                outcomes += [error] * len(units)
        return outcomes

    def _next_portion(self, waiting: Sequence[_Waiting[Unit]], start: int) -> list[Unit]:
        units: list[Unit] = []
        weight = 0
        for unit, _ in waiting[start:]:
            weight += self._weight(unit)
            if units and weight > HEAVIEST:
                break
            units.append(unit)
        return units

    async def _work_on(self, units: Sequence[Unit], session: Session) -> Sequence[Outcome | Exception]:
        return await self._work(session, units)

    async def close(self) -> None:
        """Refuses new units and lets those that wait finish."""
        await self._group.close()
