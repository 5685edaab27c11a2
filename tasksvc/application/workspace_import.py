"""The tasks of an export, into a workspace of a store that has others.

TaskRepository.restore() fills whole stores, so this creates the tasks again, by commits: with their ids, which are
counted up, with all that they hold, and at the times at which they were created and done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import BinaryIO, Final

from tasksvc.application.transfer import CopyVerificationFailed, NoSuchWorkspace, Progress, entries_of, silent
from tasksvc.domain.change import LOG_START
from tasksvc.domain.errors import StoreNotEmpty
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.task import Task, TaskDraft, draft_of
from tasksvc.domain.workspace import DEFAULT_WORKSPACE
from tasksvc.domain.writes import CreateTask, DeleteTask, UpdateTask, WorkspaceHeader, Write
from tasksvc.ports.store import TaskRepository

WRITES_MAX: Final = 64
"""Writes of one commit: the tasks of this number are never too large together."""
_PAGE: Final = 500
"""Tasks that are read again at once."""
_PLACEHOLDER: Final = TaskDraft("(deleted before the import)")
"""Takes the id of a task that isn't in the export, and is deleted in the same commit."""


async def import_workspace(file: BinaryIO, target: TaskRepository, *, progress: Progress = silent) -> int:
    """Fills a workspace that isn't made with the tasks of an export, and returns how many they are.

    They are those of the workspace with the name of `target` in the export, or of the only one that is in it.  verify()
    has found the export good.  Where this fails or is cancelled, the workspace is erased again.  Raises StoreNotEmpty,
    NoSuchWorkspace, InvalidExport, CopyVerificationFailed.
    """
    name, header = await _choose(file, target.workspace_name)
    page = await target.find(TaskQuery(), limit=1)
    is_made = page.position != LOG_START and (target.workspace_name != DEFAULT_WORKSPACE or page.position.seq)
    if page.tasks or is_made:
        raise StoreNotEmpty(
            f"The workspace {target.workspace_name} is there already, and was left as it is. Name another one, or erase"
            " it first."
        )
    try:
        return await _fill(file, name, header, target, progress)
    except BaseException:
        await asyncio.shield(target.erase())
        raise


async def _choose(file: BinaryIO, wanted: str) -> tuple[str, WorkspaceHeader]:
    """Returns the name and the header of the workspace to take from an export."""
    async with aclosing(entries_of(file)) as entries:
        headers = {
            name: entry
            async for name, entry in entries
            if isinstance(entry, WorkspaceHeader) and (name != DEFAULT_WORKSPACE or entry.last_seq)
        }
    if wanted not in headers and len(headers) != 1:
        raise NoSuchWorkspace(f"The export has {len(headers):,} workspaces, and none of them is {wanted}.")
    chosen = wanted if wanted in headers else next(iter(headers))
    return chosen, headers[chosen]


async def _tasks_of(file: BinaryIO, name: str) -> AsyncGenerator[Task, None]:
    async with aclosing(entries_of(file)) as entries:
        async for workspace, entry in entries:
            if workspace == name and isinstance(entry, Task):
                yield entry


async def _fill(file: BinaryIO, name: str, header: WorkspaceHeader, target: TaskRepository, progress: Progress) -> int:
    writer = _Writer(target)
    count = 0
    async with aclosing(_tasks_of(file, name)) as tasks:
        async for task in tasks:
            await writer.skip_to(task.id, at=task.created_at)
            await writer.create(task)
            count += 1
            progress("importing", task.id / header.last_id)
    await writer.finish(header.last_id)
    await _compare(file, name, target, count)
    return count


class _Writer:
    """Collects writes of one time, and commits them in their order."""

    def __init__(self, target: TaskRepository) -> None:
        self._target = target
        self._writes: list[Write] = []
        self._at: datetime | None = None
        self._last_id = 0

    async def skip_to(self, task_id: int, *, at: datetime) -> None:
        """Gives the ids before `task_id` to placeholders."""
        while self._last_id + 1 < task_id:
            self._last_id += 1
            await self._add(CreateTask(_PLACEHOLDER), DeleteTask(self._last_id), at=at)

    async def create(self, task: Task) -> None:
        """Creates a task, and completes it at the time of its completion, when nothing is to follow it any more."""
        done_at_once = task.completed_at == task.created_at
        draft = draft_of(task)._replace(done=done_at_once, repeat=None if task.done else task.repeat)
        self._last_id += 1
        await self._add(CreateTask(draft), at=task.created_at)
        if task.completed_at is not None and not done_at_once:
            await self._add(UpdateTask(task.id, {"done": True}), at=task.completed_at)

    async def finish(self, last_id: int) -> None:
        """Gives the ids up to `last_id` to placeholders too, so that none is given again, and commits what is left."""
        if self._at is not None or last_id:
            await self.skip_to(last_id + 1, at=self._at or datetime.now().astimezone())
        await self._commit()

    async def _add(self, *writes: Write, at: datetime) -> None:
        if at != self._at or len(self._writes) >= WRITES_MAX:
            await self._commit()
        self._at = at
        self._writes += writes

    async def _commit(self) -> None:
        writes, self._writes = self._writes, []
        if writes:
            assert self._at is not None
            await self._target.commit(writes, at=self._at)


async def _compare(file: BinaryIO, name: str, target: TaskRepository, count: int) -> None:
    """Reads the tasks again.  Raises CopyVerificationFailed where they are not those of the export."""
    found, after, same = 0, None, True
    async with aclosing(_tasks_of(file, name)) as tasks:
        while same:
            page = await target.find(TaskQuery(), after=after, limit=_PAGE)
            for task in page.tasks:
                same = same and _kept(task) == _kept(await anext(tasks, None))
            found, after = found + len(page.tasks), page.next
            if after is None:
                break
    if not same or found != count:
        raise CopyVerificationFailed(
            "What was written and what is there now differ, though the store reported no error. Either somebody else"
            " has written to the workspace meanwhile, or the adapter of the store is at fault."
        )


def _kept(task: Task | None) -> tuple[object, ...] | None:
    """Returns what an import keeps of a task."""
    if task is None:
        return None
    return (
        *(task.id, task.description, task.completed_at, task.due_at, task.priority, task.labels),
        *(dict(task.metadata), task.created_at),
    )
