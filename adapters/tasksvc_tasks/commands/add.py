"""tasksvc add: creates a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from tasksvc_tasks import completing
from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.fields import field_options, given_fields
from tasksvc_tasks.journal import Journal, Mark, Step
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service
from tasksvc_tasks.wording import task_line, tasks_json


@tasks_command(
    "add",
    help="Create a task, and print its id. Words without quotes are one text: tasksvc add Water the plants -d fri",
    arguments={"TEXT": "what is to be done"},
)
@click.argument("words", nargs=-1, required=True, metavar="TEXT...")
@field_options(of_new_task=True)
@click.option(
    *("--label", "-l", "labels"),
    multiple=True,
    metavar="NAME",
    shell_complete=completing.labels,
    help="A label; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the task as the API gives it.")
def command(service: Service, words: Sequence[str], labels: Sequence[str], as_json: bool, **options: Any) -> None:
    """Creates the task and prints it on one line."""  # fmt: skip
    description, fields = " ".join(words).strip(), given_fields(**options)
    if not description:
        raise click.UsageError("The text of the task is empty.", click.get_current_context())
    if "repeat" in fields and options["due"] is None:
        raise click.UsageError("--repeat needs a --due to begin with.", click.get_current_context())
    with service.open() as client:
        task = client.create(description, labels=list(labels), **fields)
    Journal(service).record(f"add {task.id}", [Step(task.id, None, Mark.of(task))])
    say(tasks_json(task) if as_json else task_line(task))
