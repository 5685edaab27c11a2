"""Responses that are sent in chunks."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Iterable

from aiohttp import HttpVersion11, hdrs, web

from tasksvc.api.observability.redaction import redacted
from tasksvc.api.responses.cache_control import NO_STORE
from tasksvc.api.responses.problems import log
from tasksvc.api.responses.raw import CHUNK_BYTES, SERVER, write_in_chunks
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
        heartbeat: bytes | None = None,
        kept: int = 0,
        closed: Callable[[], None] | None = None,
    ) -> None:
        """Takes `closed`, which is called at its end, and the bytes that are `kept` for later chunks meanwhile.

        A response with a `heartbeat` goes on until the client or the service ends it: its chunks may come whenever they
        do, and the heartbeat is sent when none came for a while.
        """
        self._heartbeat, self._kept, self._closed = heartbeat, kept, closed
        self._chunks = chunks
        self.response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: content_type,
                "X-Content-Type-Options": "nosniff",
                hdrs.CACHE_CONTROL: NO_STORE,
            }
        )
        self.response.headers.extend(headers)

    @property
    def long_lived(self) -> bool:
        """Returns whether a shutdown doesn't wait for its end."""
        return self._heartbeat is not None

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
        heart: _Heart | None = None
        try:
            async with asyncio.timeout(None if self.long_lived else timeouts.store_chunk) as timeout:

                def wait_for_client() -> None:
                    timeout.reschedule(now() + timeouts.stalled)

                async for chunk in self._chunks:
                    asked_store = False
                    try:
                        with kept_for(request.protocol, _bytes_kept_of(chunk) + self._kept):
                            await write_in_chunks(request, self.response, chunk, wait_for_client)
                    finally:
                        del chunk  # while the next one is made, or as long as a traceback keeps this frame
                    asked_store = True
                    timeout.reschedule(None if self.long_lived else now() + timeouts.store_chunk)
                    if heart is not None:
                        heart.sent_at = now()
                    elif self._heartbeat is not None:  # not before the head, which goes out with the first chunk
                        heart = _Heart(request, self.response, self._heartbeat, timeouts.heartbeat)
        except TimeoutError:
            if asked_store:
                raise StoreUnavailable("The store did not answer in time.") from None
            raise ConnectionError("The client took nothing for too long.") from None
        finally:
            if heart is not None:
                heart.stop()


def _bytes_kept_of(chunk: Chunk) -> int:
    """Returns the bytes that are kept besides the connection's while `chunk` is sent: it, and a copy of the part sent.

    A chunk that is sent as one part isn't copied, nor is a memoryview.
    """
    size = len(chunk)
    return size + CHUNK_BYTES if size > CHUNK_BYTES and isinstance(chunk, bytes) else size


class _Heart:
    """Sends a heartbeat whenever the client of a streamed response got nothing for a while.

    It writes to the transport, without a turn of the response's task, since thousands of streams are silent at once.
    """

    def __init__(self, request: web.Request, response: web.StreamResponse, heartbeat: bytes, seconds: float) -> None:
        """Sends the first heartbeat up to a half earlier, at random, so that streams that began together are spread."""
        self._request, self._seconds = request, seconds
        is_chunked = response.headers.get(hdrs.TRANSFER_ENCODING) == "chunked"
        self._heartbeat = b"%x\r\n%b\r\n" % (len(heartbeat), heartbeat) if is_chunked else heartbeat
        self._loop = asyncio.get_running_loop()
        self.sent_at = self._loop.time() - random.uniform(0, seconds / 2)
        """When something was sent last."""
        self._timer = self._loop.call_at(self.sent_at + seconds, self._beat)

    def stop(self) -> None:
        """Sends no more heartbeats."""
        self._timer.cancel()

    def _beat(self) -> None:
        transport = self._request.transport
        if transport is None:  # the client has left
            return
        if self.sent_at + self._seconds <= self._loop.time():
            if not transport.get_write_buffer_size():  # otherwise there is something to take already
                transport.write(self._heartbeat)
            self.sent_at = self._loop.time()
        self._timer = self._loop.call_at(self.sent_at + self._seconds, self._beat)


def _reset_connection(transport: asyncio.Transport) -> None:
    """Ends a connection with a reset: to a client of HTTP/1.0 an orderly end would be the end of the answer."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
