"""What the service does with tasks, over any TaskRepository.  `at` is the time of the call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

from tasksvc.domain.query import Cursor, TaskQuery
from tasksvc.domain.task import Task, TaskDraft
from tasksvc.domain.writes import (
    ANY_VERSION,
    CommitResult,
    CreateTask,
    DeleteMatching,
    DeleteResult,
    DeleteTask,
    IdempotencyKey,
    Precondition,
    UpdateTask,
    Write,
)
from tasksvc.ports.store import Found, Page, TaskRepository

Shown = TypeVar("Shown")
"""What is made of a page."""
DELETE_MATCHING_MAX = 1_000
"""Tasks that one call of delete_matching() removes at most."""
DELETE_MATCHING_BYTES = 8 * 1024 * 1024
"""JSON bytes of all tasks that one call removes, since they are read first; only very large tasks reach this."""


async def create(
    repository: TaskRepository, draft: TaskDraft, *, at: datetime, idempotency_key: IdempotencyKey | None = None
) -> tuple[Found, bool]:
    """A new task; and whether it is the one that the idempotency key made before."""
    committed = await repository.commit((CreateTask(draft),), at=at, idempotency_key=idempotency_key)
    return _only_task(committed), committed.replayed


async def patch(
    repository: TaskRepository,
    task_id: int,
    fields: dict[str, Any],
    *,
    at: datetime,
    expected: Precondition = ANY_VERSION,
    idempotency_key: IdempotencyKey | None = None,
) -> tuple[Found, bool]:
    """The task with a merge patch applied; and whether it is as the idempotency key left it before.

    Raises TaskNotFound, VersionConflict, InvalidTask.
    """
    committed = await repository.commit(
        (UpdateTask(task_id, fields, expected),), at=at, idempotency_key=idempotency_key
    )
    return _only_task(committed), committed.replayed


def _only_task(committed: CommitResult) -> Found:
    """The task of a commit of one write."""
    return Found(cast(Task, committed.results[0]), committed.position.generation)


async def remove(
    repository: TaskRepository,
    task_id: int,
    *,
    at: datetime,
    expected: Precondition = ANY_VERSION,
    idempotency_key: IdempotencyKey | None = None,
) -> bool:
    """Deletes a task, and returns whether the idempotency key did so before.  Raises TaskNotFound, VersionConflict."""
    committed = await repository.commit((DeleteTask(task_id, expected),), at=at, idempotency_key=idempotency_key)
    return committed.replayed


async def batch(
    repository: TaskRepository, writes: Sequence[Write], *, at: datetime, idempotency_key: IdempotencyKey | None = None
) -> CommitResult:
    """All of `writes` or none.  Raises the error of the first that is refused, with its index."""
    return await repository.commit(writes, at=at, idempotency_key=idempotency_key)


class Find(Protocol):
    """TaskRepository.find(), or what stands before it."""

    async def __call__(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page: ...


async def delete_matching(
    repository: TaskRepository,
    query: TaskQuery,
    *,
    at: datetime,
    idempotency_key: IdempotencyKey | None = None,
    find: Find | None = None,
) -> tuple[DeleteResult, bool]:
    """Removes the first DELETE_MATCHING_MAX tasks that match, by id, in one transaction; fewer if they are very large.

    A task that stops matching before the transaction is left alone.  Gives what was removed, and
    whether it is what the idempotency key removed before.  `find` looks for them; by default it's that of the
    repository.
    """
    page = await (find or repository.find)(query, limit=DELETE_MATCHING_MAX, max_bytes=DELETE_MATCHING_BYTES)
    if not page.tasks and idempotency_key is None:
        return DeleteResult(0, more=False), False
    # Also where nothing matches now: the key may have been used, or is to be remembered.
    removal = DeleteMatching([task.id for task in page.tasks], query, more=page.next is not None)
    committed = await repository.commit((removal,), at=at, idempotency_key=idempotency_key)
    return cast(DeleteResult, committed.results[0]), committed.replayed


async def iter_pages(
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
