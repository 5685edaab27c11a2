"""Calls that run at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tasksvc.application.in_parallel import in_parallel


class Calls:
    """Calls that run until the test lets them end."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.may_end = asyncio.Semaphore(0)

    async def call(self, number: int) -> int:
        """Returns `number` when the test lets it."""
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.may_end.acquire()
        finally:
            self.running -= 1
        return number


async def test_results_come_in_the_order_of_the_calls_of_which_some_run_at_once() -> None:
    calls = Calls()
    task = asyncio.create_task(in_parallel((partial(calls.call, number) for number in range(10)), at_once=3))
    for _ in range(10):
        await asyncio.sleep(0)
        calls.may_end.release()

    assert await task == list(range(10))
    assert calls.most == 3


async def test_no_calls_have_no_results() -> None:
    assert await in_parallel([], at_once=3) == []


async def test_the_first_error_cancels_the_other_calls_and_is_raised_when_they_have_ended() -> None:
    calls = Calls()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("the first")

    work: list[Callable[[], Awaitable[int]]] = [partial(calls.call, 1), fail, partial(calls.call, 3), fail]
    with pytest.raises(ValueError, match="the first"):
        await in_parallel(work, at_once=3)

    assert (calls.running, calls.most) == (0, 2)


async def test_calls_end_when_their_caller_is_cancelled() -> None:
    calls = Calls()
    task = asyncio.create_task(in_parallel([partial(calls.call, number) for number in range(5)], at_once=2))
    while calls.running < 2:
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (calls.running, calls.most) == (0, 2)
