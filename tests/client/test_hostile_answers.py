"""What is made of answers that the service never gives: those of other servers, of proxies, and of enemies."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from patience import FOREVER_SECONDS
from tasksvc_client import NotTasksvc, OutcomeUnknown, TooManyRequests, Unreachable
from webhooks.certificates import Authority

from client.canned import ENDLESS, SILENCE, Canned, answer
from client.conftest import Connect

ME = json.dumps({"name": None, "scope": "write", "workspaces": None, "home": "default", "expires_at": None}).encode()
GOOD = answer(200, ME, Content_Type="application/json")
HTML = b"<!DOCTYPE html><title>502 Bad Gateway</title>"
TOO_MANY = json.dumps({"type": "urn:tasksvc:problem:too-many-requests", "status": 429, "detail": "Wait."}).encode()


def too_many(retry_after: str) -> bytes:
    return answer(429, TOO_MANY, Content_Type="application/problem+json", Retry_After=retry_after)


@pytest.mark.parametrize(
    "failure",
    [
        answer(502, HTML, Content_Type="text/html"),
        answer(503),
        answer(504, HTML, Content_Type="text/html"),
        answer(200, ME[:40], Content_Type="application/json"),
        answer(200, ME, Content_Type="application/json").replace(b"Content-Length: ", b"CONTENT-LENGTH: 9"),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + ME[:40],
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Ty",
        b"HTTP/1.1 2",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_a_broken_answer_is_asked_for_again(connect: Connect, failure: bytes) -> None:
    async with Canned(failure, GOOD) as server:
        me = await connect(server.url).me()

    assert (me.home, len(server.requests)) == ("default", 2)


@pytest.mark.parametrize("level", [0, 9])
async def test_a_compressed_answer_is_read_though_nobody_asked_for_it(connect: Connect, level: int) -> None:
    body = gzip.compress(ME, level)
    async with Canned(answer(200, body, Content_Type="application/json", Content_Encoding="gzip")) as server:
        assert (await connect(server.url).me()).home == "default"

    assert b"Accept-Encoding: identity" in server.requests[0]


async def test_a_page_of_a_proxy_is_not_the_service(connect: Connect) -> None:
    async with Canned(answer(200, HTML, Content_Type="text/html; charset=utf-8")) as server:
        with pytest.raises(
            NotTasksvc, match="GET /me wasn't answered by the service, but with status 200 and text/html"
        ):
            await connect(server.url).me()

    assert len(server.requests) == 1


async def test_json_of_something_else_is_not_the_service(connect: Connect) -> None:
    async with Canned(answer(200, b'{"hello": "world"}', Content_Type="application/json")) as server:
        for read in (connect(server.url).me(), connect(server.url).count(), connect(server.url).get(1)):
            with pytest.raises(NotTasksvc):
                await read


async def test_a_list_without_its_position_is_not_the_service(connect: Connect) -> None:
    async with Canned(answer(200, b"[]", Content_Type="application/json")) as server:
        with pytest.raises(NotTasksvc):
            [task async for task in connect(server.url).find()]


async def test_a_redirect_is_not_followed_and_the_token_goes_nowhere(connect: Connect) -> None:
    async with Canned(GOOD) as other, Canned(answer(308, Location=f"{other.url}/me")) as server:
        with pytest.raises(NotTasksvc, match=f"leads to '{other.url}/me'"):
            await connect(server.url).me()

    assert other.requests == []


async def test_a_next_page_at_another_host_is_not_asked_for(connect: Connect) -> None:
    link = '<http://other.example/tasks/?after=x>; rel="next"'
    page = answer(200, b"[]", Content_Type="application/json", X_Change_Seq="0", Link=link)
    async with Canned(page) as server:
        with pytest.raises(NotTasksvc, match="another host"):
            [task async for task in connect(server.url).find()]


async def test_an_endless_body_ends_with_the_deadline(connect: Connect) -> None:
    async with Canned(ENDLESS) as server:
        with pytest.raises(Unreachable):
            await connect(server.url, deadline=0.5, timeout=FOREVER_SECONDS).me()


async def test_a_server_that_says_nothing_is_given_up_after_the_timeout(connect: Connect) -> None:
    async with Canned(SILENCE, SILENCE, GOOD) as server:
        client = connect(server.url, deadline=FOREVER_SECONDS, timeout=0.2)
        assert (await client.me()).home == "default"

    assert len(server.requests) >= 3


async def test_a_write_without_an_answer_has_an_unknown_outcome_and_its_key(connect: Connect) -> None:
    async with Canned(SILENCE) as server:
        with pytest.raises(OutcomeUnknown) as error:
            await connect(server.url, deadline=0.5, timeout=0.2).create("x")

    keys = {request.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0].decode() for request in server.requests}
    assert keys == {error.value.key}


@pytest.mark.parametrize("retry_after", ["1000000000", "Fri, 28 Nov 2200 12:00:00 GMT"])
async def test_a_wait_beyond_the_deadline_is_not_begun(connect: Connect, retry_after: str) -> None:
    date = format_datetime(datetime.now(UTC), usegmt=True)
    failure = too_many(retry_after).replace(b"Retry-After", b"Date: %b\r\nRetry-After" % date.encode())
    async with Canned(failure) as server:
        with pytest.raises(TooManyRequests, match="Wait") as refusal:
            await connect(server.url, deadline=FOREVER_SECONDS).create("x")

    assert refusal.value.retry_after > 1e7
    assert len(server.requests) == 1


async def test_a_wait_that_the_service_asks_for_is_kept(connect: Connect) -> None:
    async with Canned(too_many("1"), GOOD) as server:
        begun = time.monotonic()
        await connect(server.url).me()

    assert time.monotonic() - begun >= 1


async def test_nothing_that_listens_is_said_with_the_url(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=r"http://127.0.0.1:1 can't be reached \(Conn"):
        await connect("http://127.0.0.1:1", deadline=FOREVER_SECONDS).within(0.2).me()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "bücher.invalid"])
async def test_a_host_that_does_not_exist_is_said_at_once(connect: Connect, host: str) -> None:
    with pytest.raises(Unreachable, match="can't be reached"):
        await connect(f"http://{host}", deadline=FOREVER_SECONDS).me()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://host",
        "http://",
        "http://a..b",
        "http://a b",
        f"http://{'x' * 70}.example",
        f"http://{'ü' * 70}.example",
        "http://host:99999",
        "http://user:secret@host",
        "http://user:secret@",
        "http://host?x=1",
        "unix:relative",
    ],
)
async def test_a_url_that_is_not_one_of_a_service_is_a_mistake(connect: Connect, url: str) -> None:
    with pytest.raises(ValueError, match="URL") as error:
        connect(url)

    assert "secret" not in str(error.value)


@pytest.mark.parametrize("token", ["", "two words", "two\nlines", "tökén"])
async def test_a_token_that_cannot_be_a_header_is_a_mistake(connect: Connect, token: str) -> None:
    with pytest.raises(ValueError, match="token") as error:
        connect(token=token)

    assert token == "" or token not in str(error.value)


async def test_a_certificate_that_nobody_trusts_is_said_at_once(connect: Connect, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with Canned(GOOD, context=authority.server("127.0.0.1")) as server:
        trusting, other = (
            connect(server.url, context=context, deadline=FOREVER_SECONDS) for context in (authority.client(), None)
        )

        assert (await trusting.me()).home == "default"
        with pytest.raises(Unreachable, match="certificate"):
            await other.me()
