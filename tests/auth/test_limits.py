"""Limits on the requests and streams of one caller."""

from __future__ import annotations

import pytest
from pytest_aiohttp import AiohttpClient

from auth.conftest import Client
from tasksvc.api.app import RUNTIME, create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.api.pipeline.rate_limit import RateLimits
from tasksvc.api.pipeline.trusted_proxies import TrustedProxies
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.limits import Limits
from tasksvc.application.tokens import create_token, new_secret


async def client_with(aiohttp_client: AiohttpClient, options: Options) -> Client:
    return await aiohttp_client(create_app("memory://", options))


async def test_a_caller_over_its_rate_limit_gets_a_retry_after(aiohttp_client: AiohttpClient) -> None:
    client = await client_with(aiohttp_client, Options(allowance=RateLimits(rate=0.5, burst=3)))

    answers = [await client.get("/tasks/") for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"requests";q=3;w=6'
    assert [answer.headers["RateLimit"][:14] for answer in answers[:3]] == [
        f'"requests";r={left}'[:14] for left in (2, 1, 0)
    ]
    assert answers[3].headers["Retry-After"] == "2"
    assert (await answers[3].json())["type"] == "urn:tasksvc:problem:too-many-requests"


async def test_what_was_used_up_comes_back_with_time(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("tasksvc.api.pipeline.auth.time.monotonic", lambda: clock[0])
    client = await client_with(aiohttp_client, Options(allowance=RateLimits(rate=2, burst=2)))
    assert [(await client.get("/tasks/")).status for _ in range(3)] == [200, 200, 429]

    clock[0] += 0.5

    assert [(await client.get("/tasks/")).status for _ in range(2)] == [200, 429]


async def test_one_caller_does_not_use_up_what_is_anothers(aiohttp_client: AiohttpClient) -> None:
    root = new_secret()
    options = Options(tokens=TokenPolicy.ALWAYS, admin_token=root, allowance=RateLimits(rate=0.01, burst=1))
    client = await client_with(aiohttp_client, options)
    other, _ = await create_token(client.app[RUNTIME].repository, "other", Scope.READ, at=now())

    statuses = [
        (await client.get("/tasks/", headers={"Authorization": f"Bearer {secret}"})).status
        for secret in (root, root, other, other)
    ]

    assert statuses == [200, 429, 200, 429]


async def test_streams_at_once_are_counted_and_closing_one_makes_room(aiohttp_client: AiohttpClient) -> None:
    client = await client_with(aiohttp_client, Options(allowance=RateLimits(streams=2)))
    await client.head("/changes/stream")  # which opens none
    first, second = [await client.get("/changes/stream") for _ in range(2)]

    third = await client.get("/changes/stream")
    assert (first.status, second.status, third.status) == (200, 200, 429)
    first.close()
    await client.post("/tasks/", json={"description": "makes the service notice that the first is gone"})
    for _ in range(100):
        again = await client.get("/changes/stream")
        if again.status == 200:
            break

    assert again.status == 200
    again.close()
    second.close()


async def test_a_list_that_is_sent_in_chunks_counts_as_a_stream(aiohttp_client: AiohttpClient) -> None:
    client = await client_with(aiohttp_client, Options(allowance=RateLimits(streams=1)))
    batch = [{"op": "create", "task": {"description": "one of many"}}] * (Limits().stream_page + 1)
    await client.post("/tasks/batch", json=batch)
    whole = [await client.get("/tasks/") for _ in range(3)]
    for answer in whole:
        await answer.read()
    stream = await client.get("/changes/stream")

    refused, page = await client.get("/tasks/"), await client.get("/tasks/?limit=1000")

    assert [answer.status for answer in whole] == [200, 200, 200]
    assert (stream.status, refused.status, page.status) == (200, 429, 200)
    assert refused.headers["Retry-After"] == "1"
    stream.close()


async def test_streams_of_all_callers_are_counted_too(aiohttp_client: AiohttpClient) -> None:
    options = Options(proxies=TrustedProxies(["127.0.0.1"]), limits=Limits(streams=2))
    client = await client_with(aiohttp_client, options)
    streams = [
        await client.get("/changes/stream", headers={"X-Forwarded-For": address})
        for address in ("203.0.113.1", "203.0.113.2", "203.0.113.3")
    ]

    assert [stream.status for stream in streams] == [200, 200, 503]
    assert int(streams[2].headers["Retry-After"]) > 0
    for stream in streams:
        stream.close()


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/assets/redoc.js", "/openapi.json"])
async def test_the_docs_count_for_the_address_that_asks_for_them(aiohttp_client: AiohttpClient, path: str) -> None:
    root = new_secret()
    options = Options(
        tokens=TokenPolicy.ALWAYS,
        admin_token=root,
        allowance=RateLimits(rate=0.01, burst=2),
        proxies=TrustedProxies(["127.0.0.1"]),
    )
    client = await client_with(aiohttp_client, options)

    answers = [
        await client.get(path, headers={"X-Forwarded-For": address})
        for address in ("203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2")
    ]
    tokens_required = await client.get("/tasks/", headers={"Authorization": f"Bearer {root}"})

    assert [answer.status for answer in answers] == [200, 200, 429, 200]
    assert int(answers[2].headers["Retry-After"]) > 0
    assert tokens_required.status == 200


async def test_health_is_never_refused_for_being_asked_often(aiohttp_client: AiohttpClient) -> None:
    client = await client_with(aiohttp_client, Options(allowance=RateLimits(rate=0.01, burst=1)))

    statuses = [(await client.get(path)).status for path in ("/health/live", "/health/ready") for _ in range(3)]

    assert statuses == [200] * 6


async def test_without_tokens_each_address_is_a_caller(aiohttp_client: AiohttpClient) -> None:
    options = Options(allowance=RateLimits(rate=0.01, burst=1), proxies=TrustedProxies(["127.0.0.1"]))
    client = await client_with(aiohttp_client, options)

    statuses = [
        (await client.get("/tasks/", headers={"X-Forwarded-For": address})).status
        for address in ("203.0.113.1", "203.0.113.1", "203.0.113.2")
    ]

    assert statuses == [200, 429, 200]


async def test_the_size_of_bodies_can_be_set(aiohttp_client: AiohttpClient) -> None:
    client = await client_with(aiohttp_client, Options(limits=Limits(body_bytes=100, batch_bytes=200)))
    task = {"description": "x" * 90}

    single = await client.post("/tasks/", json=task)
    batch = await client.post("/tasks/batch", json=[{"op": "create", "task": task}])

    assert (single.status, batch.status) == (413, 200)
