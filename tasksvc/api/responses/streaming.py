"""Responses that are sent in chunks."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Iterable

from aiohttp import HttpVersion11, hdrs, web

from tasksvc.api.observability.redaction import redacted
from tasksvc.api.responses.cache_control import NO_STORE
from tasksvc.api.responses.problems import log
from tasksvc.api.responses.raw import SERVER, write_in_chunks
from tasksvc.api.server.heads import asks_for_upgrade
from tasksvc.api.server.held_bytes import kept_for
from tasksvc.application.limits import Timeouts
from tasksvc.domain.errors import StoreUnavailable

Chunk = bytes | memoryview
"""A part of the body."""


class StreamingResponse:
    """A response of unknown length, sent in chunks."""

    def __init__(
        self,
        content_type: str,
        chunks: AsyncGenerator[Chunk, None],
        headers: Iterable[tuple[str, str]] = (),
        *,
        long_lived: bool = False,
        closed: Callable[[], None] | None = None,
    ) -> None:
        """Takes `long_lived`, for which a shutdown doesn't wait, and `closed`, which is called at its end."""
        self.long_lived, self._closed = long_lived, closed
        self._chunks = chunks
        self.response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: content_type,
                "X-Content-Type-Options": "nosniff",
                hdrs.CACHE_CONTROL: NO_STORE,
            }
        )
        self.response.headers.extend(headers)

    async def send(
        self, request: web.Request, headers: Iterable[tuple[str, str]], timeouts: Timeouts
    ) -> web.StreamResponse:
        """Sends the response with further `headers`, as fast as the client takes it.

        If that fails half-way, the connection is reset, so that no client takes what came for the whole.
        """
        response = self.response
        response.headers.extend(headers)
        response.headers[hdrs.SERVER] = SERVER
        # To HTTP/1.0 the end of the connection is that of the answer, which aiohttp forgets; an upgrade: pipelining.py.
        if request.version < HttpVersion11 or asks_for_upgrade(request):
            response.force_close()
        try:
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:
                await self._send_chunks(request, timeouts)
            await response.write_eof()
        except BaseException as error:
            if request.transport is not None:
                _reset_connection(request.transport)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, ConnectionError):
                target = redacted(request.raw_path)
                log.error("The answer to %s %s broke off.", request.method, target, exc_info=error)
        finally:
            await self._chunks.aclose()
            if self._closed is not None:
                self._closed()
        return response

    async def _send_chunks(self, request: web.Request, timeouts: Timeouts) -> None:
        """Sends the chunks of the body.

        Raises ConnectionError, also if the client takes nothing, StoreUnavailable, and what the source of the chunks
        raises.
        """
        now = asyncio.get_running_loop().time
        asked_store = True
        try:
            async with asyncio.timeout(timeouts.store_chunk) as timeout:

                def wait_for_client() -> None:
                    timeout.reschedule(now() + timeouts.stalled)

                async for chunk in self._chunks:
                    asked_store = False
                    try:
                        with kept_for(request.protocol, len(chunk)):
                            await write_in_chunks(request, self.response, chunk, wait_for_client)
                    finally:
                        del chunk  # while the next one is made, or as long as a traceback keeps this frame
                    asked_store = True
                    timeout.reschedule(now() + timeouts.store_chunk)
        except TimeoutError:
            if asked_store:
                raise StoreUnavailable("The store did not answer in time.") from None
            raise ConnectionError("The client took nothing for too long.") from None


def _reset_connection(transport: asyncio.Transport) -> None:
    """Ends a connection with a reset: to a client of HTTP/1.0 an orderly end would be the end of the answer."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
