"""Which tasks a command lists, and in which order: the options, and the arguments of the client that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, TypeVar

import click

from tasksvc_tasks import completing, values
from tasksvc_tasks.showing import in_utc

F = TypeVar("F", bound=Callable[..., Any])

SORTS = {
    "due": "due_at",
    "priority": "-priority",
    "created": "-created_at",
    "updated": "-updated_at",
    "position": "position",
    "id": "id",
}
"""The orders by what a user calls them: soonest, most urgent, and newest first."""


def selection_options(function: F) -> F:
    """Adds the options that say which tasks are listed."""
    for add in reversed(
        [
            click.option("--done", is_flag=True, help="Done tasks, in place of open ones."),
            click.option("--all", "-a", "all_", is_flag=True, help="Open and done tasks."),
            click.option("--list", "list_", metavar="NAME", shell_complete=completing.lists, help="Only of this list."),
            click.option(
                *("--label", "-l", "labels"), multiple=True, metavar="NAME", shell_complete=completing.labels,
                help="Only with this label; repeatable, and then with all of them.",
            ),
            click.option(
                *("--priority", "-p"), type=click.IntRange(0, 9), metavar="NUMBER",
                help="Only of this priority or a higher one.",
            ),
            click.option("--due-before", type=values.when, metavar="WHEN", help="Only if due before this day or time."),
            click.option("--due-after", type=values.when, metavar="WHEN", help="Only if due after this day or time."),
            click.option("--parent", type=values.task_id, metavar="ID", help="Only the parts of this task."),
            click.option("--query", "-q", metavar="TEXT", help="Only with this in their text or notes."),
        ]
    ):  # fmt: skip
        function = add(function)
    return function


def order_options(function: F) -> F:
    """Adds the options that say in which order, and how many."""
    sort = click.option(
        "--sort",
        type=click.Choice(list(SORTS)),
        metavar="ORDER",
        help=f"The order: {', '.join(SORTS)}. It is due otherwise.",
    )
    reverse = click.option("--reverse", "-r", is_flag=True, help="The other way round.")
    limit = click.option("--limit", type=click.IntRange(1), metavar="NUMBER", help="At most so many.")
    return sort(reverse(limit(function)))


def filters(
    words: Sequence[str],
    *,
    done: bool,
    all_: bool,
    list_: str | None,
    labels: Sequence[str],
    priority: int | None,
    due_before: date | None,
    due_after: date | None,
    parent: int | None,
    query: str | None,
) -> Mapping[str, Any]:
    """Returns the filters of the client's find(), of which a day means one of the user's zone.

    Raises click.UsageError.
    """
    text = " ".join([*words, *([query] if query else [])])
    given = {
        "done": None if all_ else done,
        "list": list_,
        "labels": list(labels) or None,
        "priority_min": priority,
        "due_before": None if due_before is None else _moment(due_before, time.min),
        "due_after": None if due_after is None else _moment(due_after, time.max),
        "parent_id": parent,
        "q": text or None,
    }
    if done and all_:
        raise click.UsageError("--done and --all say different things. Give one of them.", click.get_current_context())
    return {name: value for name, value in given.items() if value is not None}


def order(sort: str | None, *, reverse: bool, otherwise: str) -> str:
    """Returns the `sort` of the client's find()."""
    key = SORTS[sort or otherwise]
    return key if not reverse else key.removeprefix("-") if key.startswith("-") else f"-{key}"


def _moment(when: date | datetime, clock: time) -> datetime:
    """Returns a time as it is, and a day as its beginning or its end with the offset of the user's zone then."""
    if isinstance(when, datetime):
        return when.astimezone()
    return in_utc(datetime.combine(when, clock), None).astimezone()
