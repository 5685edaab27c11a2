"""The fields of a task, in one table: from it come JSON forms, columns and SQL, and tests check all else against it."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, Final, NamedTuple

from tasksvc.domain.task import Task, TaskDraft


class FieldKind(Enum):
    """The type of a field's values."""

    INTEGER = auto()
    BOOLEAN = auto()
    TEXT = auto()
    TIME = auto()
    """A datetime in UTC."""
    DATE = auto()
    """A date, without a time and a zone."""
    TEXTS = auto()
    """A tuple of different texts, sorted by code point."""
    OBJECT = auto()
    """A JSON object of any members."""


REQUIRED: Final[Any] = object()
"""The default of a field that has none."""


class TaskField(NamedTuple):
    """A field of Task."""

    name: str
    kind: FieldKind
    nullable: bool
    default: Any
    """The value where a client sends none, or a store of before has none; REQUIRED if there must be one."""
    writable: bool
    """Whether clients write it, so that it is in TaskDraft."""


_KINDS: Final = {
    "int": FieldKind.INTEGER,
    "bool": FieldKind.BOOLEAN,
    "str": FieldKind.TEXT,
    "datetime": FieldKind.TIME,
    "date": FieldKind.DATE,
    "tuple[str, ...]": FieldKind.TEXTS,
    "JSONObject": FieldKind.OBJECT,
}
_NULLABLE: Final = " | None"


def _field(name: str, annotation: str) -> TaskField:
    nullable = annotation.endswith(_NULLABLE)
    default = TaskDraft._field_defaults.get(name)
    if default is None and not nullable:
        default = REQUIRED
    kind = _KINDS[annotation.removesuffix(_NULLABLE)]
    return TaskField(name, kind, nullable, default, writable=name in TaskDraft._fields)


TASK_FIELDS: Final = tuple(_field(name, annotation) for name, annotation in Task.__annotations__.items())
"""All fields, in the order of Task, which is the order in which they are shown."""
