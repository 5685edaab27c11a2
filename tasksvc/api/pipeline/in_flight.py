"""The requests that are being answered.  Those whose client has left or whose store hangs are ended.

A store may hang, and a client may leave while it waits for an answer, or while a stream has nothing to
send.  All are looked at once a second, since a timer for each request costs more than a small answer does.
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
from tasksvc.domain.errors import OutcomeUnknown, StoreUnavailable

REQUEST_SECONDS = 30.0
"""How long it may take until an answer begins, the reading of the body included."""
GRACE_SECONDS = 2.0
"""How long a request that is given up may take to end.  Then its connection is cut."""

log = logging.getLogger("tasksvc")


class InFlight:
    """The requests of one application.  Times are those of perf_counter()."""

    def __init__(self, scheme: str, bodies: Uploads) -> None:
        """`scheme` names the store in the log; `bodies` are those of the requests."""
        self._scheme, self._bodies = scheme, bodies
        # By id, since aiohttp's requests have no hash, and finding out the current task costs more than all this.
        self._waiting: dict[int, tuple[web.BaseRequest, float]] = {}
        """Requests whose response hasn't begun, and when they came; the oldest first."""
        self._lists: dict[int, web.BaseRequest] = {}
        """Requests whose response is streamed and has an end."""
        self._streams: dict[int, web.BaseRequest] = {}
        """Requests whose response is streamed until the client or the service ends it."""
        self._given_up: dict[int, float] = {}
        self._emptied: asyncio.Event | None = None
        self.write_given_up_at = float("-inf")
        """When the store last left a write without an answer, by perf_counter()."""

    def __len__(self) -> int:
        """Returns the number of requests that come to an end: all but long-lived streams."""
        return len(self._waiting) + len(self._lists)

    def enter(self, request: web.BaseRequest, since: float) -> None:
        """Registers `request`, which is being answered from now on."""
        self._waiting[id(request)] = request, since

    def leave(self, request: web.BaseRequest) -> None:
        """Forgets `request`, whose response is made."""
        del self._waiting[id(request)]
        if self._given_up:  # it may have ended otherwise in the same moment
            self._given_up.pop(id(request), None)
        if self._emptied is not None:
            self._tell()

    @contextmanager
    def sending(self, request: web.BaseRequest, *, lasting: bool) -> Iterator[None]:
        """Counts a request whose response is streamed within the block."""
        waiting = self._waiting.pop(id(request))
        sending = self._streams if lasting else self._lists
        sending[id(request)] = request
        self._tell()
        try:
            yield
        finally:
            del sending[id(request)]
            self._waiting[id(request)] = waiting

    def must_arrive_by(self, end: float) -> None:
        """Lets no body take longer than until `end`, by monotonic()."""
        self._bodies.must_end_by(end)

    async def empty(self) -> None:
        """Returns when no request is left that comes to an end."""
        while len(self):
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    def _tell(self) -> None:
        if self._emptied is not None and not len(self):
            self._emptied.set()

    # ------------------------------------------------------------ giving up

    def look(self) -> None:
        """Gives up requests that take too long, and reads whose client has left.  Call it regularly.

        A write whose client has left goes on, since nobody could tell what became of it.
        """
        now = perf_counter()
        late, reads = [], []
        for request, since in self._waiting.values():
            if now - since >= REQUEST_SECONDS:
                late.append(request)
            elif request.method in SAFE_METHODS:
                reads.append(request)
        self._give_up_late(late)
        for request in (*reads, *self._lists.values(), *self._streams.values()):
            if request.transport is None and id(request) not in self._given_up:
                self._give_up(request)

    def give_up_all(self) -> None:
        """Gives up all requests that wait for the store."""
        self._give_up_late([request for request, _ in self._waiting.values()])

    def _give_up_late(self, late: list[web.BaseRequest]) -> None:
        now = perf_counter()
        new = [request for request in late if id(request) not in self._given_up]
        for request in new:
            if request.method not in SAFE_METHODS:
                self.write_given_up_at = now
            self._give_up(request)
        if new:
            log.error(
                "The %s: store has left %d requests without an answer for too long, such as %s %s. They are given up.",
                *(self._scheme, len(new), new[0].method, redacted(new[0].raw_path)),
            )
        for request in late:
            if now - self._given_up[id(request)] >= GRACE_SECONDS and request.transport is not None:
                log.error(
                    "The %s: store does not end %s %s, though it was cancelled. The connection is cut.",
                    *(self._scheme, request.method, redacted(request.raw_path)),
                )
                request.transport.abort()

    def _give_up(self, request: web.BaseRequest) -> None:
        self._given_up[id(request)] = perf_counter()
        request.task.cancel()  # of the connection, which cancels that of the request

    def pardon(self, request: web.BaseRequest) -> bool:
        """Returns whether `request`, which is being cancelled, was given up here; then its tasks may go on."""
        if self._given_up.pop(id(request), None) is None:
            return False
        for task in (request.task, asyncio.current_task()):
            if task is not None:
                task.uncancel()
        return True


def too_late(request: web.BaseRequest) -> StoreUnavailable:
    """Returns the error for a request that timed out."""
    if request.method in SAFE_METHODS:
        return StoreUnavailable("The store did not answer in time. Try again.")
    return OutcomeUnknown(
        "The store did not answer in time, so this may be done or not. An Idempotency-Key makes it safe to repeat."
    )
