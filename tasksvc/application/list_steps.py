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

STEP: Final = 1_000
"""Tasks that one commit names."""
STEP_BYTES: Final = COMMIT_BYTES_MAX // 2
"""JSON bytes of all tasks that one commit names, so that there is room for the longer name of a list."""

Commit = Callable[[Write], Awaitable[Result]]
"""Commits a write, and returns its result."""


async def move_tasks(tasks: Tasks, name: str, to: str, *, last_id: int, commit: Commit) -> None:
    """Moves the tasks of the list `name` with ids up to `last_id` to the list `to`."""
    await _update_all(tasks, TaskQuery(list=name), {"list": to}, last_id, commit)


async def delete_tasks(tasks: Tasks, name: str, *, last_id: int, commit: Commit) -> None:
    """Deletes the tasks of the list `name` with ids up to `last_id`."""
    query = TaskQuery(list=name)
    async with aclosing(_find_all(tasks, query, last_id)) as pages:
        async for task_ids in pages:
            await _delete_all(tasks, task_ids, query, commit)


async def _find_all(tasks: Tasks, query: TaskQuery, last_id: int) -> AsyncGenerator[list[int], None]:
    """Yields the ids up to `last_id` of all tasks that match, as many at once as one commit may name.

    Each is found once, so this ends whatever other commits do meanwhile.
    """
    after: Cursor | None = None
    while True:
        page = await tasks.find(
            query, caller=lambda: (__name__, tasks.workspace), after=after, limit=STEP, max_bytes=STEP_BYTES
        )
        task_ids, after = [task.id for task in page.tasks if task.id <= last_id], page.next
        del page  # which would be kept until the next one is read
        if task_ids:
            yield task_ids
        if after is None or not task_ids:
            return


async def _update_all(
    tasks: Tasks, query: TaskQuery, fields: dict[str, str | None], last_id: int, commit: Commit
) -> None:
    async with aclosing(_find_all(tasks, query, last_id)) as pages:
        async for task_ids in pages:
            await commit(UpdateMatching(task_ids, query, fields))


async def _delete_all(tasks: Tasks, task_ids: list[int], query: TaskQuery, commit: Commit) -> None:
    """Deletes those of some tasks that match.

    A deletion changes the children of a task too, so fewer tasks may have to be deleted at once, and one with very many
    children has none before it is deleted.
    """
    at_once = len(task_ids)
    while task_ids:
        part = task_ids[:at_once]
        try:
            deleted = cast(DeleteResult, await commit(DeleteMatching(part, query)))
        except (TooManyRelated, CommitTooLarge):
            if len(part) == 1:
                await _update_all(tasks, TaskQuery(parent_id=part[0]), {"parent_id": None}, ID_MAX, commit)
            at_once = max(1, len(part) // 2)
            continue
        if not deleted.more:
            task_ids = task_ids[len(part) :]
            at_once *= 2
