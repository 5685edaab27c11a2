"""A local copy of a workspace that answers without the service, and takes writes without it.

    async with Client(url) as client:
        with Replica("tasks.db", client) as tasks:
            running = asyncio.create_task(tasks.run())
            tasks.create("Water the plants", labels=["home"])
            tasks.find(done=False, sort="due_at")

The methods that read and write don't wait for the service, so they aren't async. sync() and run() make both equal.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from tasksvc_client.errors import NotTasksvc, OutcomeUnknown, Problem, TasksvcError, Unreachable
from tasksvc_client.replica_base import BaseReplica
from tasksvc_client.replica_reading import LOG, Steps

if TYPE_CHECKING:
    import os

    from tasksvc_client.async_client import Client
    from tasksvc_client.replica_conflicts import OnConflict

LOOK_SECONDS = 0.5
"""Seconds after which a write that another process has queued is noticed."""
STALE_SECONDS = 10.0
"""Seconds after which the log is read if the stream hasn't shown an answered write."""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
"""Seconds before another attempt after the client has given up, doubled for each further one."""


class Replica(BaseReplica):
    """A local copy of a workspace that answers without the service and takes writes without it, with a Client."""

    def __init__(self, path: str | os.PathLike[str], client: Client, on_conflict: OnConflict | None = None) -> None:
        """Opens or creates the copy of the workspace of `client` in the file `path`; `:memory:` for no file.

        `on_conflict` decides what becomes of a write whose task others have changed since. Raises UnusableReplica.
        """
        super().__init__(path, client, on_conflict)
        self._queued = asyncio.Event()
        self._turn = asyncio.Lock()

    def _has_queued(self) -> None:
        self._queued.set()

    async def sync(self, *, to: str | None = None) -> None:
        """Does what SyncReplica.sync() does."""
        await self._do(self._round(to))

    async def run(self) -> None:
        """Keeps the copy and the service equal until it is cancelled, whatever fails.

        Changes are there as they happen, and writes are sent as soon as the service can be reached. Raises Problem if
        the service doesn't let the caller in.
        """
        pause = PAUSE_SECONDS
        while True:
            try:
                await self.sync()
                pause = PAUSE_SECONDS
                await self._live()
            except TasksvcError as error:
                if not _may_pass(error):
                    raise
                LOG.warning("%s; tries again in %g s", error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _live(self) -> None:
        """Follows the log and sends writes, until one of both fails."""
        jobs = [asyncio.create_task(self._follow()), asyncio.create_task(self._send())]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        for job in jobs:
            if not job.cancelled():
                job.result()

    async def _follow(self) -> None:
        since = self.position
        assert since is not None
        LOG.info("follows from %s", since)
        async with aclosing(self._client.follow(since)) as changes:
            async for change in changes:
                # Another process may be ahead in the log. Its position comes in this stream too.
                self._log.apply([change], since)
                since = change.position

    async def _send(self) -> None:
        """Sends writes when there are some, and reads the log if the stream doesn't show one that was answered."""
        clock = asyncio.get_running_loop().time
        stale: float | None = None
        while True:
            self._queued.clear()
            if self._queue.first() is not None:
                await self._do(self._sending.send_all())
            if not self._queue.last_answered():
                stale = None
            elif stale is None:
                stale = clock() + STALE_SECONDS
            elif clock() > stale:
                await self._do(self._reading.catch_up())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._queued.wait(), LOOK_SECONDS)

    async def _do(self, steps: Steps[Any]) -> None:
        """Does steps, each of which gives what is to be awaited or a value, after those that were begun before."""
        async with self._turn:
            step = next(steps, None)
            with suppress(StopIteration):
                while True:
                    try:
                        result = (await step) if inspect.isawaitable(step) else step
                    except BaseException as error:
                        step = steps.throw(error)
                    else:
                        step = steps.send(result)


def _may_pass(error: TasksvcError) -> bool:
    """Returns whether the service may be reached again later, without anybody doing anything here."""
    if isinstance(error, OutcomeUnknown) and isinstance(error.__cause__, TasksvcError):
        error = error.__cause__
    if isinstance(error, Problem):
        return error.status >= 500 or error.status in (408, 410, 429)
    return isinstance(error, Unreachable | OutcomeUnknown | NotTasksvc)
