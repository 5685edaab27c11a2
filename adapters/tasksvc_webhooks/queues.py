"""Which lanes have their turn: few at once for each webhook, and slow targets apart from all others.

A request that has no answer for a while gives its place among the quick ones away, and so does the first request of a
lane whose last attempt failed.  So targets that don't answer only hold up each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from tasksvc_webhooks.lane_set import Lane

QUICK_MAX: Final = 100
"""Turns at once of lanes whose targets answer soon, or of which it isn't known yet."""
SLOW_MAX: Final = 500
"""Turns at once of all others."""
WEBHOOK_MAX: Final = 4
"""Turns at once of the lanes of one webhook."""
SLOW_SECONDS: Final = 0.1
"""A request that takes longer is slow."""
LAST_TURN_SECONDS: Final = 1.0
"""The end waits this long for requests that are under way, so that they needn't be sent again."""


class _Queue:
    """The lanes of a webhook that wait for their turn."""

    def __init__(self) -> None:
        self.lanes: deque[Lane] = deque()
        self.running = 0
        self.slow = False
        """Whether its last request was slow."""
        self.in_ring = False

    @property
    def is_slow(self) -> bool:
        """Returns whether the turn of the next lane counts as slow from its beginning."""
        return self.slow or self.lanes[0].has_failed


class Turns:
    """Gives lanes their turns."""

    def __init__(self, take_turn: Callable[[Lane], Awaitable[bool]]) -> None:
        """Takes what a lane does in its turn, which returns whether it wants another one at once; it raises nothing."""
        self._take_turn = take_turn
        self._queues: dict[str, _Queue] = {}
        self._rings: dict[bool, deque[_Queue]] = {False: deque(), True: deque()}
        """The queues that may have a turn, by whether it counts as slow; that whose turn is next comes first."""
        self._running = {False: 0, True: 0}
        self._tasks: dict[asyncio.Task[None], Lane] = {}
        self.closing = False
        """Whether no request may begin any more."""

    def add(self, lane: Lane) -> None:
        """Lets a lane have a turn, or another one if it has one now."""
        if self.closing:
            return
        lane.wants_turn = True
        if lane.queued or lane.running:
            return
        queue = self._queues.setdefault(lane.webhook_id, _Queue())
        queue.lanes.append(lane)
        lane.queued = True
        self._join_ring(queue)
        self._pump()

    @contextlib.contextmanager
    def sending(self, lane: Lane) -> Iterator[None]:
        """Counts the turn of a lane as slow if the block, which is one request, takes long."""
        queue = self._queues[lane.webhook_id]
        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._slow_down, lane, queue)
        try:
            yield
        finally:
            if timer.when() > asyncio.get_running_loop().time():
                queue.slow = False
            timer.cancel()

    async def close(self, seconds: float = LAST_TURN_SECONDS) -> None:
        """Lets no more turns begin, and returns when those under way have ended.

        Their requests get some seconds, but for those of lanes that have failed before.  Then they are cancelled.
        """
        self.closing = True
        self._queues.clear()
        for ring in self._rings.values():
            ring.clear()
        if awaited := [task for task, lane in self._tasks.items() if not lane.has_failed]:
            await asyncio.wait(awaited, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _slow_down(self, lane: Lane, queue: _Queue) -> None:
        queue.slow = True
        if not lane.is_slow and self._running[True] < SLOW_MAX:
            lane.is_slow = True
            self._running[False] -= 1
            self._running[True] += 1
            self._pump()

    def _join_ring(self, queue: _Queue) -> None:
        if queue.lanes and queue.running < WEBHOOK_MAX and not queue.in_ring:
            queue.in_ring = True
            self._rings[queue.is_slow].append(queue)

    def _pump(self) -> None:
        """Begins as many turns as there may be."""
        for slow, most in ((False, QUICK_MAX), (True, SLOW_MAX)):
            ring = self._rings[slow]
            while ring and self._running[slow] < most:
                queue = ring.popleft()
                queue.in_ring = False
                self._begin(queue, queue.lanes.popleft(), slow=slow)
                self._join_ring(queue)

    def _begin(self, queue: _Queue, lane: Lane, *, slow: bool) -> None:
        lane.queued, lane.running, lane.is_slow, lane.wants_turn = False, True, slow, False
        queue.running += 1
        self._running[slow] += 1
        task = asyncio.create_task(self._run(queue, lane))
        self._tasks[task] = lane
        task.add_done_callback(self._tasks.pop)

    async def _run(self, queue: _Queue, lane: Lane) -> None:
        again = False
        try:
            again = await self._take_turn(lane)
        finally:
            lane.running = False
            queue.running -= 1
            self._running[lane.is_slow] -= 1
            if self._queues.get(lane.webhook_id) is queue:
                self._end(queue, lane, again=again)

    def _end(self, queue: _Queue, lane: Lane, *, again: bool) -> None:
        if again or lane.wants_turn:
            queue.lanes.append(lane)
            lane.queued = True
        if queue.lanes or queue.running:
            self._join_ring(queue)
        else:
            del self._queues[lane.webhook_id]
        self._pump()
