"""The tasks of an export, into a workspace of a store that has others.

TaskRepository.restore() fills whole stores, so this creates the tasks again, by commits: with their ids, which are
counted up, and with all that a draft may say of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import BinaryIO, Final

from tasksvc.application.clock import now
from tasksvc.application.transfer import CopyVerificationFailed, NoSuchWorkspace, Progress, entries_of, silent
from tasksvc.domain.change import LOG_START
from tasksvc.domain.errors import StoreNotEmpty
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.sizes import TASK_BYTES, json_size
from tasksvc.domain.task import Task, TaskDraft, draft_of
from tasksvc.domain.transaction import SIZE_CHECK_FROM
from tasksvc.domain.workspace import DEFAULT_WORKSPACE
from tasksvc.domain.writes import CreateTask, DeleteTask, UpdateTask, WorkspaceHeader, Write
from tasksvc.ports.store import TaskRepository

WRITES_MAX: Final = 1_000
"""Writes of one commit."""
BYTES_MAX: Final = 1024 * 1024
"""JSON bytes of the tasks of one commit, as json_size() counts them, after which it takes no further one."""
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
            await writer.skip_to(task.id)
            await writer.create(task)
            count += 1
            progress("importing", task.id / header.last_id)
    await writer.finish(header.last_id)
    await _compare(file, name, target, count)
    return count


class _Writer:
    """Creates the tasks of a workspace in the order of their ids, many with one commit."""

    def __init__(self, target: TaskRepository) -> None:
        self._target = target
        self._writes: list[Write] = []
        self._bytes = 0
        self._at = now()
        """The time of the next commit, which none of its tasks comes after."""
        self._last_id = 0
        self._later_parents: dict[int, int] = {}
        """The parents of the tasks that can't have them yet, and of all tasks below these.

        A task gets its parent before its children do, since one that has very many below it can't get another parent.
        """

    async def skip_to(self, task_id: int) -> None:
        """Gives the ids before `task_id` to placeholders."""
        while self._last_id + 1 < task_id:
            self._last_id += 1
            await self._add(CreateTask(_PLACEHOLDER), DeleteTask(self._last_id), size=TASK_BYTES)

    async def create(self, task: Task) -> None:
        """Creates the next task of the import."""
        draft, parent_id = _kept_draft(task), task.parent_id
        if parent_id is not None and (parent_id > task.id or parent_id in self._later_parents):
            self._later_parents[task.id] = parent_id
            draft = draft._replace(parent_id=None)
        self._last_id += 1
        for moment in (task.created_at, task.completed_at):
            if moment is not None and moment > self._at:  # the clock of another machine was fast
                self._at = moment
        await self._add(CreateTask(draft), size=json_size(task))

    async def finish(self, last_id: int) -> None:
        """Gives the ids up to `last_id` to placeholders too, so that none is given again, and tasks their parents."""
        await self.skip_to(last_id + 1)
        await self._commit()
        for task_id in sorted(self._later_parents, key=self._depth):
            parent = UpdateTask(task_id, {"parent_id": self._later_parents[task_id]})
            await self._add(parent, size=BYTES_MAX // SIZE_CHECK_FROM)
        await self._commit()

    def _depth(self, task_id: int) -> int:
        """Returns how many of the tasks above a task have yet to get their parent."""
        depth = 0
        while (parent_id := self._later_parents.get(task_id)) is not None:
            task_id, depth = parent_id, depth + 1
        return depth

    async def _add(self, *writes: Write, size: int) -> None:
        """Adds writes of tasks of `size` bytes to the next commit."""
        self._writes += writes
        self._bytes += size
        if len(self._writes) >= WRITES_MAX or self._bytes >= BYTES_MAX:
            await self._commit()

    async def _commit(self) -> None:
        writes, self._writes, self._bytes = self._writes, [], 0
        if writes:
            await self._target.commit(writes, at=self._at)


async def _compare(file: BinaryIO, name: str, target: TaskRepository, count: int) -> None:
    """Reads the tasks again.  Raises CopyVerificationFailed where they are not those of the export."""
    found, after, same = 0, None, True
    async with aclosing(_tasks_of(file, name)) as tasks:
        while same:
            page = await target.find(TaskQuery(), after=after, limit=_PAGE)
            for task in page.tasks:
                expected = await anext(tasks, None)
                same = same and expected is not None and _is_copy(task, expected)
            found, after = found + len(page.tasks), page.next
            if after is None:
                break
    if not same or found != count:
        raise CopyVerificationFailed(
            "What was written and what is there now differ, though the store reported no error. Either somebody else"
            " has written to the workspace meanwhile, or the adapter of the store is at fault."
        )


def _is_copy(task: Task, exported: Task) -> bool:
    """Returns whether a task has all that an import keeps of a task."""
    return task.id == exported.id and draft_of(task) == _kept_draft(exported)


def _kept_draft(task: Task) -> TaskDraft:
    """Returns what an import keeps of a task beside its id.  One that is done doesn't repeat any more."""
    draft = draft_of(task)
    return draft._replace(repeat=None) if task.done else draft
