"""The options that give a task its fields, and the fields that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

import click

from tasksvc_tasks import completing, values
from tasksvc_tasks.values import NONE, or_none

F = TypeVar("F", bound=Callable[..., Any])

_FIELDS = {"priority": "priority", "list_": "list", "notes": "notes", "repeat": "repeat", "parent": "parent_id"}
"""The fields that options stand for, but for `due`, by the names of the options."""


def field_options(*, of_new_task: bool) -> Callable[[F], F]:
    """Adds the options of fields.  Those of a task that there is take `none`, which clears the field."""

    def kind(convert: Callable[[str], Any]) -> Callable[[str], Any]:
        return convert if of_new_task else or_none(convert)

    clears = "" if of_new_task else " none clears it."
    options = [
        click.option(
            *("--due", "-d"), type=kind(values.when), metavar="WHEN",
            help=f"The day or the time, such as tomorrow or 'fri 18:00'.{clears}",
        ),
        click.option(
            *("--priority", "-p"), type=click.IntRange(0, 9), metavar="NUMBER",
            help="From 1 to 9, the most urgent; 0 is none.",
        ),
        click.option(
            *("--list", "list_"), metavar="NAME", shell_complete=completing.lists,
            help="The list; without it the inbox." if of_new_task else "The list to move it to.",
        ),
        click.option("--notes", "-n", metavar="TEXT", help="Notes, which may have several lines."),
        click.option(
            *("--repeat",), type=kind(values.repeat), metavar="RULE",
            help=f"How it repeats, such as weekly or 'every mon, thu'.{clears}",
        ),
        click.option(
            *("--parent",), type=kind(values.task_id), metavar="ID", shell_complete=completing.open_tasks,
            help=f"The task that it is a part of.{clears}",
        ),
    ]  # fmt: skip

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def given_fields(due: date | str | None, **options: Any) -> dict[str, Any]:
    """Returns the fields that were given, as the client takes them; None for those that are to be cleared."""
    fields = {
        field: None if options[name] == NONE and name in ("repeat", "parent") else options[name]
        for name, field in _FIELDS.items()
        if options[name] is not None
    }
    if isinstance(due, str):
        fields |= {"due_at": None, "due_on": None}
    elif due is not None:
        fields |= {"due_at": due} if isinstance(due, datetime) else {"due_on": due}
    return fields
