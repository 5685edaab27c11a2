"""One poll of the store for all that wait for changes in a process."""

from __future__ import annotations

import asyncio
import time

import pytest
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until
from sharing_processes import (
    CONSUMING,
    Link,
    change,
    fails,
    works,
)

from tasksvc import InMemoryRepository
from tasksvc.application.change_watch import ChangeWatch


async def test_many_that_wait_cost_one_poll_and_without_them_there_is_none() -> None:
    link = Link(InMemoryRepository())
    watch = ChangeWatch(lambda: link.repository, CONSUMING._replace(consumer_poll=0.05))
    await watch.changed("", limit=10)
    noticed = watch.noticed
    waiting = [asyncio.create_task(watch.wait(noticed, timeout=FOREVER_SECONDS)) for _ in range(100)]
    link.calls.clear()

    began = time.monotonic()
    await until(lambda: len(link.calls) > 4)
    assert len(link.calls) <= (time.monotonic() - began) / 0.05 + 2
    await change(link.store, "a")
    async with asyncio.timeout(PATIENCE_SECONDS):
        counts = await asyncio.gather(*waiting)
    link.calls.clear()
    await asyncio.sleep(0.2)

    assert set(counts) == {noticed + 1}
    assert link.calls == []


async def test_a_change_before_the_wait_and_after_the_number_was_read_is_noticed() -> None:
    link = Link(InMemoryRepository())
    watch = ChangeWatch(lambda: link.repository, CONSUMING)
    token = (await watch.changed("", limit=10)).next
    late = noticed = watch.noticed

    await change(link.store, "a")
    async with asyncio.timeout(PATIENCE_SECONDS):
        noticed = await watch.wait(noticed, timeout=FOREVER_SECONDS)
        assert await watch.wait(late, timeout=FOREVER_SECONDS) == noticed > late
    assert (await watch.changed(token, limit=10)).names == ["a"]
    assert await watch.wait(noticed, timeout=0.05) == noticed


async def test_a_watch_goes_on_when_the_store_failed_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    link = Link(InMemoryRepository())
    watch = ChangeWatch(lambda: link.repository, CONSUMING)
    await watch.changed("", limit=10)
    link.before = fails
    waiting = asyncio.create_task(watch.wait(watch.noticed, timeout=FOREVER_SECONDS))

    await until(lambda: "The disk is on fire." in caplog.text)
    await change(link.store, "a")
    link.before = works

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await waiting == 1
