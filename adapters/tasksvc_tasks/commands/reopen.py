"""tasksvc reopen: opens tasks that are done."""

from __future__ import annotations

from collections.abc import Sequence

from tasksvc_tasks import completing, values
from tasksvc_tasks.changing import change_tasks
from tasksvc_tasks.command import ids_argument, tasks_command
from tasksvc_tasks.journal import Journal
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service
from tasksvc_tasks.wording import short_line


@tasks_command(
    "reopen",
    help="Open tasks again that are done, all or none.",
    arguments={"ID": "a done task"},
)
@ids_argument(completing.done_tasks)
def command(service: Service, ids: Sequence[Sequence[int]]) -> None:
    """Reopens the tasks, and prints each."""
    with service.open() as client:
        changed = change_tasks(client, values.each_once(ids), lambda task: {"done": False} if task.done else {})
    reopened = [each for each in changed if each.before.done]
    if reopened:
        what = f"reopen {' '.join(str(each.after.id) for each in reopened)}"
        Journal(service).record(what, [each.step for each in reopened])
    for each in changed:
        say(f"{'Open again' if each in reopened else 'Still open'}: {short_line(each.after)}\n")
