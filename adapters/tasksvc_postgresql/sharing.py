"""Calls that ask for the same at the same time, answered together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Sharing(Generic[Key, Value]):
    """Runs what is asked for once for all who asked before it started.

    So each answer is as fresh as if its caller had run it alone.  When all of its callers are cancelled,
    so is what runs for them.
    """

    def __init__(self, run: Callable[[Key, float], Awaitable[Value]], deadline: Callable[[], float]) -> None:
        """`run` is given the deadline of the caller who came first."""
        self._run, self._deadline = run, deadline
        self._waiting: dict[Key, asyncio.Task[Value]] = {}
        self._running: dict[Key, asyncio.Task[Value]] = {}
        self._callers: Counter[asyncio.Task[Value]] = Counter()

    async def __call__(self, key: Key) -> Value:
        task = self._waiting.get(key)
        if task is None:
            task = asyncio.create_task(self._run_in_turn(key, self._running.get(key), self._deadline()))
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

    async def _run_in_turn(self, key: Key, before: asyncio.Task[Value] | None, deadline: float) -> Value:
        if before is None:
            await asyncio.sleep(0)  # a turn of the loop, for others to join
        else:
            await asyncio.wait([before])
        self._running[key] = self._waiting.pop(key)
        return await self._run(key, deadline)

    def _forget(self, key: Key, task: asyncio.Task[Value]) -> None:
        """Also one that was cancelled before it began."""
        for tasks in (self._waiting, self._running):
            if tasks.get(key) is task:
                del tasks[key]
        if task.done() and not task.cancelled():
            task.exception()  # or asyncio would log it where nobody waits for it any more

    async def close(self) -> None:
        """Lets what runs and waits finish."""
        while tasks := {*self._waiting.values(), *self._running.values()}:
            await asyncio.wait(tasks)
