"""tasksvc ls: lists tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from tasksvc_tasks.command import tasks_command
from tasksvc_tasks.output import columns, is_terminal, say_lines, takes_colours, tell
from tasksvc_tasks.selection import filters, order, order_options, selection_options
from tasksvc_tasks.service import Service
from tasksvc_tasks.table import tab_lines, table, task_columns
from tasksvc_tasks.text import harmless, harmless_json
from tasksvc_tasks.wording import now

if TYPE_CHECKING:
    from tasksvc_client import SyncClient, Task

ROWS_MAX = 1_000
"""Tasks that a table on a terminal shows without --limit."""


@tasks_command(
    "ls",
    help="List tasks: without options, the open ones of all lists, the soonest due first. On a terminal it's a table."
    " For other programs it's a line for each task, uncut, with tabs between id, x if done, due, priority, list, labels"
    " and text.",
    arguments={"TEXT": "only tasks with this in their text or notes"},
)
@click.argument("words", nargs=-1, metavar="[TEXT]...")
@selection_options
@order_options
@click.option("--json", "as_json", is_flag=True, help="Print one array of tasks as the API gives them, by id.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with headings, by id.")
@click.option("--watch", "-w", is_flag=True, help="Show the table again whenever something changes, until Ctrl-C.")
def command(
    service: Service,
    words: Sequence[str],
    sort: str | None,
    reverse: bool,
    limit: int | None,
    as_json: bool,
    as_csv: bool,
    watch: bool,
    **selection: Any,
) -> None:
    """Prints the tasks in one of the forms."""
    if as_json + as_csv + watch > 1:
        raise click.UsageError("Give one of --json, --csv and --watch.", click.get_current_context())
    if watch and not is_terminal():
        raise click.UsageError("--watch needs a terminal. Use 'tasksvc log --follow'.", click.get_current_context())
    search = dict(filters(words, **selection))
    search["sort"] = order(sort, reverse=reverse, otherwise="id" if as_json or as_csv else "due")
    kind = "" if selection["all_"] else "done " if selection["done"] else "open "
    with service.open() as client:
        if watch:
            from tasksvc_tasks.watching import watch_tasks

            position = next(client.pages(limit=1)).position
            watch_tasks(service, position, lambda: _table(client, search, limit, kind))
        elif as_json:
            say_lines(_json_lines(client.find(**search, limit=limit)))
        elif as_csv:
            from tasksvc_tasks.csv_rows import csv_lines

            rows = csv_lines(task.json for task in client.find(**search, limit=limit))
            say_lines(map(_harmless_row, rows) if is_terminal() else rows)
        elif is_terminal():
            say_lines(_table(client, search, limit, kind))
        else:
            tasks = client.find(**search, limit=limit)
            if not say_lines(tab_lines(tasks)):
                tell(f"{_none(search, kind)}\n")


def _table(client: SyncClient, search: dict[str, Any], limit: int | None, kind: str) -> Sequence[str]:
    """Returns the lines of the table, and below it how many tasks these are."""
    most = limit or ROWS_MAX
    tasks = list(client.find(**search, limit=most + 1))
    is_cut, tasks = len(tasks) > most, tasks[:most]
    if not tasks:
        return [_none(search, kind)]
    lines = table(task_columns(tasks, now()), columns() or 80, colours=takes_colours())
    of_lists = "" if "list" in search else " of all lists"
    number = (
        f"The first {len(tasks):,} {kind}tasks{of_lists}. --limit shows more."
        if is_cut
        else (f"{len(tasks):,} {kind}task{'' if len(tasks) == 1 else 's'}{of_lists if len(search) < 3 else ''}.")
    )
    return [*lines, "", click.style(number, dim=True) if takes_colours() else number]


def _none(search: Mapping[str, Any], kind: str) -> str:
    """Returns the sentence that no task was found."""
    return f"There are no {'such ' if set(search) - {'done', 'sort'} else ''}{kind}tasks."


def _json_lines(tasks: Iterator[Task]) -> Iterator[str]:
    """Yields the lines of an array, a task on each."""
    line = "["
    for task in tasks:
        if line != "[":
            yield f"{line},"
        line = f"{'[' if line == '[' else ''}{_document(task)}"
    yield f"{line}]"


def _document(task: Task) -> str:
    return harmless_json(json.dumps(task.json, ensure_ascii=False, separators=(",", ":")))


def _harmless_row(row: str) -> str:
    return "\n".join(map(harmless, row.split("\n")))
