"""How far the change log has come, as far as this process has noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tasksvc.domain.change import Position
from tasksvc.stores.broadcast import Broadcast

POLL_SECONDS = 0.1
"""Seconds between two looks at the log, so the longest time after which a change by another process is noticed."""
RETRY_SECONDS = 1.0
"""Seconds until the next look after one that failed."""
NOTIFIED_POLL_SECONDS = 1.0
"""The longest wait in seconds while the server notifies of changes, in case a notification is lost."""
RECONNECT_SECONDS = 0.5
"""Seconds between two attempts to listen."""


class LogHead:
    """Knows the highest position of the log that this process noticed, and wakes those who wait for a higher one."""

    def __init__(self) -> None:
        self.position = Position("", 0)
        """The highest position that was noticed."""
        self._moved = Broadcast()
        self.closed = False

    def note(self, position: Position) -> None:
        """Takes note of a position, and wakes everything that waits if it is higher than before."""
        if position.generation != self.position.generation or position.seq > self.position.seq:
            self.position = position
            self.wake()

    def wake(self) -> None:
        """Wakes everything that waits, which may have missed something."""
        self._moved.notify()

    async def wait(self, since: Position, *, timeout: float) -> None:
        """Returns when there may be a change after `since`, or after `timeout` seconds, or when it is closed."""
        is_behind = self.position.generation == since.generation and self.position.seq > since.seq
        if not self.closed and not is_behind:
            await self._moved.wait(timeout)

    def close(self) -> None:
        """Ends all waits, those of now and of later."""
        self.closed = True
        self.wake()


class Listener(LogHead):
    """Is notified of changes by other processes while somebody waits, for a server that can do that.

    Without a connection that listens, waits are short, so that those who wait look into the log themselves.
    """

    def __init__(
        self,
        listen: Callable[[Callable[[], None]], Awaitable[object]],
        *,
        poll: float = NOTIFIED_POLL_SECONDS,
        poll_deaf: float = POLL_SECONDS,
    ) -> None:
        """Takes `listen`, which connects, calls its argument when it hears, and calls note() of what it hears.

        It raises when the connection is lost, and is called again then; it returns if it can't listen at all.
        `poll` and `poll_deaf` are the longest waits in seconds, with and without a connection that listens.
        """
        super().__init__()
        self._listen = listen
        self.poll, self.poll_deaf = poll, poll_deaf
        self.is_listening = False
        """Whether a connection listens now."""
        self._task: asyncio.Task[None] | None = None

    async def wait(self, since: Position, *, timeout: float) -> None:
        """Returns when there may be a change after `since`, or when the polling interval has passed."""
        if self._task is None and not self.closed:  # nobody waited so far
            self._task = asyncio.create_task(self._listen_forever())
        await super().wait(since, timeout=min(timeout, self.poll if self.is_listening else self.poll_deaf))

    async def stop(self) -> None:
        """Ends all waits, and the listening."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _listen_forever(self) -> None:
        while True:
            if not await self._listen_until_lost():
                return
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_lost(self) -> bool:
        """Returns whether another attempt may succeed."""
        try:
            await self._listen(self._begin)
        except Exception:  # the connection is lost, or there was none: those who wait read the log meanwhile
            return True
        else:
            return False
        finally:
            self.is_listening = False

    def _begin(self) -> None:
        self.is_listening = True
        self.wake()  # who waits may have missed something


class Poller:
    """Looks for changes by other processes while somebody waits, for a server that can't notify."""

    def __init__(
        self,
        head: LogHead,
        look: Callable[[], Awaitable[Position]],
        *,
        interval: float = POLL_SECONDS,
        retry_interval: float = RETRY_SECONDS,
    ) -> None:
        """Takes `look`, which returns the end of the log, and is called once for all who wait.

        It is called again after `interval` seconds, or `retry_interval` where it has raised something.
        """
        self._head, self._look = head, look
        self._interval, self._retry_interval = interval, retry_interval
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    async def wait(self, since: Position, *, timeout: float) -> None:
        """Does what TaskRepository.wait_for_change() promises."""
        self._waiting += 1
        if self._task is None:
            self._task = asyncio.create_task(self._poll())
        try:
            await self._head.wait(since, timeout=timeout)
        finally:
            self._waiting -= 1

    async def _poll(self) -> None:
        try:
            while self._waiting:
                pause = self._interval
                try:
                    self._head.note(await self._look())
                except Exception:  # those who wait learn of it by their next read
                    pause = self._retry_interval
                await asyncio.sleep(pause)
        finally:
            self._task = None

    async def close(self) -> None:
        """Ends all waits, and the look that may be under way."""
        self._head.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
