"""What plugins do beside the routes, from the start of the service to its stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from tasksvc.api.plugins.loading import Plugin
from tasksvc.domain.errors import PluginRefused, TasksvcError

CANCELLATION_SECONDS = 0.5
"""Seconds that the stop waits for what it cancelled."""

log = logging.getLogger("tasksvc")


class Lifespans:
    """The lifespans of all plugins, each in a task of its own, since a context manager may be left only where it began.

    They are entered in their order, and left in the opposite one.
    """

    def __init__(self, exit_seconds: float) -> None:
        """Takes the seconds that each has to end."""
        self._exit_seconds = exit_seconds
        self._entered: list[_Lifespan] = []

    async def enter(self, lifespans: Sequence[tuple[Plugin, AbstractAsyncContextManager[None]]]) -> None:
        """Enters lifespans.  Raises PluginRefused, and what a lifespan raises of TasksvcError."""
        for plugin, context in lifespans:
            lifespan = _Lifespan(plugin, context)
            self._entered.append(lifespan)
            await lifespan.enter()

    async def leave(self) -> None:
        """Leaves all that were entered.  What goes wrong is logged."""
        while self._entered:
            await self._entered.pop().leave(self._exit_seconds)


class _Lifespan:
    def __init__(self, plugin: Plugin, context: AbstractAsyncContextManager[None]) -> None:
        self._plugin, self._context = plugin, context
        self._entered, self._ending = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        task = self._task = asyncio.create_task(self._run())
        entering = asyncio.create_task(self._entered.wait())
        try:
            await asyncio.wait([task, entering], return_when=asyncio.FIRST_COMPLETED)
        finally:
            entering.cancel()
        if self._entered.is_set():
            task.add_done_callback(self._ended)
            return
        self._task = None
        (error,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(error, TasksvcError):
            raise error
        reason = " ".join(str(error).split())
        raise PluginRefused(
            f"{self._plugin} failed in tasksvc_lifespan with {type(error).__name__}: {reason}"
        ) from error

    async def _run(self) -> None:
        async with self._context:
            self._entered.set()
            await self._ending.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            log.error("%s does not run any more: its lifespan was cancelled.", self._plugin)
        elif (error := task.exception()) is not None:
            log.error("%s failed in its lifespan.", self._plugin, exc_info=error)

    async def leave(self, seconds: float) -> None:
        """Ends the task, which may have ended by itself."""
        if self._task is None:
            return
        self._ending.set()
        await asyncio.wait([self._task], timeout=seconds)
        if not self._task.done():
            log.error("%s does not end. It is cancelled.", self._plugin)
            self._task.remove_done_callback(self._ended)
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCELLATION_SECONDS)
