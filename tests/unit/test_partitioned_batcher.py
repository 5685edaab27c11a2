"""Batches of calls in several transactions at a time, each partition in one of them at most."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, cast

import pytest

from tasksvc import OutcomeUnknown, Overloaded, StoreClosed, StoreUnavailable
from tasksvc.network import Executor, PartitionedBatcher, Session
from tasksvc.stores.batcher import MAX_WEIGHT

PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""


class Item(NamedTuple):
    """A call of a store."""

    partition: str
    number: int
    weight: int = 1


class FakeExecutor:
    """Runs work without a connection."""

    timeout = PATIENCE

    def deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.timeout

    def time_left(self, deadline: float) -> float:
        return (deadline - asyncio.get_running_loop().time()) / PATIENCE

    async def run(self, work: Callable[[Any], Awaitable[object]], *, deadline: float) -> object:
        async with asyncio.timeout_at(deadline):
            return await work(None)


class Transactions:
    """Does batches, each of which ends when the test says so."""

    def __init__(self, *, parallel: int, max_batch: int = 4, **settings: Any) -> None:
        self.executor = FakeExecutor()
        self.running: list[Sequence[Item]] = []
        self.begun: list[Sequence[Item]] = []
        self._ends: dict[int, asyncio.Future[None]] = {}
        self.batcher: PartitionedBatcher[Item, int] = PartitionedBatcher(
            cast("Executor[Any, Session[Any]]", self.executor),
            self._work,
            partition=lambda item: item.partition,
            weight=lambda item: item.weight,
            parallel=parallel,
            max_batch=max_batch,
            **settings,
        )

    async def _work(self, session: Any, items: Sequence[Item]) -> Sequence[int | Exception]:
        partitions = {item.partition for batch in self.running for item in batch}
        assert not partitions & {item.partition for item in items}, "each partition is in one batch at a time"
        self.begun.append(items)
        self.running.append(items)
        end = self._ends[id(items)] = asyncio.get_running_loop().create_future()
        try:
            await end
        finally:
            self.running.remove(items)
        return [item.number for item in items]

    def give(self, *names: str, weight: int = 1) -> list[asyncio.Future[int]]:
        """Gives an item to each of the partitions."""
        return [self.batcher(Item(name, number, weight)) for number, name in enumerate(names)]

    def end(self, number: int = 0, error: BaseException | None = None) -> None:
        """Ends one of the batches that run."""
        future = self._ends[id(self.running[number])]
        future.set_exception(error) if error else future.set_result(None)

    async def run(self, count: int) -> None:
        """Returns when `count` batches run."""
        async with asyncio.timeout(PATIENCE):
            while len(self.running) != count:
                await asyncio.sleep(0.001)

    async def end_all(self) -> None:
        """Ends all that runs and is still to run."""
        closing = asyncio.create_task(self.batcher.close())
        async with asyncio.timeout(PATIENCE):
            while not closing.done():
                while self.running and not self._ends[id(self.running[-1])].done():
                    self.end(-1)
                await asyncio.sleep(0.001)


def partitions(batch: Sequence[Item]) -> list[str]:
    return [item.partition for item in batch]


async def test_items_of_other_partitions_are_done_beside_those_that_run() -> None:
    transactions = Transactions(parallel=3, parallel_after=0.0)
    first, *_ = transactions.give("a", "a")
    await transactions.run(1)

    (second,) = transactions.give("b")
    await transactions.run(2)
    transactions.end(1)

    assert await second == 0
    assert not first.done()
    await transactions.end_all()


async def test_items_of_a_partition_take_turns_in_their_order() -> None:
    transactions = Transactions(parallel=3, max_batch=2)
    outcomes = transactions.give(*"aaaaa")
    await transactions.run(1)

    assert transactions.begun == [[Item("a", 0), Item("a", 1)]]
    await transactions.end_all()
    assert [await outcome for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [len(batch) for batch in transactions.begun] == [2, 2, 1]


async def test_several_partitions_share_a_batch() -> None:
    transactions = Transactions(parallel=3)

    outcomes = transactions.give("a", "b", "a")
    await transactions.run(1)

    assert sorted(partitions(transactions.begun[0])) == ["a", "a", "b"]
    await transactions.end_all()
    assert [await outcome for outcome in outcomes] == [0, 1, 2]


async def test_as_many_batches_run_as_are_full_up_to_the_limit() -> None:
    transactions = Transactions(parallel=2, max_batch=2)

    transactions.give(*"abcdefgh")
    await transactions.run(2)
    await asyncio.sleep(0.02)

    assert list(map(partitions, transactions.running)) == [["a", "b"], ["c", "d"]]
    transactions.end()
    await until_begun(transactions, 3)
    assert partitions(transactions.begun[2]) == ["e", "f"], "those that have waited longest come next"
    await transactions.end_all()


async def test_a_batch_that_would_not_be_full_waits_for_the_one_before() -> None:
    transactions = Transactions(parallel=2, parallel_after=PATIENCE)
    transactions.give("a")
    await transactions.run(1)

    transactions.give("b", "c")
    await asyncio.sleep(0.02)
    assert len(transactions.running) == 1
    transactions.end()
    await until_begun(transactions, 2)

    assert list(map(partitions, transactions.begun)) == [["a"], ["b", "c"]]
    await transactions.end_all()


async def until_begun(transactions: Transactions, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(transactions.begun) < count:
            await asyncio.sleep(0.001)


async def test_a_batch_has_no_more_weight_than_the_limit() -> None:
    transactions = Transactions(parallel=1, max_batch=9)

    transactions.give("a", "a", "b", weight=MAX_WEIGHT // 2)
    transactions.give("c", weight=2 * MAX_WEIGHT)
    await transactions.end_all()

    assert list(map(partitions, transactions.begun)) == [["a", "a"], ["b"], ["c"]]


async def test_cancelled_items_are_not_run_and_hold_nothing_up() -> None:
    transactions = Transactions(parallel=1)
    transactions.give("a")
    await transactions.run(1)
    cancelled, kept = transactions.give("b", "c")

    cancelled.cancel()
    transactions.give("b")
    await transactions.end_all()

    assert await kept == 1
    assert list(map(partitions, transactions.begun)) == [["a"], ["b", "c"]]
    assert transactions.batcher.queued == 0


async def test_too_many_items_are_refused_until_some_are_cancelled() -> None:
    transactions = Transactions(parallel=1, max_queue=3)
    transactions.give("a")
    await transactions.run(1)
    waiting = transactions.give("a", "b", "c")

    with pytest.raises(Overloaded, match="3 calls wait"):
        transactions.give("d")
    waiting[1].cancel()
    (last,) = transactions.give("d")

    await transactions.end_all()
    assert await last == 0


async def test_an_item_that_waited_for_most_of_its_time_is_refused_and_the_others_are_done() -> None:
    transactions = Transactions(parallel=1)
    transactions.give("a")
    await transactions.run(1)
    transactions.executor.timeout = PATIENCE / 10
    (late,) = transactions.give("b")
    transactions.executor.timeout = PATIENCE
    (other,) = transactions.give("c")

    await transactions.end_all()

    with pytest.raises(StoreUnavailable, match="too slow for all who ask"):
        await late
    assert await other == 0
    assert list(map(partitions, transactions.begun)) == [["a"], ["c"]]


async def test_an_error_is_that_of_its_batch_and_the_next_one_is_done() -> None:
    transactions = Transactions(parallel=2, max_batch=1)
    failed, kept, later = transactions.give("a", "b", "a")
    await transactions.run(2)

    transactions.end(0, OutcomeUnknown("lost"))

    with pytest.raises(OutcomeUnknown):
        await failed
    await transactions.end_all()
    assert [await kept, await later] == [1, 2]


async def test_close_refuses_new_items_and_waits_for_the_others() -> None:
    transactions = Transactions(parallel=2)
    outcomes = transactions.give("a", "b")

    await transactions.end_all()

    assert [outcome.result() for outcome in outcomes] == [0, 1]
    with pytest.raises(StoreClosed):
        transactions.give("a")


async def test_workers_that_are_cancelled_leave_nobody_waiting() -> None:
    transactions = Transactions(parallel=1)
    (running,) = transactions.give("a")
    await transactions.run(1)
    (waiting,) = transactions.give("a")

    (worker,) = transactions.batcher._workers
    worker.cancel()

    with pytest.raises(OutcomeUnknown):
        await running
    with pytest.raises(StoreClosed):
        await waiting
