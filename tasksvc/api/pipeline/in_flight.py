"""The requests that are being answered.  Those whose client has left or whose store hangs are ended.

A client may leave while it waits for an answer, or while a stream has nothing to send.  All requests are
checked once a second, since a timer for each request costs more than a small answer does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from aiohttp import web

from tasksvc.api.observability.redaction import redacted
from tasksvc.api.pipeline.origin_check import SAFE_METHODS
from tasksvc.api.requests.body import Uploads
from tasksvc.application.limits import Timeouts
from tasksvc.domain.errors import OutcomeUnknown, StoreUnavailable

log = logging.getLogger("tasksvc")


class InFlight:
    """The requests of one application.  Times are those of perf_counter()."""

    def __init__(self, scheme: str, bodies: Uploads, timeouts: Timeouts) -> None:
        """Takes the scheme of the store, for the log, and the bodies of the requests."""
        self._scheme, self._bodies, self._timeouts = scheme, bodies, timeouts
        # By id, since aiohttp's requests have no hash, and finding out the current task costs more than all this.
        self._waiting: dict[int, tuple[web.BaseRequest, float]] = {}
        """Requests whose response hasn't begun, and when they came; the oldest first."""
        self._lists: dict[int, web.BaseRequest] = {}
        """Requests whose response is streamed and has an end."""
        self._streams: dict[int, web.BaseRequest] = {}
        """Requests whose response is streamed until the client or the service ends it."""
        self._cancelled: dict[int, float] = {}
        """When each request was cancelled that hasn't ended yet."""
        self._emptied: asyncio.Event | None = None
        self.begun = 0
        """How many requests there were up to now."""
        self.write_timed_out_at = float("-inf")
        """When a write timed out last."""

    def __len__(self) -> int:
        """Returns the number of requests that come to an end: all but long-lived streams."""
        return len(self._waiting) + len(self._lists)

    def enter(self, request: web.BaseRequest, since: float) -> None:
        """Adds a request that came at the time `since`."""
        self._waiting[id(request)] = request, since
        self.begun += 1

    def leave(self, request: web.BaseRequest) -> None:
        """Removes a request whose answer is made."""
        del self._waiting[id(request)]
        if self._cancelled:  # it may have ended otherwise in the same moment
            self._cancelled.pop(id(request), None)
        if self._emptied is not None:
            self._tell()

    @contextmanager
    def streaming(self, request: web.BaseRequest, *, long_lived: bool) -> Iterator[None]:
        """Counts a request whose response is streamed within the block.

        A `long_lived` response goes on until the client or the service ends it.
        """
        waiting = self._waiting.pop(id(request))
        streaming = self._streams if long_lived else self._lists
        streaming[id(request)] = request
        self._tell()
        try:
            yield
        finally:
            del streaming[id(request)]
            self._waiting[id(request)] = waiting

    def set_deadline(self, end: float) -> None:
        """Lets no body take longer than until `end`, by monotonic()."""
        self._bodies.set_deadline(end)

    async def wait_until_empty(self) -> None:
        """Returns when only long-lived streams are left."""
        while len(self):
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    def _tell(self) -> None:
        if self._emptied is not None and not len(self):
            self._emptied.set()

    # ------------------------------------------------------------ timeouts

    def reap(self) -> None:
        """Cancels requests that take too long, and reads whose client has left.  Call it regularly.

        A write whose client has left goes on, since nobody could tell what became of it.
        """
        now = perf_counter()
        late, reads = [], []
        for request, since in self._waiting.values():
            if now - since >= self._timeouts.request:
                late.append(request)
            elif request.method in SAFE_METHODS:
                reads.append(request)
        self._time_out_late(late)
        for request in (*reads, *self._lists.values(), *self._streams.values()):
            if request.transport is None and id(request) not in self._cancelled:
                self._cancel(request)

    def time_out_all(self) -> None:
        """Cancels all requests whose answer hasn't begun."""
        self._time_out_late([request for request, _ in self._waiting.values()])

    def _time_out_late(self, late: list[web.BaseRequest]) -> None:
        now = perf_counter()
        new = [request for request in late if id(request) not in self._cancelled]
        for request in new:
            if request.method not in SAFE_METHODS:
                self.write_timed_out_at = now
            self._cancel(request)
        if new:
            log.error(
                "The %s: store has left %d requests without an answer for too long, such as %s %s. They are given up.",
                *(self._scheme, len(new), new[0].method, redacted(new[0].raw_path)),
            )
        for request in late:
            if now - self._cancelled[id(request)] >= self._timeouts.cancellation and request.transport is not None:
                log.error(
                    "The %s: store does not end %s %s, though it was cancelled. The connection is cut.",
                    *(self._scheme, request.method, redacted(request.raw_path)),
                )
                request.transport.abort()

    def _cancel(self, request: web.BaseRequest) -> None:
        self._cancelled[id(request)] = perf_counter()
        request.task.cancel()  # of the connection, which cancels that of the request

    def absorb_timeout(self, request: web.BaseRequest) -> bool:
        """Returns whether `request` was cancelled here; then its tasks are uncancelled, so that it can answer."""
        if self._cancelled.pop(id(request), None) is None:
            return False
        for task in (request.task, asyncio.current_task()):
            if task is not None:
                task.uncancel()
        return True


def timeout_error(request: web.BaseRequest) -> StoreUnavailable:
    """Returns the error for a request that timed out."""
    if request.method in SAFE_METHODS:
        return StoreUnavailable("The store did not answer in time. Try again.")
    return OutcomeUnknown(
        "The store did not answer in time, so this may be done or not. An Idempotency-Key makes it safe to repeat."
    )
