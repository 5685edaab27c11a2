"""The guard against the browser."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict
from pytest_aiohttp.plugin import AiohttpClient

from api.calling import JSON, Answer, Api
from api.conftest import connect
from tasksvc.api import LOOPBACK_HOSTS, Guard, Options

BODY = b'{"description": "x"}'


@pytest.fixture
async def guarded(aiohttp_client: AiohttpClient) -> Api:
    """The service as it runs on a machine of one's own."""
    return await connect(aiohttp_client, "memory://", Options(guard=Guard(LOOPBACK_HOSTS)))


@pytest.fixture
async def public(aiohttp_client: AiohttpClient) -> Api:
    """The service as it runs where it has many names."""
    return await connect(aiohttp_client, "memory://", Options(guard=Guard(None)))


async def post(api: Api, headers: dict[str, str]) -> Answer:
    return await api("POST", "/tasks/", JSON | headers, BODY)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost:8000", "127.0.0.1", "127.0.0.1:8000", "127.1.2.3", "[::1]", "[::1]:8000"],
)
async def test_the_names_of_this_machine_are_answered(guarded: Api, host: str) -> None:
    assert (await guarded.get("/tasks/", Host=host)).status == 200
    assert (await post(guarded, {"Host": host})).status == 201


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8000",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "[::]",
        "128.0.0.1",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/tasks/", "/tasks/1", "/docs", "/openapi.json", "/metrics", "/nowhere"])
async def test_a_foreign_name_is_not_answered(guarded: Api, host: str, path: str) -> None:
    answer = await guarded.get(path, Host=host)

    assert (answer.status, answer.problem) == (421, "foreign-host")
    assert (await post(guarded, {"Host": host})).status == 421


@pytest.mark.parametrize(
    "host",
    ["local host", "localhost/", "user@localhost", "localhost:x", "localhost:123456", "[::1", "http://localhost"],
)
async def test_what_is_no_host_is_malformed(guarded: Api, public: Api, host: str) -> None:
    for api in (guarded, public):
        answer = await api.get("/tasks/", Host=host)

        assert (answer.status, answer.problem) == (400, "malformed-request")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_a_probe_may_name_whatever_address_it_has(guarded: Api, path: str) -> None:
    assert (await guarded.get(path, Host="10.0.0.7:8000")).status == 200


async def test_where_the_service_has_many_names_each_is_answered(public: Api) -> None:
    assert (await public.get("/tasks/", Host="tasks.example")).status == 200


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://localhost:8000", "HTTP://LocalHost:8000"])
async def test_the_service_s_own_pages_may_write(guarded: Api, public: Api, origin: str) -> None:
    for api in (guarded, public):
        assert (await post(api, {"Host": "localhost:8000", "Origin": origin})).status == 201


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:8000.evil.example",
        "ftp://localhost:8000",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/tasks/"),
        ("POST", "/tasks/batch"),
        ("PATCH", "/tasks/1"),
        ("DELETE", "/tasks/1"),
        ("DELETE", "/tasks/?done=false"),
        ("PUT", "/"),
    ],
)
async def test_another_page_must_not_write(guarded: Api, public: Api, origin: str, method: str, path: str) -> None:
    for api in (guarded, public):
        await api.new()
        answer = await api(method, path, JSON | {"Host": "localhost:8000", "Origin": origin}, b"{}")

        assert (answer.status, answer.problem) == (403, "foreign-origin")
        assert len((await api.get("/tasks/")).json) == 1


async def test_two_origins_are_foreign(guarded: Api) -> None:
    own = ("Origin", "http://localhost:8000")

    answer = await guarded("POST", "/tasks/", CIMultiDict([*JSON.items(), ("Host", "localhost:8000"), own, own]), BODY)

    assert answer.status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_another_page_may_ask_and_is_not_let_see(guarded: Api, method: str) -> None:
    answer = await guarded(method, "/tasks/", {"Origin": "https://evil.example"})

    assert answer.status in (200, 204)
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_an_application_that_embeds_the_service_guards_itself(api: Api) -> None:
    strange: dict[str, Any] = {"Host": "tasks.example", "Origin": "https://evil.example"}

    assert (await post(api, strange)).status == 201
