"""Requests over one connection: bodies that are announced or slow, several requests, idle connections."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from api.hostile_requests import chunked, framed, get, head, send
from api.raw_http import PATIENT, Server, check, in_process, make_a_task
from tasksvc.api import Options, TokenPolicy
from tasksvc.api.server.http_protocol import HTTPProtocol
from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import new_secret

pytestmark = pytest.mark.usefixtures("silence")


@pytest.fixture
async def local() -> AsyncIterator[Server]:
    """The service in this process."""
    async with in_process(timeouts=PATIENT._replace(linger=0.3)) as server:
        yield server


@pytest.fixture
async def impatient() -> AsyncIterator[Server]:
    """The service with timeouts that are short enough for a test."""
    async with in_process(timeouts=Timeouts(body=0.3, idle=0.3, request_head=0.3, linger=0.3)) as server:
        yield server


async def test_a_body_that_was_announced_is_asked_for(local: Server) -> None:
    body = b'{"description":"x"}'
    async with local.connection() as connection:
        await connection.send(framed(f"Content-Length: {len(body)}", "Expect: 100-continue", body=b""))
        asked = await connection.answer()
        await connection.send(body)
        made = await connection.answer()

    assert asked is not None
    assert asked.status == 100
    check(made, 201)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (framed("Content-Length: 262145", "Expect: 100-continue", body=b""), 413),
        (framed("Content-Length: 10", "Expect: 100-continue", "Content-Encoding: gzip", body=b""), 415),
        (framed("Content-Length: 10", "Expect: 100-continue", "Origin: https://evil.example", body=b""), 403),
        (framed("Content-Length: 10", "Expect: 100-continue", body=b"", line="PUT /tasks/ HTTP/1.1"), 405),
        (framed("Content-Length: 10", "Expect: 100-continue", body=b"", line="POST /nowhere HTTP/1.1"), 404),
        (framed("Content-Length: 10", "Expect: 100-continue", body=b"", line="POST /tasks/?x=1 HTTP/1.1"), 422),
    ],
    ids=[413, 415, 403, 405, 404, 422],
)
async def test_a_body_that_would_be_refused_is_not_asked_for(local: Server, sent: bytes, status: int) -> None:
    async with local.connection() as connection:
        await connection.send(sent)
        answer = await connection.answer()

        check(answer, status)
        assert answer is not None
        assert answer.headers["connection"] == "close", "the client may send the body after all, or not"
        assert await connection.is_closed()


@pytest.mark.parametrize("line", ["POST /tasks/ HTTP/1.1", "POST /tasks HTTP/1.1", "PATCH /tasks/1 HTTP/1.1"])
async def test_a_body_without_a_token_is_not_asked_for(line: str) -> None:
    options = Options(tokens=TokenPolicy.ALWAYS, admin_token=new_secret())
    async with in_process(options) as server:
        answer = await server.ask(framed("Content-Length: 10", "Expect: 100-continue", body=b"", line=line))

    check(answer, 401)
    assert answer is not None
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("target", ["/tasks/1", "/tasks/", "/docs", "/nowhere"])
async def test_a_body_that_nobody_wants_is_not_asked_for(local: Server, target: str) -> None:
    async with local.connection() as connection:
        await connection.send(get(target, "Content-Length: 10", "Expect: 100-continue"))
        answer = await connection.answer()

        assert answer is not None
        assert answer.status in (200, 404)
        assert answer.headers["connection"] == "close"
        assert await connection.is_closed()


async def test_a_body_that_breaks_off_its_framing_is_refused_at_once(local: Server) -> None:
    async with local.connection() as connection:
        await connection.send(framed("Transfer-Encoding: chunked", body=b""))
        await asyncio.sleep(0.05)  # as a packet of its own, or not
        await connection.send(b"no length\r\n\r\n")

        check(await connection.answer(), 400)
        assert await connection.is_closed()


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_body_that_breaks_its_framing_is_refused_at_once_however_far_its_request_has_got(
    local: Server, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive, loop = HTTPProtocol.data_received, asyncio.get_running_loop()

    def receive_later(connection: HTTPProtocol, data: bytes, left: int) -> None:
        if left:
            loop.call_soon(receive_later, connection, data, left - 1)
        else:
            receive(connection, data)

    def receive_in_two(connection: HTTPProtocol, data: bytes) -> None:
        end = data.index(b"\r\n\r\n") + 4
        receive(connection, data[:end])
        receive_later(connection, data[end:], turns)

    monkeypatch.setattr(HTTPProtocol, "data_received", receive_in_two)

    answer = await local.ask(framed("Transfer-Encoding: chunked", body=b"no length\r\n\r\n"))

    check(answer, 400)


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_body_that_drips_is_waited_for_only_so_long(impatient: Server, framing: str) -> None:
    async with impatient.connection() as connection:
        await connection.send(framed(framing, body=b""))

        async def drip() -> None:
            while True:
                await connection.send(b"1\r\n \r\n" if "chunked" in framing else b" ")
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        answer = await connection.answer()
        closed = await connection.is_closed()
        dripping.cancel()

    check(answer, 408)
    assert closed


@pytest.mark.parametrize("size", [100, 60_000])
async def test_a_body_is_not_late_that_lay_in_the_socket_while_the_loop_was_held(impatient: Server, size: int) -> None:
    body = b'{"description":"x"}'.ljust(size)
    async with impatient.connection() as connection:
        await connection.send(framed(f"Content-Length: {size}", "Expect: 100-continue", body=b""))
        await connection.answer()
        await connection.send(body)
        time.sleep(0.5)  # noqa: ASYNC251  # which holds the loop of the service, since it is this one

        answer = await connection.answer()

    check(answer, 201)


@pytest.mark.parametrize(
    "sent", [b"", b"GET /tas", b"GET /tasks/ HTTP/1.1\r\nHost: loc"], ids=["nothing", "line", "head"]
)
async def test_a_head_that_drips_is_waited_for_only_so_long(impatient: Server, sent: bytes) -> None:
    async with impatient.connection() as connection:
        await connection.send(sent)

        assert await connection.is_closed()


async def test_a_connection_that_is_idle_is_closed(impatient: Server) -> None:
    async with impatient.connection() as connection:
        await connection.send(get("/tasks/"))
        check(await connection.answer(), 200)

        assert await connection.is_closed()


async def test_a_refused_body_that_never_ends_is_cut_off(local: Server) -> None:
    async with local.connection() as connection:
        await connection.send(framed("Content-Length: 1000000000", body=b""))

        async def flood() -> None:
            while True:
                await connection.send(b" " * 65_536)
                await asyncio.sleep(0)

        flooding = asyncio.create_task(flood())
        check(await connection.answer(), 413)
        closed = await connection.is_closed()
        flooding.cancel()

    assert closed


SMUGGLED = head("DELETE /tasks/1 HTTP/1.1")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (framed("Content-Length: 262145", body=SMUGGLED), 413),
        (send(SMUGGLED, "Content-Encoding: gzip"), 415),
        (send(SMUGGLED, kind="text/plain"), 415),
        (send(SMUGGLED, "Origin: https://evil.example"), 403),
        (framed("Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED), 400),
        (framed("Transfer-Encoding: gzip", body=SMUGGLED), 400),
        (framed("Transfer-Encoding: chunked", body=b"zz\r\n" + SMUGGLED), 400),
        (head("GET /tasks/ HTTP/1.1", host="evil.example") + SMUGGLED, 421),
    ],
    ids=["413", "415 coding", "415 type", "403", "400 length", "400 coding", "400 chunk", "421"],
)
async def test_bytes_after_an_unread_request_are_not_parsed_as_a_request(
    local: Server, sent: bytes, status: int
) -> None:
    await make_a_task(local)
    async with local.connection() as connection:
        await connection.send(sent)

        check(await connection.answer(), status)
        assert await connection.is_closed()

    check(await local.ask(get("/tasks/1")), 200)


async def test_a_request_that_was_read_may_be_followed_by_another(local: Server) -> None:
    async with local.connection() as connection:
        for sent, status in (
            (send("{}"), 422),
            (send("{"), 400),
            (get("/tasks/0"), 404),
            (get("/nowhere"), 404),
            (chunked(b"{}"), 422),
            (send('{"description":"x"}', line="PUT /tasks/ HTTP/1.1"), 405),
            (get("/tasks/1", "Content-Length: 5") + b"hello", 404),
            (send('{"description":"x"}'), 201),
        ):
            await connection.send(sent)
            check(await connection.answer(), status)


async def test_requests_in_a_row_are_answered_in_their_order(local: Server) -> None:
    await make_a_task(local)
    row = [get("/tasks/1"), send("{}"), get("/tasks/99"), send('{"description":"x"}'), get("/tasks/2")]
    async with local.connection() as connection:
        await connection.send(b"".join(row))

        for status in (200, 422, 404, 201, 200):
            check(await connection.answer(), status)
        await connection.send(b"garbage\r\n\r\n" + row[0])
        check(await connection.answer(), 400)
        assert await connection.is_closed()


async def test_a_thousand_requests_in_a_row_are_answered(local: Server) -> None:
    async with local.connection() as connection:
        await connection.send(get("/tasks/0") * 1_000)

        for _ in range(1_000):
            check(await connection.answer(), 404)


async def test_connections_that_say_nothing_keep_nobody_out(local: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(200):
            silent = await stack.enter_async_context(local.connection())
            await silent.send(b"POST /tasks/ HTTP/1.1\r\nHost: localhost\r\n")

        check(await local.ask(send('{"description":"x"}')), 201)


async def test_answers_that_nobody_reads_wait_for_their_reader(local: Server) -> None:
    for _ in range(50):
        check(await local.ask(send('{"description":"%s"}' % ("x" * 9_000))), 201)
    async with local.connection() as slow:
        await slow.send(get("/tasks/") * 60)

        check(await local.ask(get("/tasks/1")), 200)
        answers = [await slow.answer() for _ in range(60)]

    assert len({answer.body for answer in answers if answer is not None and answer.status == 200}) == 1
    assert all(answers)


async def test_a_client_that_leaves_while_answers_wait_leaves_nothing_behind(local: Server) -> None:
    for _ in range(50):
        check(await local.ask(send('{"description":"%s"}' % ("x" * 9_000))), 201)
    for _ in range(5):
        async with local.connection() as connection:
            await connection.send(get("/tasks/") * 60)
            await connection.answer()

    check(await local.ask(get("/tasks/1")), 200)


@pytest.mark.parametrize(
    "sent", [b"BREW\r\n\r\n", b"GET /tasks/\x00 HTTP/1.1\r\n\r\n", get("/" + "x" * 9_000)], ids=["word", "NUL", "long"]
)
async def test_invalid_http_is_refused_with_a_problem_document(local: Server, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", local.port)
    writer.write(sent)
    said = await reader.read()
    writer.close()

    assert said.startswith(b"HTTP/1.1 4")
    assert b"\r\nServer: tasksvc\r\n" in said
    assert b"application/problem+json" in said
