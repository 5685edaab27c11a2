"""JSON Schemas of what tools take and give."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Schema = Mapping[str, Any]

ROWS_MAX: Final = 50
"""Tasks that one call shows or writes at most, so that an agent isn't flooded."""
DELETED_MAX: Final = 1_000
"""Tasks that one call deletes at most."""
UNCONFIRMED_MAX: Final = 20
"""Tasks that one call deletes without `confirm`."""
CHANGES_MAX: Final = 100
"""Changes that one call shows at most."""
SORTS: Final = ("due_at", "priority", "created_at", "updated_at", "id", "position")


def text(description: str, **more: Any) -> Schema:
    """Returns the schema of a string."""
    return {"type": "string", "description": description, **more}


def integer(description: str, **more: Any) -> Schema:
    """Returns the schema of an integer."""
    return {"type": "integer", "description": description, **more}


def boolean(description: str, **more: Any) -> Schema:
    """Returns the schema of true and false."""
    return {"type": "boolean", "description": description, **more}


def array(items: Schema, description: str, **more: Any) -> Schema:
    """Returns the schema of an array."""
    return {"type": "array", "items": items, "description": description, **more}


def strict(properties: Mapping[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    """Returns the schema of an object without other members."""
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": dict(properties), **needed, "additionalProperties": False, **more}


ID: Final = integer("The id of a task.", minimum=1)
KEY: Final = text("Only to repeat a call whose outcome is unknown: the key in its error.", minLength=1, maxLength=255)
LABELS: Final = array({"type": "string"}, "Labels.")
POSITION: Final = text("A position that a tool gave.")
REPEAT: Final = strict(
    {
        "rule": text("A recurrence rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO."),
        "zone": text("Its time zone, such as Europe/Berlin."),
        "from": {
            "enum": ["schedule", "each", "completion"],
            "description": "What the next one is counted from; schedule without it, which skips those that passed.",
        },
    },
    ("rule", "zone"),
    description="How the task repeats. It needs a due.",
)

WRITABLE: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "description": text("What is to be done, in a line.", minLength=1, maxLength=10_000),
        "notes": text("More about it.", maxLength=20_000),
        "done": boolean("Whether it is done."),
        "due_on": text("The day on which it is due, as 2026-12-01."),
        "due_at": text("The time at which it is due, with its offset, as 2026-12-01T18:00:00+01:00."),
        "priority": integer("From 0 (none) to 9 (most urgent).", minimum=0, maximum=9),
        "labels": LABELS,
        "list": text("The name of its list; inbox without one.", minLength=1, maxLength=100),
        "parent_id": integer("The id of the task that it is a part of.", minimum=1),
        "repeat": REPEAT,
        "metadata": {
            "type": "object",
            "description": "JSON of the user's own. In an update, members are merged, and null removes one.",
        },
    }
)
"""The fields of a task that tools write."""
RESETTABLE: Final = ("notes", "due_on", "due_at", "priority", "labels", "list", "parent_id", "repeat")
"""Those that an update can empty.  They are named, since some models take no schema in which null is a value."""

# ---------------------------------------------------------------- what tools give

ROW: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "version": {"type": "integer"},
        "description": {"type": "string"},
        "list": {"type": "string"},
        "done": {"type": "boolean"},
        "due_on": {"type": "string"},
        "due_at": {"type": "string"},
        "priority": {"type": "integer"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "parent_id": {"type": "integer"},
        "repeats": {"type": "string"},
        "next_id": {"type": "integer"},
        "has_notes": {"type": "boolean"},
    },
    "required": ["id", "version", "description", "list", "done"],
    "description": "A task in short. What it doesn't have is left out.",
}
WHOLE: Final = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "version": {"type": "integer"}, "description": {"type": "string"}},
    "required": ["id", "version", "description"],
    "description": "A task with all its fields.",
}


def given(properties: Mapping[str, Schema], *optional: str) -> Schema:
    """Returns the schema of what a tool gives, whose members are all there but for those that are optional."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


ROWS: Final = array(ROW, "Tasks.")
