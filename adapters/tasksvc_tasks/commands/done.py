"""tasksvc done: completes tasks."""

from __future__ import annotations

from collections.abc import Sequence

from tasksvc_tasks import completing, values
from tasksvc_tasks.changing import change_tasks
from tasksvc_tasks.command import ids_argument, tasks_command
from tasksvc_tasks.journal import Journal
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service
from tasksvc_tasks.wording import short_line, task_line


@tasks_command(
    "done",
    help="Complete tasks, all or none. Of one that repeats, the next one is shown.",
    arguments={"ID": "an open task"},
)
@ids_argument(completing.open_tasks)
def command(service: Service, ids: Sequence[Sequence[int]]) -> None:
    """Completes the tasks, and prints each."""
    with service.open() as client:
        changed = change_tasks(client, values.each_once(ids), lambda task: {} if task.done else {"done": True})
        done = [each for each in changed if not each.before.done]
        if done:
            what = f"done {' '.join(str(each.after.id) for each in done)}"
            Journal(service).record(what, [each.step for each in done])
        for each in changed:
            say(f"{'Done' if each in done else 'Done before'}: {short_line(each.after)}\n")
            if each in done and each.after.next_id is not None:
                say(f"Next: {task_line(client.get(each.after.next_id))}")
