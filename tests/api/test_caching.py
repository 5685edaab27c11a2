"""How long a response may be cached (RFC 9111).

`api.form` has the rule, and all other tests check their responses by it.
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient
from tasksvc_memory import MemoryRepository

from api.api_client import JSON, Answer, Api, read
from api.conftest import connect
from api.form import check_form
from tasksvc import Page, Position, StoreFull
from tasksvc.api import Options, TokenPolicy
from tasksvc.api.app import HEALTH_APP, create_app
from tasksvc.api.pipeline.rate_limit import RateLimits
from tasksvc.api.responses.cache import PAGES, PageResponseCache
from tasksvc.application.tokens import new_secret

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]


async def ask(client: TestClient[Any, Any], method: str, path: str, **more: Any) -> Answer:
    """Returns the response; of a stream, its head alone. Raises AssertionError if the form is wrong."""
    async with client.request(method, path, allow_redirects=False, **more) as response:
        endless = response.content_type == "text/event-stream"
        answer = Answer(response.status, response.headers, b"", response.url) if endless else await read(response)
    check_form(answer.status, answer.headers, answer.body)
    assert len(answer.headers.getall("Cache-Control")) == 1
    return answer


@pytest.mark.parametrize("method", METHODS)
async def test_every_route_says_how_its_answer_may_be_kept(aiohttp_client: AiohttpClient, method: str) -> None:
    root = new_secret()
    app = create_app("memory://", Options(tokens=TokenPolicy.ALWAYS, admin_token=root))
    service, operations = await aiohttp_client(app), await aiohttp_client(app[HEALTH_APP])
    known = {"Authorization": f"Bearer {root}"}
    await service.post("/tasks/", json={"description": "x"}, headers=known)
    await service.post("/tasks/", json={"description": "y"}, headers=known)
    seen = []

    for client in (service, operations):
        for resource in client.app.router.resources():
            path = resource.canonical.replace("{id}", "1").replace("{name}", "swagger.css").replace("{rest:.*}", "x")
            seen.append(await ask(client, method, path))
            seen.append(await ask(client, method, path, headers=known))
            seen.append(await ask(client, method, path, headers=known | JSON, data=b'{"description": "x"}'))

    assert len(seen) > 60
    assert {answer.headers["Cache-Control"] for answer in seen} <= {"no-cache", "no-store"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/tasks/1", "no-cache"),
        ("/openapi.json", "no-cache"),
        ("/docs/assets/swagger.js", "no-cache"),
        ("/docs/assets/redoc.js", "no-cache"),
        ("/docs", "no-store"),
        ("/tasks/", "no-store"),
        ("/tasks/?limit=1", "no-store"),
        ("/tasks/count", "no-store"),
        ("/tasks/999", "no-store"),
        ("/changes", "no-store"),
        ("/changes/stream", "no-store"),
        ("/health/ready", "no-store"),
        ("/metrics", "no-store"),
        pytest.param("/", "no-store", marks=pytest.mark.options(plugins=[])),
    ],
)
async def test_what_has_an_entity_tag_is_kept_and_nothing_else(api: Api, path: str, expected: str) -> None:
    await api.many([{"description": "x"}] * 300)

    for headers in ({}, {"Accept": "application/x-ndjson"}):
        answer = await ask(api.client, "GET", path, headers=headers)
        assert answer.headers["Cache-Control"] == expected
        assert ("ETag" in answer.headers) == (expected == "no-cache")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/tasks/1", "/openapi.json", "/docs/assets/swagger.css", "/docs/assets/redoc.js"])
async def test_what_was_kept_is_confirmed_with_the_headers_of_the_whole(
    aiohttp_client: AiohttpClient, path: str, method: str
) -> None:
    """A 304 has the headers that the 200 would have (RFC 9110, section 15.4.5)."""
    api = await connect(aiohttp_client, "memory://", Options(cors_origins=frozenset({"https://app.example"})))
    await api.new()
    whole = await ask(api.client, method, path)
    tag = whole.headers["ETag"]

    confirmed = [
        await ask(api.client, method, path, headers={"If-None-Match": given})
        for given in (tag, f"W/{tag}", f'"other", {tag}', "*")
    ]
    other = await ask(api.client, method, path, headers={"If-None-Match": '"other"'})

    assert {answer.status for answer in confirmed} == {304}
    assert {answer.body for answer in confirmed} == {b""}
    assert other.status == 200
    for name in ("Cache-Control", "ETag", "Vary"):
        assert {answer.headers[name] for answer in confirmed} == {whole.headers[name]}


@pytest.mark.parametrize("path", ["/tasks/1", "/openapi.json", "/docs/assets/swagger.css"])
async def test_what_is_asked_for_under_another_tag_is_refused(api: Api, path: str) -> None:
    await api.new()
    tag = (await ask(api.client, "GET", path)).headers["ETag"]

    answers = [
        await ask(api.client, "GET", path, headers={"If-Match": given}) for given in ('"other"', f"W/{tag}", tag, "*")
    ]

    assert [answer.status for answer in answers] == [412, 412, 200, 200]


async def test_the_same_text_has_the_same_tag_in_every_process(aiohttp_client: AiohttpClient) -> None:
    """Replicas must be able to confirm each other's responses."""
    first, second = await connect(aiohttp_client, "memory://"), await connect(aiohttp_client, "memory://")

    tags = [
        (await ask(api.client, "GET", path)).headers["ETag"]
        for api in (first, second)
        for path in ("/openapi.json", "/docs/assets/swagger.js")
    ]

    assert tags[:2] == tags[2:]
    assert tags[0] != tags[1]


async def test_what_is_wrong_with_a_caller_or_the_store_is_not_stored(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*arguments: Any, **more: Any) -> Any:
        raise ZeroDivisionError if more["limit"] == 1 else StoreFull("No room is left.")

    root = new_secret()
    options = Options(tokens=TokenPolicy.ALWAYS, admin_token=root, allowance=RateLimits(rate=0.001, burst=3))
    client = await aiohttp_client(create_app("memory://", options))
    known = {"Authorization": f"Bearer {root}"}
    made = await client.post("/admin/tokens", json={"name": "r", "scope": "read"}, headers=known)
    reader = {"Authorization": f"Bearer {(await made.json())['token']}"}
    monkeypatch.setattr(MemoryRepository, "find", failing)

    answers = [
        await ask(client, "POST", "/tasks/", headers=reader),
        await ask(client, "GET", "/tasks/?limit=1", headers=known),
        await ask(client, "GET", "/tasks/?limit=2", headers=known),
        await ask(client, "GET", "/tasks/?limit=2", headers=known),
    ]

    check_form(made.status, made.headers, await made.read())
    assert [made.status, *(answer.status for answer in answers)] == [201, 403, 500, 507, 429]


def test_few_pages_are_kept_with_their_tasks() -> None:
    cache = PageResponseCache()
    pages = [Page((), None, Position("a", number)) for number in range(10 * PAGES)]

    for page in pages:
        cache.answer(page, lines=False)
    again = cache.answer(pages[-1], lines=False)

    assert len(cache._known) == PAGES
    assert again.body is cache.answer(pages[-1], lines=False).body
