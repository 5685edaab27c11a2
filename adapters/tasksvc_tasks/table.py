"""Tasks as a table: one that fits the terminal, or lines with tabs for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import click

from tasksvc_tasks.showing import in_zone, is_overdue, show_briefly, show_time
from tasksvc_tasks.text import cut, harmless, is_right_to_left, width
from tasksvc_tasks.wording import due_of

if TYPE_CHECKING:
    from tasksvc_client import Task

GAP = "  "
LEFT_TO_RIGHT = "\u200e"
"""The mark that keeps a terminal from showing two cells in exchanged places, if both are written from right to left."""
NAMES_MAX = 16
"""Columns that lists and labels take at most, each."""
TEXT_MIN = 20
"""Columns below which the text doesn't go as long as another column can be left out."""


class Cell(NamedTuple):
    """A harmless text in a table, and how it looks where colours are taken."""

    text: str
    colour: str | None = None
    bold: bool = False
    dim: bool = False


class Column(NamedTuple):
    """A column of a table."""

    heading: str
    cells: Sequence[Cell]
    columns_max: int | None = None
    to_the_right: bool = False
    may_go: bool = False
    """Whether it's left out where the terminal is narrow."""


def table(columns: Sequence[Column], columns_max: int, *, colours: bool) -> Iterator[str]:
    """Yields the lines of a table that is at most `columns_max` wide.

    Empty columns are left out, and so are, on a narrow terminal, those that may go, the last one first.  The last
    column takes what is left.
    """
    *others, last = [column for column in columns if any(cell.text for cell in column.cells)]
    wanted = min(TEXT_MIN, _width(last))
    while any(column.may_go for column in others) and _left(others, columns_max) < wanted:
        others.remove([column for column in others if column.may_go][-1])
    shown = [(column, _width(column)) for column in others] + [(last, max(_left(others, columns_max), 1))]
    yield GAP.join(_placed(Cell(column.heading, dim=True), column, taken, colours) for column, taken in shown).rstrip()
    for row in range(len(last.cells)):
        cells = (_placed(column.cells[row], column, taken, colours) for column, taken in shown)
        yield GAP.join(cells).rstrip()


def task_columns(tasks: Sequence[Task], now: datetime) -> Sequence[Column]:
    """Returns the columns of a table of tasks.  The text comes last, so that it can't turn the order of others."""
    today = in_zone(now, None).date()

    def due(task: Task) -> Cell:
        when = due_of(task)
        if when is None:
            return Cell("")
        is_late = not task.done and is_overdue(when, now)
        is_today = not task.done and show_briefly(when, today).startswith("today")
        return Cell(show_briefly(when, today), "red" if is_late else "yellow" if is_today else None)

    def done(task: Task) -> Cell:
        return Cell("" if task.completed_at is None else show_briefly(in_zone(task.completed_at, None).date(), today))

    return [
        Column("ID", [Cell(str(task.id), bold=True) for task in tasks], to_the_right=True),
        Column("DONE", [done(task) for task in tasks]),
        Column("DUE", [due(task) for task in tasks]),
        Column("P", [Cell(str(task.priority or ""), "magenta" if task.priority > 6 else None) for task in tasks]),
        Column("LIST", [Cell(_list_of(task)) for task in tasks], NAMES_MAX, may_go=True),
        Column("LABELS", [Cell(_labels_of(task), "cyan") for task in tasks], NAMES_MAX, may_go=True),
        Column("TASK", [Cell(harmless(task.description), dim=task.done) for task in tasks]),
    ]


def tab_lines(tasks: Iterable[Task]) -> Iterator[str]:
    """Yields a line for each task: id, x if it is done, due, priority, list, labels and text, with tabs between."""
    for task in tasks:
        when = due_of(task)
        shown = "" if when is None else show_time(when) if isinstance(when, datetime) else when.isoformat()
        labels = ",".join(map(harmless, task.labels))
        fields = (task.id, "x" if task.done else "", shown, task.priority, harmless(task.list), labels)
        yield "\t".join([*map(str, fields), harmless(task.description)])


def _list_of(task: Task) -> str:
    return "" if task.list == "inbox" else harmless(task.list)


def _labels_of(task: Task) -> str:
    return harmless(" ".join(task.labels))


def _width(column: Column) -> int:
    widest = max(width(text) for text in (column.heading, *(cell.text for cell in column.cells)))
    return widest if column.columns_max is None else min(widest, column.columns_max)


def _left(others: Sequence[Column], columns_max: int) -> int:
    """Returns the columns that are left beside others."""
    return columns_max - sum(_width(column) + len(GAP) for column in others)


def _placed(cell: Cell, column: Column, taken: int, colours: bool) -> str:
    """Returns a cell in the columns that it takes."""
    text = cut(cell.text, taken)
    spaces = " " * (taken - width(text))
    shown = _styled(text, cell) if colours else text
    if is_right_to_left(text):
        shown += LEFT_TO_RIGHT
    return spaces + shown if column.to_the_right else shown + spaces


def _styled(text: str, cell: Cell) -> str:
    is_plain = cell.colour is None and not cell.bold and not cell.dim
    return text if is_plain else click.style(text, cell.colour, bold=cell.bold or None, dim=cell.dim or None)
