"""What the service does with tasks, over any TaskRepository.  `at` is the time of the call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from tasksvc.domain.query import Cursor, TaskQuery
from tasksvc.domain.task import Task, TaskDraft
from tasksvc.domain.writes import (
    WHATEVER,
    Add,
    Committed,
    Expected,
    Patch,
    Remove,
    Removed,
    RemoveMatching,
    RetryKey,
    Write,
)
from tasksvc.ports.store import Found, Page, TaskRepository

Shown = TypeVar("Shown")
"""What is made of a page."""
REMOVE_MATCHING_MAX = 1_000
"""Tasks that one call of remove_matching() removes at most."""
REMOVE_MATCHING_BYTES = 8 * 1024 * 1024
"""JSON bytes of all tasks that one call removes, since they are read first; only very large tasks reach this."""


async def create(
    repository: TaskRepository, draft: TaskDraft, *, at: datetime, retry: RetryKey | None = None
) -> tuple[Found, bool]:
    """A new task; and whether it is the one that the retry key made before."""
    committed = await repository.commit((Add(draft),), at=at, retry=retry)
    return _only_task(committed), committed.replayed


async def patch(
    repository: TaskRepository,
    task_id: int,
    fields: dict[str, Any],
    *,
    at: datetime,
    expected: Expected = WHATEVER,
    retry: RetryKey | None = None,
) -> tuple[Found, bool]:
    """The task with a merge patch applied; and whether it is as the retry key left it before.

    Raises TaskNotFound, VersionConflict, InvalidTask.
    """
    committed = await repository.commit((Patch(task_id, fields, expected),), at=at, retry=retry)
    return _only_task(committed), committed.replayed


def _only_task(committed: Committed) -> Found:
    """The task of a commit of one write."""
    return Found(cast(Task, committed.results[0]), committed.position.generation)


async def remove(
    repository: TaskRepository,
    task_id: int,
    *,
    at: datetime,
    expected: Expected = WHATEVER,
    retry: RetryKey | None = None,
) -> bool:
    """Removes a task; whether the retry key did so before.  Raises TaskNotFound, VersionConflict."""
    committed = await repository.commit((Remove(task_id, expected),), at=at, retry=retry)
    return committed.replayed


async def batch(
    repository: TaskRepository, writes: Sequence[Write], *, at: datetime, retry: RetryKey | None = None
) -> Committed:
    """All of `writes` or none.  Raises the error of the first that is refused, with its index."""
    return await repository.commit(writes, at=at, retry=retry)


class Find(Protocol):
    """TaskRepository.find(), or what stands before it."""

    async def __call__(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page: ...


async def remove_matching(
    repository: TaskRepository,
    query: TaskQuery,
    *,
    at: datetime,
    retry: RetryKey | None = None,
    find: Find | None = None,
) -> tuple[Removed, bool]:
    """Removes the first REMOVE_MATCHING_MAX tasks that match, by id, in one transaction; fewer if they are very large.

    A task that stops matching before the transaction is left alone.  Gives what was removed, and
    whether it is what the retry key removed before.  `find` looks for them; by default it's that of the repository.
    """
    page = await (find or repository.find)(query, limit=REMOVE_MATCHING_MAX, max_bytes=REMOVE_MATCHING_BYTES)
    if not page.tasks and retry is None:
        return Removed(0, more=False), False
    # Also where nothing matches now: the key may have been used, or is to be remembered.
    removal = RemoveMatching([task.id for task in page.tasks], query, more=page.next is not None)
    committed = await repository.commit((removal,), at=at, retry=retry)
    return cast(Removed, committed.results[0]), committed.replayed


async def walk(
    find: Find,
    query: TaskQuery,
    show: Callable[[Page], Shown],
    *,
    after: Cursor | None = None,
    page_size: int,
    max_bytes: int,
) -> AsyncGenerator[Shown, None]:
    """The whole list, page by page, as `show` makes it; one page at least.

    A page has the bounds of TaskRepository.find().
    """
    while True:
        page = await find(query, after=after, limit=page_size, max_bytes=max_bytes)
        shown, reached = show(page), page.next
        del page  # which would be kept until somebody asks for the next one
        yield shown
        if reached is None:
            return
        if reached == after:
            raise RuntimeError("The store gave a page that leads to itself.")
        after = reached
