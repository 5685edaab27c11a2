"""tasksvc dump: writes tasks to a file that other programs read."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import click
from tasksvc_formats import WRITABLE, Report, writer_of

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.files import open_text_output
from tasksvc_tasks.output import tell
from tasksvc_tasks.repeats import local_zone
from tasksvc_tasks.reporting import report_lines
from tasksvc_tasks.selection import filters, selection_options
from tasksvc_tasks.service import Service


@tasks_command(
    "dump",
    help="Write tasks to a file that other programs read: without options, all of them, open and done.",
    arguments={"FILE": "the file to make; without it, standard output"},
)
@click.argument("file", type=click.Path(allow_dash=True), default="-", metavar="[FILE]")
@click.option(
    *("--as", "name"),
    type=click.Choice(WRITABLE),
    required=True,
    metavar="FORMAT",
    help=f"The format: {' or '.join(WRITABLE)}.",
)
@selection_options
@click.option("--open", "open_", is_flag=True, help="Open tasks, in place of all.")
def command(service: Service, file: str, name: str, open_: bool, **selection: Any) -> None:
    """Writes the tasks by id, and says on standard error what the format has no place for."""
    search = dict(filters((), **selection))
    if not selection["done"]:
        search.pop("done", None)
    if open_:
        if selection["done"] or selection["all_"]:
            context = click.get_current_context()
            raise click.UsageError("--open says something else than --done and --all. Give one of them.", context)
        search["done"] = False
    report = Report()
    with service.open() as client, open_text_output(file) as out:
        tasks = (task.json for task in client.find(**search, sort="id"))
        writer_of(name)(tasks, out, ZoneInfo(local_zone()), report)
    for line in report_lines(report):
        tell(f"{line}\n")
