"""Answers concurrent calls for the same thing together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SingleFlight(Generic[Key, Value]):
    """Runs equal calls once for all callers that came before the run started.

    So each answer is as fresh as if its caller had run it alone.  When all of its callers are cancelled,
    the run is cancelled too.
    """

    def __init__(self, run: Callable[[Key, float], Awaitable[Value]]) -> None:
        """Takes `run`, which gets the key, and when its first caller came, on the clock of the event loop."""
        self._run = run
        self._waiting: dict[Key, asyncio.Task[Value]] = {}
        self._running: dict[Key, asyncio.Task[Value]] = {}
        self._callers: Counter[asyncio.Task[Value]] = Counter()

    async def __call__(self, key: Key) -> Value:
        """Returns what `run` returns for `key`, or raises what it raises."""
        task = self._waiting.get(key)
        if task is None:
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._run_in_turn(key, loop.time(), self._running.get(key)))
            task.add_done_callback(partial(self._forget, key))
            self._waiting[key] = task
        self._callers[task] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._callers[task] -= 1
            if not self._callers[task]:
                del self._callers[task]
                self._forget(key, task)  # whoever comes now must not find it cancelled
                task.cancel()

    async def _run_in_turn(self, key: Key, since: float, before: asyncio.Task[Value] | None) -> Value:
        if before is None:
            await asyncio.sleep(0)  # a turn of the loop, for others to join
        else:
            await asyncio.wait([before])
        self._running[key] = self._waiting.pop(key)
        return await self._run(key, since)

    def _forget(self, key: Key, task: asyncio.Task[Value]) -> None:
        """Forgets a run that ended, or was cancelled before it started."""
        for tasks in (self._waiting, self._running):
            if tasks.get(key) is task:
                del tasks[key]
        if task.done() and not task.cancelled():
            task.exception()  # or asyncio would log it where nobody waits for it any more

    async def close(self) -> None:
        """Returns when all runs, and those that wait for their turn, have ended."""
        while tasks := {*self._waiting.values(), *self._running.values()}:
            await asyncio.wait(tasks)
