"""The service as a part of another aiohttp application."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import openapi_spec_validator
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from api.sse_client import Events
from tasksvc.api import Options, create_app

Client = TestClient[web.Request, web.Application]
PREFIXES = ["/private", "/public/v1"]


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    """A client of an application that has its own page and the service twice, with two stores."""

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/hello", hello)
    for prefix in PREFIXES:
        app.add_subapp(prefix, create_app("memory://", Options(plugins=[])))
    return await aiohttp_client(app)


async def get(client: Client, path: str) -> Any:
    async with client.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def new(client: Client, prefix: str, description: str) -> str:
    """Creates a task and returns the path that its Location leads to."""
    async with client.post(f"{prefix}/tasks/", json={"description": description}) as response:
        assert response.status == 201, await response.text()
        return response.url.join(URL(response.headers["Location"])).path


async def test_each_mounted_service_has_its_own_tasks(client: Client) -> None:
    locations = [await new(client, prefix, prefix) for prefix in PREFIXES]

    assert locations == ["/private/tasks/1", "/public/v1/tasks/1"]
    for prefix, location in zip(PREFIXES, locations, strict=True):
        assert (await get(client, location))["description"] == prefix
        assert [task["description"] for task in await get(client, f"{prefix}/tasks/")] == [prefix]


async def test_the_rest_of_the_application_is_untouched(client: Client) -> None:
    async with client.get("/hello") as response:
        assert await response.text() == "hello"
    async with client.get("/tasks/") as response:
        assert (response.status, response.content_type) == (404, "text/plain")


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_links_stay_below_the_prefix(client: Client, prefix: str) -> None:
    for n in range(3):
        await new(client, prefix, str(n))

    async with client.get(f"{prefix}/tasks/?limit=2") as response:
        following = URL(response.links["next"]["url"])

    assert following.path == f"{prefix}/tasks/"
    assert [task["description"] for task in await get(client, following.path_qs)] == ["2"]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_each_description_leads_to_its_prefix_and_is_valid(client: Client, prefix: str) -> None:
    description = await get(client, f"{prefix}/openapi.json")

    openapi_spec_validator.validate(description)
    (server,) = description["servers"]
    assert urljoin(f"{prefix}/openapi.json", server["url"]) == f"{prefix}/"
    assert "/tasks/{id}" in description["paths"]


async def test_the_two_descriptions_are_the_same(client: Client) -> None:
    first, second = [await get(client, f"{prefix}/openapi.json") for prefix in PREFIXES]

    assert first == second


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_the_pages_find_their_files(client: Client, prefix: str) -> None:
    async with client.get(f"{prefix}/", allow_redirects=False) as response:
        assert urljoin(f"{prefix}/", response.headers["Location"]) == f"{prefix}/docs"
    for page in ("docs", "docs/", "redoc", "redoc/"):
        async with client.get(f"{prefix}/{page}") as response:
            html, path = await response.text(), response.url.path
        references = re.findall(r'(?:src|href|data-url|spec-url)="([^":]*)"', html)
        named = [urljoin(path, reference) for reference in references]

        assert path == f"{prefix}/{page.rstrip('/')}"
        assert f"{prefix}/openapi.json" in named
        for path in named:
            async with client.get(path) as response:
                assert response.status == 200, path


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_an_unknown_path_below_the_prefix_is_a_problem(client: Client, prefix: str) -> None:
    for path in ("/nowhere", "/tasks/1/2"):
        async with client.get(prefix + path) as response:
            assert (response.status, response.content_type) == (404, "application/problem+json")
    async with client.put(f"{prefix}/tasks/") as response:
        assert (response.status, response.headers["Allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, POST")


async def test_streams_are_of_their_own_store_and_end_with_the_application(client: Client) -> None:
    async with client.get("/private/changes/stream") as response:
        stream = Events(response)
        await new(client, "/public/v1", "elsewhere")
        await new(client, "/private", "here")
        event = await stream.next()
        await client.server.close()
        with pytest.raises(EOFError):
            await stream.next()

    assert event.data["task"]["description"] == "here"
