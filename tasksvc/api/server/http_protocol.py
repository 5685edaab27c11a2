"""The HTTP protocol of a connection, with bounds on what a client can make the service keep."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from time import monotonic
from typing import Any, NamedTuple, cast

from aiohttp import EMPTY_PAYLOAD, HttpVersion11, StreamReader, hdrs, web
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from aiohttp.web_protocol import _ErrInfo

from tasksvc.api.pipeline.peers import Peers
from tasksvc.api.responses.problems import problem, to_problem
from tasksvc.api.responses.raw import CHUNK_BYTES, SERVER, RawResponse
from tasksvc.api.server import unix_socket
from tasksvc.api.server.heads import memory_of
from tasksvc.api.server.held_bytes import CountingConnection, HeldBytes
from tasksvc.api.server.pipelining import PipeliningHandler
from tasksvc.api.server.read_turns import ReadTurns
from tasksvc.application.limits import Timeouts

READ_BYTES = 32 * 1024
"""Bytes of a body that no handler has taken yet; at most twice as much waits before reading is paused."""
BUFFERED_BYTES = 16 * 1024
"""Bytes of a response that a connection keeps for a slow client before they count and sending waits."""
NOTSENT_LOWAT = 128 * 1024
"""Bytes of a response that the system takes before it can send them; by default megabytes for each slow client."""
UNREAD_BYTES = 32 * 1024
"""Bytes of requests that the system takes for a connection before they are read, mostly all at once."""
UNREAD_BODY_BYTES = 256 * 1024
"""Bytes of a large body that the system takes before they are read, so that a distant client isn't slowed down."""
TARGET_MAX = 8_000
HEADER_MAX = 8_192
"""Bytes that a header may have."""
HEAD_MAX = 64 * 1024
"""Bytes of a request's head that is received in several parts.  aiohttp itself would take a megabyte."""
TURN_BYTES = 64 * 1024
"""Bytes that came at once, which take the time of some small requests; then other connections have their turn."""
GLANCE_BYTES = 1_024
"""Bytes since a connection was idle up to which they aren't looked at: most requests are alone, small, and whole."""
UNCOUNTED_BYTES = 8 * 1024
"""Bytes that a connection may keep of requests before they count."""
QUEUE_MAX = 8
"""Requests of a connection that are read before the one that is being answered is done."""


_SENT, _LAST = cast(web.StreamResponse, RawResponse(200, b"", b"")), web.Response()
"""Stand for an answer that was sent, since aiohttp keeps what it's given until the next request."""
_LAST.force_close()


class Bounds(NamedTuple):
    """What the connections of a process may hold together, and how long each may take."""

    requests: HeldBytes
    """Bytes that are kept of requests."""
    answers: HeldBytes
    """Bytes of responses that clients have yet to take."""
    peers: Peers
    """Tells the clients of the connections apart."""
    turns: ReadTurns
    """Turns for connections that send much."""
    timeouts: Timeouts


class HeadTooLong(Exception):
    """The head of a request has more than HEAD_MAX bytes."""


