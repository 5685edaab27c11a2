"""Reading a request's body: of the right type, bounded in size and in time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from time import monotonic

from aiohttp import HttpVersion11, StreamReader, hdrs, web

from tasksvc.api.pipeline.peers import Peers
from tasksvc.api.requests.upload_room import UploadRoom
from tasksvc.api.responses.problems import (
    BodyTooLarge,
    BodyTooSlow,
    MalformedRequest,
    UnsupportedBody,
    UnsupportedTransferCoding,
)
from tasksvc.api.server.held_bytes import CountingConnection
from tasksvc.api.server.held_time import HeldTime
from tasksvc.application.limits import Timeouts

MERGE_PATCH = "application/merge-patch+json"
SMALL_BYTES = 64 * 1024
"""Bytes up to which a body needs no room of its own: a connection buffers as much anyway."""
MOMENT_SECONDS = 0.001
"""Seconds of a body's time that aren't worth waiting for, so that a timer that comes early ends it."""
HURRY_SECONDS = 1.0
"""Seconds between two looks for slow bodies while others wait for room."""


class _Upload:
    """A body that is being received.

    Its time doesn't pass while the event loop is held: what the client sent may lie in the socket then.
    """

    def __init__(self, timeout: asyncio.Timeout, size: int, held: HeldTime, seconds: float) -> None:
        """Takes the bytes that the body has or may have, and the seconds that it may take."""
        self._timeout, self._size, self._held, self._seconds = timeout, size, held, seconds
        self._began, self._held_before = monotonic(), held.seconds()
        self._end = math.inf
        self.received = 0
        held.watch()
        self._timer = self._look_at(self._began + seconds)

    def close(self) -> None:
        """Stops the clock of a body that has arrived or isn't read any more."""
        self._timer.cancel()
        self._held.unwatch()

    def _elapsed(self) -> float:
        return monotonic() - self._began - (self._held.seconds() - self._held_before)

    def is_late(self) -> bool:
        """Returns whether it won't be complete in time unless it gets faster."""
        return self.received < self._size * (self._elapsed() - HURRY_SECONDS) / self._seconds

    def end_by(self, end: float) -> None:
        """Sets `end`, by monotonic(), as the time at which the body times out, unless it does so before."""
        self._end = min(self._end, end)
        if end < self._timer.when():
            self._timer.cancel()
            self._timer = self._look_at(end)

    def _look_at(self, when: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        left = min(self._seconds - self._elapsed(), self._end - monotonic())
        if left > MOMENT_SECONDS:
            self._timer = self._look_at(monotonic() + left)
        elif not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())


class Uploads:
    """The bodies that are being received."""

    def __init__(self, peers: Peers, room: int, timeouts: Timeouts) -> None:
        """Takes the peers whose bodies they are, and the bytes that all large bodies may have together."""
        self._peers = peers
        self.timeout = timeouts.body
        """Seconds that a body may take."""
        self._uploads: set[_Upload] = set()
        self._end = math.inf
        self._held = HeldTime()
        self.room = UploadRoom(room, timeout=timeouts.body_queue)
        self.processing = asyncio.Lock()
        """Held while a large batch is decoded and checked: one after the other, so that others wait for one alone."""
        self._hurrying: asyncio.TimerHandle | None = None

    def set_deadline(self, end: float) -> None:
        """Lets all bodies, later ones too, time out at `end`, by monotonic()."""
        self._end = end
        for upload in self._uploads:
            upload.end_by(end)

    @asynccontextmanager
    async def receiving(self, request: web.BaseRequest, size: int) -> AsyncIterator[_Upload]:
        """Lets a body of up to `size` bytes be read within the block.  Raises TimeoutError, and Overloaded before it.

        A large body waits until there is room for it.  Its time begins then.
        """
        if size > SMALL_BYTES:
            entering = self.room.enter(request, self._peers.of(request.remote, request.headers), size)
            self._hurry()
            await entering
            if isinstance(request.protocol, CountingConnection):
                request.protocol.let_body_in()
        async with asyncio.timeout(None) as timeout:
            upload = _Upload(timeout, size, self._held, self.timeout)
            upload.end_by(self._end)
            self._uploads.add(upload)
            try:
                yield upload
            finally:
                self._uploads.discard(upload)
                upload.close()

    def _hurry(self) -> None:
        """Ends bodies that arrive too slowly, as long as others wait for their room."""
        if self._hurrying is None:
            self._hurrying = asyncio.get_running_loop().call_later(HURRY_SECONDS, self._end_late)

    def _end_late(self) -> None:
        self._hurrying = None
        if not self.room.is_wanted:
            return
        for upload in self._uploads:
            if upload.is_late():
                upload.end_by(monotonic())
        self._hurry()


async def read_body(request: web.Request, uploads: Uploads, *, types: Collection[str], limit: int) -> bytes:
    """Returns the body, whole.  `limit` is in bytes.

    A client that waits for a word to send it (RFC 9110, section 10.1.1) gets that once all else is well.

    Raises UnsupportedBody, UnsupportedTransferCoding, BodyTooLarge (at once where the length was declared),
    BodyTooSlow, MalformedRequest.
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
        raw = _whole(content)
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
    """Raises UnsupportedTransferCoding unless the coding is chunked, which is all that aiohttp decodes."""
    codings = ",".join(request.headers.getall(hdrs.TRANSFER_ENCODING))
    if codings.strip().lower() not in ("", "chunked"):
        raise UnsupportedTransferCoding("Send the body with no Transfer-Encoding but chunked.", close=True)


def _whole(content: StreamReader) -> bytes:
    """Returns a body that has arrived."""
    try:
        return content.read_nowait()
    except (web.RequestPayloadError, ConnectionError):
        raise _broken_off() from None


async def _collect(request: web.Request, uploads: Uploads, limit: int) -> bytes:
    parts = bytearray()
    declared = request.content_length
    try:
        async with uploads.receiving(request, limit if declared is None else declared) as upload:
            async for chunk in request.content.iter_any():
                parts += chunk
                upload.received = len(parts)
                if len(parts) > limit:
                    raise _too_large(limit)
        return bytes(parts)
    except TimeoutError:
        raise BodyTooSlow(
            f"The body was not there in time: within {uploads.timeout:g} s, or before the service ended.", close=True
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        raise _broken_off() from None
    finally:
        parts.clear()  # a traceback may keep this frame until the next garbage collection
        chunk = b""  # as there


def _broken_off() -> MalformedRequest:
    return MalformedRequest("The body broke off, or is not sent as its headers say.", close=True)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body may have at most {limit:,} bytes.", close=True)
