"""What is sent to a target, and what each of its answers means."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from http_client import free_port
from patience import PATIENCE_SECONDS, until
from standardwebhooks.webhooks import Webhook
from tasksvc_webhooks.sending import Message, Outcome, Target
from tasksvc_webhooks.signing import new_secret

from webhooks.certificates import DAY, Authority
from webhooks.targets import LOOPBACK, SECRET, http_target, message, raw_target, read_request, sender, target_of

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def saying(*parts: bytes, then: str = "close") -> Serve:
    """Returns what answers each request with the parts, and then closes, waits, or repeats the last one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        while then == "repeat":
            writer.write(parts[-1])
            await writer.drain()
        while then == "drip":
            writer.write(parts[-1])
            await writer.drain()
            await asyncio.sleep(0.02)
        if then == "wait":
            await reader.read()

    return serve


# ---------------------------------------------------------------- the request


async def test_the_request_is_what_standard_webhooks_wants() -> None:
    old, new = new_secret(), new_secret()
    body = '{"type":"created","task":{"description":"Blumen gießen"}}'.encode()
    at = datetime.now(UTC)
    async with http_target() as target, sender(*LOOPBACK, user_agent="tasksvc/1.2.3") as sending:
        made = await sending.send(Target(f"{target.url}/a%20b?q=1", [new, old]), Message("msg_7", at, body, "team.one"))

    (received,) = target.received
    assert made[:3] == (Outcome.DELIVERED, 200, "The answer was 200.")
    assert (received.method, received.path, received.body) == ("POST", "/hook/a%20b?q=1", body)
    assert dict(received.headers) == {
        "Host": f"127.0.0.1:{target.port}",
        "Accept": "*/*",
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
        "User-Agent": "tasksvc/1.2.3",
        "webhook-id": "msg_7",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": received.headers["webhook-signature"],
        "tasksvc-workspace": "team.one",
    }
    for secret in (old, new):
        headers = {name.lower(): value for name, value in received.headers.items()}
        assert Webhook(secret).verify(received.body, headers) == json.loads(body)


async def test_a_kept_connection_is_used_again() -> None:
    async with http_target() as target, sender(*LOOPBACK) as sending:
        outcomes = [(await sending.send(target_of(target.url), message())).outcome for _ in range(3)]

    assert outcomes == [Outcome.DELIVERED] * 3
    assert len({id(received.connection) for received in target.received}) == 1


async def test_a_message_goes_again_when_a_kept_connection_was_closed_meanwhile() -> None:
    """The target closes it when the second request comes, as if it had been idle for too long."""
    bodies = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await read_request(reader))
        writer.write(OK)
        await reader.read(1)

    async with raw_target(serve) as target, sender(*LOOPBACK) as sending:
        for body in (b"1", b"2"):
            assert (await sending.send(target_of(target.url), message(body))).outcome is Outcome.DELIVERED

    assert target.connections == 2
    assert bodies == [b"1", b"2"]


async def test_a_new_connection_that_is_closed_without_an_answer_is_tried_once() -> None:
    async with raw_target(saying()) as target, sender(*LOOPBACK) as sending:
        made = await sending.send(target_of(target.url), message())

    assert made[:3] == (Outcome.UNREACHABLE, None, "The connection ended before the answer was complete.")
    assert target.connections == 1


async def to_loopback(host: str) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_cookies_are_not_sent_back() -> None:
    def answer() -> web.Response:
        response = web.Response()
        response.set_cookie("session", "1")
        return response

    async with http_target(answer) as target, sender(*LOOPBACK, look_up=to_loopback) as sending:
        for _ in range(2):
            await sending.send(target_of(f"http://hooks.example.com:{target.port}/"), message())

    assert ["Cookie" in received.headers for received in target.received] == [False, False]


