"""The changes of several workspaces as one stream, which takes them from the feed of each in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import NamedTuple

from tasksvc.application.change_feed import ChangeFeed, ChangeFeeds
from tasksvc.application.in_parallel import in_parallel
from tasksvc.domain.change import Position
from tasksvc.domain.errors import PositionGone, StoreClosed


class Step(NamedTuple):
    """What a merged feed gives at once, which is of one workspace."""

    workspace: str
    events: Sequence[bytes]
    """Events in the order of the log, without gaps; none if the workspace has left the feed."""
    reached: Position
    """The position after the events."""
    gone: PositionGone | None = None
    """Why it has left."""


class Starts(NamedTuple):
    """Where a stream of several workspaces starts."""

    positions: Mapping[str, Position]
    """A position for each workspace, also where it's gone."""
    gone: Mapping[str, PositionGone]
    """Why the stream can't start in some of the workspaces."""


async def find_starts(feeds: ChangeFeeds, since: Mapping[str, Position | None], *, at_once: int) -> Starts:
    """Returns what ChangeFeeds.start() does, for several workspaces, of which `at_once` are asked at the same time.

    Raises what that raises, and PositionGone only if the positions of all of them are gone.
    """
    positions: dict[str, Position] = {}
    gone: dict[str, PositionGone] = {}

    async def start(workspace: str, position: Position | None) -> None:
        try:
            positions[workspace] = await feeds.start(workspace, position)
        except PositionGone as error:
            if position is None:  # the store was emptied in this very moment
                raise
            positions[workspace], gone[workspace] = position, error

    await in_parallel((partial(start, *item) for item in since.items()), at_once=at_once)
    if len(gone) == len(since):
        raise next(iter(gone.values()))
    return Starts(positions, gone)


@asynccontextmanager
async def follow_all(feeds: ChangeFeeds, starts: Starts, woken: asyncio.Event) -> AsyncIterator[MergedFeed]:
    """Gives the changes after `starts` to one stream, which is open until the end of the block.

    `woken` is set whenever there is something new, as by ChangeFeeds.follow().
    """
    merged = MergedFeed(feeds, starts, woken)
    try:
        await merged.join()
        yield merged
    finally:
        for workspace in merged.followed:
            await merged.leave(workspace)


class MergedFeed:
    """Follows the feeds of several workspaces for one stream.

    Each of them has its turn when it has changes, a chunk at a time, so none holds up the others.
    """

    def __init__(self, feeds: ChangeFeeds, starts: Starts, woken: asyncio.Event) -> None:
        self._feeds, self._woken = feeds, woken
        self._positions = {name: position for name, position in starts.positions.items() if name not in starts.gone}
        self._joined: dict[str, tuple[ChangeFeed, AbstractAsyncContextManager[ChangeFeed]]] = {}
        self._ready = dict.fromkeys(self._positions)
        """The workspaces that may have changes; the one whose turn is next comes first."""

    @property
    def followed(self) -> Sequence[str]:
        """The workspaces that have not left."""
        return tuple(self._joined)

    async def join(self) -> None:
        """Begins to follow all workspaces."""
        for workspace in self._positions:
            following = self._feeds.follow(workspace, _Woken(workspace, self._ready, self._woken))
            self._joined[workspace] = await following.__aenter__(), following

    async def leave(self, workspace: str) -> None:
        """Ends what follows a workspace; the others go on."""
        _, following = self._joined.pop(workspace)
        await following.__aexit__(None, None, None)
        self._ready.pop(workspace, None)

    async def next(self) -> Step | None:
        """Returns what comes next in any workspace; None if there is nothing now.

        A workspace whose position is gone leaves, with a step without events.  Raises StoreUnavailable, and StoreClosed
        when the feeds are closed.
        """
        while self._ready:
            workspace = next(iter(self._ready))
            del self._ready[workspace]  # before anything is looked at, so that nothing that comes later is missed
            feed, _ = self._joined[workspace]
            if feed.ended:
                raise StoreClosed("The service is shutting down.")
            try:
                events, reached = await feed.next(self._positions[workspace])
            except PositionGone as error:
                await self.leave(workspace)
                return Step(workspace, (), self._positions[workspace], error)
            self._positions[workspace] = reached
            if events:
                self._ready[workspace] = None  # behind all others
                return Step(workspace, events, reached)
        return None


class _Woken(asyncio.Event):
    """What the feed of one of several workspaces sets, so that the stream knows which ones to look at."""

    def __init__(self, workspace: str, ready: dict[str, None], woken: asyncio.Event) -> None:
        super().__init__()
        self._workspace, self._ready, self._stream = workspace, ready, woken

    def set(self) -> None:
        self._ready[self._workspace] = None
        self._stream.set()
