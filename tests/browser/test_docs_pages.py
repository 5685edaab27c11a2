"""The docs pages in a real browser: under their own Content-Security-Policy, without requests to other hosts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from http_client import free_port
from reverse_proxies import nginx
from service_process import RunningService

from tasksvc.api import create_app

pytestmark = pytest.mark.browser

CREATE = "#operations-tasks-create_task"
STRIPPING = """
server {{
    listen 127.0.0.1:{listen};
    location /team/todo/ {{
        proxy_pass http://127.0.0.1:{service}/;
        proxy_set_header Host $http_host;
    }}
    location / {{ return 200; }}
}}
"""


@pytest.fixture(params=["alone", "embedded", "behind nginx"])
async def base(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of the service: a separate process, below a prefix of an application, or below one that nginx strips."""
    if request.param == "alone":
        with RunningService("--store", "memory://", folder=tmp_path) as service:
            yield service.url
    elif request.param == "behind nginx":
        with RunningService("--store", "memory://", folder=tmp_path) as service:
            port = free_port()
            with nginx(STRIPPING.format(listen=port, service=service.port), folder=tmp_path, port=port):
                yield f"http://localhost:{port}/team/todo"
    else:
        site = web.Application()
        site.add_subapp("/todo", create_app("memory://"))
        async with TestServer(site) as server:
            yield str(server.make_url("/todo"))


async def fetch(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()


async def test_swagger_ui_shows_every_operation(watched: Any, base: str) -> None:
    description = await fetch(f"{base}/openapi.json")
    await watched.page.goto(f"{base}/docs")
    await watched.page.locator(CREATE).wait_for()

    shown = await watched.page.locator(".opblock-summary").evaluate_all(
        "rows => rows.map(row => row.querySelector('.opblock-summary-method').textContent.toLowerCase()"
        " + ' ' + row.querySelector('.opblock-summary-path').dataset.path)"
    )

    assert sorted(shown) == sorted(f"{method} {path}" for path, item in description["paths"].items() for method in item)
    assert watched.complaints == []
    assert watched.hosts() == {origin(base)}


async def test_try_it_out_creates_a_task(watched: Any, base: str) -> None:
    page = watched.page
    await page.goto(f"{base}/docs")
    await page.locator(f"{CREATE} .opblock-summary-control").click()
    await page.locator(f"{CREATE} textarea.body-param__text").fill('{"description": "Made in a browser"}')

    await page.locator(f"{CREATE} .execute").click()

    status = page.locator(f"{CREATE} .live-responses-table .response-col_status").last
    assert (await status.inner_text()).split() == ["201"]
    assert [task["description"] for task in await fetch(f"{base}/tasks/")] == ["Made in a browser"]
    assert watched.complaints == []
    assert watched.hosts() == {origin(base)}


async def test_redoc_renders_every_operation(watched: Any, base: str) -> None:
    page, description = watched.page, await fetch(f"{base}/openapi.json")
    operations = [
        (operation["tags"][0], operation["operationId"], operation["summary"])
        for item in description["paths"].values()
        for operation in item.values()
    ]
    assert len(operations) >= 11
    if urlsplit(base).path:  # a prefix concerns what the page loads, and not its operations
        operations = [operations[0], operations[-1]]
    await page.clock.install()

    for tag, identifier, summary in operations:
        await page.goto(f"{base}/redoc#/{tag}/{identifier}")
        await heading(page, summary).wait_for()
    await page.clock.run_for(30_000)  # by default, ReDoc reports its use to its maker after some seconds

    assert watched.complaints == []
    assert watched.hosts() == {origin(base)}


async def test_redoc_answers_a_click_and_a_search(watched: Any, base: str) -> None:
    page = watched.page
    await page.goto(f"{base}/redoc")

    await page.get_by_text("/changes/stream").click()
    await heading(page, "Follow the change log").wait_for()
    await page.keyboard.press("Control+K")
    await page.keyboard.type("batch")
    await page.get_by_text("Apply a batch of operations", exact=True).click()
    await heading(page, "Apply a batch of operations").wait_for()

    assert watched.complaints == []
    assert watched.hosts() == {origin(base)}


async def test_a_slash_too_many_leads_to_the_docs(watched: Any, base: str) -> None:
    await watched.page.goto(f"{base}/docs/")

    await watched.page.locator(CREATE).wait_for()
    assert watched.page.url == f"{base}/docs"


def heading(page: Any, text: str) -> Any:
    return page.locator("h2", has_text=re.compile(rf"^{re.escape(text)}$"))


def origin(url: str) -> str:
    found = re.match(r"http://[^/]+", url)
    assert found is not None
    return found[0]
