"""Changes of several tasks at once, all or none, which can be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tasksvc_client import Delete, SyncClient, Task, TaskNotFound, Update, VersionConflict

from tasksvc_tasks.journal import Mark, Step

ATTEMPTS = 10
"""Times that tasks are read again, since somebody else changed one meanwhile."""


class Changed(NamedTuple):
    """A task before and after a change; both are equal if nothing had to change."""

    before: Task
    after: Task

    @property
    def step(self) -> Step:
        return Step(self.before.id, Mark.of(self.before), Mark.of(self.after))


def change_tasks(
    client: SyncClient, ids: Sequence[int], change: Callable[[Task], Mapping[str, Any]]
) -> Sequence[Changed]:
    """Changes all of these tasks in one transaction, and returns them in their order.

    `change` returns the new values of fields, of which none may be needed.  Raises what the client raises, and then
    nothing has changed.
    """
    for attempt in range(ATTEMPTS):
        before = [client.get(task_id) for task_id in ids]
        wanted = [(task, fields) for task in before if (fields := change(task))]
        try:
            operations = [Update(task.id, if_version=task, **fields) for task, fields in wanted]
            results = client.batch(operations) if operations else ()
            break
        except VersionConflict:
            if attempt == ATTEMPTS - 1:
                raise
    after = {task.id: task for task in results if task is not None}
    return [Changed(task, after.get(task.id, task)) for task in before]


def delete_tasks(client: SyncClient, ids: Sequence[int], *, children: bool) -> tuple[Sequence[Task], Sequence[Step]]:
    """Deletes tasks in one transaction, and with `children` also all tasks below them.

    Returns the deleted tasks, parents first, and the steps of the change, which may concern children that stay.
    Raises what the client raises, and then nothing has changed.
    """
    for attempt in range(ATTEMPTS):
        found = {task_id: client.get(task_id) for task_id in ids}
        below = _below(client, found, whole=children)
        gone = found | {task_id: client.get(task_id) for task_id in below if children}
        ordered = sorted(gone.values(), key=lambda task: _depth(task, gone))
        try:
            client.batch([Delete(task.id, if_version=task) for task in reversed(ordered)])
            break
        except VersionConflict:
            if attempt == ATTEMPTS - 1:
                raise
    steps = [Step(task.id, Mark.of(task), None) for task in ordered]
    staying = [task for task in below.values() if task.id not in gone]
    left = [Changed(task, after) for task in staying if (after := _get(client, task))]
    return ordered, [*steps, *(changed.step for changed in left)]


def tasks_below(client: SyncClient, ids: Sequence[int], *, whole: bool) -> Mapping[int, Task]:
    """Returns the children of tasks, or with `whole` all tasks below them, but for these tasks themselves."""
    return _below(client, {task_id: client.get(task_id) for task_id in ids}, whole=whole)


def _below(client: SyncClient, tasks: Mapping[int, Task], *, whole: bool) -> dict[int, Task]:
    found: dict[int, Task] = {}
    to_visit = list(tasks)
    while to_visit:
        for child in client.find(parent_id=to_visit.pop()):
            if child.id not in tasks and child.id not in found:
                found[child.id] = child
                if whole:
                    to_visit.append(child.id)
    return found


def _depth(task: Task, among: Mapping[int, Task]) -> int:
    """Returns how many of the tasks `among` are above a task."""
    depth = 0
    while task.parent_id is not None and task.parent_id in among and depth < len(among):
        task, depth = among[task.parent_id], depth + 1
    return depth


def _get(client: SyncClient, task: Task) -> Task | None:
    try:
        return client.get(task.id)
    except TaskNotFound:
        return None
