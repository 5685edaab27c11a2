"""Workspaces beside the one that a test uses: they hold data, are written to meanwhile, and keep to themselves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from tasksvc import (
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    Position,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    Write,
)
from tasksvc.testing.samples import FULL, NOW

NAMES = ("anothe", "defaults")
"""The names of neighbours, which are much like those of the workspaces that tests use."""
COMMITS_BETWEEN = 8
"""The commits of a test between two commits of its neighbours."""
KEY = IdempotencyKey("s", "key", "f")
FIRST: tuple[Write, ...] = (CreateTask(FULL), CreateTask(TaskDraft("gone")), DeleteTask(2))


class Neighbours:
    """Some workspaces of a store, with all that was written to them."""

    def __init__(self, opened: Callable[[], TaskRepository]) -> None:
        """Takes what returns the repository of the store that is open now."""
        self._opened = opened
        self._tasks: dict[str, list[Task]] = {name: [] for name in NAMES}
        self._generations: dict[str, str] = {}
        self._turns = itertools.cycle(NAMES)
        self._running: list[asyncio.Future[None]] = []
        self._commits = 0

    async def fill(self) -> None:
        """Writes tasks, a key and changes to all of them."""
        await asyncio.gather(*(self._commit(name, *FIRST, key=KEY) for name in NAMES))

    def test_commits(self) -> None:
        """Begins a commit to one of them, if it is its turn, now that the test makes a commit of its own."""
        if self._commits % COMMITS_BETWEEN == 0:
            call = self._commit(next(self._turns), CreateTask(TaskDraft(f"beside commit {self._commits}")))
            self._running.append(asyncio.ensure_future(call))
        self._commits += 1

    async def rest(self) -> None:
        """Returns when the commits that began are done."""
        running, self._running = self._running, []
        await asyncio.gather(*running)

    async def _repeat(self, name: str) -> CommitResult:
        return await self._opened().workspace(name).commit(FIRST, at=NOW, idempotency_key=KEY)

    async def _commit(self, name: str, *writes: Write, key: IdempotencyKey | None = None) -> None:
        repository = self._opened().workspace(name)
        committed = await repository.commit(writes, at=NOW, idempotency_key=key)
        generation = committed.position.generation
        assert self._generations.setdefault(name, generation) == generation, "a workspace keeps its generation"
        self._tasks[name] += [task for task in committed.results if isinstance(task, Task)]

    async def check(self) -> None:
        """Checks that each holds what was written to it, and no more."""
        await self.rest()
        await asyncio.gather(*map(self._check, NAMES))
        again = await self._repeat(NAMES[0])
        assert again.replayed, f"the workspace {NAMES[0]!r} keeps its idempotency keys"

    async def _check(self, name: str) -> None:
        created = sorted(self._tasks[name], key=lambda task: task.id)
        page = await self._opened().workspace(name).find(TaskQuery(), limit=1_000)
        there = [task for task in created if task.id != 2]
        assert list(page.tasks) == there, f"the workspace {name!r} has the tasks that were written to it"
        assert [task.id for task in created] == list(range(1, len(created) + 1)), "each workspace counts its ids from 1"
        end = Position(self._generations[name], len(created) + 1)
        assert page.position == end, f"the log of the workspace {name!r} has what was written to it"
