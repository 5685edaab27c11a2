"""The sizes of tasks, by which pages are bounded."""

from __future__ import annotations

from typing import Final

from tasksvc.domain.fields import TASK_FIELDS, FieldKind
from tasksvc.domain.json_object import compact_size, utf8_size
from tasksvc.domain.task import Task

TASK_BYTES: Final = 340
"""Bytes that json_size() counts for what hardly varies: numbers, times, and the names of the fields."""

_TEXTS: Final = tuple(field.name for field in TASK_FIELDS if field.kind is FieldKind.TEXT)
_SETS: Final = tuple(field.name for field in TASK_FIELDS if field.kind is FieldKind.TEXTS)
_OBJECTS: Final = tuple(field.name for field in TASK_FIELDS if field.kind is FieldKind.OBJECT)


def json_size(task: Task | None) -> int:
    """Returns about how many bytes `task` has as JSON: TASK_BYTES and those of its texts, labels and metadata.

    Texts are counted in UTF-8; the labels and the metadata as compact JSON in UTF-8, so as 2 if empty.
    A value that is null counts nothing.  None stands for the task of a deletion, which has TASK_BYTES.
    """
    if task is None:
        return TASK_BYTES
    values, size = vars(task), TASK_BYTES
    for name in _TEXTS:
        size += utf8_size(values[name] or "")
    for name in _SETS:
        size += compact_size(value) if (value := values[name]) else 2
    for name in _OBJECTS:
        value = values[name]
        size += compact_size(dict(value)) if value else 0 if value is None else 2
    return size
