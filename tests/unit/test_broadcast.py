"""All who wait are woken together."""

from __future__ import annotations

import asyncio

from tasksvc import Broadcast

PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""


async def waiting_at(broadcast: Broadcast) -> asyncio.Task[None]:
    """Returns a task that waits."""
    task = asyncio.create_task(broadcast.wait(PATIENCE))
    await asyncio.sleep(0)
    return task


async def test_all_who_wait_are_woken_each_time() -> None:
    broadcast = Broadcast()

    for _ in range(2):
        waiting = [await waiting_at(broadcast) for _ in range(3)]
        broadcast.notify()
        await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE / 2)


async def test_what_happened_before_the_call_wakes_nobody() -> None:
    broadcast = Broadcast()
    broadcast.notify()

    waiting = await waiting_at(broadcast)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    broadcast.notify()

    await asyncio.wait_for(waiting, PATIENCE / 2)


async def test_a_wait_ends_after_its_time() -> None:
    await asyncio.wait_for(Broadcast().wait(0.001), PATIENCE)


async def test_a_cancelled_wait_is_cancelled_and_disturbs_nobody() -> None:
    broadcast = Broadcast()
    first, second = await waiting_at(broadcast), await waiting_at(broadcast)

    first.cancel()
    await asyncio.wait([first])
    broadcast.notify()

    await asyncio.wait_for(second, PATIENCE / 2)
    assert first.cancelled()
