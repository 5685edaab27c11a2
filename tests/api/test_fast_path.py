"""The fast path answers as the router does."""

from __future__ import annotations

import json
import re

import pytest
from aiohttp import web

from api.hostile_requests import get, head, send
from api.raw_http import Answer, in_process, route_everything
from tasksvc.api.pipeline.fast_path import FastPath

REQUESTS = [
    get("/tasks/"),
    get("/tasks/1"),
    send('{"description":"x"}'),
    send(' { "description" : "Zażółć gęślą jaźń" } '),
    send('{"description":"\\u00e9\\n\\""}'),
    send('{"description":"x","priority":3,"labels":["b","a"],"due_at":"2026-11-24T15:00:00+01:00"}'),
    send('{"description":"once"}', "Idempotency-Key: k"),
    send('{"description":"once"}', "Idempotency-Key: k"),
    send('{"description":"twice"}', "Idempotency-Key: k"),
    send('{"description":"x","parent_id":1,"uid":"mail-7"}'),
    send('{"description":"x","uid":"mail-7"}'),
    send('{"description":"x","parent_id":99}'),
    send('{"description":"x","done":true,"completed_at":"2020-01-01T00:00:00Z"}'),
    send('{"description":"x","created_at":"2999-01-01T00:00:00Z"}'),
    send(b'{"description":"\xed\xa0\x80"}'),
    send('{"description":"\ufffd"}'),
    send('{"description":" \u2003"}'),
    send('{"description":"\x7f\u0085"}'),
    send('{"description":""}'),
    send("{}"),
    send('{"description":"x"}', kind="text/plain"),
    send('{"description":"x"}', "X-Request-ID: mine"),
    get("/tasks/1", "X-Request-ID: mine"),
    get("/tasks/1", "If-None-Match: *"),
    get("/tasks/1", "If-None-Match: x"),
    get("/tasks/2", 'If-None-Match: "x"'),
    get("/tasks/99"),
    get("/tasks/0"),
    get("/tasks/01"),
    get("/tasks/999999999999999999"),
    get("/tasks/9999999999999999999"),
    get("/tasks/", "Accept: application/x-ndjson"),
    get("/tasks/", "Connection: close"),
    get("/tasks/", "Origin: https://evil.example"),
    send('{"description":"x"}', "Origin: https://evil.example"),
    head("GET /tasks/ HTTP/1.0"),
    head("GET /tasks/1 HTTP/1.1", host="evil.example"),
    head("HEAD /tasks/ HTTP/1.1"),
    head("HEAD /tasks/1 HTTP/1.1"),
    get("/workspaces/u_42/tasks/"),
    send('{"description":"x"}', line="POST /workspaces/u_42/tasks/ HTTP/1.1"),
    send('{"description":"once"}', "Idempotency-Key: k", line="POST /workspaces/u_42/tasks/ HTTP/1.1"),
    send('{"description":"once"}', "Idempotency-Key: k", line="POST /workspaces/u_42/tasks/ HTTP/1.1"),
    send("{}", line="POST /workspaces/u_42/tasks/ HTTP/1.1"),
    send('{"description":"x"}', line="POST /workspaces/a%20b/tasks/ HTTP/1.1"),
    get("/workspaces/u_42/tasks/"),
    get("/workspaces/u_42/tasks/1"),
    get("/workspaces/u_42/tasks/1", "If-None-Match: *"),
    get("/workspaces/u_42/tasks/99"),
    get("/workspaces/u_42/tasks/01"),
    get("/workspaces/u_42/tasks/count"),
    get("/workspaces/u_42/tasks/?limit=1"),
    get("/workspaces/u_42/tasks/?metadata.a=1"),
    get("/workspaces/u_42/tasks/1/changes?limit=x"),
    get("/tasks/?parent_id=none&limit=1"),
    get("/tasks/1/changes?limit=x"),
    send('{"version":1}', line="POST /tasks/1/restore HTTP/1.1"),
    send('{"version":1}', line="POST /workspaces/u_42/tasks/1/restore HTTP/1.1"),
    get("/workspaces/u%5F42/tasks/1"),
    get("/workspaces/u_43/tasks/1"),
    get("/workspaces/default/tasks/1"),
    get("/workspaces/tasks/tasks/1"),
    get("/workspaces/tasks/1"),
    get("/workspaces/u_42/u_42/tasks/1"),
    get("/workspaces/u_42/tasks//tasks/1"),
    get("/workspaces/u_42/tasks"),
    get("/workspaces/u_42"),
    get("/workspaces//tasks/1"),
    get("/workspaces/./tasks/1"),
    get("/workspaces/../tasks/1"),
    get("/workspaces/.../tasks/1"),
    get("/workspaces/a+b/tasks/1"),
    get(f"/workspaces/{'a' * 101}/tasks/1"),
    head("HEAD /workspaces/u_42/tasks/1 HTTP/1.1"),
    head("GET /workspaces/u_42/tasks/1 HTTP/1.1", host="evil.example"),
    get("/tasks/"),
]


