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
    from tasksvc_client import Change, Task

CHANGES = 20
"""Changes that are shown without --limit."""


@tasks_command(
    "log",
    help="Show the latest changes in words, the newest last: of all tasks, or all changes of one. It reads the whole"
    " change log, which takes a second for each 50,000 changes or so.",
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
        words = _Words()
        shown = deque[str](maxlen=limit or (CHANGES if task_id is None else None))
        last: Change | None = None
        for last in changes:
            shown.append(words.line(last))
        if last is None and not follow:
            tell("There are no changes, or the log no longer has them.\n")
        say_lines(shown)
        if follow:
            since = "0" if last is None else last.position
            for change in client.follow(since):
                if task_id in (None, change.task_id):
                    say_lines([words.line(change)])


class _Words:
    """Puts changes into words, in the order of the log."""

    def __init__(self) -> None:
        self._tasks: dict[int, Task] = {}

    def line(self, change: Change) -> str:
        before = self._tasks.pop(change.task_id, None)
        if change.task is not None:
            self._tasks[change.task_id] = change.task
        task = change.task or before
        by = "" if change.by is None else f"  {harmless(change.by)}"
        text = "" if task is None else f"  {harmless(task.description)}"
        words = f"{change.task_id} {change_words(change, before)}"
        line = f"{show_time(whole_seconds(change.at))}{by}  {words}{text}"
        width = columns()
        return line if width is None else cut(line, width)
