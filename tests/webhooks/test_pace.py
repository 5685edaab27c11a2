"""Requests to targets slow down for those to the service, and for nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

from tasksvc_webhooks.pace import BURST_SECONDS, RATE_MAX, RATE_MIN, REPEATED_RATE, Pace


@asynccontextmanager
async def late_thread() -> AsyncIterator[None]:
    """Lets the event loop be late all the time, as it is on a machine that others use."""

    async def hold_up() -> None:
        while True:
            time.sleep(0.02)  # noqa: ASYNC251
            await asyncio.sleep(0)

    task = asyncio.create_task(hold_up())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_late_thread_slows_no_delivery_down_while_the_service_has_few_requests() -> None:
    pace = Pace(lambda: 7)
    rates = set()

    async with late_thread():
        for _ in range(40):
            await pace.turn()
            rates.add(pace.rate)

    assert rates == {RATE_MAX}


async def test_a_late_thread_slows_deliveries_down_while_the_service_has_many_requests() -> None:
    requests = count(step=1_000)
    pace = Pace(lambda: next(requests))

    async with late_thread():
        while pace.rate > RATE_MIN:
            await pace.turn()

    assert pace.rate == RATE_MIN


async def test_deliveries_are_quick_again_after_the_last_request() -> None:
    requests = 0
    pace = Pace(lambda: requests)

    async with late_thread():
        while pace.rate > RATE_MIN:
            requests += 1_000
            await pace.turn()
        while pace.rate < RATE_MAX:
            await pace.turn()

    assert pace.rate == RATE_MAX


async def test_requests_that_failed_before_are_begun_one_after_the_other_and_hold_up_no_others() -> None:
    pace = Pace(lambda: 0)
    order: list[str] = []

    async def begin(name: str, turn: Callable[[], Awaitable[None]]) -> None:
        await turn()
        order.append(name)

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(begin("repeated", pace.turn_of_repeated))
        group.create_task(begin("new", pace.turn))

    assert time.monotonic() - began >= 20 / REPEATED_RATE - BURST_SECONDS - 0.001
    assert "new" in order[:2]
