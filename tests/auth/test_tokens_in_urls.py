"""A token in a URL is rejected with an explanation, and is in no log and no response."""

from __future__ import annotations

import io
import logging

import pytest
from pytest_aiohttp import AiohttpClient
from yarl import URL

from auth.conftest import Client
from tasksvc.api.app import create_app
from tasksvc.api.observability.access_log import RequestLog
from tasksvc.api.observability.log_format import LogFormat
from tasksvc.api.observability.redaction import redacted
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application.tokens import new_secret

SECRET = new_secret()


async def client_with(aiohttp_client: AiohttpClient, options: Options) -> Client:
    return await aiohttp_client(create_app("memory://", options))


@pytest.mark.parametrize("policy", [TokenPolicy.ALWAYS, TokenPolicy.NEVER])
@pytest.mark.parametrize("shown", [{}, {"Authorization": f"Bearer {SECRET}"}], ids=["unknown", "known"])
@pytest.mark.parametrize(
    "query",
    [
        "access_token={}",
        "token={}",
        "Token={}",
        "%74oken={}",
        "authorization=Bearer%20{}",
        "api_key={}",
        "limit=1&token={}",
        "token={}&token={}",
        "{}",
        "{}=1",
    ],
)
async def test_a_token_in_the_query_is_refused_and_not_written_down(
    aiohttp_client: AiohttpClient,
    caplog: pytest.LogCaptureFixture,
    policy: TokenPolicy,
    shown: dict[str, str],
    query: str,
) -> None:
    caplog.set_level(logging.DEBUG, "tasksvc")
    log = RequestLog("text", stream := io.StringIO())
    admin_token = SECRET if policy is TokenPolicy.ALWAYS else None
    client = await client_with(aiohttp_client, Options(tokens=policy, admin_token=admin_token, request_log=log))

    answer = await client.get(URL(f"/changes/stream?{query.format(SECRET, SECRET)}", encoded=True), headers=shown)

    log.flush()
    document = await answer.json()
    assert (answer.status, document["type"]) == (400, "urn:tasksvc:problem:token-in-query")
    assert "Authorization: Bearer TOKEN" in document["detail"]
    assert "/changes/stream?" in stream.getvalue()
    for written in (stream.getvalue(), await answer.text(), repr(answer.headers), caplog.text):
        assert SECRET not in written


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT"])
@pytest.mark.parametrize("path", ["/tasks/{}", "/nowhere/{}", "/nowhere?token={}", "/docs?token={}", "/tasks/?q={}"])
async def test_a_token_anywhere_in_a_url_is_not_written_down(
    aiohttp_client: AiohttpClient, form: LogFormat, method: str, path: str
) -> None:
    log = RequestLog(form, stream := io.StringIO())
    client = await client_with(aiohttp_client, Options(request_log=log))

    await client.request(method, path.format(SECRET))

    log.flush()
    assert "***" in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("/tasks/1", "/tasks/1"),
        ("/tasks/?done=true&label=a&label=b%20c&q=x", "/tasks/?done=true&label=a&label=b%20c&q=x"),
        ("/changes?since=0&limit=5", "/changes?since=0&limit=5"),
        ("/tasks/?labels=home&limit=1", "/tasks/?labels=***&limit=1"),
        ("/tasks/?jwt=a=b", "/tasks/?jwt=***"),
        ("/tasks/?verbose", "/tasks/?verbose"),
        (f"/tasks/?{'e' * 41}", "/tasks/?***"),
        ("/tasks/#access_token=x", "/tasks/#access_token=***"),
        ("/tasks/?q=tasksvc_abc;limit=1", "/tasks/?q=***;limit=1"),
        ("/tasks/tasksvc%5Fabc", "***"),
        ("/tasks/?q=tasksvc%5Fabc", "/tasks/?***"),
        ("http://user:password@host/tasks/", "http://***@host/tasks/"),
        ("/tasks/?q=a@b", "/tasks/?q=a@b"),
    ],
)
def test_what_is_written_of_a_target(target: str, written: str) -> None:
    assert redacted(target) == written
