"""Two requests on one connection, in one packet or in several: each gets its own response, or the connection ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from service_process import RunningService

from api.api_client import case_id
from api.hostile_requests import chunked, framed, get, head, send
from api.raw_http import Answer, Connection, Server, check, in_process
from tasksvc.application.limits import Limits

pytestmark = pytest.mark.usefixtures("silence")

ID = "X-Request-ID: first"
BODY = b'{"description":"the first"}'
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKS = b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
H2C = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__")
TLS = ("Upgrade: TLS/1.2", "Connection: Upgrade")
WEBSOCKET = (
    *("Upgrade: websocket", "Connection: Upgrade"),
    *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"),
)
OLD = "Connection: keep-alive"
"""The header that keeps a connection of HTTP/1.0 open."""

FIRSTS = {
    "GET": get("/tasks/1", ID),
    "GET, routed": get("/tasks/?", ID),
    "GET, a list": get("/tasks/", ID),
    "GET, a page": get("/tasks/?limit=2", ID),
    "GET, a file": get("/docs/assets/swagger.css", ID),
    "GET with a body": get("/tasks/1", ID, LENGTH) + BODY,
    "GET with chunks": get("/tasks/1", ID, "Transfer-Encoding: chunked") + CHUNKS + b"\r\n",
    "GET, known already": get("/tasks/1", ID, "If-None-Match: *"),
    "GET that leads elsewhere": get("/", ID),
    "GET in absolute form": get("http://localhost/tasks/1", ID),
    "GET with a fragment": get("/tasks/1#x", ID),
    "GET after empty lines": b"\r\n\r\n" + get("/tasks/1", ID),
    "HEAD": head("HEAD /tasks/1 HTTP/1.1", ID),
    "HEAD of a list": head("HEAD /tasks/ HTTP/1.1", ID),
    "HEAD of nothing": head("HEAD /nowhere HTTP/1.1", ID),
    "HEAD with a body": head("HEAD /tasks/1 HTTP/1.1", ID, LENGTH) + BODY,
    "OPTIONS": head("OPTIONS /tasks/ HTTP/1.1", ID),
    "OPTIONS of the server": head("OPTIONS * HTTP/1.1", ID),
    "TRACE": head("TRACE /tasks/ HTTP/1.1", ID),
    "DELETE with a body": head("DELETE /tasks/999999 HTTP/1.1", ID, LENGTH) + BODY,
    "POST": send(BODY, ID),
    "POST, routed": send(BODY, ID, line="POST /tasks HTTP/1.1"),
    "POST and an empty line": send(BODY, ID) + b"\r\n",
    "POST of no length": framed(ID, body=b""),
    "POST of nothing": send("", ID),
    "POST of a batch that is none": send("[]", ID, line="POST /tasks/batch HTTP/1.1"),
    "POST of ends of heads": send(b"\r\n\r\n" * 200, ID),
    "POST of a request": send(get("/tasks/1"), ID),
    "POST that is too short": framed(ID, "Content-Length: 3", body=BODY),
    "chunks": framed(ID, "Transfer-Encoding: chunked", body=CHUNKS + b"\r\n"),
    "chunks with trailers": framed(ID, "Transfer-Encoding: chunked", body=CHUNKS + b"X-A: 1\r\nX-B: 2\r\n\r\n"),
    "chunks with extensions": framed(
        ID, "Transfer-Encoding: chunked", body=CHUNKS.replace(b"0\r", b"0;a=b\r") + b"\r\n"
    ),
    "chunks without CR": framed(ID, "Transfer-Encoding: chunked", body=CHUNKS.replace(b"\r", b"") + b"\n"),
    "chunks by another name": framed(ID, "Transfer-Encoding: chun\u212aed", body=CHUNKS + b"\r\n"),
    "chunks of gzip": framed(ID, "Transfer-Encoding: gzip, chunked", body=CHUNKS + b"\r\n"),
    "identity": framed(ID, "Transfer-Encoding: identity", LENGTH, body=BODY),
    "Expect": framed(ID, LENGTH, "Expect: 100-continue", body=BODY),
    "Expect, refused": framed(ID, LENGTH, "Expect: 100-continue", body=BODY, line="POST /nowhere HTTP/1.1"),
    "Expect, without a body": get("/tasks/1", ID, "Expect: 100-continue"),
    "Expect of something else": framed(ID, LENGTH, "Expect: something", body=BODY),
    "refused 403": send(BODY, ID, "Origin: https://evil.example"),
    "refused 404": send(BODY, ID, line="POST /nowhere HTTP/1.1"),
    "refused 405": send(BODY, ID, line="PUT /tasks/ HTTP/1.1"),
    "refused 413": send(b" " * 300_000, ID),
    "refused 415": send(BODY, ID, kind="text/plain"),
    "refused 422": send(BODY, ID, line="POST /tasks/?x=1 HTTP/1.1"),
    "refused 421": head("POST /tasks/ HTTP/1.1", ID, LENGTH, host="evil.example") + BODY,
    "refused 421, chunks": head("POST / HTTP/1.1", ID, "Transfer-Encoding: chunked", host="evil.example")
    + CHUNKS
    + b"\r\n",
    "close": get("/tasks/1", ID, "Connection: close"),
    "close, POST": send(BODY, ID, "Connection: close"),
    "close, chunks": framed(ID, "Connection: close", "Transfer-Encoding: chunked", body=CHUNKS + b"\r\n"),
    "HTTP/1.0": head("GET /tasks/1 HTTP/1.0", ID),
    "HTTP/1.0 that goes on": head("GET /tasks/1 HTTP/1.0", ID, OLD),
    "HTTP/1.0, a list that goes on": head("GET /tasks/ HTTP/1.0", ID, OLD),
    "HTTP/1.0, a page that goes on": head("GET /tasks/?limit=2 HTTP/1.0", ID, OLD),
    "HTTP/1.0, POST that goes on": send(BODY, ID, OLD, line="POST /tasks/ HTTP/1.0"),
    "HTTP/1.0, POST of no length": framed(ID, OLD, body=b"", line="POST /tasks/ HTTP/1.0"),
    "HTTP/1.0, chunks": framed(
        ID, OLD, "Transfer-Encoding: chunked", body=CHUNKS + b"\r\n", line="POST /tasks/ HTTP/1.0"
    ),
    "HTTP/1.0, Expect": framed(ID, OLD, LENGTH, "Expect: 100-continue", body=BODY, line="POST /tasks/ HTTP/1.0"),
    "HTTP/2.0": head("GET /tasks/1 HTTP/2.0", ID),
    "h2c": get("/tasks/1", ID, *H2C),
    "h2c, routed": get("/tasks/?", ID, *H2C),
    "h2c, HEAD": head("HEAD /tasks/1 HTTP/1.1", ID, *H2C),
    "h2c, OPTIONS": head("OPTIONS * HTTP/1.1", ID, *H2C),
    "h2c, refused": get("/nowhere", ID, *H2C),
    "h2c, POST": send(BODY, ID, *H2C),
    "h2c, POST of nothing": send("", ID, *H2C),
    "h2c, chunks": framed(ID, *H2C, "Transfer-Encoding: chunked", body=CHUNKS + b"\r\n"),
    "h2c, GET with a body": get("/tasks/1", ID, *H2C, LENGTH) + BODY,
    "h2c, Expect": framed(ID, *H2C, LENGTH, "Expect: 100-continue", body=BODY),
    "h2c, HTTP/1.0": head("GET /tasks/1 HTTP/1.0", ID, "Upgrade: h2c", "Connection: upgrade, keep-alive"),
    "h2c, and close": get("/tasks/1", ID, "Upgrade: h2c", "Connection: upgrade, close"),
    "Upgrade that is no option of the connection": get("/tasks/1", ID, "Upgrade: h2c"),
    "an option of the connection without Upgrade": get("/tasks/1", ID, "Connection: upgrade"),
    "TLS": get("/tasks/1", ID, *TLS),
    "TLS, OPTIONS": head("OPTIONS * HTTP/1.1", ID, *TLS),
    "WebSocket": get("/changes", ID, *WEBSOCKET),
    "WebSocket, routed": get("/tasks/?", ID, *WEBSOCKET),
    "WebSocket, POST": send(BODY, ID, *WEBSOCKET),
    "CONNECT": head("CONNECT localhost:80 HTTP/1.1", ID),
    "CONNECT with a body": head("CONNECT localhost:80 HTTP/1.1", ID, LENGTH) + BODY,
    "CONNECT of a path": head("CONNECT /tasks/ HTTP/1.1", ID),
    "no request": b"BREW\r\n\r\n",
    "no HTTP/1": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lines without CR": get("/tasks/1", ID).replace(b"\r", b""),
    "a folded header": get("/tasks/1", "X-A: a\r\n b", ID),
}


def one_packet(first: bytes, second: bytes) -> list[bytes]:
    return [first + second]


def cut_behind_the_first_head(first: bytes, second: bytes) -> list[bytes]:
    end = first.find(b"\r\n\r\n", 4) + 4
    return [first[:end], first[end:] + second]


def cut_in_the_last_byte_of_the_first(first: bytes, second: bytes) -> list[bytes]:
    return [first[:-1], first[-1:] + second]


def cut_in_the_second_head(first: bytes, second: bytes) -> list[bytes]:
    return [first + second[:30], second[30:]]


def cut_everywhere(first: bytes, second: bytes) -> list[bytes]:
    whole = first + second
    size = max(1, len(whole) // 1_000)
    return [whole[start : start + size] for start in range(0, len(whole), size)]


CUTS = [
    one_packet,
    cut_behind_the_first_head,
    cut_in_the_last_byte_of_the_first,
    cut_in_the_second_head,
    cut_everywhere,
]


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["here", "process"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The service: in this process on asyncio's own loop, and as a separate process."""
    with contextlib.ExitStack() as stack:
        if request.param == "process":
            folder = tmp_path_factory.mktemp("process")
            service = stack.enter_context(RunningService("--store", "memory://", "--log-format", "none", folder=folder))
            server = Server(service.port)
            await make_tasks(server)
            yield server
            assert "Traceback" not in service.output
        else:
            async with in_process() as server:
                await make_tasks(server)
                yield server