async def test_each_new_connection_looks_the_name_up() -> None:
    looked_up: list[str] = []

    async def look_up(host: str) -> Sequence[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    headers = {"Connection": "close"}
    async with (
        http_target(lambda: web.Response(headers=headers)) as target,
        sender(*LOOPBACK, look_up=look_up) as sending,
    ):
        for _ in range(3):
            await sending.send(target_of(f"http://hooks.example.com:{target.port}/"), message())

    assert looked_up == ["hooks.example.com"] * 3


async def test_the_environment_gives_neither_a_proxy_nor_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with http_target() as target, http_target() as proxy, sender(*LOOPBACK) as sending:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        made = await sending.send(target_of(target.url), message())

    assert made.outcome is Outcome.DELIVERED
    assert proxy.received == []
    assert "Authorization" not in target.received[0].headers


async def test_a_name_that_leads_to_an_allowed_address_is_sent_its_host() -> None:
    async def look_up(host: str) -> Sequence[str]:
        return ["127.0.0.1"]

    async with http_target() as target, sender(*LOOPBACK, look_up=look_up) as sending:
        made = await sending.send(target_of(f"http://hooks.example.com:{target.port}/"), message())

    assert made.outcome is Outcome.DELIVERED
    assert target.received[0].headers["Host"] == f"hooks.example.com:{target.port}"


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.DELIVERED) for status in (200, 201, 202, 204, 206, 226, 299)),
        *((status, Outcome.REFUSED) for status in (300, 301, 302, 303, 304, 307, 308, 399)),
        *((status, Outcome.REFUSED) for status in (400, 401, 404, 409, 429, 499, 500, 502, 503, 599, 600, 999)),
        (410, Outcome.GONE),
    ],
)
async def test_the_status_decides(status: int, outcome: Outcome) -> None:
    async with http_target(lambda: web.Response(status=status)) as target, sender(*LOOPBACK) as sending:
        made = await sending.send(target_of(target.url), message())

    assert (made.outcome, made.status) == (outcome, status)
    assert str(status) in made.detail


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with http_target() as other:

        def answer() -> web.Response:
            return web.Response(status=status, headers={"Location": other.url})

        async with http_target(answer) as target, sender(*LOOPBACK) as sending:
            made = await sending.send(target_of(target.url), message())

    assert (made.outcome, made.status) == (Outcome.REFUSED, status)
    assert len(target.received) == 1
    assert other.received == []


@pytest.mark.parametrize("status", [429, 503, 500, 410, 302])
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("00120", 120.0),
        ("86400", 86_400.0),
        ("86401", 86_400.0),
        ("9" * 500, 86_400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("١٢", None),
        ("soon", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None),
    ],
)
async def test_retry_after_is_bounded_seconds(text: str, seconds: float | None, status: int) -> None:
    answer = b"HTTP/1.1 %d No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % (status, text.encode())
    async with raw_target(saying(answer)) as target, sender(*LOOPBACK) as sending:
        made = await sending.send(target_of(target.url), message())

    assert made.outcome in (Outcome.REFUSED, Outcome.GONE)
    assert (made.status, made.retry_after) == (status, seconds)


async def test_retry_after_may_be_a_date_ahead() -> None:
    ahead = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    headers = {"Retry-After": ahead}
    async with (
        http_target(lambda: web.Response(status=503, headers=headers)) as target,
        sender(*LOOPBACK) as sending,
    ):
        made = await sending.send(target_of(target.url), message())

    assert made.retry_after is not None
    assert 3_600 < made.retry_after <= 7_200


async def test_a_success_has_no_retry_after() -> None:
    headers = {"Retry-After": "10"}
    async with http_target(lambda: web.Response(headers=headers)) as target, sender(*LOOPBACK) as sending:
        made = await sending.send(target_of(target.url), message())

    assert made.retry_after is None


