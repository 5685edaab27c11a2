"""A task as a text that people edit: fields at the top, a line of dashes, and the notes below it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasksvc_tasks import dates
from tasksvc_tasks.repeats import local_zone, parse_repeat, show_repeat
from tasksvc_tasks.showing import show_when
from tasksvc_tasks.wording import due_of

if TYPE_CHECKING:
    from tasksvc_client import Task

DASHES = "---"
CONTINUED = "    "
"""What the further lines of a value begin with."""
FIELDS = ("description", "due", "priority", "labels", "list", "repeat", "parent")


class UnreadableText(ValueError):
    """The text isn't a task.  Its message is a sentence that names the line."""


def write_text(task: Task) -> str:
    """Returns the text of a task."""
    due = due_of(task)
    values = {
        "description": task.description,
        "due": "" if due is None else show_when(due),
        "priority": str(task.priority or ""),
        "labels": _joined(task.labels),
        "list": task.list,
        "repeat": "" if task.repeat is None else show_repeat(task.repeat),
        "parent": "" if task.parent_id is None else str(task.parent_id),
    }
    lines = [
        f"# Task {task.id}. Change it, save it and leave the editor. An empty value clears a field.",
        *(f"{name}: {_continued(value)}".rstrip() for name, value in values.items()),
        DASHES,
    ]
    return "\n".join(lines) + f"\n{task.notes}{'' if task.notes.endswith(chr(10)) or not task.notes else chr(10)}"


def read_changes(text: str, task: Task) -> Mapping[str, Any]:
    """Returns the fields of `task` that a text changes, as the client takes them.  Raises UnreadableText."""
    old, new = _split(write_text(task)), _split(text)
    changed: dict[str, Any] = {}
    for name in FIELDS:
        if new.values[name] != old.values[name]:
            try:
                changed.update(_READERS[name](new.values[name]))
            except ValueError as error:
                raise UnreadableText(f"Line {new.lines[name]}: {error}") from error
    if new.notes != old.notes:
        changed["notes"] = new.notes
    return changed


class _Parts:
    """The values of a text, the number of the line of each, and the notes."""

    def __init__(self) -> None:
        self.values: dict[str, str] = dict.fromkeys(FIELDS, "")
        self.lines: dict[str, int] = dict.fromkeys(FIELDS, 1)
        self.notes = ""


def _split(text: str) -> _Parts:
    parts, name = _Parts(), ""
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if line.rstrip() == DASHES:
            parts.notes = "\n".join(lines[number:])
            parts.notes = parts.notes.removesuffix("\n")
            return parts
        if line.startswith(CONTINUED) and name:
            parts.values[name] += f"\n{line.removeprefix(CONTINUED)}"
        elif line.strip() and not line.startswith("#"):
            name, colon, value = (part.strip() for part in line.partition(":"))
            if not colon or name not in FIELDS:
                raise UnreadableText(f"Line {number}: {line.strip()!r} isn't one of {', '.join(FIELDS)}, with a colon.")
            parts.values[name], parts.lines[name] = value, number
        elif not line.strip() and name == "description":
            parts.values[name] += "\n"
    raise UnreadableText(f"The line {DASHES} is missing, which comes before the notes.")


def _continued(value: str) -> str:
    return value.replace("\r\n", "\n").replace("\n", f"\n{CONTINUED}")


def _joined(labels: tuple[str, ...]) -> str:
    return ", ".join('"' + label.replace('"', '""') + '"' if set(label) & set(',"') else label for label in labels)


def _description(text: str) -> Iterator[tuple[str, Any]]:
    if not text.strip():
        raise ValueError("the description is empty.")
    yield "description", text.rstrip("\n")


def _due(text: str) -> Iterator[tuple[str, Any]]:
    when = dates.parse_when(text, datetime.now(UTC)) if text else None
    yield ("due_at" if isinstance(when, datetime) else "due_on"), when
    if when is None:
        yield "due_at", None


def _priority(text: str) -> Iterator[tuple[str, Any]]:
    if text and not (text.isascii() and text.isdecimal() and int(text) <= 9):
        raise ValueError(f"{text!r} isn't a priority from 0 to 9.")
    yield "priority", int(text or "0")


def _labels(text: str) -> Iterator[tuple[str, Any]]:
    (row,) = csv.reader([text], skipinitialspace=True) if text else ([],)
    yield "labels", [label.strip() for label in row if label.strip()]


def _list(text: str) -> Iterator[tuple[str, Any]]:
    yield "list", text or None


def _repeat(text: str) -> Iterator[tuple[str, Any]]:
    yield "repeat", parse_repeat(text, local_zone()) if text else None


def _parent(text: str) -> Iterator[tuple[str, Any]]:
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} isn't the id of a task.")
    yield "parent_id", int(text) if text else None


_READERS: Mapping[str, Callable[[str], Iterator[tuple[str, Any]]]] = {
    "description": _description,
    "due": _due,
    "priority": _priority,
    "labels": _labels,
    "list": _list,
    "repeat": _repeat,
    "parent": _parent,
}
