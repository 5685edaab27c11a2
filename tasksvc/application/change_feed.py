"""The live feed of changes: one reader of the change log serves all streams of this process.

A window holds the newest changes, each encoded once as the event of a transport.  A stream that is within
the window takes its events from there; one that is behind reads the store until it has caught up.  So every
stream sees every change once and in order, and a slow one costs no more memory than the chunk that it takes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import islice

from tasksvc.application.contract_checks import check_changes
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.domain.change import Change, Position
from tasksvc.domain.errors import PositionGone, RepositoryError, StoreClosed
from tasksvc.domain.query import TaskQuery
from tasksvc.ports.store import ChangePage, TaskRepository

EncodeChange = Callable[[Change, str], bytes]
"""Encodes a change of the generation that is named as one event."""

CANCELLATION_SECONDS = 0.5
"""Seconds that close() waits for the cancelled reader."""

log = logging.getLogger("tasksvc")


def _take_chunk(events: Iterable[bytes], chunk_bytes: int) -> list[bytes]:
    """Returns the first of `events`, at least one, up to that with which they have `chunk_bytes`."""
    taken, size = [], 0
    for event in events:
        taken.append(event)
        size += len(event)
        if size >= chunk_bytes:
            break
    return taken


class ChangeFeed:
    """Reads the change log of a store for any number of streams."""

    def __init__(
        self, repository: TaskRepository, *, scheme: str, encode: EncodeChange, limits: Limits, timeouts: Timeouts
    ) -> None:
        """Prepares a feed; `scheme` names the store in the log, and `encode` makes the events of a transport."""
        self._limits, self._timeouts = limits, timeouts
        self._repository, self._scheme, self._encode = repository, scheme, encode
        self._window: deque[bytes] = deque()
        self._bytes = 0
        self._head: Position | None = None
        """The position of the last event in the window; None while nobody reads the log."""
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._closed = False
        self.streams = 0
        """Streams that are open now."""

    async def start(self, since: Position | None) -> Position:
        """Returns the position at which a stream after `since` starts; without `since`, where the log ends now.

        Raises PositionGone, StoreUnavailable; StoreClosed once the feed is closed.
        """
        if self._closed:
            raise StoreClosed("The service is shutting down.")
        if since is None:  # not the reader's own position, which may be behind or of an earlier generation
            since = await self._end_of_log()
        page = await self.read(since, limit=1)
        return Position(page.next.generation, since.seq)

    async def read(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        """Returns what follows `since` in the log now, as TaskRepository.read_changes() does.

        Raises what that raises, and ContractViolation.
        """
        page = await self._repository.read_changes(since, limit=limit, max_bytes=max_bytes)
        check_changes(page, since)
        return page

    async def events(self, since: Position, heartbeat: float) -> AsyncIterator[bytes]:
        """Events after `since`, several in a chunk, as they come; b"" where there was none for `heartbeat` seconds.

        Ends when the feed is closed.  Raises PositionGone, at the first step or where the stream
        fell so far behind that the log was pruned.
        """
        self.streams += 1
        try:
            await self._start_reader()
            while not self._closed:
                changed = self._changed  # before anything is looked at, so that nothing that comes later is missed
                chunk, since = self._from_window(since) or await self._from_store(since)
                if chunk:
                    yield chunk
                    continue
                try:
                    async with asyncio.timeout(heartbeat):
                        await changed.wait()
                except TimeoutError:
                    yield b""
        finally:
            self.streams -= 1

    async def _start_reader(self) -> None:
        """Starts the reader, so that a stream that reaches the end of the log finds its next events in the window."""
        if self._reader is None:
            head = await self._end_of_log()
            if self._reader is None:  # nobody else was faster
                self._head = head
                self._reader = asyncio.create_task(self._read())

    async def _end_of_log(self) -> Position:
        return (await self._repository.find(TaskQuery(), limit=1)).position

    def _from_window(self, since: Position) -> tuple[bytes, Position] | None:
        """Returns the next events after `since`, and where they end; None where the store has to be asked."""
        head = self._head
        if head is None or since.generation != head.generation:
            return None
        start = len(self._window) - (head.seq - since.seq)
        if not 0 <= start <= len(self._window):
            return None
        events = _take_chunk(
            islice(self._window, start, start + self._limits.changes_read), self._limits.feed_chunk_bytes
        )
        return b"".join(events), Position(since.generation, since.seq + len(events))

    async def _from_store(self, since: Position) -> tuple[bytes, Position]:
        page = await self.read(since, limit=self._limits.changes_read, max_bytes=self._limits.feed_chunk_bytes)
        return b"".join(self._events_of(page)), page.next

    def _events_of(self, page: ChangePage) -> list[bytes]:
        return [self._encode(change, page.next.generation) for change in page.changes]

    async def close(self) -> None:
        """Ends all streams and the reader."""
        self._closed = True
        self._wake()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader], timeout=CANCELLATION_SECONDS)
            self._reader = None

    async def _read(self) -> None:
        while True:
            try:
                await self._read_on()
            except RepositoryError as error:
                log.warning("The change log cannot be read: %s", error)
                await asyncio.sleep(self._timeouts.feed_retry)
            except Exception as error:
                log.error("The %s: store failed to give its change log.", self._scheme, exc_info=error)
                await asyncio.sleep(self._timeouts.feed_retry)

    async def _read_on(self) -> None:
        """Puts what comes next into the window, and what comes after that."""
        assert self._head is not None
        limits, wait = self._limits, self._timeouts.feed_wait
        try:
            while True:
                page = await self._repository.changes(
                    self._head, limit=limits.changes_read, max_bytes=limits.feed_chunk_bytes, wait=wait
                )
                check_changes(page, self._head)
                if page.changes:
                    self._append(self._events_of(page))
                    self._head = page.next
                    self._wake()
        except PositionGone:  # the store has a new generation: the streams find out by themselves
            head = await self._end_of_log()
            if head == self._head:
                raise
            self._window.clear()
            self._bytes, self._head = 0, head
            self._wake()

    def _append(self, events: Sequence[bytes]) -> None:
        self._window.extend(events)
        self._bytes += sum(map(len, events))
        while len(self._window) > self._limits.feed_events or self._bytes > self._limits.feed_bytes:
            self._bytes -= len(self._window.popleft())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
