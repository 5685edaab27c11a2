"""Tasks and their changes in words, on one line or on several."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from tasksvc_tasks.repeats import show_repeat
from tasksvc_tasks.showing import show_when
from tasksvc_tasks.text import harmless, harmless_json, harmless_lines

if TYPE_CHECKING:
    from tasksvc_client import Change, Task

FIELDS = (
    "description",
    "done",
    "due",
    "priority",
    "labels",
    "list",
    "repeat",
    "parent_id",
    "notes",
    "metadata",
    "position",
)
"""The fields whose changes the log says, in this order; `due` is either of both."""


def task_line(task: Task) -> str:
    """Returns the id, the text, and what else the task has, as a line."""
    parts = [f"{task.id}  {harmless(task.description)}"]
    if (due := due_of(task)) is not None:
        parts.append(f"due {show_when(due)}")
    if task.priority:
        parts.append(f"priority {task.priority}")
    parts += [f"@{harmless(label)}" for label in task.labels]
    if task.list != "inbox":
        parts.append(f"in {harmless(task.list)}")
    if task.parent_id is not None:
        parts.append(f"part of {task.parent_id}")
    if repeat := task.json["repeat"]:
        parts.append(f"repeats {show_repeat(repeat)}")
    return "  ".join(parts) + "\n"


def short_line(task: Task) -> str:
    return f"{task.id} {harmless(task.description)}"


def tasks_json(task: Task) -> str:
    """Returns the JSON of a task as the API gave it, on a line, without control characters."""
    return harmless_json(json.dumps(task.json, ensure_ascii=False, separators=(",", ":"))) + "\n"


def due_of(task: Task) -> date | datetime | None:
    return task.due_at if task.due_on is None else task.due_on


def task_lines(task: Task) -> Iterator[str]:
    """Yields all that a task has, a field a line, and its notes at the end."""
    description, *rest = harmless_lines(task.description)
    yield f"{task.id}  {description}"
    yield from (f"    {line}" for line in rest)
    for name, value in _details(task):
        yield f"  {name:<10}{value}"
    if task.notes:
        yield ""
        yield from (f"  {line}".rstrip() for line in harmless_lines(task.notes))


def change_words(change: Change, before: Task | None) -> str:
    """Returns what happened in a change, without the time and the id.  `before`: the task as it was, if it's known."""
    task = change.task
    if task is None or change.type == "deleted":
        return "deleted"
    if change.type == "created":
        return "created"
    if before is None:
        return "changed"
    old, new = _fields(before), _fields(task)
    differences = [_difference(name, old[name], new[name]) for name in FIELDS if old[name] != new[name]]
    return ", ".join(differences) or "changed"


def _details(task: Task) -> Iterator[tuple[str, str]]:
    if task.done:
        yield "done", "" if task.completed_at is None else show_when(task.completed_at)
    if (due := due_of(task)) is not None:
        yield "due", show_when(due)
    if task.priority:
        yield "priority", str(task.priority)
    if task.labels:
        yield "labels", ", ".join(map(harmless, task.labels))
    yield "list", harmless(task.list)
    if repeat := task.json["repeat"]:
        yield "repeats", harmless(show_repeat(repeat))
    if task.parent_id is not None:
        yield "part of", str(task.parent_id)
    if task.metadata:
        yield "metadata", harmless_json(json.dumps(task.json["metadata"], ensure_ascii=False))
    if task.uid is not None:
        yield "uid", harmless(task.uid)
    yield "created", show_when(whole_seconds(task.created_at))
    if task.updated_at != task.created_at:
        yield "changed", f"{show_when(whole_seconds(task.updated_at))}, version {task.version}"


def whole_seconds(at: datetime) -> datetime:
    """Returns a time that the service set, without the fractions of a second that nobody reads."""
    return at.replace(microsecond=0)


def _fields(task: Task) -> Mapping[str, Any]:
    return {**task.json, "due": due_of(task)}


def _difference(name: str, old: Any, new: Any) -> str:
    match name:
        case "done":
            return "done" if new else "reopened"
        case "description":
            return f"renamed from {harmless(old)!r}"
        case "labels":
            added = [f"+@{harmless(each)}" for each in new if each not in old]
            return " ".join([*added, *(f"-@{harmless(each)}" for each in old if each not in new)])
        case "notes" | "metadata" | "position":
            return name if new else f"no {name}"
        case "repeat":
            return "no longer repeats" if new is None else f"repeats {harmless(show_repeat(new))}"
        case "due":
            return "not due" if new is None else f"due {show_when(new)}"
        case "parent_id":
            return "part of no other" if new is None else f"part of {new}"
        case "list":
            return f"moved from {harmless(old)} to {harmless(new)}"
        case _:
            return f"{name} {old} → {new}"


def now() -> datetime:
    return datetime.now(UTC)
