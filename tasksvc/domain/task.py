"""Tasks: what they hold, and how they are made and changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from tasksvc.domain.errors import InvalidTask
from tasksvc.domain.json_object import NO_METADATA, JSONObject
from tasksvc.domain.repetition import WRITABLE, Repetition, begin_repetition, is_same_repetition, read_repetition
from tasksvc.domain.rules import metadata_error

DEFAULT_LIST: Final = "inbox"
"""The list of a task that names none."""


class TaskDraft(NamedTuple):
    """What a caller may say of a new task.  The values obey the rules below."""

    description: str
    notes: str = ""
    done: bool = False
    due_at: datetime | None = None
    due_on: date | None = None
    priority: int = 0
    labels: tuple[str, ...] = ()
    list: str = DEFAULT_LIST
    parent_id: int | None = None
    position: str | None = None
    metadata: JSONObject = NO_METADATA
    repeat: JSONObject | None = None
    """The `rule`, `zone` and `from` of a repetition, or all of Repetition.to_json()."""
    uid: str | None = None
    created_at: datetime | None = None
    """When the task was created elsewhere; None for the time of the commit."""
    completed_at: datetime | None = None
    """When a task that is done was completed elsewhere; None for the time of the commit."""


GIVEN_ONCE: Final = ("uid", "created_at", "completed_at")
"""The fields of a draft that no patch changes."""


# Not frozen, which would add 0.7 us to the making of each; no slots, which would make its encoding
# 2.5 times as slow.
@dataclass
class Task:
    """A task as a store keeps it, never changed once it is made.  All times are in UTC, with microseconds.

    The order of the fields is the order in which they are shown.
    """

    id: int
    description: str
    notes: str
    done: bool
    completed_at: datetime | None
    due_at: datetime | None
    due_on: date | None
    priority: int
    labels: tuple[str, ...]
    list: str
    parent_id: int | None
    """The task of the same workspace that this one is a part of."""
    position: str | None
    metadata: JSONObject
    repeat: JSONObject | None
    """The value that Repetition.to_json() returned."""
    series_id: int | None
    """The first task of the series, if the service created this one as a later task of it."""
    next_id: int | None
    """The next task of the series, which the service created when this one was completed."""
    uid: str | None
    """What another system calls the task, unique in its workspace."""
    created_at: datetime
    updated_at: datetime
    version: int


class Version(NamedTuple):
    """A version of a task in one life of its store: what an entity tag names."""

    generation: str
    """The generation of the store.  The same number in another generation is another version."""
    number: int
    """The number that is `Task.version`."""


# ---------------------------------------------------------------- creating and revising


def create_task(task_id: int, draft: TaskDraft, at: datetime) -> Task:
    """Returns the first version of a task.  Raises InvalidTask."""
    description, notes, done, due_at, due_on, priority, labels, name, *_ = draft
    parent_id, position, metadata, repeat, uid, created_at, completed_at = draft[8:]
    if due_on is not None and due_at is not None:
        raise _due_twice()
    if created_at is not None or completed_at is not None:
        _check_past(created_at, completed_at, at, done=done)
    if repeat is not None:
        repeat = begin_repetition(repeat, _due_to_repeat(due_at or due_on, done=done)).to_json()
    return Task(
        task_id,
        description,
        notes,
        done,
        (completed_at or at) if done else None,
        due_at,
        due_on,
        priority,
        labels,
        name,
        parent_id,
        position,
        metadata,
        repeat,
        None,
        None,
        uid,
        created_at or at,
        at,
        1,
    )


def _check_past(created_at: datetime | None, completed_at: datetime | None, at: datetime, *, done: bool) -> None:
    """Raises InvalidTask unless both times are before `at`, and only a task that is done has the second one."""
    for field, given in (("created_at", created_at), ("completed_at", completed_at)):
        if given is not None and given > at:
            raise InvalidTask(field, "The time must not be in the future.")
    if completed_at is not None and not done:
        raise InvalidTask("completed_at", "Only a task that is done has a time of its completion.")


def draft_of(task: Task) -> TaskDraft:
    """Returns what a caller says of a new task that is to be as `task` is."""
    return TaskDraft(*[getattr(task, name) for name in TaskDraft._fields])


def _due_twice() -> InvalidTask:
    return InvalidTask("due_on", "A task is due at a time or on a day, not both.")


def merge_patch(target: Any, patch: Any) -> Any:
    """Returns `target` with a merge patch applied (RFC 7396, section 2).  Neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def apply_patch(task: Task, fields: Mapping[str, Any], at: datetime) -> Task:
    """Returns `task` with the merge patch `fields` of a draft's fields applied at `at`.

    None resets a field; a field that is not named is not touched, except that `due_at` clears `due_on`, and the other
    way round, and that a task without a due doesn't repeat.  Where nothing would change it is the same object, so the
    same version.  `updated_at` never goes back.  Raises InvalidTask, as it does for a field of GIVEN_ONCE.
    """
    for name in GIVEN_ONCE:
        if name in fields:
            raise InvalidTask(name, "It is given when a task is created, and never changes.")
    values = {
        name: TaskDraft._field_defaults[name]
        if value is None
        else merge_patch(task.metadata, value)
        if name == "metadata"
        else value
        for name, value in fields.items()
    }
    if "metadata" in values and (problem := metadata_error(values["metadata"])) is not None:
        raise InvalidTask("metadata", f"After the patch: {problem}")
    due_at, due_on = values.get("due_at"), values.get("due_on")
    if due_at is not None and due_on is not None:
        raise _due_twice()
    if due_at is not None:
        values["due_on"] = None
    elif due_on is not None:
        values["due_at"] = None
    if "repeat" in values or (task.repeat is not None and ("due_at" in values or "due_on" in values)):
        values["repeat"] = _patched_repeat(task, values)
    if all(_json_equal(getattr(task, name), value) for name, value in values.items()):
        return task
    at = max(at, task.updated_at)
    if values.get("done", task.done) is not task.done:
        values["completed_at"] = at if values["done"] else None
    return dataclasses.replace(task, **values, updated_at=at, version=task.version + 1)


