"""Undoes what the journal has, and does it again."""

from __future__ import annotations

from collections.abc import Sequence

from tasksvc_client import Change, Delete, Restore, SyncClient, Task, TaskNotFound, VersionConflict

from tasksvc_tasks.failures import Failed, Status
from tasksvc_tasks.journal import Entry, Journal, Mark, Step
from tasksvc_tasks.showing import show_when
from tasksvc_tasks.text import harmless
from tasksvc_tasks.wording import whole_seconds


def undo(client: SyncClient, journal: Journal, side: str) -> Entry:
    """Takes back the newest entry of a side of the journal, in one transaction, and returns it.

    Raises Failed if there is none, or if somebody has changed one of its tasks since; then nothing has changed.
    """
    entry = journal.last(side)
    if entry is None:
        raise Failed(f"There is nothing to {'undo' if side == 'done' else 'redo'} here.")
    current = [_current(client, step, entry) for step in entry.steps]
    try:
        results = client.batch(_operations(list(zip(entry.steps, current, strict=True))))
    except VersionConflict as error:
        raise Failed(f"A task was changed just now, so nothing was done. {error.detail}", Status.CONFLICT) from error
    after = {task.id: task for task in results if task is not None}
    steps = [
        Step(step.task_id, step.after, None if step.before is None else Mark.of(after[step.task_id]))
        for step in entry.steps
    ]  # what is undone is an entry too, the other way round
    journal.move(side, entry, entry._replace(steps=steps))
    return entry


def _operations(steps: Sequence[tuple[Step, Task | None]]) -> Sequence[Delete | Restore]:
    """Returns what brings tasks back to what they were before the steps.

    A parent is there before its children are restored, and these are deleted before it is.
    """
    restored = [
        Restore(step.task_id, step.before.version, if_version=task) for step, task in steps if step.before is not None
    ]
    deleted = [Delete(step.task_id, if_version=task) for step, task in reversed(steps) if step.before is None]
    return [*restored, *deleted]


def _current(client: SyncClient, step: Step, entry: Entry) -> Task | None:
    """Returns the task as it is now.  Raises Failed if it isn't as the step left it."""
    try:
        task = client.get(step.task_id)
    except TaskNotFound:
        task = None
    if (None if task is None else Mark.of(task)) == step.after:
        return task
    what = "deleted" if task is None else "changed"
    last: Change | None = None
    for change in client.history(step.task_id):
        last = change
    by = "" if last is None or last.by is None else f" by {harmless(last.by)}"
    at = "" if last is None else f" on {show_when(whole_seconds(last.at))}"
    raise Failed(
        f"'{entry.what}' can't be undone: task {step.task_id} was {what}{by}{at}. Nothing was done."
        f" 'tasksvc log {step.task_id}' shows its changes.",
        Status.CONFLICT,
    )
