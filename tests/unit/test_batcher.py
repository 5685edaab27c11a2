"""Calls that arrive while a commit runs share the next one."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import traceback
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import Batcher, OutcomeUnknown, Overloaded, StoreClosed, StoreFull
from tasksvc.stores.batcher import LINGER_IDLE_TURNS, LINGER_SECONDS

PATIENCE = 10.0
"""Seconds after which a test that waits for something has failed."""


class Store:
    """A store that commits groups when the test lets it, and keeps a journal of them."""

    def __init__(self, **limits: Any) -> None:
        self.groups: list[list[int]] = []
        self.running = 0
        self.overlapped = False
        self.free = asyncio.Event()
        self.free.set()
        self.started = asyncio.Event()
        self.commit: Batcher[int, str] = Batcher(self.run, **limits)

    @property
    def units(self) -> list[int]:
        return [unit for group in self.groups for unit in group]

    async def run(self, units: Sequence[int]) -> Sequence[str | Exception]:
        self.overlapped |= self.running > 0
        self.running += 1
        self.groups.append(list(units))
        self.started.set()
        try:
            await self.free.wait()
            await asyncio.sleep(0)
        finally:
            self.running -= 1
        return [f"done {unit}" if unit >= 0 else StoreFull(f"no room for {unit}") for unit in units]

    async def busy_with(self, unit: int) -> asyncio.Future[str]:
        """Starts a group of one that doesn't end before the store is released."""
        self.free.clear()
        self.started.clear()
        future = self.commit(unit)
        await asyncio.wait_for(self.started.wait(), PATIENCE)
        return future


async def settled(*futures: asyncio.Future[str]) -> list[str | BaseException]:
    """Returns the outcomes of all, within PATIENCE."""
    return await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), PATIENCE)


# ---------------------------------------------------------------- grouping