def _patched_repeat(task: Task, values: Mapping[str, Any]) -> JSONObject | None:
    """Returns what becomes of `repeat` when a patch sets `values`."""
    before = task.due_at or task.due_on
    due = values.get("due_at", task.due_at) or values.get("due_on", task.due_on)
    if "repeat" not in values:
        return None if due is None or task.repeat is None else read_repetition(task.repeat).moved_to(due).to_json()
    if values["repeat"] is None:
        return None
    known = {} if task.repeat is None else {name: task.repeat[name] for name in WRITABLE}
    wanted = merge_patch(known, values["repeat"])
    if task.repeat is not None and due == before and is_same_repetition(task.repeat, wanted):
        return task.repeat
    return begin_repetition(wanted, _due_to_repeat(due, done=values.get("done", task.done))).to_json()


def _due_to_repeat(due: date | None, *, done: bool) -> date:
    """Returns the due of a task that repeats.  Raises InvalidTask if it can't."""
    if due is None:
        raise InvalidTask("repeat", "A task that repeats needs a due_at or a due_on.")
    if done:
        raise InvalidTask("repeat", "A task that is done can't repeat. Set `done` to false first.")
    return due


def next_task(task: Task, task_id: int) -> Task | None:
    """Returns the task that follows one that was just completed; None if none does.  Raises InvalidTask."""
    if task.repeat is None or (repetition := read_repetition(task.repeat).next(task.updated_at)) is None:
        return None
    return dataclasses.replace(
        task,
        id=task_id,
        done=False,
        completed_at=None,
        **_at_occurrence(repetition),
        series_id=task.series_id or task.id,
        next_id=None,
        uid=None,
        created_at=task.updated_at,
        version=1,
    )


def restore_version(version: Task, last: Task, at: datetime) -> Task:
    """Returns an earlier version of a task as the version after `last`, which is the present or the last one."""
    return dataclasses.replace(version, updated_at=max(at, last.updated_at), version=last.version + 1)


def is_same_but_for_version(task: Task, other: Task) -> bool:
    """Returns whether two versions of a task differ in nothing that their callers gave them."""
    given = [name for name in TaskDraft._fields if name != "metadata"]
    return all(getattr(task, name) == getattr(other, name) for name in given) and _json_equal(
        task.metadata, other.metadata
    )


def skip_occurrence(task: Task, at: datetime) -> Task:
    """Returns `task` at its next occurrence.  Raises InvalidTask if there is none."""
    if task.done or task.repeat is None:
        raise InvalidTask("repeat", "The task doesn't repeat, or is done.")
    at = max(at, task.updated_at)
    if (repetition := read_repetition(task.repeat).next(at)) is None:
        raise InvalidTask("repeat", "The task has no occurrence after this one.")
    return dataclasses.replace(task, **_at_occurrence(repetition), updated_at=at, version=task.version + 1)


def _at_occurrence(repetition: Repetition) -> dict[str, Any]:
    """Returns the fields of a task that is due at the occurrence of a repetition."""
    due = repetition.due
    is_time = isinstance(due, datetime)
    return {
        "due_at": due if is_time else None,
        "due_on": None if is_time else due,
        "repeat": repetition.to_json(),
    }


def _json_equal(old: Any, new: Any) -> bool:
    """Returns whether two values are equal as JSON: 1, 1.0 and true are equal in Python, and differ here."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return json.dumps(dict(old), sort_keys=True) == json.dumps(dict(new), sort_keys=True)
    return bool(old == new)
