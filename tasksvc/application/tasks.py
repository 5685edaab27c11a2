"""What the service does with tasks: the one door to them, for every way in.

Reads and writes check what the store gives back.  Reads that take long take turns by caller, so that no
caller waits for all that another one asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from tasksvc.application.contract_checks import check_count, check_page, check_task, check_task_changes
from tasksvc.application.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts
from tasksvc.application.pages_at_once import PagesAtOnce
from tasksvc.application.searches import Searches
from tasksvc.domain.change import Position
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
    RestoreTask,
    SkipOccurrence,
    UpdateTask,
    Write,
)
from tasksvc.ports.store import ChangePage, Found, Page, TaskRepository

Shown = TypeVar("Shown")
"""The form in which a page is shown."""
Caller = Callable[[], Hashable]
"""Says whose turn it is to be; called only where there are turns."""
ALL_TASKS = TaskQuery()
"""The query of the most frequent list.  Every store has it at hand."""
DELETE_MATCHING_MAX = 1_000
"""Tasks that one call of delete_matching() deletes at most.  The API promises it."""
DELETE_MATCHING_BYTES = 8 * 1024 * 1024
"""JSON bytes of all tasks that one call deletes, since they are read first; only very large tasks reach this."""
MERGED_MAX = 2
"""Pages of several workspaces that are read at once, since each may take some megabytes."""


def _anybody() -> None:
    """Stands for all callers that share their turns."""


class Turns:
    """The turns at reads that take long, for all workspaces of a store together."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        self.pages = PagesAtOnce(limits.pages)
        self.merged = asyncio.Semaphore(MERGED_MAX)
        """Held while the pages of several workspaces are read that make one page together."""
        # Searches in descriptions take the longest, so they wait for each other only.
        self._scans, self._searches = Searches(limits, timeouts), Searches(limits, timeouts)

    def at(self, query: TaskQuery) -> Searches:
        """Returns the searches that `query` waits for."""
        return self._scans if query.q is None else self._searches


