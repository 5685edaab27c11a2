"""Task and what may be said of it: pure, no I/O, no framework."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from tasksvc.errors import InvalidTask

JSONObject = Mapping[str, Any]
NO_METADATA: Final[JSONObject] = {}

DESCRIPTION_MAX: Final = 10_000
"""Characters."""
PRIORITY_MAX: Final = 9
LABELS_MAX: Final = 50
LABEL_MAX: Final = 100
"""Characters."""
METADATA_MAX: Final = 16 * 1024
"""Bytes of compact JSON in UTF-8."""
METADATA_DEPTH: Final = 32
METADATA_INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON parser keeps exact (RFC 8259, section 6)."""
ID_MAX: Final = 2**63 - 1
TASK_BYTES: Final = 250
"""Bytes that json_size() counts for what hardly varies: numbers, times, and the names of the fields."""


class TaskDraft(NamedTuple):
    """What a caller may say of a new task.  The values obey the rules below."""

    description: str
    done: bool = False
    due_at: datetime | None = None
    priority: int = 0
    labels: tuple[str, ...] = ()
    metadata: JSONObject = NO_METADATA


# Not frozen, which would add 0.7 us to the making of each; no slots, which would make its encoding
# 2.5 times as slow.
@dataclass
class Task:
    """A task as a store keeps it, never changed once it is made.  All times are in UTC, with microseconds.

    The order of the fields is the order in which they are shown.
    """

    id: int
    description: str
    done: bool
    completed_at: datetime | None
    due_at: datetime | None
    priority: int
    labels: tuple[str, ...]
    metadata: JSONObject
    created_at: datetime
    updated_at: datetime
    version: int


class Kind(StrEnum):
    """What a change did to its task."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Change(NamedTuple):
    """One entry of the change log."""

    seq: int
    """1, 2, 3, ... without gaps, in the order of the commits."""
    kind: Kind
    at: datetime
    task_id: int
    task: Task | None
    """As this change left it; None for a deletion."""


def json_size(task: Task | None) -> int:
    """Returns about how many bytes `task` has as JSON: TASK_BYTES and those of its description, labels and metadata.

    The description is counted in UTF-8; the labels and the metadata as compact JSON in UTF-8, so as 2 if empty.
    None stands for the task of a deletion, which has TASK_BYTES.
    """
    if task is None:
        return TASK_BYTES
    labels = _compact_size(task.labels) if task.labels else 2
    metadata = _compact_size(dict(task.metadata)) if task.metadata else 2
    return TASK_BYTES + _utf8_size(task.description) + labels + metadata


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _compact_size(value: JSONObject | Sequence[str]) -> int:
    return _utf8_size(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class Position(NamedTuple):
    """A place in the change log of one life of a store: after the change `seq`."""

    generation: str
    """Of the store: random, renewed whenever it is emptied or restored."""
    seq: int


class Version(NamedTuple):
    """A version of a task in one life of its store: what an entity tag names."""

    generation: str
    """Of the store.  The same number in another generation is another version."""
    number: int
    """`Task.version`."""


BEGINNING: Final = Position("", 0)
"""Before the first change, of whatever store."""


def new_generation() -> str:
    """A generation for a store that begins anew: 64 random bits in 16 characters of [0-9a-f]."""
    return os.urandom(8).hex()


class Record(NamedTuple):
    """A small named value beside the tasks: a token, a consumer's position, a lease."""

    space: str
    name: str
    value: JSONObject
    version: int = 1
    """1, 2, 3, ...; 0 stands for a record that is not there (any more)."""


# ---------------------------------------------------------------- rules for single values
# Each returns what is expected, where the value does not meet it, and None where it does.

# The clock is spelt out, since datetime takes an hour of 24 from Python 3.13 on, and an offset of 60 minutes.
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIMESTAMP = re.compile(
    rf"(\d{{4}}-\d\d-\d\d)[Tt]({_CLOCK}:[0-5]\d)(?:\.(\d{{1,6}})\d*)?([Zz]|[+-]{_CLOCK})", re.ASCII
).fullmatch


