"""The commits that rename or delete a list, of a bounded number of tasks each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, cast

from tasksvc.application.tasks import Tasks
from tasksvc.domain.errors import CommitTooLarge, TooManyRelated
from tasksvc.domain.query import Cursor, TaskQuery
from tasksvc.domain.rules import ID_MAX
from tasksvc.domain.transaction import COMMIT_BYTES_MAX
from tasksvc.domain.writes import DeleteMatching, DeleteResult, Result, UpdateMatching, Write

STEP_BYTES: Final = COMMIT_BYTES_MAX // 2
"""JSON bytes of all tasks that one commit names, so that there is room for the longer name of a list."""

Commit = Callable[[Write], Awaitable[Result]]
"""Commits a write, and returns its result."""


class ListSteps:
    """The commits that change the tasks of a list with ids up to a last one."""

    def __init__(self, tasks: Tasks, name: str, *, last_id: int, step: int, commit: Commit) -> None:
        """Takes `step`: the tasks that one commit names at most."""
        self._tasks, self._query = tasks, TaskQuery(list=name)
        self._last_id, self._step, self._commit = last_id, step, commit

    async def move(self, to: str) -> None:
        """Moves the tasks to the list `to`."""
        await self._update_all(self._query, {"list": to}, self._last_id)

    async def delete(self) -> None:
        """Deletes the tasks of a list."""
        async with aclosing(self._find_all(self._query, self._last_id)) as pages:
            async for task_ids in pages:
                await self._delete_all(task_ids)

    async def _find_all(self, query: TaskQuery, last_id: int) -> AsyncGenerator[list[int], None]:
        """Yields the ids up to `last_id` of all tasks that match, as many at once as one commit may name.

        Each is found once, so this ends whatever other commits do meanwhile.
        """
        after: Cursor | None = None
        while True:
            page = await self._tasks.find(
                query, caller=self._caller, after=after, limit=self._step, max_bytes=STEP_BYTES
            )
            task_ids, after = [task.id for task in page.tasks if task.id <= last_id], page.next
            del page  # which would be kept until the next one is read
            if task_ids:
                yield task_ids
            if after is None or not task_ids:
                return

    def _caller(self) -> tuple[str, str]:
        return __name__, self._tasks.workspace

    async def _update_all(self, query: TaskQuery, fields: dict[str, str | None], last_id: int) -> None:
        async with aclosing(self._find_all(query, last_id)) as pages:
            async for task_ids in pages:
                await self._commit(UpdateMatching(task_ids, query, fields))

    async def _delete_all(self, task_ids: list[int]) -> None:
        """Deletes those of some tasks that are in the list.

        A deletion changes the children of a task too, so fewer tasks may have to be deleted at once, and one with very
        many children loses them before it is deleted.
        """
        at_once = len(task_ids)
        while task_ids:
            part = task_ids[:at_once]
            try:
                deleted = cast(DeleteResult, await self._commit(DeleteMatching(part, self._query)))
            except (TooManyRelated, CommitTooLarge):
                if len(part) == 1:
                    await self._update_all(TaskQuery(parent_id=part[0]), {"parent_id": None}, ID_MAX)
                at_once = max(1, len(part) // 2)
                continue
            if not deleted.more:
                task_ids = task_ids[len(part) :]
                at_once *= 2
