"""Reading a request's body: of the right type, bounded in size and in time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiohttp import HttpVersion11, hdrs, web

from tasksvc.api.problems import BodyTooLarge, BodyTooSlow, MalformedRequest, UnknownCoding, UnsupportedBody

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
BODY_SECONDS = 10.0


class Uploads:
    """The bodies that are on their way."""

    def __init__(self) -> None:
        self._timeouts: set[asyncio.Timeout] = set()
        self._end = math.inf

    def must_end_by(self, end: float) -> None:
        """From now on none takes longer than until `end`, by the clock of the event loop."""
        self._end = end
        for timeout in self._timeouts:
            when = timeout.when()
            if when is not None and when > end and not timeout.expired():
                timeout.reschedule(end)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Within it a body is read.  Raises TimeoutError."""
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + BODY_SECONDS, self._end)) as timeout:
            self._timeouts.add(timeout)
            try:
                yield
            finally:
                self._timeouts.discard(timeout)


async def read_body(request: web.Request, uploads: Uploads, *, types: Collection[str], limit: int) -> bytes:
    """The body, whole.  `limit` is in bytes.

    A client that waits for a word to send it (RFC 9110, section 10.1.1) gets that once all else is well.

    Raises UnsupportedBody, UnknownCoding, BodyTooLarge (at once where the length was declared), BodyTooSlow,
    MalformedRequest.
    """
    headers = request.headers
    if headers.get(hdrs.CONTENT_TYPE) not in types:
        _check_type(request, types)
    if hdrs.CONTENT_ENCODING in headers:
        raise UnsupportedBody("Send the body without a Content-Encoding.", close=True)
    if hdrs.TRANSFER_ENCODING in headers:
        _check_coding(request)
    content = request.content
    if content.is_eof():  # it is all there already: nothing to wait for, so no timer
        raw = content.read_nowait()
    else:
        declared = request.content_length
        if declared is not None and declared > limit:
            raise _too_large(limit)
        if headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # what was written is no part of the answer
        raw = await _collect(request, uploads, limit)
    if len(raw) > limit:
        raise _too_large(limit)
    return raw


def _check_type(request: web.Request, types: Collection[str]) -> None:
    given = request.headers.getall(hdrs.CONTENT_TYPE, [])
    if len(given) != 1 or request.content_type not in types:
        raise UnsupportedBody(f"Send the body as {' or '.join(types)}.", close=True)
    charset = request.charset
    if charset is not None and charset.lower() not in ("utf-8", "utf8"):
        raise UnsupportedBody("Send the body in UTF-8.", close=True)


def _check_coding(request: web.Request) -> None:
    """aiohttp undoes the chunks, and leaves any other coding in the body."""
    codings = ",".join(request.headers.getall(hdrs.TRANSFER_ENCODING))
    if codings.strip().lower() not in ("", "chunked"):
        raise UnknownCoding("Send the body with no Transfer-Encoding but chunked.", close=True)


async def _collect(request: web.Request, uploads: Uploads, limit: int) -> bytes:
    parts = bytearray()
    try:
        async with uploads.in_time():
            async for chunk in request.content.iter_any():
                parts += chunk
                if len(parts) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise BodyTooSlow(
            f"The body was not there in time: within {BODY_SECONDS:g} s, or before the service ended.", close=True
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        raise MalformedRequest("The body broke off, or is not sent as its headers say.", close=True) from None
    return bytes(parts)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body may have at most {limit:,} bytes.", close=True)