async def make_tasks(server: Server) -> None:
    """Creates so large a number of tasks that a list of them is streamed."""
    operations = [{"op": "create", "task": {"description": "x"}}] * (Limits().stream_page + 1)
    check(await server.ask(send(json.dumps(operations), line="POST /tasks/batch HTTP/1.1")), 200)


async def final_answer(connection: Connection, sent: bytes) -> Answer | None:
    """Returns the next response other than 100, to a request that was sent in this way."""
    while True:
        answer = await connection.answer(sent.lstrip().split()[0].decode())
        if answer is None or answer.status != 100:
            return answer


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", FIRSTS, ids=case_id)
async def test_a_request_gets_its_own_answer_or_the_connection_ends(
    server: Server, name: str, cut: Callable[[bytes, bytes], list[bytes]]
) -> None:
    first, mark = FIRSTS[name], uuid.uuid4().hex
    async with server.connection() as connection:
        await connection.send(first)
        alone = await final_answer(connection, first)
    async with server.connection() as connection:
        for piece in cut(first, send(json.dumps({"description": mark}), "X-Request-ID: second")):
            await connection.send(piece)
            await asyncio.sleep(0)
        one = await final_answer(connection, first)
        two = await final_answer(connection, b"POST")
    made = await server.ask(get(f"/tasks/?q={mark}"))

    assert one is not None
    assert alone is not None
    assert made is not None
    assert (one.status, one.body[:50]) == (alone.status, alone.body[:50]) or one.status == alone.status == 201
    assert one.headers.get("x-request-id") == alone.headers.get("x-request-id") != "second"
    if two is None:
        assert one.headers.get("connection") == "close" or b" HTTP/1.0\r\n" in first
        assert json.loads(made.body) == [], "what was not answered is not done"
    elif two.status == 400:  # the first is shorter than it seemed, so that what follows it isn't a request
        assert (name, two.headers["connection"]) == ("POST that is too short", "close")
    else:
        assert (two.status, two.headers["x-request-id"]) == (201, "second")
        assert len(json.loads(made.body)) == 1


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("upgrade", [H2C, TLS, ()], ids=["h2c", "TLS", "none"])
async def test_many_requests_in_a_row_are_all_answered_in_their_order(server: Server, upgrade: tuple[str, ...]) -> None:
    count = 200
    row = b"".join(get("/tasks/1", f"X-Request-ID: {number}", *upgrade) for number in range(count))
    async with server.connection() as connection:
        await connection.send(row)
        answers = [await connection.answer() for _ in range(count)]

    assert [answer and answer.headers["x-request-id"] for answer in answers] == [str(number) for number in range(count)]


