"""Targets of webhooks on loopback, and what sends to them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, NamedTuple

from aiohttp import web
from patience import FOREVER_SECONDS
from tasksvc_webhooks.sending import Message, Sender, Target
from tasksvc_webhooks.signing import new_secret

LOOPBACK = ("127.0.0.0/8", "::1/128")
SECRET = new_secret()


class Received(NamedTuple):
    """A request that came to a target."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: object
    """The same for two requests if they came over one connection."""


class HTTPTarget:
    """A target that answers properly, with what `answer` returns."""

    def __init__(self, answer: Callable[[], web.StreamResponse], tls: ssl.SSLContext | None) -> None:
        self.received: list[Received] = []
        self.url = ""
        self.port = 0
        self._answer, self._tls = answer, tls

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.received.append(Received(request.method, request.path_qs, request.headers, body, request.transport))
        return self._answer()


@asynccontextmanager
async def http_target(
    answer: Callable[[], web.StreamResponse] = web.Response,
    *,
    tls: ssl.SSLContext | None = None,
    keepalive_timeout: float = FOREVER_SECONDS,
) -> AsyncIterator[HTTPTarget]:
    """Gives a target on 127.0.0.1."""
    target = HTTPTarget(answer, tls)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", target.handle)
    runner = web.AppRunner(app, keepalive_timeout=keepalive_timeout, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        target.port = runner.addresses[0][1]
        target.url = f"http{'s' if tls else ''}://127.0.0.1:{target.port}/hook"
        yield target
    finally:
        await runner.cleanup()


class RawTarget:
    """A target that does with each connection what `serve` does."""

    def __init__(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self.connections = 0
        self.ended = 0
        """How many connections the sender has ended."""
        self.url = ""
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except ConnectionError:
            self.ended += 1
        except asyncio.CancelledError:
            pass  # by stop(); the callback of asyncio's streams in Python 3.11 fails for a task that was cancelled
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def stop(self) -> None:
        """Ends what is being served."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def raw_target(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawTarget]:
    """Gives a target on 127.0.0.1 that speaks for itself."""
    target = RawTarget(serve)
    server = await asyncio.start_server(target.handle, "127.0.0.1", 0, ssl=tls)
    target.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield target
    finally:
        server.close()
        await target.stop()
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Reads the head of a request, and its body, which is returned."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.partition(b":")[2]))


@asynccontextmanager
async def sender(
    *allowed: str, timeout: float = 60.0, user_agent: str = "test", **options: Any
) -> AsyncIterator[Sender]:
    """Gives a sender that may send to the networks, and takes the options of Sender."""
    networks = [ip_network(network) for network in allowed]
    sending = Sender(networks, timeout=timeout, user_agent=user_agent, **options)
    try:
        yield sending
    finally:
        await sending.close()


def target_of(url: str) -> Target:
    return Target(url, [SECRET])


def message(body: bytes = b"{}") -> Message:
    return Message("msg_1", datetime.now(UTC), body, "default")
