"""Hostile requests, over a socket, to a real server: none makes a 500, and none hangs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from aiohttp import web
from running_service import RunningService

from api.hostile import HOSTILE, Hostile, chunked, framed, get, head, send
from tasksvc.api import LOOPBACK_HOSTS, Guard, Options, create_app
from tasksvc.api.front import Front
from tasksvc.api.server import Listener, serve

PATIENCE_SECONDS = 5.0
"""For an answer: less than a body may take, and less than a connection may be idle."""

on_the_server = pytest.mark.asyncio(loop_scope="module")


class Answer(NamedTuple):
    """What came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A socket to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Sends `data`, as far as the service takes it."""
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def leave(self) -> None:
        """Sends no more."""
        self._writer.write_eof()

    async def answer(self, method: str = "GET") -> Answer | None:
        """The next answer; None where the connection ends instead."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                raw = await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise
                return None
            except ConnectionError:
                return None
            line, *lines = raw.decode().split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
            status = int(line.split()[1])
            return Answer(status, headers, await self._body(method, status, headers))

    async def _body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        if method == "HEAD" or status in (100, 204, 304):
            return b""
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self._reader.readline(), 16):
                body += (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readline()
            return body
        return await self._reader.read()

    async def is_closed(self) -> bool:
        """Whether the service ends the connection, and says nothing more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        """Ends it."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Server:
    """The service on a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to it."""
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**20))
        try:
            yield connection
        finally:
            await connection.close()

    async def ask(self, sent: bytes) -> Answer | None:
        """The answer to a request on a connection of its own."""
        async with self.connection() as connection:
            await connection.send(sent)
            return await connection.answer(sent[:4].decode("latin-1").strip())


@contextlib.asynccontextmanager
async def in_process() -> AsyncIterator[Server]:
    """The service in this process."""
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = create_app("memory://", Options(guard=Guard(LOOPBACK_HOSTS)))
    serving = asyncio.create_task(
        serve([Listener(app, "127.0.0.1", 0)], ready=lambda ports: ready.set_result(ports[0]))
    )
    try:
        yield Server(await ready)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        gc.unfreeze()  # what the server froze


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["hot", "routed", "process"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The service: in this process, the same without the shortcut for hot requests, and as users run it."""
    with contextlib.ExitStack() as stack:
        if request.param == "process":
            folder = tmp_path_factory.mktemp("process")
            service = stack.enter_context(RunningService("--store", "memory://", "--log-format", "none", folder=folder))
            server = Server(service.port)
            await make_a_task(server)
            yield server
            assert "Traceback" not in service.output
            return
        if request.param == "routed":
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(Front, "before", route_everything)
        async with in_process() as server:
            await make_a_task(server)
            yield server


_before = Front.before


def route_everything(self: Front, application: Any) -> Any:
    """Front.before(), with the application in place of the shortcuts."""

    async def route(request: web.Request, *known: Any) -> Any:
        return await application(request)

    self._show = self._show_list = self._create = route
    return _before(self, application)


async def make_a_task(server: Server) -> None:
    answer = await server.ask(send('{"description":"the first"}'))
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["id"]) == (201, 1)


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client sends is an error of the service."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def check(answer: Answer | None, status: int | None) -> None:
    """Raises AssertionError where `answer` is not what `status` asks for, or an error that is no problem document."""
    if answer is None or status is None:
        assert answer is None
        assert status is None
        return
    assert answer.status == status, answer
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = json.loads(answer.body)
        assert problem["status"] == status
        assert problem["type"].startswith("urn:tasksvc:problem:")
        assert problem["title"]
        assert problem["detail"]
        assert len(answer.body) < 64 * 1024


# ---------------------------------------------------------------- the corpus


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [hostile.name for hostile in HOSTILE]

    assert len(names) >= 150
    assert len(names) == len(set(names))


@on_the_server
@pytest.mark.parametrize("hostile", HOSTILE, ids=[ascii(hostile.name) for hostile in HOSTILE])
async def test_each_gets_what_it_deserves(server: Server, hostile: Hostile) -> None:
    async with server.connection() as connection:
        await connection.send(hostile.sent)
        if hostile.leaves:
            connection.leave()
        answer = await connection.answer()

    check(answer, hostile.status)
    alive = await server.ask(get("/health/live"))
    assert alive is not None
    assert alive.status == 200


# ---------------------------------------------------------------- conversations


@pytest.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """The service in this process."""
    monkeypatch.setattr("tasksvc.api.server.LINGER_SECONDS", 0.3)
    async with in_process() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, local: Server) -> Server:
    """The same, with limits of time that a test can wait for."""
    monkeypatch.setattr("tasksvc.api.body.BODY_SECONDS", 0.3)
    monkeypatch.setattr("tasksvc.api.server.IDLE_SECONDS", 0.3)
    return local


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
    check(await local.ask(sent), status)


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
async def test_what_follows_a_request_that_was_not_read_is_no_request(local: Server, sent: bytes, status: int) -> None:
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
