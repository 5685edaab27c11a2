"""Following the change log from a page, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from clients.cutting_proxy import CuttingProxy
from running_service import RunningService

pytestmark = pytest.mark.browser

PATIENCE_SECONDS = 60.0

FOLLOW = """path => {
  window.seen = [];
  const source = new EventSource(path);
  source.onmessage = event => seen.push([event.lastEventId, event.data && JSON.parse(event.data)]);
}"""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[RunningService]:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        yield service


async def create(service: RunningService, description: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{service.url}/tasks/", json={"description": description}) as answer,
    ):
        assert answer.status == 201


async def received(page: Any) -> Callable[[], int]:
    """Counts the bytes that the page's requests bring from now on."""
    counts: list[int] = []
    session = await page.context.new_cdp_session(page)
    session.on("Network.dataReceived", lambda event: counts.append(event["dataLength"]))
    await session.send("Network.enable")
    return lambda: sum(counts)


async def until(happened: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happened():
            await asyncio.sleep(0.01)


async def seen(page: Any, count: int) -> list[Any]:
    """What came to the page, once there are `count` events."""
    await page.wait_for_function("count => seen.length >= count", arg=count, timeout=PATIENCE_SECONDS * 1_000)
    found: list[Any] = await page.evaluate("seen")
    return found


async def test_an_event_source_that_is_cut_before_its_first_event_misses_nothing(
    watched: Any, service: RunningService
) -> None:
    page = watched.page
    await create(service, "before")
    async with CuttingProxy(service.port) as proxy:
        await page.goto(f"{proxy.url}/health/live")
        size = await received(page)
        await page.evaluate(FOLLOW, "/changes/stream")
        await until(size)  # it has what comes at once, and waits for its first event
        proxy.lets_in = False
        proxy.cut()
        await create(service, "missed")
        await create(service, "missed too")
        proxy.lets_in = True

        events = await seen(page, 2)
        await create(service, "live")
        events = await seen(page, 3)

    assert [change["task"]["description"] for _, change in events] == ["missed", "missed too", "live"]
    assert [position for position, _ in events] == [change["position"] for _, change in events]


async def test_an_event_source_sees_no_empty_event(watched: Any, service: RunningService) -> None:
    page = watched.page
    await page.goto(f"{service.url}/health/live")
    size = await received(page)
    await page.evaluate(FOLLOW, "/changes/stream")
    await until(size)

    await create(service, "the first")
    events = await seen(page, 1)

    assert [change["task"]["description"] for _, change in events] == ["the first"]