class HTTPProtocol(CountingConnection, PipeliningHandler):
    """The protocol of aiohttp, which sends a RawResponse at once, and whose own errors are problem documents too."""

    def __init__(self, *arguments: Any, bounds: Bounds, **options: Any) -> None:
        timeouts = bounds.timeouts
        super().__init__(
            *arguments,
            head_timeout=timeouts.request_head,
            keepalive_timeout=timeouts.idle,
            lingering_time=timeouts.linger,
            **options,
        )
        self._requests_held, self._answers_held, self._peers, self._turns, _ = bounds
        self.stall_timeout, self._linger_timeout = timeouts.stalled, timeouts.linger
        self._awaits_turn = False
        """Whether it isn't read from until it's its turn."""
        self._max_msg_queue_size, self._msg_queue_resume_size = QUEUE_MAX, QUEUE_MAX // 2
        self._is_broken = False
        """Whether what came isn't HTTP, so that what follows can't be read; to find that out again takes long."""
        self._received = 0
        """Bytes of the request that is received in part."""
        self._arrived = 0
        """Bytes that came since the connection was idle."""
        self._counts = False
        """Whether what is kept of its requests counts."""
        self._message: Any = None
        """The head of the request that came last."""
        self._payload: StreamReader = EMPTY_PAYLOAD
        """The body of the request that came last."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)  # aiohttp's own reference goes when it begins to close
        self._wire.set_write_buffer_limits(BUFFERED_BYTES)
        self._unsent, self._unsent_since = 0, 0.0
        self._lost: asyncio.Future[None] | None = None
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._requests_held.release(self)
        self._messages.clear()  # the request that is being answered may go on for long
        self._uncut = self._message_tail = b""
        payload, self._payload = self._payload, EMPTY_PAYLOAD
        if not payload.is_eof() and payload.exception() is None:
            with contextlib.suppress(RuntimeError):  # somebody waits for more, so there is nothing
                payload.read_nowait()  # nobody will read it, and a traceback may keep it for long
        super().connection_lost(exc)
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    @property
    def peer(self) -> str:
        """Returns whose connection it is, or whose request came last over that of a proxy."""
        address = self._wire.get_extra_info("peername")
        headers = getattr(self._message, "headers", None)  # what could not be read has none
        return self._peers.of(address[0] if isinstance(address, tuple) else None, headers)

    def let_body_in(self) -> None:
        super().let_body_in()
        self._let_wait(UNREAD_BODY_BYTES)

    def _let_wait(self, size: int) -> None:
        """Makes the system take up to about `size` bytes before they are read."""
        wire = self._wire.get_extra_info("socket")
        if wire is not None:
            with contextlib.suppress(OSError):  # it is closed
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def abort(self) -> None:
        """Closes the connection at once."""
        self._wire.abort()

    def data_received(self, data: bytes) -> None:
        if len(data) >= TURN_BYTES and not self._awaits_turn:
            self._awaits_turn = True
            self._pause_transport_reading()
            self._turns.wait(self)
        if self._is_broken:
            return
        requests, in_head = self._request_count, self._payload.is_eof()
        if self._waiter is not None and in_head and not self._received and not self._messages:
            self._arrived = 0
        super().data_received(data)
        self._arrived += len(data)
        if requests != self._request_count:  # at least one head is complete
            self._message, self._payload = self._messages[-1]
            if isinstance(self._message, _ErrInfo):
                self._is_broken = True
                self._message = _without_data(self._message)
                self._messages[-1] = self._message, self._payload
            self._received, in_head = 0, False
        if self._payload.is_eof() and not in_head:  # the request is complete
            if self.body_has_room:
                self.body_has_room = False
                self._let_wait(UNREAD_BYTES)
            self._received = 0
        elif not self._force_close:
            self._received += len(data)
            if in_head and self._received > HEAD_MAX:
                self._refuse_head()
        if self._arrived > GLANCE_BYTES or self._counts:
            self._count_requests()

    def read_on(self) -> None:
        """Resumes reading, unless aiohttp has paused it."""
        self._awaits_turn = False
        if self._close or not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if not self._awaits_turn:
            super()._resume_transport_reading()

    def _count_requests(self) -> None:
        """Counts what the connection keeps of requests, aiohttp the last one until the next one comes."""
        size = len(self._uncut) + len(self._message_tail) + sum(memory_of(message) for message, _ in self._messages)
        if self._message is not None:
            size += memory_of(self._message)
        if not self.body_has_room:
            size += self._received
        if size > UNCOUNTED_BYTES and not self._wire.is_closing():
            self._counts = True
            self._requests_held.hold(self, size)
        elif self._counts:
            self._counts = False
            self._requests_held.release(self)

    def _refuse_head(self) -> None:
        """Answers what came before, then refuses this request, and reads no more."""
        self._messages.append((_ErrInfo(status=431, exc=HeadTooLong(), message=""), EMPTY_PAYLOAD))
        self._close = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _drain_helper(self) -> None:
        """Waits until the client has taken most of what waits for it.  Raises ConnectionError."""
        if not self._paused:
            return await super()._drain_helper()
        self._answers_held.hold(self, self._wire.get_write_buffer_size() + self.unsent)
        try:
            await super()._drain_helper()
        finally:
            self._answers_held.release(self)

    def cut_if_stalled(self) -> None:
        """Cuts the connection if its client has long taken nothing of what waits for it.  To be called now and then."""
        unsent, now = self._wire.get_write_buffer_size(), monotonic()
        if not unsent or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since >= self.stall_timeout:
            self._wire.abort()

    def close_if_idle(self) -> None:
        """Closes the connection if nothing that it read is left to answer.

        aiohttp's own close() reads on, and throws away what it reads.
        """
        idle = self._waiter is not None and not self._messages
        if self.transport is not None and (idle or self._lost is not None):
            self.transport.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse | RawResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if self._counts:
            self._count_requests()
        if not isinstance(resp, RawResponse):
            if isinstance(resp, web.HTTPException):  # aiohttp's own, to a CONNECT
                resp = to_problem(resp)
            if self._is_last(request):
                resp.force_close()
                if request._payload.exception() is not None:
                    request._payload.feed_eof()  # else aiohttp reads it to its end, and logs what it meets
            sent, reset = await super().finish_response(request, resp, start_time)
            if sent.keep_alive:
                return _SENT, reset
            if not reset:
                await self._linger()
            return _LAST, reset
        transport, message = self.transport, request._message
        if (
            transport is None
            or self._force_close
            or self._close
            or message.should_close
            or message.upgrade
            or message.version is not HttpVersion11
            or message.method == hdrs.METH_HEAD
            or not request._payload.is_eof()
            or len(resp.body) > CHUNK_BYTES
        ):
            return await self.finish_response(request, resp.to_web_response(), start_time)
        transport.write(resp.head() + resp.body)
        if self._paused:  # a slow reader
            try:
                await self._drain_helper()
            except ConnectionError:
                return _SENT, True
        return _SENT, False

    async def _linger(self) -> None:
        """Waits until the client closes the connection too, and throws away what it still sends.

        What comes to a connection that is closed resets it, and then the client may lose the answer that it has not
        read yet (RFC 9112, section 9.6).
        """
        if self._wire.is_closing():
            return
        self._wire.write_eof()
        self._close = True
        self._resume_transport_reading()
        self._lost = self._loop.create_future()
        await asyncio.wait([self._lost], timeout=self._linger_timeout)
        self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        response: web.Response
        if isinstance(exc, HeadTooLong):
            response = problem(431, "header-too-long", f"The head of a request may have {HEAD_MAX:,} bytes.")
        elif isinstance(exc, LineTooLong):
            status, name = (414, "target-too-long") if exc.args[1] == TARGET_MAX else (431, "header-too-long")
            response = problem(
                status, name, f"The request target may have {TARGET_MAX:,} bytes, a header {HEADER_MAX:,}."
            )
        elif status == 400:  # what came is no HTTP, so what follows it cannot be read either
            response = problem(400, "malformed-request", "This is not a request that HTTP allows.")
        else:
            self.log_exception("Error handling request", exc_info=exc)
            response = problem(status, "internal-error", "The service failed. Its operator finds more in its log.")
        request._version = HttpVersion11  # aiohttp takes 1.0 for what could not be read
        response.headers[hdrs.SERVER] = SERVER
        response.force_close()
        return response


def _without_data(error: _ErrInfo) -> _ErrInfo:
    """Returns an error of the parser without its traceback and text, which would keep what was read."""
    exc = LineTooLong(b"", error.exc.args[1]) if isinstance(error.exc, LineTooLong) else BadHttpMessage("")
    return _ErrInfo(status=error.status, exc=exc, message="")


class LocalProtocol(HTTPProtocol):
    """Protocol for a Unix socket, which hears this user and root alone, though nobody else should get so far."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        uid = unix_socket.peer_uid(transport.get_extra_info("socket").fileno())
        if uid not in (None, 0, os.geteuid()):
            self._wire.abort()