async def test_a_lone_call_runs_at_once() -> None:
    store = Store()

    future = store.commit(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert store.groups == [[1]]
    assert await future == "done 1"


async def test_calls_of_one_turn_of_the_loop_share_a_group_in_their_order() -> None:
    store = Store()

    outcomes = await settled(*map(store.commit, range(10)))

    assert outcomes == [f"done {unit}" for unit in range(10)]
    assert store.groups == [list(range(10))]


async def test_calls_that_arrive_while_a_group_runs_share_the_next_one() -> None:
    store = Store()
    first = await store.busy_with(0)
    later = [store.commit(unit) for unit in (1, 2, 3)]

    assert store.commit.queued == 3
    store.free.set()
    await settled(first, *later)

    assert store.groups == [[0], [1, 2, 3]]
    assert store.commit.queued == 0


async def after_company() -> Store:
    """A store whose last group had two units."""
    store = Store()
    await settled(store.commit(1), store.commit(2))
    return store


async def test_a_group_commit_lingers_for_further_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasksvc.stores.batcher.perf_counter", lambda: 0.0)  # however slow the machine is
    store = await after_company()

    futures = []
    for unit in range(3, 13):
        futures.append(store.commit(unit))
        for _ in range(LINGER_IDLE_TURNS - 2):
            await asyncio.sleep(0)
    await settled(*futures)

    assert store.groups[1:] == [list(range(3, 13))]


async def test_in_company_a_group_starts_when_nobody_comes() -> None:
    store = await after_company()

    future = store.commit(3)
    for _ in range(LINGER_IDLE_TURNS + 2):
        await asyncio.sleep(0)

    assert store.groups[1:] == [[3]]
    await future


async def test_in_company_a_group_starts_in_time_whoever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = await after_company()
    times = itertools.count(0.0, LINGER_SECONDS / 4)
    monkeypatch.setattr("tasksvc.stores.batcher.perf_counter", times.__next__)

    futures = []
    for unit in range(3, 13):
        futures.append(store.commit(unit))
        await asyncio.sleep(0)
    await settled(*futures)

    assert 1 < len(store.groups[1]) < 6


async def test_a_group_that_is_full_waits_no_longer() -> None:
    store = Store(max_batch=2)
    await settled(store.commit(1), store.commit(2))

    futures = [store.commit(unit) for unit in (3, 4, 5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert store.groups[1:] == [[3, 4]]
    await settled(*futures)


async def test_a_group_never_exceeds_its_limit_and_none_overlaps_another() -> None:
    store = Store(max_batch=4)

    outcomes = await settled(*map(store.commit, range(10)))

    assert outcomes == [f"done {unit}" for unit in range(10)]
    assert store.groups == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert not store.overlapped


async def test_a_caller_is_answered_after_its_own_group_and_not_before() -> None:
    store = Store(max_batch=1)
    first = await store.busy_with(0)
    second = store.commit(1)
    await asyncio.sleep(0.01)

    assert not first.done()
    store.started.clear()
    store.free.set()
    assert await first == "done 0"
    assert not second.done()
    assert await second == "done 1"


# ---------------------------------------------------------------- weight


async def test_a_batch_has_no_more_weight_than_the_most_and_the_order_stays() -> None:
    store = Store(weight=lambda unit: unit, max_weight=10)

    outcomes = await settled(*map(store.commit, [4, 6, 1, 2, 3, 9, 1, 1]))

    assert store.groups == [[4, 6], [1, 2, 3], [9, 1], [1]]
    assert outcomes == [f"done {unit}" for unit in store.units]


async def test_an_item_that_is_heavier_than_the_most_has_a_batch_of_its_own() -> None:
    store = Store(weight=lambda unit: unit, max_weight=10)

    await settled(*map(store.commit, [99, 1, 99, 99, 2, 3]))

    assert store.groups == [[99], [1], [99], [99], [2, 3]]


async def test_what_was_cancelled_has_no_weight() -> None:
    store = Store(weight=lambda unit: unit, max_weight=10)
    first = await store.busy_with(0)
    later = [store.commit(unit) for unit in (1, 99, 2)]

    later[1].cancel()
    store.free.set()
    await settled(first, *later)

    assert store.groups == [[0], [1, 2]]


async def test_an_item_that_waits_alone_is_not_weighed() -> None:
    weighed: list[int] = []
    store = Store(weight=lambda unit: weighed.append(unit) or 1)  # type: ignore[func-returns-value]

    await store.commit(1)

    assert weighed == []


# ---------------------------------------------------------------- failures


async def test_a_unit_that_is_refused_fails_alone() -> None:
    store = Store()

    one, two, three = await settled(store.commit(1), store.commit(-2), store.commit(3))

    assert store.groups == [[1, -2, 3]]
    assert (one, three) == ("done 1", "done 3")
    assert isinstance(two, StoreFull)


async def test_where_the_store_itself_fails_that_is_the_outcome_of_the_whole_group_alone() -> None:
    groups = []

    async def run(units: Sequence[int]) -> Sequence[int | Exception]:
        groups.append(units)
        if len(groups) == 1:
            raise StoreFull("full")
        return units

    commit: Batcher[int, int] = Batcher(run, max_batch=2)

    outcomes = await asyncio.gather(*map(commit, range(4)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StoreFull, StoreFull, int, int]


@pytest.mark.parametrize("given_back", [[], ["done"] * 2, ["done"] * 4, None])
async def test_a_store_that_gives_no_outcome_for_each_unit_fails_its_group_and_leaves_nobody_waiting(
    given_back: Any,
) -> None:
    async def run(units: Sequence[int]) -> Any:
        return given_back

    commit: Batcher[int, str] = Batcher(run)

    outcomes = await settled(*map(commit, range(3)))

    assert all(isinstance(outcome, RuntimeError | TypeError) for outcome in outcomes)
    await asyncio.wait_for(commit.close(), PATIENCE)


async def test_the_traceback_of_a_shared_failure_does_not_grow_with_its_callers() -> None:
    async def run(units: Sequence[int]) -> Sequence[int | Exception]:
        raise StoreFull("full")

    commit: Batcher[int, int] = Batcher(run)
    depths = []

    async def call(unit: int) -> None:
        try:
            try:
                await commit(unit)
            finally:
                await asyncio.sleep(0)
        except StoreFull as error:
            depths.append(len(traceback.extract_tb(error.__traceback__)))

    await asyncio.gather(*map(call, range(20)))

    assert len(set(depths)) == 1


# ---------------------------------------------------------------- cancellation


async def test_a_call_that_is_cancelled_before_its_group_starts_never_happens() -> None:
    store = Store()
    first = await store.busy_with(0)
    second, third = store.commit(1), store.commit(2)

    second.cancel()
    store.free.set()
    await settled(first, third)

    assert store.groups == [[0], [2]]


async def test_a_group_of_cancelled_calls_alone_never_runs() -> None:
    store = Store()
    first = await store.busy_with(0)
    for future in [store.commit(1), store.commit(2)]:
        future.cancel()

    store.free.set()
    await first
    await asyncio.wait_for(store.commit.close(), PATIENCE)

    assert store.groups == [[0]]


async def test_a_call_that_is_cancelled_while_its_group_runs_happens_and_disturbs_nobody() -> None:
    store = Store(max_batch=2)
    store.free.clear()
    first, second = store.commit(0), store.commit(1)
    await asyncio.wait_for(store.started.wait(), PATIENCE)

    first.cancel()
    store.free.set()

    assert await second == "done 1"
    assert store.groups == [[0, 1]]


async def test_a_failure_after_its_caller_was_cancelled_is_not_an_unretrieved_exception() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    store = Store()

    async def cancelled() -> None:
        call = asyncio.ensure_future(store.commit(-1))
        await asyncio.wait_for(store.started.wait(), PATIENCE)
        call.cancel()

    async def timed_out() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(store.commit(-1), 0.01)

    for give_up in (cancelled, timed_out):
        store.free.clear()
        store.started.clear()
        await give_up()
        store.free.set()
        await store.commit(1)
        gc.collect()

    assert store.units == [-1, 1, -1, 1]
    assert complaints == []


# ---------------------------------------------------------------- limits


async def test_one_more_than_may_wait_is_refused_until_there_is_room() -> None:
    store = Store(max_queue=2)
    first = await store.busy_with(0)
    second, third = store.commit(1), store.commit(2)

    with pytest.raises(Overloaded, match="2 calls wait"):
        store.commit(3)

    store.free.set()
    await settled(first, second, third)
    assert await store.commit(4) == "done 4"
    assert store.units == [0, 1, 2, 4]


# ---------------------------------------------------------------- close


async def test_close_lets_what_waits_finish_and_refuses_what_comes() -> None:
    store = Store(max_batch=1)
    first = await store.busy_with(0)
    second = store.commit(1)

    closing = asyncio.ensure_future(store.commit.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        store.commit(2)
    assert not closing.done()
    store.free.set()
    await asyncio.wait_for(closing, PATIENCE)

    assert (first.result(), second.result()) == ("done 0", "done 1")
    assert store.units == [0, 1]


async def test_close_of_an_idle_one_returns_at_once_and_so_does_a_second_close() -> None:
    store = Store()
    await store.commit(1)

    await asyncio.wait_for(store.commit.close(), PATIENCE)
    await asyncio.wait_for(store.commit.close(), PATIENCE)

    with pytest.raises(StoreClosed):
        store.commit(2)


async def test_two_closes_at_once_both_wait_for_what_runs() -> None:
    store = Store()
    first = await store.busy_with(0)

    closings = [asyncio.ensure_future(store.commit.close()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(closing.done() for closing in closings)
    store.free.set()

    await asyncio.wait_for(asyncio.gather(*closings), PATIENCE)
    assert first.result() == "done 0"


async def test_a_close_that_is_cancelled_stops_nothing_and_can_be_repeated() -> None:
    store = Store()
    first = await store.busy_with(0)
    closing = asyncio.ensure_future(store.commit.close())
    await asyncio.sleep(0)

    closing.cancel()
    await asyncio.wait([closing])
    with pytest.raises(StoreClosed):
        store.commit(1)
    store.free.set()
    await asyncio.wait_for(store.commit.close(), PATIENCE)

    assert first.result() == "done 0"


# ---------------------------------------------------------------- its own task is cancelled, as a loop does at its end


def worker_of(store: Store, others: set[asyncio.Task[Any]]) -> asyncio.Task[Any]:
    """Returns the task that runs the groups of `store`, which is the one that wasn't there before."""
    (worker,) = asyncio.all_tasks() - others
    return worker


async def test_a_worker_that_is_cancelled_while_it_writes_leaves_its_group_unknown_and_the_rest_undone() -> None:
    store, others = Store(), asyncio.all_tasks()
    writing = await store.busy_with(0)
    waiting = store.commit(1)

    worker_of(store, others).cancel()
    first, second = await settled(writing, waiting)

    assert isinstance(first, OutcomeUnknown)
    assert type(second) is StoreClosed
    assert store.units == [0]


async def test_a_worker_that_is_cancelled_before_it_began_leaves_nobody_waiting() -> None:
    store, others = Store(), asyncio.all_tasks()
    call = store.commit(1)

    worker_of(store, others).cancel()
    (outcome,) = await settled(call)

    assert type(outcome) is StoreClosed
    assert store.groups == []
    await asyncio.wait_for(store.commit.close(), PATIENCE)


async def test_after_a_worker_was_cancelled_the_next_call_has_another() -> None:
    store, others = Store(), asyncio.all_tasks()
    call = store.commit(1)
    worker_of(store, others).cancel()
    await settled(call)

    assert await asyncio.wait_for(store.commit(2), PATIENCE) == "done 2"


# ---------------------------------------------------------------- all of it, in any order

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(-2, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
        st.tuples(st.sampled_from(["hold", "free"]), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 4), st.integers(1, 6))
def test_each_call_has_its_own_outcome_in_any_order(steps: list[tuple[str, int]], group: int, waiting: int) -> None:
    async def story() -> None:
        store = Store(max_batch=group, max_queue=waiting)
        calls: list[tuple[int, asyncio.Future[str]]] = []
        for number, (step, value) in enumerate(steps):
            if step == "call":
                unit = (number + 1) * (-1 if value < 0 else 1)
                with contextlib.suppress(Overloaded):
                    calls.append((unit, store.commit(unit)))
                    continue
                assert store.commit.queued == waiting
            elif step == "cancel" and calls:
                calls[value % len(calls)][1].cancel()
            elif step == "hold":
                store.free.clear()
            elif step == "free":
                store.free.set()
            else:
                for _ in range(value):
                    await asyncio.sleep(0)
        store.free.set()
        await asyncio.wait_for(store.commit.close(), PATIENCE)

        for unit, future in calls:
            assert future.done()
            if future.cancelled():
                continue
            assert store.units.count(unit) == 1
            assert isinstance(future.exception(), StoreFull) if unit < 0 else future.result() == f"done {unit}"
        order = [unit for unit, _ in calls]
        assert store.units == [unit for unit in order if unit in store.units], "out of order"
        assert all(1 <= len(units) <= group for units in store.groups)
        assert not store.overlapped

    asyncio.run(story())


async def test_a_group_runs_in_nobodys_name() -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen = []

    async def run(units: Sequence[str]) -> Sequence[str]:
        seen.append(name.get())
        return units

    name.set("the first caller")
    assert await Batcher(run)("unit") == "unit"

    assert seen == ["nobody"]


async def test_a_failure_without_a_waiting_caller_logs_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(units: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        raise StoreClosed("The store is closed.")

    group: Batcher[int, int] = Batcher(fail)
    waiting = [asyncio.create_task(shielded(group(number))) for number in range(3)]
    await asyncio.sleep(0)

    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await group.close()
    del task
    waiting.clear()
    gc.collect()

    assert caplog.text == ""


async def shielded(future: asyncio.Future[int]) -> int:
    return await asyncio.shield(future)
