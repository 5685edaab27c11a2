"""Cross-origin requests by web pages (CORS)."""

from __future__ import annotations

import pytest
from pytest_aiohttp import AiohttpClient

from auth.conftest import Client
from tasksvc.api.app import create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.cors import ACCEPTED
from tasksvc.api.pipeline.origin_check import OriginCheck

NAMED = "https://app.example"


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    options = Options(origin_check=OriginCheck(None, origins=[NAMED]), cors_origins=frozenset({NAMED}))
    return await aiohttp_client(create_app("memory://", options))


async def test_a_named_origin_may_read_and_write(client: Client) -> None:
    written = await client.post("/tasks/", json={"description": "x"}, headers={"Origin": NAMED})
    read = await client.get("/tasks/1", headers={"Origin": NAMED})

    assert written.status == 201
    for answer in (written, read):
        assert answer.headers["Access-Control-Allow-Origin"] == NAMED
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Vary"] == "Origin"
    listed = await client.get("/tasks/", headers={"Origin": NAMED, "Connection": "close"})
    assert listed.headers.getall("Vary") == ["Accept", "Origin"]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example", "null", f"{NAMED}.evil.example"])
async def test_no_other_origin_may(client: Client, origin: str) -> None:
    written = await client.post("/tasks/", json={"description": "x"}, headers={"Origin": origin})
    read = await client.get("/tasks/", headers={"Origin": origin})

    assert written.status == 403
    assert "Access-Control-Allow-Origin" not in written.headers
    assert "Access-Control-Allow-Origin" not in read.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/tasks/1"),
        ("POST", "/tasks/1/restore"),
        ("DELETE", "/tasks/1?children=delete"),
        ("PATCH", "/lists/x"),
    ],
)
async def test_a_preflight_is_answered_for_a_named_origin_only(client: Client, method: str, path: str) -> None:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "if-match"}

    named = await client.options(path, headers={"Origin": NAMED, **asked})
    other = await client.options(path, headers={"Origin": "https://evil.example", **asked})

    assert method in named.headers["Access-Control-Allow-Methods"]
    assert "If-Match" in named.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Methods" not in other.headers


@pytest.mark.parametrize(
    "asked",
    ["traceparent,tracestate,baggage", "sentry-trace", "x-app-version, if-match", "x-!#$%&'*+.^_`|~09"],
)
async def test_a_named_origin_may_send_the_headers_that_its_pages_add(client: Client, asked: str) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}

    answer = await client.options("/tasks/", headers={"Origin": NAMED, **preflight})

    accepted = [name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")]
    assert {name.strip() for name in asked.split(",")} <= set(accepted)
    assert {"authorization", "content-type", "if-match"} <= set(accepted)
    assert len(accepted) == len(set(accepted))


@pytest.mark.parametrize("asked", ["x y", "x;y", "a\x80b", ",", '"x"', "x" * 3_000, "*, x/y"])
async def test_what_names_no_headers_is_not_given_back(client: Client, asked: str) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}

    answer = await client.options("/tasks/", headers={"Origin": NAMED, **preflight})

    accepted = answer.headers["Access-Control-Allow-Headers"]
    assert accepted == ACCEPTED


async def test_a_refusal_can_be_read_by_a_named_origin_too(client: Client) -> None:
    response = await client.get("/tasks/1", headers={"Origin": NAMED})

    assert response.status == 404
    assert response.headers["Access-Control-Allow-Origin"] == NAMED


async def test_without_named_origins_nothing_is_said_of_them(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app("memory://"))

    response = await client.get("/tasks/", headers={"Origin": NAMED})

    assert not [name for name in response.headers if name.startswith("Access-Control")]
    assert response.headers.getall("Vary") == ["Accept"]
