"""Batches calls that share a transaction, where those of one partition take turns and those of others needn't.

A transaction waits for the disk, and for a standby perhaps, and nothing in that is work.  So several run at the same
time where their calls belong to different partitions, such as workspaces.  More transactions are more work, though, so
another one begins beside those that run only if it would be full, or if a call has waited for a while: on a quick disk
there is one transaction at a time, and it has all that wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

from tasksvc.domain.errors import OutcomeUnknown, Overloaded, StoreClosed
from tasksvc.network.deadline_batcher import MAX_BATCH, MIN_TIME_LEFT, too_slow
from tasksvc.network.executor import AnySession, Executor
from tasksvc.stores.batcher import LINGER_IDLE_TURNS, LINGER_SECONDS, MAX_WEIGHT, answer

MAX_QUEUE = 10_000
"""The most calls that wait."""
PARALLEL_AFTER = 0.005
"""Seconds after which a call that waits begins another transaction, if it isn't full either."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class _Waiting(NamedTuple, Generic[Item, Outcome]):
    item: Item
    future: asyncio.Future[Outcome]
    deadline: float


class PartitionedBatcher(Generic[Item, Outcome]):
    """Takes items one by one and does them in batches, several at a time, each partition in one of them at most.

    The items of a partition are done in their order.  A batch takes the partitions that have waited longest.  An item
    has the time of a call from when it was given.  One that has waited for most of it is refused, so that those behind
    it have enough; the others of a batch share the deadline of the oldest.
    """

    def __init__(
        self,
        executor: Executor[Any, AnySession],
        work: Callable[[AnySession, Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        partition: Callable[[Item], str],
        weight: Callable[[Item], int],
        parallel: int,
        parallel_after: float = PARALLEL_AFTER,
        max_batch: int = MAX_BATCH,
        max_queue: int = MAX_QUEUE,
    ) -> None:
        """Takes `work`, which returns an outcome for each item and may be called again if it fails.

        At most `parallel` batches are done at the same time, each of at most `max_batch` items, which together have at
        most the weight of a Batcher's.  One that isn't full begins beside others after `parallel_after` seconds.  At
        most `max_queue` items wait.
        """
        self._executor, self._work, self._partition, self._weight = executor, work, partition, weight
        self._parallel, self._parallel_after = parallel, parallel_after
        self.max_batch, self._max_queue = max_batch, max_queue
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, deque[_Waiting[Item, Outcome]]] = {}
        """The items that wait, by partition; the partition whose first item has waited longest comes first."""
        self._running: set[str] = set()
        """The partitions of the batches that are done now."""
        self._waiting = 0
        self._ready = 0
        """The number of items that wait, and of those whose partition isn't running."""
        self._workers: set[asyncio.Task[None]] = set()
        self._lingering = 0
        """The number of workers that are about to take a batch."""
        self._timer: asyncio.TimerHandle | None = None
        self._last_batch_shared = False
        self._closed = False

    def __call__(self, item: Item) -> asyncio.Future[Outcome]:
        """Returns a future of the outcome of `item`.  Raises StoreClosed and Overloaded at once.

        An item whose future is cancelled before its batch starts is never run.  Later, it is run all the same.
        """
        if self._closed:
            raise StoreClosed("The store is closed.")
        if self._waiting >= self._max_queue:
            self._forget_cancelled()
        if self._waiting >= self._max_queue:
            raise Overloaded(f"{self._waiting:,} calls wait for the store already. Try again soon.")
        future: asyncio.Future[Outcome] = self._loop.create_future()
        partition = self._partition(item)
        if (queue := self._queues.get(partition)) is None:
            queue = self._queues[partition] = deque()
        queue.append(_Waiting(item, future, self._executor.deadline()))
        self._waiting += 1
        if partition not in self._running:
            self._ready += 1
            self._start_if_due()
        return future

    @property
    def queued(self) -> int:
        """The number of items that wait for their batch to start."""
        return self._waiting

    async def close(self) -> None:
        """Refuses new items, and returns when those that wait are done."""
        self._closed = True
        while self._workers:
            await asyncio.wait(self._workers)
        self._stop_timer()

    # ------------------------------------------------------------ when a batch starts

    def _start_if_due(self) -> None:
        if not self._workers or self._ready >= self.max_batch * (1 + self._lingering):
            self._start()
        elif self._ready and not self._lingering and self._timer is None and len(self._workers) < self._parallel:
            self._timer = self._loop.call_later(self._parallel_after, self._start_late, self._oldest_deadline())

    def _start_late(self, deadline: float) -> None:
        """Starts another batch if the item that was the oldest one, which has this deadline, still waits."""
        self._timer = None
        if self._ready:
            if self._oldest_deadline() == deadline:
                self._start()
            else:
                self._start_if_due()

    def _oldest_deadline(self) -> float:
        return next(queue[0].deadline for partition, queue in self._queues.items() if partition not in self._running)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        if len(self._workers) < self._parallel:
            self._stop_timer()
            self._lingering += 1
            # A context of its own: what it does is for many callers, so not in the name of the first.
            worker = self._loop.create_task(self._drain_queues(), context=Context())
            self._workers.add(worker)
            worker.add_done_callback(self._stopped)

    def _stopped(self, worker: asyncio.Task[None]) -> None:
        """Refuses the items that wait for workers that were cancelled, perhaps before they began."""
        self._workers.discard(worker)
        if worker.cancelled() and not self._workers:
            queues, self._queues = self._queues, {}
            self._waiting = self._ready = self._lingering = 0
            for queue in queues.values():
                for waiting in queue:
                    answer(waiting.future, StoreClosed("The store was stopped."))

    async def _drain_queues(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None
        while True:
            await self._linger()
            batch = self._take()
            self._lingering -= 1
            if self._ready:
                self._start_if_due()
            if batch:
                await self._run(batch)
            if not self._ready:
                self._workers.discard(worker)  # at once, or an item that comes now would wait for it
                return
            self._lingering += 1

    async def _linger(self) -> None:
        """Waits for calls that are about to join the batch, as long as they arrive, as a Batcher does."""
        await asyncio.sleep(0)
        if not self._last_batch_shared:
            return
        end = perf_counter() + LINGER_SECONDS
        ready, alone = self._ready, 0
        while alone < LINGER_IDLE_TURNS and ready < self.max_batch and perf_counter() < end:
            await asyncio.sleep(0)
            before, ready = ready, self._ready
            alone = alone + 1 if ready == before else 0

    # ------------------------------------------------------------ what is in a batch

    def _take(self) -> list[_Waiting[Item, Outcome]]:
        """Takes the items of the next batch from the queues; their partitions are running then."""
        batch: list[_Waiting[Item, Outcome]] = []
        visited: list[str] = []
        weight = 0
        for partition, queue in self._queues.items():
            if partition in self._running:
                continue
            visited.append(partition)
            self._ready -= len(queue)
            self._waiting -= len(queue)
            count = len(batch)
            while queue and len(batch) < self.max_batch:
                if not queue[0].future.done():
                    before, weight = weight, weight + self._weight(queue[0].item)
                    if before and weight > MAX_WEIGHT:
                        break
                    batch.append(queue[0])
                queue.popleft()
            self._waiting += len(queue)
            if len(batch) > count:
                self._running.add(partition)
            else:
                self._ready += len(queue)
            if queue or len(batch) == self.max_batch:
                break
        for partition in visited:
            if not self._queues[partition]:
                del self._queues[partition]
        self._last_batch_shared = len(batch) > 1
        return batch

    def _forget_cancelled(self) -> None:
        """Drops the items that wait and whose callers were cancelled."""
        for partition, queue in list(self._queues.items()):
            live = deque(waiting for waiting in queue if not waiting.future.done())
            gone = len(queue) - len(live)
            self._waiting -= gone
            if partition not in self._running:
                self._ready -= gone
            if live:
                self._queues[partition] = live
            else:
                del self._queues[partition]

    async def _run(self, batch: Sequence[_Waiting[Item, Outcome]]) -> None:
        late = [waiting for waiting in batch if self._executor.time_left(waiting.deadline) < MIN_TIME_LEFT]
        for waiting in late:
            answer(waiting.future, too_slow())
        done = [waiting for waiting in batch if waiting not in late] if late else batch
        try:
            if done:
                await self._do(done)
        finally:
            for partition in {self._partition(waiting.item) for waiting in batch}:
                self._running.discard(partition)
                self._ready += len(self._queues.get(partition, ()))

    async def _do(self, batch: Sequence[_Waiting[Item, Outcome]]) -> None:
        items = [waiting.item for waiting in batch]
        deadline = min(waiting.deadline for waiting in batch)  # all are answered together
        try:
            outcomes = await self._executor.run(lambda session: self._work(session, items), deadline=deadline)
            if len(outcomes) != len(batch):
                raise RuntimeError(f"A batch of {len(batch)} items has {len(outcomes)} outcomes, not one for each.")
        except BaseException as error:
            told = error if isinstance(error, Exception) else OutcomeUnknown("The store was stopped while it wrote.")
            for waiting in batch:
                answer(waiting.future, told)
            if not isinstance(error, Exception):
                raise
        else:
            for waiting, outcome in zip(batch, outcomes, strict=True):
                answer(waiting.future, outcome)
