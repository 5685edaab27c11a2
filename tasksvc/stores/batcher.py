"""Batches of calls: those that arrive while a batch runs share the next one, as in group commit.

One commit to disk costs the same for one call as for sixty-four, so a store that takes them
together is many times as fast as one that takes them in turn, and just as safe: each caller is
answered after the commit that holds its own call.  Reads can share a statement in the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from time import perf_counter
from typing import Generic, TypeVar

from tasksvc.domain.errors import OutcomeUnknown, Overloaded, StoreClosed

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

LINGER_SECONDS = 0.004
"""The longest time that a batch waits for more items, if the last one had several."""
LINGER_IDLE_TURNS = 10
"""The successive turns of the event loop without a new item after which a batch stops waiting for more."""
MAX_WEIGHT = 2**20
"""The most weight of a batch of several items: the bytes that one transaction writes in some hundredths of a second."""


class Batcher(Generic[Item, Outcome]):
    """Takes items one by one and passes them to `run` in batches, one batch at a time, in their order.

    `run` returns one outcome for each item, in their order: an exception instance for an item that was
    refused, which fails alone.  If `run` itself raises, that is the outcome of the whole batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        max_batch: int = 64,
        max_queue: int = 10_000,
        weight: Callable[[Item], int] | None = None,
        max_weight: int = MAX_WEIGHT,
    ) -> None:
        """A batch has at most `max_batch` items.  At most `max_queue` wait; one more is refused with Overloaded.

        With `weight`, such as commit_weight(), the items of a batch have at most `max_weight` together.  A heavier
        item has a batch of its own.  `weight` must not raise.
        """
        self._run, self._max_batch, self._max_queue = run, max_batch, max_queue
        self._weight, self._max_weight = weight, max_weight
        self._queue: list[tuple[Item, asyncio.Future[Outcome]]] = []
        self._worker: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_batch_shared = False
        self._closed = False

    def __call__(self, item: Item) -> asyncio.Future[Outcome]:
        """Returns a future of the outcome of `item`.  Raises StoreClosed and Overloaded at once.

        An item whose future is cancelled before its batch starts is never run.  Later, it is run all the same.
        """
        if self._closed:
            raise StoreClosed("The store is closed.")
        if len(self._queue) >= self._max_queue:
            self._queue = [waiting for waiting in self._queue if not waiting[1].done()]  # the rest was cancelled
        if len(self._queue) >= self._max_queue:
            raise Overloaded(f"{self._max_queue:,} calls wait for the store already. Try again soon.")
        if self._loop is None:  # looked up once, since each look asks the kernel for the process id
            self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._queue.append((item, future))
        if self._worker is None:
            # A context of its own: what it does is for many callers, so not in the name of the first.
            self._worker = self._loop.create_task(self._drain(), context=Context())
            self._worker.add_done_callback(self._stopped)
        return future

    @property
    def queued(self) -> int:
        """The number of items that wait for their batch to start."""
        return len(self._queue)

    async def close(self) -> None:
        """Refuses new items, and returns when those that wait are done."""
        self._closed = True
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _drain(self) -> None:
        while self._queue:
            await self._linger()
            count = self._next_count()
            taken, self._queue = self._queue[:count], self._queue[count:]
            self._last_batch_shared = len(taken) > 1
            live = [(item, future) for item, future in taken if not future.done()]
            if live:
                await self._commit(live)
        self._worker = None

    def _next_count(self) -> int:
        """Returns how many of the items that wait are in the next batch."""
        if self._weight is None or len(self._queue) < 2:
            return self._max_batch
        weight = 0
        for count, (item, future) in enumerate(self._queue[: self._max_batch]):
            if not future.done():
                before, weight = weight, weight + self._weight(item)
                if before and weight > self._max_weight:
                    return count
        return self._max_batch

    def _stopped(self, worker: asyncio.Task[None]) -> None:
        """Refuses the items that wait for a worker that was cancelled, perhaps before it began."""
        if self._worker is worker:
            self._worker = None
            waiting, self._queue = self._queue, []
            for _, future in waiting:
                answer(future, StoreClosed("The store was stopped."))

    async def _linger(self) -> None:
        """Waits for calls that are about to join the batch, as long as they arrive.

        An earlier start would gain little, since the calls and a commit take turns on the interpreter anyway.
        """
        await asyncio.sleep(0)
        if not self._last_batch_shared:
            return
        end = perf_counter() + LINGER_SECONDS
        waiting, alone = len(self._queue), 0
        while alone < LINGER_IDLE_TURNS and waiting < self._max_batch and perf_counter() < end:
            await asyncio.sleep(0)
            before, waiting = waiting, len(self._queue)
            alone = alone + 1 if waiting == before else 0

    async def _commit(self, live: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        try:
            outcomes = await self._run([item for item, _ in live])
            if len(outcomes) != len(live):
                raise RuntimeError(f"A batch of {len(live)} items has {len(outcomes)} outcomes, not one for each.")
        except BaseException as error:
            told = error if isinstance(error, Exception) else OutcomeUnknown("The store was stopped while it wrote.")
            for _, future in live:
                answer(future, told)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), outcome in zip(live, outcomes, strict=True):
                answer(future, outcome)


def answer(future: asyncio.Future[Outcome], outcome: Outcome | Exception) -> None:
    """Gives `future` its outcome: an exception is raised where it is awaited."""
    if future.done():  # its caller was cancelled
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        future.exception()  # or asyncio would log it where nobody waits for it any more
    else:
        future.set_result(outcome)