async def answers() -> list[Answer]:
    """Returns how a new service answers REQUESTS."""
    async with in_process() as server:
        return [answer for request in REQUESTS if (answer := await server.ask(request)) is not None]


def comparable(answer: Answer) -> tuple[int, dict[str, str], str]:
    """Returns `answer` without what differs between two runs."""

    def plain(text: str) -> str:
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
        return re.sub(r"\b[0-9a-f]{16}\b", "GENERATION", text)

    headers = {name: plain(value) for name, value in answer.headers.items() if name not in ("date", "content-length")}
    if headers.get("x-request-id") != "mine":
        headers.pop("x-request-id", None)
    return answer.status, headers, plain(answer.body.decode())


async def test_the_fast_path_answers_as_the_router_does(monkeypatch: pytest.MonkeyPatch) -> None:
    hot = await answers()
    monkeypatch.setattr(FastPath, "wrap", route_everything)
    routed = await answers()

    assert len(hot) == len(routed) == len(REQUESTS)
    for request, one, other in zip(REQUESTS, hot, routed, strict=True):
        assert comparable(one) == comparable(other), request
    assert {answer.status for answer in hot} == {200, 201, 304, 400, 403, 404, 405, 409, 415, 421, 422}
    assert [task["id"] for task in json.loads(hot[-1].body)] == list(range(1, len(json.loads(hot[-1].body)) + 1))


async def test_metrics_name_the_route_of_a_hot_request() -> None:
    async with in_process() as server:
        for request in (
            send('{"description":"x"}', line="POST /workspaces/u_42/tasks/ HTTP/1.1"),
            get("/workspaces/u_42/tasks/1"),
            get("/workspaces/u_42/tasks/"),
        ):
            await server.ask(request)
        metrics = await server.ask(get("/metrics"))

    assert metrics is not None
    counted = re.findall(r'tasksvc_requests_total\{method="(\w+)",route="([^"]+)"', metrics.body.decode())
    assert set(counted) >= {
        ("POST", "/workspaces/{workspace}/tasks/"),
        ("GET", "/workspaces/{workspace}/tasks/{id}"),
        ("GET", "/workspaces/{workspace}/tasks/"),
    }


async def test_hot_requests_do_not_meet_the_router(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: web.UrlDispatcher, request: web.Request) -> web.UrlMappingMatchInfo:
        raise AssertionError("The router was asked.")

    async with in_process() as server:
        monkeypatch.setattr(web.UrlDispatcher, "resolve", fail)
        statuses = [
            answer.status
            for request in (
                send('{"description":"x"}'),
                get("/tasks/1"),
                get("/tasks/"),
                send('{"description":"x"}', line="POST /workspaces/u_42/tasks/ HTTP/1.1"),
                get("/workspaces/u_42/tasks/1"),
                get("/workspaces/u_42/tasks/"),
            )
            if (answer := await server.ask(request)) is not None
        ]

    assert statuses == [201, 200, 200] * 2
