"""tasksvc rm: deletes tasks."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from tasksvc_tasks import completing, values
from tasksvc_tasks.changing import delete_tasks, tasks_below
from tasksvc_tasks.command import ask, ids_argument, tasks_command
from tasksvc_tasks.failures import Failed
from tasksvc_tasks.journal import Journal
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service
from tasksvc_tasks.wording import short_line


@tasks_command(
    "rm",
    help="Delete tasks, all or none. 'tasksvc undo' brings them back. On a terminal it asks before it deletes several.",
    arguments={"ID": "a task"},
)
@ids_argument(completing.all_tasks)
@click.option("--children", is_flag=True, help="Delete all tasks below them too; otherwise these stay.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
def command(service: Service, ids: Sequence[Sequence[int]], children: bool, yes: bool) -> None:
    """Deletes the tasks, and prints each."""
    wanted = values.each_once(ids)
    with service.open() as client:
        if not yes and sys.stdin.isatty():
            number = len(wanted) + (len(tasks_below(client, wanted, whole=True)) if children else 0)
            if number > 1 and not ask(f"Delete {number} tasks?"):
                raise Failed("Nothing was deleted.")
        deleted, steps = delete_tasks(client, wanted, children=children)
    Journal(service).record(f"rm {' '.join(str(task.id) for task in deleted)}", steps)
    for task in deleted:
        say(f"Deleted: {short_line(task)}\n")
    if left := len(steps) - len(deleted):
        say(f"{left} {'task that was a part of it stays' if left == 1 else 'tasks that were parts of it stay'}.\n")