# ---------------------------------------------------------------- long, slow and broken answers

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", b"b" * 10_000),
    "body of a known length": (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000000\r\n\r\n", b"b" * 10_000),
    "compressed body": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"b" * 10_000),
    "chunks": (CHUNKED, b"1\r\nb\r\n" * 1_000),
    "chunk extension": (CHUNKED + b"1;", b"e" * 10_000),
    "chunk size": (CHUNKED, b"0" * 10_000),
}
ENDLESS_HEADS = {
    "interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 100,),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100,),
    "empty lines": (b"\r\n" * 1_000,),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1_000),
    "header": (b"HTTP/1.1 200 OK\r\nA: ", b"b" * 10_000),
    "reason": (b"HTTP/1.1 200 ", b"r" * 10_000),
    "noise": (b"\xff" * 10_000,),
}


@pytest.mark.parametrize("parts", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("secure", [False, True])
async def test_an_endless_answer_is_cut_and_its_status_decides(
    parts: Sequence[bytes], secure: bool, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    tls = authority.server("127.0.0.1") if secure else None
    async with (
        raw_target(saying(*parts, then="repeat"), tls=tls) as target,
        sender(*LOOPBACK, timeout=PATIENCE_SECONDS, tls=authority.client()) as sending,
    ):
        made = await sending.send(target_of(target.url), message())
        await until(lambda: target.ended)

    assert (made.outcome, made.status) == (Outcome.DELIVERED, 200)


@pytest.mark.parametrize("parts", ENDLESS_HEADS.values(), ids=ENDLESS_HEADS)
async def test_an_endless_head_of_an_answer_is_cut(parts: Sequence[bytes]) -> None:
    async with (
        raw_target(saying(*parts, then="repeat")) as target,
        sender(*LOOPBACK, timeout=PATIENCE_SECONDS) as sending,
    ):
        made = await sending.send(target_of(target.url), message())
        await until(lambda: target.ended)

    assert made.outcome is Outcome.UNREACHABLE


async def test_a_compressed_answer_is_not_expanded() -> None:
    """This one can't be, and others may become a thousand times as long."""
    headers = {"Content-Encoding": "gzip"}
    async with (
        http_target(lambda: web.Response(body=b"not gzip", headers=headers)) as target,
        sender(*LOOPBACK) as sending,
    ):
        made = await sending.send(target_of(target.url), message())

    assert made.outcome is Outcome.DELIVERED


async def test_no_more_of_an_answer_is_read_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the parser of aiohttp gets is counted, at answers that are shorter, as long, and longer."""
    from aiohttp.client_proto import ResponseHandler

    given: list[int] = []
    take = ResponseHandler.data_received

    def counted(protocol: ResponseHandler, data: bytes) -> None:
        given.append(len(data))
        take(protocol, data)

    monkeypatch.setattr(ResponseHandler, "data_received", counted)
    sizes: list[int] = []
    for length in (1_000, 65_536 - len(head(0)) - 4, 65_536, 10_000_000):
        given.clear()
        async with (
            raw_target(saying(head(length) + b"b" * length, then="wait")) as target,
            sender(*LOOPBACK, timeout=PATIENCE_SECONDS) as sending,
        ):
            assert (await sending.send(target_of(target.url), message())).outcome is Outcome.DELIVERED
        sizes.append(sum(given))

    assert sizes == [1_000 + len(head(1_000)), 65_536, 65_536, 65_536]


def head(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length


async def test_each_answer_over_a_kept_connection_may_have_the_whole_limit() -> None:
    async with http_target(lambda: web.Response(body=b"b" * 40_000)) as target, sender(*LOOPBACK) as sending:
        for _ in range(4):
            assert (await sending.send(target_of(target.url), message())).outcome is Outcome.DELIVERED

    assert len({id(received.connection) for received in target.received}) == 1


@pytest.mark.parametrize(
    ("parts", "then", "status"),
    [
        ([], "wait", None),
        ([b"HTTP/1.1 2"], "wait", None),
        ([b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"], "drip", None),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], "drip", None),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"b"], "drip", 200),
        ([CHUNKED, b"1\r\nb\r\n"], "drip", 200),
        ([b"HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n", b"b"], "drip", 500),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"], "wait", 200),
    ],
)
async def test_an_answer_that_is_not_complete_in_time_has_timed_out(
    parts: list[bytes], then: str, status: int | None
) -> None:
    ended: asyncio.Event = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await saying(*parts, then=then)(reader, writer)
        finally:
            ended.set()

    async with raw_target(serve) as target, sender(*LOOPBACK, timeout=0.4) as sending:
        made = await sending.send(target_of(target.url), message())
        await until(ended.is_set)  # since the connection has been closed

    assert made[:3] == (Outcome.TIMED_OUT, status, "There was no complete answer within 0.4 s.")
    assert made.seconds >= 0.4


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nb", 200),
        (CHUNKED + b"5\r\nb", 200),
        (CHUNKED + b"x\r\nb", None),
        (b"HTTP/1.1 2", None),
        (b"SSH-2.0-OpenSSH_9.6\r\n", None),
        (b"HTTP/1.1 99999 OK\r\n\r\n", None),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 101),
        (b"<html></html>", None),
    ],
)
async def test_an_answer_that_is_broken_is_no_success(answer: bytes, status: int | None) -> None:
    async with raw_target(saying(answer)) as target, sender(*LOOPBACK) as sending:
        made = await sending.send(target_of(target.url), message())

    assert made.outcome in (Outcome.UNREACHABLE, Outcome.REFUSED)
    assert made.status in (status, None)


async def test_a_target_that_reads_nothing_has_timed_out() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_target(serve) as target, sender(*LOOPBACK, timeout=0.4) as sending:
        made = await sending.send(target_of(target.url), message(b"b" * 1_000_000))

    assert made.outcome is Outcome.TIMED_OUT


async def test_a_send_that_is_cancelled_closes_its_connection() -> None:
    ended: asyncio.Event = asyncio.Event()
    begun: asyncio.Event = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        begun.set()
        await reader.read()
        ended.set()

    async with raw_target(serve) as target, sender(*LOOPBACK, timeout=PATIENCE_SECONDS) as sending:
        sent = asyncio.create_task(sending.send(target_of(target.url), message()))
        await until(begun.is_set)
        sent.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sent
        await until(ended.is_set)


# ---------------------------------------------------------------- connections


async def test_a_target_that_is_not_there_is_unreachable() -> None:
    async with sender(*LOOPBACK) as sending:
        made = await sending.send(target_of(f"http://127.0.0.1:{free_port()}/"), message())

    assert made[:3] == (Outcome.UNREACHABLE, None, "The host can't be connected to: Connection refused.")


async def test_a_name_that_cannot_be_looked_up_is_unreachable() -> None:
    async def fails(host: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with sender(look_up=fails) as sending:
        made = await sending.send(target_of("https://hooks.example.com/"), message())

    assert made[:3] == (Outcome.UNREACHABLE, None, "The host's name can't be resolved.")


async def test_a_name_without_addresses_is_unreachable() -> None:
    async def finds_nothing(host: str) -> Sequence[str]:
        return []

    async with sender(look_up=finds_nothing) as sending:
        made = await sending.send(target_of("https://hooks.example.com/"), message())

    assert made.outcome is Outcome.UNREACHABLE


async def test_a_name_whose_server_does_not_answer_has_timed_out() -> None:
    async def hangs(host: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with sender(look_up=hangs, timeout=0.1) as sending:
        made = await sending.send(target_of("https://hooks.example.com/"), message())

    assert made.outcome is Outcome.TIMED_OUT


async def test_a_second_address_is_tried_when_the_first_fails() -> None:
    async def look_up(host: str) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async with http_target() as target, sender(*LOOPBACK, look_up=look_up) as sending:
        made = await sending.send(target_of(f"http://receiver:{target.port}/"), message())

    assert made.outcome is Outcome.DELIVERED


# ---------------------------------------------------------------- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_certificate_that_is_trusted_and_names_the_host_is_taken(authority: Authority) -> None:
    async with (
        http_target(tls=authority.server("hooks.example.com")) as target,
        sender(*LOOPBACK, look_up=to_loopback, tls=authority.client()) as sending,
    ):
        made = await sending.send(target_of(f"https://hooks.example.com:{target.port}/"), message())

    assert made.outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    ("host", "lasts", "trusted", "said"),
    [
        ("hooks.example.com", DAY, False, "unable to get local issuer certificate"),
        ("other.example.com", DAY, True, "Hostname mismatch"),
        ("127.0.0.1", DAY, True, "Hostname mismatch"),
        ("hooks.example.com", -DAY, True, "certificate has expired"),
    ],
)
async def test_a_certificate_that_is_not_good_is_refused_and_nothing_is_sent(
    host: str, lasts: timedelta, trusted: bool, said: str, authority: Authority
) -> None:
    async with (
        http_target(tls=authority.server(host, lasts=lasts)) as target,
        sender(*LOOPBACK, look_up=to_loopback, tls=authority.client() if trusted else None) as sending,
    ):
        made = await sending.send(target_of(f"https://hooks.example.com:{target.port}/?key=secret"), message())

    assert made.outcome is Outcome.UNREACHABLE
    assert made.detail.startswith("The host's certificate isn't trusted: ")
    assert said in made.detail
    assert "secret" not in made.detail
    assert target.received == []


async def test_a_target_without_tls_gets_nothing_over_https() -> None:
    async with http_target() as target, sender(*LOOPBACK) as sending:
        made = await sending.send(target_of(f"https://127.0.0.1:{target.port}/"), message())

    assert made[:3] == (Outcome.UNREACHABLE, None, "The TLS handshake failed.")
    assert target.received == []


async def test_an_old_version_of_tls_is_refused(authority: Authority) -> None:
    tls = authority.server("127.0.0.1")
    with warnings.catch_warnings(action="ignore"):
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
        tls.set_ciphers("ALL:@SECLEVEL=0")
    async with http_target(tls=tls) as target, sender(*LOOPBACK, tls=authority.client()) as sending:
        made = await sending.send(target_of(target.url), message())

    assert made.outcome is Outcome.UNREACHABLE


# ---------------------------------------------------------------- what is said


@pytest.mark.parametrize("host", ["127.0.0.1:1", "hooks.example.com", "[::1]:1", "8.8.8.8:99999", "127.0.0.1:port"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("user", ["", "tok3n@", "tok3n:tok3n@"])
async def test_nothing_of_the_url_or_the_secret_is_said(host: str, scheme: str, user: str) -> None:
    async def fails(host: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}: Name or service not known")

    async with sender(*LOOPBACK, look_up=fails) as sending:
        made = await sending.send(Target(f"{scheme}://{user}{host}/tok3n?key=tok3n", [SECRET]), message())

    assert made.outcome in (Outcome.UNREACHABLE, Outcome.FORBIDDEN)
    assert made.detail.endswith(".")
    for part in ("tok3n", "127.0.0.1", "::1", "example", SECRET, SECRET.removeprefix("whsec_")):
        assert part not in made.detail


async def test_a_secret_that_is_not_valid_raises_nothing_and_is_not_said() -> None:
    async with http_target() as target, sender(*LOOPBACK) as sending:
        made = await sending.send(Target(target.url, ["tok3n"]), message())

    assert made.outcome is Outcome.UNREACHABLE
    assert "tok3n" not in made.detail
    assert target.received == []


async def test_a_closed_sender_raises_nothing() -> None:
    async with http_target() as target, sender(*LOOPBACK) as sending:
        await sending.send(target_of(target.url), message())
        await sending.close()
        made = await sending.send(target_of(target.url), message())

    assert made.outcome is Outcome.UNREACHABLE


def test_a_sender_needs_no_event_loop_until_it_sends() -> None:
    script = (
        "from tasksvc_webhooks.sending import Sender, Target, Message; import asyncio;"
        " asyncio.run(Sender([], user_agent='x').close())"
    )

    assert subprocess.run([sys.executable, "-W", "error", "-c", script], check=True).returncode == 0