def is_storable_text(text: str) -> bool:
    """No U+0000 and no lone surrogate: some stores cut the one, none can encode the other."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_problem(text: str) -> str | None:
    """1 to DESCRIPTION_MAX characters, storable."""
    if not 1 <= len(text) <= DESCRIPTION_MAX:
        return f"Must have 1 to {DESCRIPTION_MAX:,} characters; it has {len(text):,}."
    if not is_storable_text(text):
        return "Must not hold U+0000 or a lone surrogate."
    return None


def description_problem(text: str) -> str | None:
    """1 to DESCRIPTION_MAX characters, not blank, storable."""
    return text_problem(text) or ("Must not be blank." if text.isspace() else None)


def labels_problem(labels: Sequence[str]) -> str | None:
    """Up to LABELS_MAX different labels of 1 to LABEL_MAX characters, storable."""
    different = dict.fromkeys(labels)
    if len(different) > LABELS_MAX:
        return f"Must have at most {LABELS_MAX} different labels."
    for label in different:
        if not 1 <= len(label) <= LABEL_MAX:
            return f"Each label must have 1 to {LABEL_MAX} characters."
        if not is_storable_text(label):
            return "A label must not hold U+0000 or a lone surrogate."
    return None


_CONTAINERS: Final = frozenset({dict, list, tuple})
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""What most values are, since it takes a while to find out whether one is a Mapping."""


def metadata_problem(metadata: JSONObject) -> str | None:
    """A JSON object of bounded size and depth, whose values come back from every store as they went in."""
    level: list[Any] = [metadata]
    depth, values = 1, 0
    while level:
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind in _CONTAINERS or (kind not in _SCALARS and isinstance(value, Mapping | list | tuple)):
                if depth > METADATA_DEPTH:
                    return f"Must be at most {METADATA_DEPTH} levels deep."
                values += len(value)
                if values > METADATA_MAX:  # each is a byte at least, and looking at them all could take long
                    return f"Must be at most {METADATA_MAX:,} bytes of JSON; it has more."
                if isinstance(value, list | tuple):
                    below += value
                elif value:
                    if not all(map(is_storable_text, value)):
                        return "A name in it must not hold U+0000 or a lone surrogate."
                    below += value.values()
            elif isinstance(value, str):
                if not is_storable_text(value):
                    return "A text in it must not hold U+0000 or a lone surrogate."
            elif isinstance(value, float):
                if not math.isfinite(value):
                    return "A number in it must be finite."
            elif isinstance(value, int) and not -METADATA_INTEGER_MAX <= value <= METADATA_INTEGER_MAX:
                return f"An integer in it must lie within ±{METADATA_INTEGER_MAX:,}."
        level = below
        depth += 1
    size = _compact_size(metadata)
    if size > METADATA_MAX:
        return f"Must be at most {METADATA_MAX:,} bytes of JSON; it has {size:,}."
    return None


def parse_timestamp(text: str) -> datetime | None:
    """An RFC 3339 date-time with its offset, in UTC, cut to microseconds; None where it is none.

    None for a leap second too, which datetime does not have.
    """
    if (match := _TIMESTAMP(text)) is None:
        return None
    day, clock, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(6, '0')}{offset.upper()}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def normalized_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Each label once, sorted by code point."""
    return tuple(sorted(set(labels)))


# ---------------------------------------------------------------- creating and revising

_RESET: Final[dict[str, Any]] = {"done": False, "due_at": None, "priority": 0, "labels": (), "metadata": NO_METADATA}


def new_task(task_id: int, draft: TaskDraft, at: datetime) -> Task:
    """The first version of a task."""
    description, done, due_at, priority, labels, metadata = draft
    return Task(task_id, description, done, at if done else None, due_at, priority, labels, metadata, at, at, 1)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2.  Neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def revised(task: Task, fields: Mapping[str, Any], at: datetime) -> Task:
    """`task` with the merge patch `fields` of a draft's fields applied at `at`.

    None resets a field; a field that is not named is not touched.  Where nothing would change it
    is the same object, so the same version.  `updated_at` never goes back.  Raises InvalidTask.
    """
    values = {
        name: _RESET[name] if value is None else merge_patch(task.metadata, value) if name == "metadata" else value
        for name, value in fields.items()
    }
    if "metadata" in values and (problem := metadata_problem(values["metadata"])) is not None:
        raise InvalidTask("metadata", f"After the patch: {problem}")
    if all(_same(getattr(task, name), value) for name, value in values.items()):
        return task
    at = max(at, task.updated_at)
    if values.get("done", task.done) is not task.done:
        values["completed_at"] = at if values["done"] else None
    return dataclasses.replace(task, **values, updated_at=at, version=task.version + 1)


def _same(old: Any, new: Any) -> bool:
    """Equal as JSON is: 1, 1.0 and true are equal in Python, and are not here."""
    if isinstance(old, Mapping):
        return json.dumps(dict(old), sort_keys=True) == json.dumps(dict(new), sort_keys=True)
    return bool(old == new)
