"""Following the change log from a page, in a real browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from clients.cutting_proxy import CuttingProxy
from service_process import RunningService, run_tasksvc

from tasksvc.application.tokens import new_secret

pytestmark = pytest.mark.browser

PATIENCE_SECONDS = 60.0
PAGE = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text("utf-8")

FOLLOW = """path => {
  window.seen = [];
  const source = new EventSource(path);
  source.onmessage = event => seen.push([event.lastEventId, event.data && JSON.parse(event.data)]);
}"""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[RunningService]:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        yield service


async def create(service: RunningService, description: str, below: str = "") -> None:
    """Creates a task; `below` is the path of a workspace."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{service.url}{below}/tasks/", json={"description": description}) as answer,
    ):
        assert answer.status == 201


async def received(page: Any) -> Callable[[], int]:
    """Counts the bytes that the scripts of the page receive from now on."""
    streams: set[str] = set()
    counts: list[int] = []

    def begins(event: Any) -> None:
        if event["type"] in ("EventSource", "Fetch"):  # and not the icon that the browser looks for
            streams.add(event["requestId"])

    def comes(event: Any) -> None:
        if event["requestId"] in streams:
            counts.append(event["dataLength"])

    session = await page.context.new_cdp_session(page)
    session.on("Network.responseReceived", begins)
    session.on("Network.dataReceived", comes)
    await session.send("Network.enable")
    return lambda: sum(counts)


async def until(happened: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happened():
            await asyncio.sleep(0.01)


async def seen(page: Any, count: int) -> list[Any]:
    """Returns what the page received, once there are `count` events."""
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


async def test_the_documented_source_follows_several_workspaces_until_one_leaves(watched: Any, tmp_path: Path) -> None:
    (script,) = re.findall(r"^```js\n(const together.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    said: list[str] = []
    page, store = watched.page, ("--store", "sqlite:///tasks.db")
    page.on("console", lambda message: said.append(message.text) if message.type == "log" else None)
    with RunningService(*store, folder=tmp_path) as service:
        await page.goto(f"{service.url}/health/live")
        size = await received(page)
        await page.evaluate(script)
        await until(size)

        await create(service, "one", "/workspaces/family")
        await until(lambda: len(said) == 1)
        await create(service, "another", "/workspaces/u_42")
        await until(lambda: len(said) == 2)
        erased = await asyncio.to_thread(run_tasksvc, "workspace", "erase", "family", "--yes", *store, folder=tmp_path)
        await until(lambda: len(said) == 3)
        await create(service, "live", "/workspaces/u_42")
        await until(lambda: len(said) == 4)

    assert erased.returncode == 0
    assert [line.partition(" ")[0] for line in said] == ["family", "u_42", "position-gone", "u_42"]
    assert said[2] == "position-gone family"


# ---------------------------------------------------------------- with a token, as docs/streaming.md shows it


@pytest.fixture
async def other_origin() -> AsyncIterator[str]:
    """The URL of a page that isn't the service's."""

    async def empty(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><link rel=icon href=data:,>", content_type="text/html")

    site = web.Application()
    site.router.add_get("/", empty)
    async with TestServer(site, host="127.0.0.1") as server:
        yield str(server.make_url("/")).rstrip("/")


async def test_the_documented_function_follows_with_a_token_through_broken_connections(
    watched: Any, other_origin: str, tmp_path: Path
) -> None:
    page, secret = watched.page, new_secret()
    (follow,) = re.findall(r"^```js\n(async function follow.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "admin-token").write_text(secret)
    with RunningService(
        *("--store", "memory://", "--cors-origin", other_origin),
        folder=tmp_path,
        environment={"TASKSVC_ADMIN_TOKEN_FILE": "admin-token"},
    ) as service:
        admin = aiohttp.ClientSession(service.url, headers={"Authorization": f"Bearer {secret}"})
        async with admin, CuttingProxy(service.port) as proxy:
            async with admin.post("/admin/tokens", json={"name": "page", "scope": "read"}) as made:
                token = (await made.json())["token"]
            async with admin.post("/tasks/", json={"description": "before"}):
                pass
            async with admin.get("/tasks/") as listed:
                since = listed.headers["X-Change-Seq"]
            await page.goto(other_origin)
            size = await received(page)
            await page.add_script_tag(content=follow)
            await page.evaluate(
                """([url, token, since]) => {
                  window.seen = [];
                  follow(url, token, since, change => seen.push(change.task.description))
                    .catch(error => { window.refused = error.status; });
                }""",
                [f"{proxy.url}/changes/stream", token, since],
            )
            await until(size)

            for number in range(3):
                proxy.lets_in = False
                proxy.cut()
                async with admin.post("/tasks/", json={"description": f"missed {number}"}):
                    pass
                proxy.lets_in = True
                await seen(page, 2 * number + 1)
                async with admin.post("/tasks/", json={"description": f"live {number}"}):
                    pass
                descriptions = await seen(page, 2 * number + 2)
            async with admin.delete("/admin/tokens/page") as revoked:
                assert revoked.status == 204
            await page.wait_for_function("window.refused !== undefined", timeout=PATIENCE_SECONDS * 1_000)

            assert descriptions == [f"{when} {number}" for number in range(3) for when in ("missed", "live")]
            assert await page.evaluate("window.refused") == 401


async def test_the_documented_event_source_follows(watched: Any, service: RunningService) -> None:
    page = watched.page
    (start,) = re.findall(r"^```js\n(const source.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "log" else None)
    await page.goto(f"{service.url}/health/live")
    size = await received(page)
    await page.evaluate(f"() => {{ {start} }}")
    await until(size)

    await create(service, "the first")

    await until(lambda: said)
    assert len(said) == 1


async def test_the_documented_page_follows_from_its_list(watched: Any, service: RunningService) -> None:
    page = watched.page
    blocks = re.findall(r"^```js\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (follow,) = [block for block in blocks if "async function follow" in block]
    (start,) = [block for block in blocks if "const list" in block]
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "log" else None)
    await page.goto(f"{service.url}/health/live")
    await page.add_script_tag(content=follow)
    await create(service, "before")

    await page.evaluate(f"async token => {{ {start.replace('https://tasks.example', service.url)} }}", "none")
    await create(service, "live")

    await until(lambda: said)
    assert len(said) == 1
