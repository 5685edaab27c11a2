"""tasksvc show: shows all that a task has."""

from __future__ import annotations

from collections.abc import Sequence

import click

from tasksvc_tasks import completing, values
from tasksvc_tasks.command import ids_argument, tasks_command
from tasksvc_tasks.output import say, say_lines
from tasksvc_tasks.service import Service
from tasksvc_tasks.wording import short_line, task_lines, tasks_json


@tasks_command(
    "show",
    help="Show all that tasks have. What is shown of a date can be typed as it is.",
    arguments={"ID": "a task, as 'tasksvc ls' shows it"},
)
@ids_argument(completing.all_tasks)
@click.option("--json", "as_json", is_flag=True, help="Print a line for each task, as the API gives it.")
def command(service: Service, ids: Sequence[Sequence[int]], as_json: bool) -> None:
    """Prints the tasks, with an empty line between them."""
    with service.open() as client:
        for number, task_id in enumerate(values.each_once(ids)):
            task = client.get(task_id)
            if as_json:
                say(tasks_json(task))
                continue
            if number:
                say("\n")
            say_lines(task_lines(task))
            for part in client.find(parent_id=task_id):
                say(f"  {'done part' if part.done else 'part':<10}{short_line(part)}\n")
