"""The connections of Client, on aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from tasksvc_client.address import Address
from tasksvc_client.failures import is_hopeless
from tasksvc_client.steps import ANSWER_MAX, Answer, Lost, Repeat, Send

CHUNK = 65_536
"""Bytes that are read at once."""
BROKEN = (aiohttp.ClientError, OSError)
"""What a connection that breaks, or isn't one with HTTP, raises; TimeoutError is an OSError."""


class _Sent:
    """Whether a part of a request may have been sent."""

    begun = False


async def _on_headers(session: aiohttp.ClientSession, context: Any, parameters: object) -> None:
    """Notes that a request is being sent. Raises ClientConnectionError if it's sent again.

    aiohttp repeats a DELETE by itself if the connection breaks, and whether that is safe is decided elsewhere.
    """
    if context.trace_request_ctx.begun:
        raise aiohttp.ClientConnectionError("the connection was closed")
    context.trace_request_ctx.begun = True


def _tracing() -> aiohttp.TraceConfig:
    """Returns what notes in the _Sent of a request that it is being sent."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_on_headers)
    return tracing


class Stream:
    """The body of an answer that comes over time."""

    def __init__(self, address: Address, response: aiohttp.ClientResponse) -> None:
        self._address, self._response = address, response

    async def read(self, timeout: float) -> bytes | Lost:
        """Returns more of it, or Lost at its end or after `timeout` seconds without a byte."""
        try:
            async with asyncio.timeout(timeout):
                return await self._response.content.readany() or Lost("The stream ended", sent=True)
        except BROKEN as error:
            return Lost(f"The stream of {self._address.url} ended ({_text(error)})", sent=True)

    def close(self) -> None:
        """Closes the connection of the stream."""
        self._response.close()


class Sessions:
    """A pool of connections, which is made at the first request."""

    def __init__(
        self, address: Address, headers: Mapping[str, str], context: ssl.SSLContext | None, connections: int
    ) -> None:
        self._address, self._headers, self._context, self._connections = address, headers, context, connections
        self._session: aiohttp.ClientSession | None = None

    async def send(self, step: Send) -> Answer | Lost:
        """Sends a request and returns its answer."""
        timeout = aiohttp.ClientTimeout(total=step.seconds, sock_connect=step.timeout, sock_read=step.timeout)
        if step.request.repeat is not Repeat.NEVER:
            return await self._send(self._shared(), step, timeout)
        async with self._new() as session:  # a connection that was idle may be closed as the request is sent
            return await self._send(session, step, timeout)

    async def _send(self, session: aiohttp.ClientSession, step: Send, timeout: aiohttp.ClientTimeout) -> Answer | Lost:
        sent = _Sent()
        try:
            async with self._request(session, step, timeout, sent) as response:
                return await self._whole(response)
        except BROKEN as error:
            return _lost(self._address, error, sent)

    async def stream(self, step: Send) -> tuple[Answer | Lost, Stream | None]:
        """Sends a request and returns the head of its answer and its body if the status is 200, else the answer."""
        timeout, sent = aiohttp.ClientTimeout(total=None, sock_connect=step.timeout), _Sent()
        try:
            async with asyncio.timeout(step.timeout):
                response = await self._request(self._shared(), step, timeout, sent)
                if response.status == 200:
                    return _head(response), Stream(self._address, response)
                async with response:
                    return await self._whole(response), None
        except BROKEN as error:
            return _lost(self._address, error, sent), None

    async def close(self) -> None:
        """Closes all connections of the pool."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _request(
        self, session: aiohttp.ClientSession, step: Send, timeout: aiohttp.ClientTimeout, sent: _Sent
    ) -> aiohttp.client._RequestContextManager:
        request, address = step.request, self._address
        return session.request(
            request.method,
            URL(address.url + request.target, encoded=True),
            data=request.body,
            headers={**self._headers, **request.headers},
            allow_redirects=False,
            timeout=timeout,
            trace_request_ctx=sent,
        )

    async def _whole(self, response: aiohttp.ClientResponse) -> Answer | Lost:
        head, pieces, size = _head(response), [], 0
        while piece := await response.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > ANSWER_MAX:
                response.close()
                return Lost(f"{self._address.url} sent an answer that is too large", sent=True)
        return Answer(head.status, head.headers, b"".join(pieces))

    def _shared(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._new()
        return self._session

    def _new(self) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if self._address.socket is not None:
            connector = aiohttp.UnixConnector(self._address.socket, limit=self._connections)
        else:
            connector = aiohttp.TCPConnector(limit=self._connections, ssl=self._context or True)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trace_configs=[_tracing()]
        )


def _head(response: aiohttp.ClientResponse) -> Answer:
    return Answer(response.status, {name.lower(): value for name, value in response.headers.items()})


def _lost(address: Address, error: Exception, sent: _Sent) -> Lost:
    if sent.begun:
        return Lost(f"{address.url} gave no answer ({_text(error)})", sent=True)
    hopeless = isinstance(error, aiohttp.ClientConnectorError) and is_hopeless(error.os_error)
    hopeless |= isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL)
    return Lost(f"{address.url} can't be reached ({_text(error)})", sent=False, hopeless=hopeless)


def _text(error: BaseException) -> str:
    """Returns what happened, as a part of a sentence."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionError):
        return getattr(error, "strerror", None) or "the connection was closed"
    return str(error) or type(error).__name__
