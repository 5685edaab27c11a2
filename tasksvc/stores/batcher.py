"""Group commit: calls that arrive while a commit runs share the next one.

One commit to disk costs the same for one call as for sixty-four, so a store that takes them
together is many times as fast as one that takes them in turn, and just as safe: each caller is
answered after the commit that holds its own call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from time import perf_counter
from typing import Generic, TypeVar

from tasksvc.domain.errors import OutcomeUnknown, Overloaded, StoreClosed

Unit = TypeVar("Unit")
Outcome = TypeVar("Outcome")

LINGER_SECONDS = 0.004
"""The longest time that a batch waits for more items, if the last one had several."""
LINGER_TURNS = 10
"""Turns of the event loop, one after the other, in which nobody came: then nobody is on their way."""


class Batcher(Generic[Unit, Outcome]):
    """Takes units one by one and hands them to `run` in groups, one group at a time, in their order.

    `run` gives one outcome for each unit, in their order: an exception instance for a unit that was
    refused, which fails alone.  Where `run` itself raises, that is the outcome of the whole group.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Unit]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        group: int = 64,
        waiting: int = 10_000,
    ) -> None:
        """At most `group` units go together; at most `waiting` wait, one more is refused with Overloaded."""
        self._run, self._group, self._waiting = run, group, waiting
        self._queue: list[tuple[Unit, asyncio.Future[Outcome]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._company = False
        self._closed = False

    def __call__(self, unit: Unit) -> asyncio.Future[Outcome]:
        """A future of the outcome of `unit`.

        Cancelled before its group starts, the unit never happens; later, it happens unseen.
        Raises StoreClosed and Overloaded at once.
        """
        if self._closed:
            raise StoreClosed("The store is closed.")
        if len(self._queue) >= self._waiting:
            self._queue = [waiting for waiting in self._queue if not waiting[1].done()]  # the rest was cancelled
        if len(self._queue) >= self._waiting:
            raise Overloaded(f"{self._waiting:,} calls wait for the store already. Try again soon.")
        if self._loop is None:  # looked up once, since each look asks the kernel for the process id
            self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._queue.append((unit, future))
        if self._worker is None:
            # A context of its own: what it does is for many callers, so not in the name of the first.
            self._worker = self._loop.create_task(self._drain(), context=Context())
            self._worker.add_done_callback(self._stopped)
        return future

    @property
    def waiting(self) -> int:
        """How many units wait for their group to start."""
        return len(self._queue)

    async def close(self) -> None:
        """Refuses new units and lets those that wait finish."""
        self._closed = True
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _drain(self) -> None:
        while self._queue:
            await self._linger()
            taken, self._queue = self._queue[: self._group], self._queue[self._group :]
            self._company = len(taken) > 1
            live = [(unit, future) for unit, future in taken if not future.done()]
            if live:
                await self._commit(live)
        self._worker = None

    def _stopped(self, worker: asyncio.Task[None]) -> None:
        """Lets nobody wait for a worker that was cancelled, maybe before it began."""
        if self._worker is worker:
            self._worker = None
            waiting, self._queue = self._queue, []
            for _, future in waiting:
                _settle(future, StoreClosed("The store was stopped."))

    async def _linger(self) -> None:
        """Lets calls that are on their way join the group, for as long as they come.

        To begin meanwhile would gain little: what brings them and a commit take turns on the interpreter.
        """
        await asyncio.sleep(0)
        if not self._company:
            return
        end = perf_counter() + LINGER_SECONDS
        waiting, alone = len(self._queue), 0
        while alone < LINGER_TURNS and waiting < self._group and perf_counter() < end:
            await asyncio.sleep(0)
            before, waiting = waiting, len(self._queue)
            alone = alone + 1 if waiting == before else 0

    async def _commit(self, live: list[tuple[Unit, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._run([unit for unit, _ in live])
            if len(outcomes) != len(live):
                raise RuntimeError(f"A group of {len(live)} units has {len(outcomes)} outcomes, not one for each.")
        except BaseException as error:
            told = error if isinstance(error, Exception) else OutcomeUnknown("The store was stopped while it wrote.")
            for _, future in live:
                _settle(future, told)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), outcome in zip(live, outcomes, strict=True):
                _settle(future, outcome)


def _settle(future: asyncio.Future[Outcome], outcome: Outcome | Exception) -> None:
    if future.done():  # its caller was cancelled
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        future.exception()  # or asyncio would log it where nobody waits for it any more
    else:
        future.set_result(outcome)
