"""Tasks as an agent sees them: short, since it pays for each word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tasksvc_client import Change, Task

DESCRIPTION_MAX: Final = 200
"""Characters of a description that a row shows."""
CUT: Final = "…"


def row_of(task: Task) -> dict[str, Any]:
    """Returns a task in short: what it doesn't have is left out."""
    document = task.json
    row: dict[str, Any] = {
        "id": task.id,
        "version": task.version,
        "description": cut(task.description),
        "list": task.list,
        "done": task.done,
    }
    for name in ("due_on", "due_at", "priority", "labels", "parent_id", "next_id"):
        if document[name]:
            row[name] = document[name]
    if task.repeat is not None:
        row["repeats"] = task.repeat["rule"]
    if task.notes:
        row["has_notes"] = True
    return row


def whole(task: Task) -> Mapping[str, Any]:
    """Returns all that a task has, but for what is null or empty."""
    kept = ("id", "version", "description", "list", "done")
    return {name: value for name, value in task.json.items() if name in kept or value not in (None, "", [], {}, 0)}


def change_of(change: Change) -> dict[str, Any]:
    """Returns a change in short."""
    shown: dict[str, Any] = {"type": change.type, "task_id": change.task_id, "at": change.json["at"]}
    if change.by is not None:
        shown["by"] = change.by
    if change.task is not None:
        shown["task"] = row_of(change.task)
    return shown


def cut(text: str) -> str:
    """Returns the beginning of a text, with a mark where it was cut."""
    return text if len(text) <= DESCRIPTION_MAX else text[: DESCRIPTION_MAX - 1] + CUT
