"""Requests that follow each other in one packet (RFC 9112, section 9.3.2).

aiohttp hands a packet to its parser whole.  From the end of a request that asks for an upgrade the
parser drops the rest of what it was given, and where the rest isn't HTTP, or may not be there, it
drops what it found before.  Then a request is lost and the client takes each later answer for the
one before.  So a packet is cut behind the head of each request.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import HttpVersion11, StreamReader, hdrs, web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import _ErrInfo

_HEAD_END = b"\r\n\r\n"
_ENDS = (b"\r", b"\n")
_SEAM = len(_HEAD_END) - 1
_LENGTH = b"\r\nContent-Length: "
_DIGITS = 9
"""Digits of a Content-Length that is found at a glance."""


class PipeliningHandler(web.RequestHandler):
    """The protocol of aiohttp, which loses none of the requests that come together."""

    _uncut = b""
    """Bytes that wait until some of the requests that were read are answered."""
    _seam = b""
    """The end of what was read last, with which a head may end that ends in the next packet."""
    _payload: StreamReader = EMPTY_PAYLOAD
    """The body of the last request whose head was there before this packet.

    While aiohttp starts a request, it's neither among the messages that wait nor the current one.
    """

    def __init__(self, *arguments: Any, head_timeout: float, **options: Any) -> None:
        """Takes the seconds from the start of a connection, or of a later request, to the end of the head."""
        super().__init__(*arguments, **options)
        self._head_timeout = head_timeout

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes a new connection."""
        super().connection_made(transport)
        self._close_within(self._head_timeout)

    def data_received(self, data: bytes) -> None:
        """Takes what came over the connection; nothing, where what waits may be read on."""
        if self._waiter is not None and not self._messages and not self._seam:  # the usual case: nothing is in progress
            end = data.find(_HEAD_END) + len(_HEAD_END)
            if end == len(data) or _length(data, end) == len(data) - end:  # one request, and nothing behind it
                super().data_received(data)
                return
        self._cut(data)

    def _cut(self, data: bytes) -> None:
        """Hands `data` to the parser, each request by itself, as far as their ends can be known."""
        start = 0
        if self._uncut:
            super().data_received(b"")  # the parser may have paused before the end of an upgrade
            data, self._uncut = self._uncut + data, b""
        elif self._seam:
            end = _end_of_head(self._seam + data[:_SEAM]) - len(self._seam)
            if end > 0:
                super().data_received(data[:end])
                start = end
        while start < (end := _end_of_head(data, start)) < len(data) and not (self._reading_paused or self._upgraded):
            count = self._request_count
            super().data_received(data[start:end])
            start = end
            if self._request_count == count:  # it was within a body
                break
            message, payload = self._messages[-1]
            if isinstance(message, _ErrInfo):
                self._fail_bodies()
                return
            if len(self._messages) >= self._max_msg_queue_size:
                self._uncut = self._seam = data[start:]
                return
            if payload is not EMPTY_PAYLOAD:
                length = message.headers.get(hdrs.CONTENT_LENGTH)
                if length is None or _end_of_head(data, start) < 0:
                    break
                super().data_received(data[start : start + int(length)])
                start += int(length)
        rest = data[start:]
        # Otherwise there may be several in it, of which an upgrade can hide the others.
        is_one = rest and not self._reading_paused and _end_of_head(rest) in (-1, len(rest))
        super().data_received(rest)
        self._seam = (self._seam + data)[-_SEAM:] if data.endswith(_ENDS) and not rest.endswith(_HEAD_END) else b""
        if not self._messages:
            if self._waiter is not None:  # a part of a head
                self._close_within(self._head_timeout)
            return
        message, payload = self._messages[-1]
        if isinstance(message, _ErrInfo):
            self._fail_bodies()
        elif message.upgrade and not is_one:
            self._messages[-1] = message._replace(should_close=True), payload

    def _fail_bodies(self) -> None:
        """Ends the body that the parser failed at, which aiohttp would wait for."""
        for payload in (*(payload for _, payload in self._messages), self._payload):
            if not payload.is_eof():
                payload.set_exception(web.RequestPayloadError("The body isn't sent as the headers say."))

    def _close_within(self, seconds: float) -> None:
        """Closes the connection if it's idle then, or waits for the rest of a head."""
        close_time = self._loop.time() + seconds
        if close_time < self._next_keepalive_close_time:
            self._next_keepalive_close_time = close_time
            if self._keepalive_handle is not None:
                self._keepalive_handle.cancel()
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)

    def _is_last(self, request: web.BaseRequest) -> bool:
        """Returns whether what follows `request` on its connection cannot be understood for certain."""
        message, payload = request._message, request._payload
        if message.upgrade:  # or CONNECT
            return payload is not EMPTY_PAYLOAD or self._upgraded
        if message.chunked and message.version < HttpVersion11:  # RFC 9112, section 6.1
            return True
        if payload.is_eof():
            return False
        # The body was announced and not asked for, so it comes or doesn't (RFC 9110, section 10.1.1); or it's broken.
        return hdrs.EXPECT in request.headers or payload.exception() is not None


def _end_of_head(data: bytes, start: int = 0) -> int:
    """Returns where the next head ends; -1 where none does."""
    found = data.find(_HEAD_END, start)
    return found + len(_HEAD_END) if found >= 0 else -1


def _length(data: bytes, end: int) -> int | None:
    """Returns the Content-Length of a head that ends at `end`; None where it isn't found at a glance."""
    found = data.find(_LENGTH, 0, end)
    if found < 0:
        return None
    start = found + len(_LENGTH)
    text = data[start : data.find(b"\r", start)]
    return int(text) if text.isdigit() and len(text) <= _DIGITS else None