class Tasks:
    """Creates, reads, updates and deletes the tasks of a repository.

    `at` is the time of the call.  `caller` says whose turns a read takes; all reads without one share theirs.  Methods
    raise what the methods of TaskRepository raise, and ContractViolation where the store breaks the contract.
    """

    def __init__(self, repository: TaskRepository, turns: Turns | None = None, *, tasks_max: int | None = None) -> None:
        """Takes the turns that reads of all workspaces of the store share; without any, this one has its own.

        `tasks_max`: tasks that the workspace may have, whoever creates them; None for any number.
        """
        self._repository, self._turns, self._tasks_max = repository, turns or Turns(), tasks_max

    @property
    def workspace(self) -> str:
        """The name of the workspace whose tasks these are."""
        return self._repository.workspace_name

    # ------------------------------------------------------------ one task

    async def create(
        self, draft: TaskDraft, *, at: datetime, idempotency_key: IdempotencyKey | None = None, by: str | None = None
    ) -> tuple[Found, bool]:
        """Creates a task.  Returns it, and whether the idempotency key had created it before.

        Raises InvalidTask, UidTaken, WorkspaceFull.
        """
        committed = await self._repository.commit(
            (CreateTask(draft),), at=at, idempotency_key=idempotency_key, tasks_max=self._tasks_max, by=by
        )
        return _only_task(committed), committed.replayed

    async def get(self, task_id: int) -> Found:
        """Returns the task with this id.  Raises TaskNotFound."""
        found = await self._repository.get(task_id)
        check_task(found.task, task_id)
        return found

    async def update(
        self,
        task_id: int,
        patch: dict[str, Any],
        *,
        at: datetime,
        precondition: Precondition = ANY_VERSION,
        idempotency_key: IdempotencyKey | None = None,
        by: str | None = None,
    ) -> tuple[Found, bool]:
        """Applies a merge patch.  Returns the task as it then is, and whether the idempotency key had done so before.

        Raises TaskNotFound, VersionConflict, InvalidTask, TooManyRelated.
        """
        return await self._write_task(UpdateTask(task_id, patch, precondition), at, idempotency_key, by)

    async def _write_task(
        self,
        write: UpdateTask | SkipOccurrence | RestoreTask,
        at: datetime,
        idempotency_key: IdempotencyKey | None,
        by: str | None,
    ) -> tuple[Found, bool]:
        committed = await self._repository.commit(
            (write,), at=at, idempotency_key=idempotency_key, tasks_max=self._tasks_max, by=by
        )
        updated = _only_task(committed)
        check_task(updated.task, write.task_id)
        return updated, committed.replayed

    async def skip(
        self,
        task_id: int,
        *,
        at: datetime,
        precondition: Precondition = ANY_VERSION,
        idempotency_key: IdempotencyKey | None = None,
        by: str | None = None,
    ) -> tuple[Found, bool]:
        """Moves a task that repeats to its next occurrence.  Returns what update() returns.

        Raises TaskNotFound, VersionConflict, InvalidTask.
        """
        return await self._write_task(SkipOccurrence(task_id, precondition), at, idempotency_key, by)

    async def restore(
        self,
        task_id: int,
        version: int,
        *,
        at: datetime,
        precondition: Precondition = ANY_VERSION,
        idempotency_key: IdempotencyKey | None = None,
        by: str | None = None,
    ) -> tuple[Found, bool]:
        """Brings back a version of a task, deleted or not.  Returns what update() returns.

        Raises TaskNotFound, VersionConflict, VersionGone, VersionNotFound, UidTaken, WorkspaceFull, TooManyRelated.
        """
        return await self._write_task(RestoreTask(task_id, version, precondition), at, idempotency_key, by)

    async def delete(
        self,
        task_id: int,
        *,
        at: datetime,
        precondition: Precondition = ANY_VERSION,
        idempotency_key: IdempotencyKey | None = None,
        children: bool = False,
        by: str | None = None,
    ) -> bool:
        """Deletes a task, and returns whether the idempotency key had done so before.

        With `children` all tasks below it are deleted too.  Raises TaskNotFound, VersionConflict, TooManyRelated.
        """
        committed = await self._repository.commit(
            (DeleteTask(task_id, precondition, children),), at=at, idempotency_key=idempotency_key, by=by
        )
        return committed.replayed

    # ------------------------------------------------------------ many tasks

    async def find(
        self,
        query: TaskQuery,
        *,
        caller: Caller = _anybody,
        after: Cursor | None = None,
        limit: int,
        max_bytes: int | None = None,
    ) -> Page:
        """Returns a page of the tasks that match, as TaskRepository.find() does, when it's the turn of `caller`.

        The page is to be shown before anything else is awaited, since the turn ends here.
        """
        repository = self._repository
        if query is ALL_TASKS or not repository.needs_scan(query):
            page = await self._turns.pages.find(repository, query, after=after, limit=limit, max_bytes=max_bytes)
        else:
            find = partial(repository.find, query, after=after, limit=limit, max_bytes=max_bytes)
            page = await self._turns.at(query).run(caller(), find)
        check_page(page, query, limit)
        return page

    async def iter_pages(
        self,
        query: TaskQuery,
        show: Callable[[Page], Shown],
        *,
        caller: Caller = _anybody,
        after: Cursor | None = None,
        page_size: int,
        max_bytes: int,
    ) -> AsyncGenerator[Shown, None]:
        """Yields the whole list page by page, as `show` makes it; at least one page.

        A page has the bounds of TaskRepository.find().
        """
        while True:
            page = await self.find(query, caller=caller, after=after, limit=page_size, max_bytes=max_bytes)
            shown, reached = show(page), page.next
            del page  # which would be kept until the next one is asked for
            yield shown
            if reached is None:
                return
            if reached == after:
                raise RuntimeError("The store gave a page that leads to itself.")
            after = reached

    async def count(self, query: TaskQuery, *, caller: Caller = _anybody) -> int:
        """Returns how many tasks match, when it's the turn of `caller`."""
        count = await self._turns.at(query).run(caller(), partial(self._repository.count, query))
        check_count(count)
        return count

    async def delete_matching(
        self,
        query: TaskQuery,
        *,
        at: datetime,
        caller: Caller = _anybody,
        idempotency_key: IdempotencyKey | None = None,
        limit: int = DELETE_MATCHING_MAX,
        by: str | None = None,
    ) -> tuple[DeleteResult, bool]:
        """Deletes the first `limit` tasks that match, by id, in one transaction; fewer very large ones.

        A task that stops matching before the transaction is left alone.  Returns what was deleted, and
        whether the idempotency key had deleted it before.  Raises TooManyRelated if the first of them has too many
        children.
        """
        page = await self.find(query, caller=caller, limit=limit, max_bytes=DELETE_MATCHING_BYTES)
        if not page.tasks and idempotency_key is None:
            return DeleteResult(0, more=False), False
        # Also where nothing matches now: the key may have been used, or its result is to be kept.
        deletion = DeleteMatching([task.id for task in page.tasks], query, more=page.next is not None)
        committed = await self._repository.commit((deletion,), at=at, idempotency_key=idempotency_key, by=by)
        return cast(DeleteResult, committed.results[0]), committed.replayed

    async def batch(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        by: str | None = None,
    ) -> CommitResult:
        """Commits all of `writes` or none.  Raises the error of the first that is refused, with its index."""
        return await self._repository.commit(
            writes, at=at, idempotency_key=idempotency_key, tasks_max=self._tasks_max, by=by
        )

    # ------------------------------------------------------------ history

    async def changes_of(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        """Returns changes of a task, which may be deleted, as TaskRepository.task_changes() does.

        Raises TaskNotFound, PositionGone.
        """
        page = await self._repository.task_changes(task_id, since, limit=limit, max_bytes=max_bytes)
        check_task_changes(page, task_id, since)
        return page


def _only_task(committed: CommitResult) -> Found:
    """Returns the task of a commit of one write."""
    return Found(cast(Task, committed.results[0]), committed.position.generation)
