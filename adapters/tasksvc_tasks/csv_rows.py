"""Tasks as CSV (RFC 4180), for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

FIELDS = (
    *("id", "description", "notes", "done", "completed_at", "due_at", "due_on", "priority", "labels", "list"),
    *("parent_id", "position", "metadata", "repeat", "uid", "created_at", "updated_at", "version"),
)
_OF_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(tasks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the headings and a row for each task, as the API gives them, without the ends of the rows.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    yield _row(FIELDS)
    for task in tasks:
        yield _row([_cell(task[name]) for name in FIELDS])


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}" if value.startswith(_OF_FORMULAS) else value
        case list() if all(isinstance(each, str) and "," not in each for each in value):
            return _cell(",".join(value))
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _row(cells: Iterable[str]) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(cells)
    return row.getvalue()
