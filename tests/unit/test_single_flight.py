"""Identical calls at the same time share one result."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tasksvc import SingleFlight, StoreClosed

PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""


class Counting:
    """Runs that end when the test lets them, and say which one they were."""

    def __init__(self) -> None:
        self.runs = 0
        self.cancelled = 0
        self.free = asyncio.Event()
        self.started = asyncio.Event()
        self.shared: SingleFlight[str, str] = SingleFlight(self.run)

    async def run(self, key: str, since: float) -> str:
        self.runs += 1
        name = f"{key} {self.runs}"
        self.started.set()
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return name

    async def call(self, key: str) -> asyncio.Task[str]:
        """Starts a call that doesn't end before `free` is set, and returns when it runs."""
        self.started.clear()
        task = asyncio.create_task(self.shared(key))
        await asyncio.wait_for(self.started.wait(), PATIENCE)
        return task


async def test_equal_calls_of_one_turn_of_the_loop_share_a_run_and_others_have_their_own() -> None:
    counting = Counting()
    counting.free.set()

    answers = await asyncio.gather(*map(counting.shared, ["a", "a", "b", "a"]))

    assert answers == ["a 1", "a 1", "b 2", "a 1"]


async def test_a_call_never_shares_a_run_that_started_before_it() -> None:
    counting = Counting()
    first = await counting.call("a")
    second, third = (asyncio.create_task(counting.shared("a")) for _ in range(2))
    for _ in range(5):
        await asyncio.sleep(0)
    assert counting.runs == 1, "equal calls run one after the other"

    counting.free.set()

    answers = [await each for each in (first, second, third)]
    assert answers == ["a 1", "a 2", "a 2"]


async def test_a_run_learns_when_its_first_caller_came_however_long_it_waited_for_its_turn() -> None:
    free, times = asyncio.Event(), []
    began = asyncio.get_running_loop().time()

    async def run(key: str, since: float) -> None:
        times.append(since)
        await free.wait()

    shared: SingleFlight[str, None] = SingleFlight(run)
    first = asyncio.create_task(shared("a"))
    while not times:
        await asyncio.sleep(0)
    second = asyncio.create_task(shared("a"))
    await asyncio.sleep(0)
    later = asyncio.get_running_loop().time()
    await asyncio.sleep(0.01)
    free.set()
    await asyncio.gather(first, second)

    assert began <= times[0] <= times[1] <= later


async def test_a_run_ends_when_all_of_its_callers_are_cancelled_and_not_before() -> None:
    counting = Counting()
    first, second = (asyncio.create_task(counting.shared("a")) for _ in range(2))
    await asyncio.wait_for(counting.started.wait(), PATIENCE)

    first.cancel()
    await asyncio.wait([first])
    assert counting.cancelled == 0
    second.cancel()
    await asyncio.wait([second])
    await asyncio.wait_for(counting.shared.close(), PATIENCE)

    assert counting.cancelled == 1


async def test_a_call_after_a_cancelled_one_has_a_run_of_its_own() -> None:
    counting = Counting()
    first = await counting.call("a")
    first.cancel()
    counting.free.set()

    assert await counting.shared("a") == "a 2"


async def test_a_failure_is_that_of_all_callers() -> None:
    async def fail(key: str, since: float) -> str:
        raise StoreClosed(key)

    shared: SingleFlight[str, str] = SingleFlight(fail)

    outcomes = await asyncio.gather(shared("a"), shared("a"), return_exceptions=True)

    assert [str(outcome) for outcome in outcomes] == ["a", "a"]


async def test_close_waits_for_what_runs_and_for_what_waits_for_its_turn() -> None:
    counting = Counting()
    first = await counting.call("a")
    second = asyncio.create_task(counting.shared("a"))
    await asyncio.sleep(0)

    closing = asyncio.create_task(counting.shared.close())
    await asyncio.sleep(0)
    assert not closing.done()
    counting.free.set()
    await asyncio.wait_for(closing, PATIENCE)

    assert (await first, await second) == ("a 1", "a 2")


async def test_a_failure_without_a_waiting_caller_logs_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(key: int, since: float) -> int:
        await asyncio.sleep(0)
        raise StoreClosed("The store is closed.")

    shared: SingleFlight[int, int] = SingleFlight(fail)
    waiting = [asyncio.create_task(shared(7)) for _ in range(3)]
    await asyncio.sleep(0)

    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await shared.close()
    del task
    waiting.clear()
    gc.collect()

    assert caplog.text == ""