@pytest.mark.asyncio(loop_scope="module")
async def test_what_follows_a_long_body_is_answered_or_the_connection_ends(server: Server) -> None:
    body = json.dumps({"description": "x", "metadata": {"text": "\r\n\r\n" * 3_000}}).encode() + b" " * 200_000
    row = [
        *(chunked(body), send(body, ID), get("/tasks/1", "X-Request-ID: a", *H2C), send(body, "X-Request-ID: b")),
        get("/tasks/1", "X-Request-ID: c"),
    ]
    async with server.connection() as connection:
        await connection.send(b"".join(row))
        answers = [await connection.answer() for _ in row]

    seen = [answer.headers["x-request-id"] for answer in answers if answer is not None]
    assert seen[1:] == ["first", "a", "b", "c"][: len(seen) - 1]
    if len(seen) < len(row):
        last = answers[len(seen) - 1]
        assert last is not None
        assert last.headers["connection"] == "close"


@pytest.mark.asyncio(loop_scope="module")
async def test_garbage_does_not_take_the_place_of_what_came_before_it(server: Server) -> None:
    async with server.connection() as connection:
        await connection.send(get("/tasks/1", ID) + send(BODY, "X-Request-ID: second") + b"garbage\r\n\r\n")
        one, two, three = [await connection.answer() for _ in range(3)]

        assert await connection.is_closed()
    check(one, 200)
    check(two, 201)
    check(three, 400)
