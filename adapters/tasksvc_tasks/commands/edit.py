"""tasksvc edit: changes tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from tasksvc_tasks import completing, values
from tasksvc_tasks.changing import Changed, change_tasks
from tasksvc_tasks.command import ids_argument, tasks_command
from tasksvc_tasks.fields import field_options, given_fields
from tasksvc_tasks.journal import Journal
from tasksvc_tasks.output import say
from tasksvc_tasks.service import Service
from tasksvc_tasks.wording import task_line


@tasks_command(
    "edit",
    help="Change fields of tasks, all or none. Without fields, one task is opened in $VISUAL or $EDITOR.",
    arguments={"ID": "a task"},
)
@ids_argument(completing.open_tasks)
@click.option("--description", metavar="TEXT", help="The text.")
@field_options(of_new_task=False)
@click.option(
    *("--label", "-l", "add"),
    multiple=True,
    metavar="NAME",
    shell_complete=completing.labels,
    help="A label to add; repeatable.",
)
@click.option(
    *("--unlabel", "remove"),
    multiple=True,
    metavar="NAME",
    shell_complete=completing.labels,
    help="A label to take away; repeatable.",
)
def command(
    service: Service,
    ids: Sequence[Sequence[int]],
    description: str | None,
    add: Sequence[str],
    remove: Sequence[str],
    **options: Any,
) -> None:
    """Changes the tasks, and prints each as it is then."""  # fmt: skip
    wanted = values.each_once(ids)
    fields = given_fields(**options) | ({} if description is None else {"description": description})
    with service.open() as client:
        if fields or add or remove:
            changed = change_tasks(client, wanted, lambda task: {**fields, **_labels(task.labels, add, remove)})
        elif len(wanted) > 1:
            raise click.UsageError("The editor takes one task. Name the fields to change.", click.get_current_context())
        else:
            from tasksvc_tasks.editing import edit_in_editor

            task = client.get(wanted[0])
            changed = [Changed(task, edit_in_editor(service, client, task))]
    steps = [each.step for each in changed if each.before.version != each.after.version]
    if steps:
        Journal(service).record(f"edit {' '.join(str(step.task_id) for step in steps)}", steps)
    for each in changed:
        say(("" if each.step in steps else "Unchanged: ") + task_line(each.after))


def _labels(labels: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> Mapping[str, Any]:
    return {"labels": sorted({*labels, *add} - {*remove})} if add or remove else {}
