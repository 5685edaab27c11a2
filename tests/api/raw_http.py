"""A client that speaks to the service byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple
from unittest import mock

from aiohttp import web
from patience import FOREVER_SECONDS, PATIENCE_SECONDS

from api.form import check_form
from api.hostile_requests import send
from tasksvc.api import LOOPBACK_HOSTS, Options, OriginCheck, create_app
from tasksvc.api.pipeline.fast_path import FastPath, _Operations
from tasksvc.api.server.listener import Listener, serve
from tasksvc.application.limits import Timeouts


class Answer(NamedTuple):
    """A response, as it was received."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A socket that is connected to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Sends `data`, as far as the service reads it."""
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def leave(self) -> None:
        """Closes the sending side of the connection."""
        self._writer.write_eof()

    async def answer(self, method: str = "GET") -> Answer | None:
        """Returns the next response, or None if the connection ends instead."""
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
            body = await self._body(method, status, headers)
            if status != 100:
                check_form(status, headers, body)
            return Answer(status, headers, body)

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
        """Returns whether the service closes the connection without sending anything more."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class Server:
    """The service, listening on a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Opens a connection to the service."""
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**20))
        try:
            yield connection
        finally:
            await connection.close()

    async def ask(self, sent: bytes) -> Answer | None:
        """Returns the response to a request on its own connection."""
        async with self.connection() as connection:
            await connection.send(sent)
            return await connection.answer(sent[:4].decode("latin-1").strip())


PATIENT = Timeouts(body=FOREVER_SECONDS, idle=FOREVER_SECONDS, request_head=FOREVER_SECONDS)
"""Timeouts of a service that are longer than those of the tests."""


@contextlib.asynccontextmanager
async def in_process(options: Options | None = None, timeouts: Timeouts = PATIENT) -> AsyncIterator[Server]:
    """Runs the service in this process, by default as for a local user."""
    options = replace(options or Options(origin_check=OriginCheck(LOOPBACK_HOSTS)), timeouts=timeouts)
    # gc.freeze() would keep the garbage of other tests.
    with mock.patch.object(gc, "freeze"):
        async with _serving(options) as server:
            yield server


@contextlib.asynccontextmanager
async def _serving(options: Options) -> AsyncIterator[Server]:
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = create_app("memory://", options)
    serving = asyncio.create_task(
        serve([Listener(app, "127.0.0.1", 0)], ready=lambda ports: ready.set_result(ports[0]))
    )
    try:
        yield Server(await ready)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


_wrap = FastPath.wrap


def route_everything(self: FastPath, application: Any) -> Any:
    """Replaces FastPath.wrap(): the application answers in place of the fast path."""

    async def route(request: web.Request, *known: Any) -> Any:
        return await application(request)

    self._home = self._named = _Operations(route, route, route)
    return _wrap(self, application)


async def make_a_task(server: Server) -> None:
    answer = await server.ask(send('{"description":"the first"}'))
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["id"]) == (201, 1)


def check(answer: Answer | None, status: int | None) -> None:
    """Raises AssertionError if `answer` isn't what `status` requires, or if an error isn't a problem document."""
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
