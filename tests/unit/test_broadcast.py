"""All who wait are woken together."""

from __future__ import annotations

import asyncio

from tasksvc import Broadcast, Broadcasts

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


async def test_one_who_waits_for_a_name_is_woken_by_that_name_alone() -> None:
    broadcasts = Broadcasts()
    waiting = {name: asyncio.ensure_future(broadcasts.wait(name, PATIENCE)) for name in ("a", "b", "c")}
    await asyncio.sleep(0)

    broadcasts.notify(["a", "nobody"])
    await asyncio.wait_for(waiting["a"], PATIENCE / 2)
    await asyncio.sleep(0.01)
    assert not waiting["b"].done()
    broadcasts.notify_all()

    await asyncio.wait_for(asyncio.gather(*waiting.values()), PATIENCE / 2)


async def test_a_name_takes_memory_only_while_somebody_waits() -> None:
    broadcasts = Broadcasts()
    waiting = [asyncio.ensure_future(broadcasts.wait(f"{n // 2}", PATIENCE)) for n in range(20)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])

    broadcasts.notify(["0"])

    await asyncio.wait_for(waiting[1], PATIENCE / 2)
    assert "0" not in broadcasts._broadcasts
    broadcasts.notify_all()
    await asyncio.gather(*waiting[2:])
    assert not broadcasts._broadcasts
    assert not broadcasts._waiting
