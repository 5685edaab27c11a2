"""tasksvc log: shows what was changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from tasksvc_tasks import completing, values
from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.output import columns, say_lines, tell
from tasksvc_tasks.service import Service
from tasksvc_tasks.showing import show_time
from tasksvc_tasks.text import cut, harmless
from tasksvc_tasks.wording import change_words, whole_seconds

if TYPE_CHECKING:
    from tasksvc_client import Change, SyncClient, Task

CHANGES = 20
"""Changes that are shown without --limit."""


@tasks_command(
    "log",
    help="Show the latest changes in words, the newest last: of all tasks, or all changes of one. It reads the whole"
    " change log, which takes a second for each 30,000 changes or so.",
    arguments={"ID": "a task, also a deleted one"},
)
@click.argument("task_id", type=values.task_id, required=False, metavar="[ID]", shell_complete=completing.all_tasks)
@click.option(
    *("--limit",),
    type=click.IntRange(1),
    metavar="NUMBER",
    help=f"At most so many; without ID {CHANGES} otherwise.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
def command(service: Service, task_id: int | None, limit: int | None, follow: bool) -> None:
    """Prints the changes, and follows the log."""  # fmt: skip
    with service.open() as client:
        changes: Iterable[Change] = client.changes() if task_id is None else client.history(task_id)
        words = _Words(client)
        latest = deque(changes, maxlen=limit or (CHANGES if task_id is None else None))
        if not latest and not follow:
            tell("There are no changes, or the log no longer has them.\n")
        say_lines(map(words.line, latest))
        if follow:
            since = latest[-1].position if latest else "0"
            for change in client.follow(since):
                if task_id in (None, change.task_id):
                    say_lines([words.line(change)])


class _Words:
    """Puts changes into words, in the order of the log."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client
        self._tasks: dict[int, Task] = {}
        """The tasks of the changes that were put into words, as they were then."""

    def line(self, change: Change) -> str:
        """Returns what happened when, by whom and to which task."""
        before = self._tasks.pop(change.task_id, None)
        if before is None and change.type != "created":
            before = self._before(change)
        if change.task is not None:
            self._tasks[change.task_id] = change.task
        task = change.task or before
        by = "" if change.by is None else f"  {harmless(change.by)}"
        text = "" if task is None else f"  {harmless(task.description)}"
        words = f"{change.task_id} {change_words(change, before)}"
        line = f"{show_time(whole_seconds(change.at))}{by}  {words}{text}"
        width = columns()
        return line if width is None else cut(line, width)

    def _before(self, change: Change) -> Task | None:
        """Returns the task as it was before a change, or None if the log no longer has that."""
        earlier: Task | None = None
        for each in self._client.history(change.task_id):
            if each.seq >= change.seq:
                break
            earlier = each.task
        return earlier
