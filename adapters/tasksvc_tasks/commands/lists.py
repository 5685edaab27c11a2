"""tasksvc lists: shows the lists."""

from __future__ import annotations

import json

import click

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.output import columns, is_terminal, say, say_lines, takes_colours, tell
from tasksvc_tasks.service import Service
from tasksvc_tasks.table import Cell, Column, table
from tasksvc_tasks.text import harmless, harmless_json


@tasks_command(
    "lists",
    help="Show the lists, with the number of their open tasks and of all. For other programs it's a line for each"
    " list, with tabs between these.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one array of lists as the API gives them.")
def command(service: Service, as_json: bool) -> None:
    """Prints the lists by name."""
    with service.open() as client:
        lists = list(client.lists())
    if as_json:
        document = [{"name": each.name, "open": each.open, "total": each.total} for each in lists]
        say(harmless_json(json.dumps(document, ensure_ascii=False)) + "\n")
    elif not lists:
        tell("There are no lists, since there are no tasks.\n")
    elif is_terminal():
        shown = [
            Column("OPEN", [Cell(f"{each.open:,}") for each in lists], to_the_right=True),
            Column("TASKS", [Cell(f"{each.total:,}") for each in lists], to_the_right=True),
            Column("LIST", [Cell(harmless(each.name)) for each in lists]),
        ]
        say_lines(table(shown, columns() or 80, colours=takes_colours()))
    else:
        say_lines(f"{harmless(each.name)}\t{each.open}\t{each.total}" for each in lists)
