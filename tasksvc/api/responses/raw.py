"""Responses whose head is known beforehand.

web.Response collects its headers in a multidict, looks several of them up again and serialises
them, which is a quarter of what a small GET costs.  A RawResponse is head and body, ready to be sent
at once by the protocol of server.py; anywhere else it becomes a web.Response.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from tasksvc.api.requests.etags import etag
from tasksvc.api.responses.cache_control import NO_CACHE, NO_STORE, PRIVATE
from tasksvc.api.server.held_bytes import kept_for
from tasksvc.domain.json_text import dump_line
from tasksvc.ports.store import Found

JSON = "application/json"
NDJSON = "application/x-ndjson"
CHANGE_SEQ = "X-Change-Seq"
REPLAYED = "Idempotency-Replayed"
SERVER = "tasksvc"
CHUNK_BYTES = 64 * 1024
"""Bytes of a body that are given to the connection at once.  A smaller body goes out together with its head."""

_STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode()) for status in (200, 201)}


def _head(content_type: str, cache_control: str) -> bytes:
    lines = {
        hdrs.CONTENT_TYPE: content_type,
        "X-Content-Type-Options": "nosniff",
        hdrs.CACHE_CONTROL: cache_control,
    }
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()


_JSON_HEAD, _TASK_HEAD, _LINES_HEAD = _head(JSON, NO_STORE), _head(JSON, NO_CACHE), _head(NDJSON, NO_STORE)


async def write_in_chunks(
    request: web.BaseRequest,
    response: web.StreamResponse,
    body: bytes | memoryview,
    before_each: Callable[[], None] = lambda: None,
) -> None:
    """Writes `body` as part of the answer to `request`, as fast as the client takes it.

    `before_each` is called before each chunk.  The transport may keep the whole of a memoryview as
    long as it has a chunk of it.  Raises ConnectionError.
    """
    try:
        for start in range(0, len(body), CHUNK_BYTES):
            before_each()
            await response.write(body[start : start + CHUNK_BYTES])
            await request.writer.drain()  # which write() itself does only after some chunks
    finally:
        del body  # a traceback may keep this frame until the next garbage collection


class LargeResponse(web.Response):
    """A response that is written in chunks; aiohttp's own is given to the transport whole."""

    def __init__(
        self, status: int, body: bytes, *, headers: Mapping[str, str] | None = None, shared: bool = False
    ) -> None:
        """Takes a `shared` body, which other responses keep too, as one without memory of its own."""
        super().__init__(status=status, body=body, headers=headers)
        self._content = memoryview(body) if shared else body
        self._kept = 0 if shared else len(body)

    async def prepare(self, request: web.BaseRequest) -> Any:
        self._request = request
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        with kept_for(self._request.protocol, self._kept):
            try:
                if self._request.method != hdrs.METH_HEAD:
                    await write_in_chunks(self._request, self, self._content)
                await web.StreamResponse.write_eof(self)
            finally:
                self._content, self.body = b"", None  # as there


class RawResponse:
    """A complete response as bytes, which skips aiohttp's own response."""

    __slots__ = ("body", "headers", "shared", "status")

    keep_alive = True
    """Whether the connection goes on, which is always so."""

    def __init__(self, status: int, headers: bytes, body: bytes, *, shared: bool = False) -> None:
        """Takes the status, 200 or 201, and header lines with their CRLF, without Content-Length, Date and Server.

        `shared`: the body is kept for other answers too, so it takes no memory of its own.
        """
        self.status, self.headers, self.body, self.shared = status, headers, body, shared

    def add_header(self, name: str, value: str) -> None:
        """Adds a header line."""
        self.headers += f"{name}: {value}\r\n".encode("latin-1")

    def make_private(self) -> None:
        """Does what make_private() of cache_control does."""
        name = f"{hdrs.CACHE_CONTROL}: ".encode()
        self.headers = self.headers.replace(name, name + PRIVATE.encode(), 1)

    def head(self) -> bytes:
        """Returns what goes before the body, as HTTP/1.1 sends it."""
        return b"%b%bContent-Length: %d\r\n%b" % (_STATUS_LINES[self.status], self.headers, len(self.body), _tail())

    def to_web_response(self) -> web.Response:
        """Returns an equal response of aiohttp."""
        response: web.Response
        if len(self.body) > CHUNK_BYTES:
            response = LargeResponse(self.status, self.body, shared=self.shared)
        else:
            response = web.Response(status=self.status, body=self.body)
        lines = self.headers.decode("latin-1").split("\r\n")[:-1]
        response.headers.clear()  # of the type that aiohttp assumes
        response.headers.extend([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
        response.headers[hdrs.SERVER] = SERVER
        return response


def json_response(value: Any, *, status: int = 200) -> RawResponse:
    """Returns a response with `value` as JSON."""
    return RawResponse(status, _JSON_HEAD, dump_line(value))


def encoded_response(body: bytes) -> RawResponse:
    """Returns a response with JSON that is encoded already, and ends with a newline."""
    return RawResponse(200, _JSON_HEAD, body)


def page_response(body: bytes, position: str, *, lines: bool = False) -> RawResponse:
    """Returns a page of a list that is encoded already, as JSON or as JSON Lines, at `position` as clients see it."""
    head = _LINES_HEAD if lines else _JSON_HEAD
    seq = position.encode()
    return RawResponse(200, b"%b%b: %b\r\nVary: Accept\r\n" % (head, CHANGE_SEQ.encode(), seq), body)


def task_response(found: Found, *, status: int = 200) -> RawResponse:
    """Returns one task, with its entity tag."""
    tag = etag(found.version).encode()
    return RawResponse(status, b"%bETag: %b\r\n" % (_TASK_HEAD, tag), dump_line(found.task))


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_second = 0
_tail_of_second = b""


def _tail() -> bytes:
    """Returns Date (RFC 9110, section 5.6.7, whatever the locale) and Server, which stay the same for a second."""
    global _second, _tail_of_second
    now = int(time.time())
    if now != _second:
        year, month, day, hour, minute, second, weekday, *_ = time.gmtime(now)
        _tail_of_second = (
            f"Date: {_WEEKDAYS[weekday]}, {day:02d} {_MONTHS[month - 1]} {year:04d}"
            f" {hour:02d}:{minute:02d}:{second:02d} GMT\r\nServer: {SERVER}\r\n\r\n"
        ).encode()
        _second = now
    return _tail_of_second
