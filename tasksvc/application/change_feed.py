"""The live feed of changes: one reader of the change log of a workspace serves all streams of it in this process.

A window holds the newest changes, each encoded once as the event of a transport.  A stream that is within
the window takes its events from there; one that is behind reads the store until it has caught up.  So every
stream sees every change once and in order, and a slow one costs no more memory than the chunk that it takes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from tasksvc.application.contract_checks import check_changes
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.log_search import end_of_log
from tasksvc.domain.change import Change, Position
from tasksvc.domain.errors import PositionGone, RepositoryError, StoreClosed, StoreUnavailable
from tasksvc.ports.store import ChangePage, TaskRepository

EncodeChange = Callable[[Change, str], bytes]
"""Encodes a change of the generation that is named as one event."""

CANCELLATION_SECONDS = 0.5
"""Seconds that the end of a feed waits for the cancelled reader."""

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


class ChangeFeeds:
    """The change logs of all workspaces, and the live feeds of those that somebody follows."""

    def __init__(
        self,
        workspace: Callable[[str], TaskRepository],
        *,
        scheme: str,
        encode: EncodeChange,
        limits: Limits,
        timeouts: Timeouts,
    ) -> None:
        """Takes `workspace`, which gives a workspace by its name; the rest is as for a ChangeFeed."""
        self._workspace, self._scheme, self._encode = workspace, scheme, encode
        self._limits, self._timeouts = limits, timeouts
        self._feeds: dict[str, ChangeFeed] = {}
        self._closed = False

    @property
    def streams(self) -> int:
        """The number of streams that are open now."""
        return sum(len(feed.followers) for feed in self._feeds.values())

    async def start(self, workspace: str, since: Position | None) -> Position:
        """Returns the position at which a stream after `since` starts; without `since`, where the log ends now.

        Raises PositionGone, StoreUnavailable; StoreClosed once the feeds are closed.
        """
        if self._closed:
            raise StoreClosed("The service is shutting down.")
        if since is None:  # not the reader's own position, which may be behind or of an earlier generation
            since = await end_of_log(self._workspace(workspace))
        page = await self.read(workspace, since, limit=1)
        return Position(page.next.generation, since.seq)

    async def read(self, workspace: str, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        """Returns what follows `since` in the log now, as TaskRepository.read_changes() does.

        Raises what that raises, and ContractViolation.
        """
        return await _read(self._workspace(workspace), since, limit=limit, max_bytes=max_bytes)

    @asynccontextmanager
    async def follow(self, workspace: str, woken: asyncio.Event) -> AsyncIterator[ChangeFeed]:
        """Gives the feed of a workspace to one stream, which is open until the end of the block.

        The feed sets `woken` whenever it has something new for the stream, and when it ends.  A stream that follows
        several workspaces takes one event for all.  The first stream of a workspace makes its feed, and the last one
        ends it.
        """
        feed = self._feeds.get(workspace)
        if feed is None:
            feed = self._feeds[workspace] = ChangeFeed(
                self._workspace(workspace),
                scheme=self._scheme,
                encode=self._encode,
                limits=self._limits,
                timeouts=self._timeouts,
            )
            if self._closed:
                feed.end()
        feed.followers.add(woken)
        try:
            yield feed
        finally:
            feed.followers.discard(woken)
            if not feed.followers:
                del self._feeds[workspace]
                await _wait_for_end([feed])

    async def close(self) -> None:
        """Ends all streams and the readers of the logs."""
        self._closed = True
        await _wait_for_end(self._feeds.values())


async def _wait_for_end(feeds: Iterable[ChangeFeed]) -> None:
    readers = [reader for feed in feeds if (reader := feed.end()) is not None]
    if readers:
        await asyncio.wait(readers, timeout=CANCELLATION_SECONDS)


async def _read(repository: TaskRepository, since: Position, *, limit: int, max_bytes: int | None) -> ChangePage:
    page = await repository.read_changes(since, limit=limit, max_bytes=max_bytes)
    check_changes(page, since)
    return page


class ChangeFeed:
    """Reads the change log of a workspace for any number of streams."""

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
        self._reader: asyncio.Task[None] | None = None
        self.ended = False
        """Whether it gives nothing more, so that its streams end."""
        self.followers: set[asyncio.Event] = set()
        """What wakes each of the streams that are open now."""

    async def next(self, since: Position) -> tuple[Sequence[bytes], Position]:
        """Returns events after `since`, as many as make a chunk, and where they end; none if there are none now.

        A stream clears its event before it asks, and waits for it where there are none, so that it misses nothing.
        Raises PositionGone, at first or where the stream fell so far behind that the log was pruned, and
        StoreUnavailable.
        """
        if (found := self._from_window(since)) is not None:
            return found
        try:
            async with asyncio.timeout(self._timeouts.store_chunk):
                await self._start_reader()
                return self._from_window(since) or await self._from_store(since)
        except TimeoutError:
            raise StoreUnavailable("The store did not answer in time.") from None

    async def _start_reader(self) -> None:
        """Starts the reader, so that a stream that reaches the end of the log finds its next events in the window."""
        if self._reader is None:
            head = await end_of_log(self._repository)
            if self._reader is None and not self.ended:  # nobody else was faster
                self._head = head
                self._reader = asyncio.create_task(self._read_for_ever())

    def _from_window(self, since: Position) -> tuple[Sequence[bytes], Position] | None:
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
        return events, Position(since.generation, since.seq + len(events))

    async def _from_store(self, since: Position) -> tuple[Sequence[bytes], Position]:
        limits = self._limits
        page = await _read(self._repository, since, limit=limits.changes_read, max_bytes=limits.feed_chunk_bytes)
        return self._events_of(page), page.next

    def _events_of(self, page: ChangePage) -> list[bytes]:
        return [self._encode(change, page.next.generation) for change in page.changes]

    def end(self) -> asyncio.Task[None] | None:
        """Ends all streams and the reader.  Returns the reader, which may take a moment to end."""
        self.ended = True
        self._wake()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
        return reader

    async def _read_for_ever(self) -> None:
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
        limits = self._limits
        try:
            while True:
                # A random part of it, so that the readers of thousands of workspaces don't come back together.
                wait = random.uniform(self._timeouts.feed_wait / 2, self._timeouts.feed_wait)
                page = await self._repository.changes(
                    self._head, limit=limits.changes_read, max_bytes=limits.feed_chunk_bytes, wait=wait
                )
                check_changes(page, self._head)
                if page.changes:
                    self._append(self._events_of(page))
                    self._head = page.next
                    self._wake()
        except PositionGone:  # the store has a new generation: the streams find out by themselves
            head = await end_of_log(self._repository)
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
        for woken in self.followers:
            woken.set()
