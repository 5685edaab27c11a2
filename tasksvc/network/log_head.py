"""How far the change logs have come, as far as this process has noticed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from tasksvc.domain.change import LOG_START, Position
from tasksvc.stores.broadcast import Broadcasts

POLL_SECONDS = 0.1
"""Seconds between two looks at the logs, so the longest time after which a change by another process is noticed."""
RETRY_SECONDS = 1.0
"""Seconds until the next look after one that failed."""
NOTIFIED_POLL_SECONDS = 1.0
"""Seconds between two looks while the server notifies of changes, in case a notification is lost."""
RECONNECT_SECONDS = 0.5
"""Seconds between two attempts to listen."""
MAX_HEADS = 10_000
"""The most workspaces whose heads are kept, beside those that somebody waits for."""
SETTLING_SECONDS = 5.0
"""Seconds from when a head is kept, during which a reader may have read the log before that."""


class _Head:
    """The end of the log of one workspace."""

    def __init__(self, position: Position | None, since: float) -> None:
        self.position = position
        """The highest position that was noticed; None if there was none."""
        self.since = since
        """When it was begun to be kept, or the log to be another one, on the clock of the loop.

        A reader may have read the log before that.
        """
        self.waiting = 0


class LogHeads:
    """Knows the highest positions of logs that this process noticed, and wakes those who wait for a higher one.

    It keeps a bounded number of them.  Whoever waits for a workspace that hasn't been kept for long returns after a
    short time, and reads the log again: a change after his read may have come before it was kept.  So does a reader who
    may have read a log before the workspace was erased.
    """

    def __init__(
        self,
        *,
        poll: float = NOTIFIED_POLL_SECONDS,
        settling: float = SETTLING_SECONDS,
        max_heads: int = MAX_HEADS,
    ) -> None:
        """Takes `poll`, the seconds after which a log is read again that hasn't been kept for `settling` seconds."""
        self.poll, self.settling, self.max_heads = poll, settling, max_heads
        self._heads: OrderedDict[str, _Head] = OrderedDict()
        self._broadcasts = Broadcasts()
        self._loop = asyncio.get_running_loop()
        self.waiting = 0
        """The number of those who wait."""
        self.closed = False

    def note(self, workspace: str, position: Position) -> None:
        """Takes note of a position, and wakes those who wait for a change in the workspace if it is a new one.

        LOG_START says that the workspace was erased.
        """
        head = self._keep(workspace)
        known = head.position
        is_another_log = known is not None and position.generation != known.generation
        if is_another_log or not position.seq:
            head.since = self._loop.time()
        if known is None or is_another_log or position.seq > known.seq or position == LOG_START:
            head.position = position
            self._broadcasts.notify((workspace,))

    def wake(self) -> None:
        """Wakes everything that waits, which may have missed something."""
        self._broadcasts.notify_all()

    async def wait(self, workspace: str, since: Position, *, timeout: float) -> None:
        """Returns when there may be a change after `since`, or after `timeout` seconds, or when it is closed."""
        head = self._keep(workspace)
        known = head.position
        is_behind = known is not None and known.generation == since.generation and known.seq > since.seq
        if self.closed or is_behind:
            return
        if self._loop.time() < head.since + self.settling:
            timeout = min(timeout, self.poll)
        head.waiting += 1
        self.waiting += 1
        try:
            await self._broadcasts.wait(workspace, timeout)
        finally:
            head.waiting -= 1
            self.waiting -= 1

    def close(self) -> None:
        """Ends all waits, those of now and of later."""
        self.closed = True
        self.wake()

    def _keep(self, workspace: str) -> _Head:
        """Returns the head of a workspace, and forgets that which was used least recently if there are too many."""
        heads = self._heads
        if (head := heads.get(workspace)) is not None:
            heads.move_to_end(workspace)
            return head
        while len(heads) >= self.max_heads + self.waiting:
            oldest, before = heads.popitem(last=False)
            if before.waiting:
                heads[oldest] = before
        head = heads[workspace] = _Head(None, self._loop.time())
        return head


class Look(NamedTuple):
    """What a look at all logs has found."""

    heads: Iterable[tuple[str, Position]]
    """The workspaces that have changed since the last look, and the ends of their logs."""
    token: str
    """The token with which the next look goes on."""
    is_new_life: bool
    """Whether all generations may be others than before."""


class Listener(LogHeads):
    """Notices changes by other processes while somebody waits.

    A connection that listens hears of them at once, for a server that can notify.  A notification may be lost, and its
    sender may be killed between a commit and the notification, so all logs are looked at together from time to time:
    seldom while a connection listens, often without one.  Each look goes on where the last one ended, so no change
    remains unnoticed for longer than that.
    """

    def __init__(
        self,
        look: Callable[[str], Awaitable[Look]],
        listen: Callable[[Callable[[], None]], Awaitable[object]] | None = None,
        *,
        poll: float = NOTIFIED_POLL_SECONDS,
        poll_deaf: float = POLL_SECONDS,
        retry: float = RETRY_SECONDS,
    ) -> None:
        """Takes `look`, which gets the token of the look before, or "".

        It takes `listen` too, which connects, calls its argument when it hears, and calls note() of what it hears.  It
        raises when the connection is lost, and is called again then; it returns if it can't listen at all.  `poll` and
        `poll_deaf` are the seconds between two looks, with and without a connection that listens, and `retry` those
        after a look that failed.
        """
        super().__init__(poll=poll)
        self._look, self._listen, self.poll_deaf, self._retry = look, listen, poll_deaf, retry
        self.is_listening = False
        """Whether a connection listens now."""
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted = asyncio.Event()

    async def wait(self, workspace: str, since: Position, *, timeout: float) -> None:
        """Returns when there may be a change after `since`, or after `timeout` seconds, or when it is closed."""
        if not self._tasks and not self.closed:  # nobody waited so far
            self._heads.clear()  # what was noticed before may not be all
            self._tasks.append(asyncio.create_task(self._poll_forever()))
            if self._listen is not None:
                self._tasks.append(asyncio.create_task(self._listen_forever(self._listen)))
        self._wanted.set()
        await super().wait(workspace, since, timeout=timeout)

    async def stop(self) -> None:
        """Ends all waits, the listening and the looks."""
        self.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _poll_forever(self) -> None:
        token = ""
        while True:
            await self._wanted.wait()
            pause = self.poll if self.is_listening else self.poll_deaf
            try:
                found = await self._look(token)
            except Exception:  # those who wait learn of it by their next read
                self.wake()
                pause = self._retry
            else:
                token = found.token
                for workspace, position in found.heads:
                    if workspace in self._heads:
                        self.note(workspace, position)
                if found.is_new_life:
                    self.wake()
            if not self.waiting:
                self._wanted.clear()
            await asyncio.sleep(pause)

    async def _listen_forever(self, listen: Callable[[Callable[[], None]], Awaitable[object]]) -> None:
        while True:
            if not await self._listen_until_lost(listen):
                return
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_lost(self, listen: Callable[[Callable[[], None]], Awaitable[object]]) -> bool:
        """Returns whether another attempt may succeed."""
        try:
            await listen(self._begin)
        except Exception:  # the connection is lost, or there was none: the looks are more frequent meanwhile
            return True
        else:
            return False
        finally:
            self.is_listening = False

    def _begin(self) -> None:
        self.is_listening = True
        self.wake()  # who waits may have missed something
