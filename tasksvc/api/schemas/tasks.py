"""Tasks and batches, as clients send and see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load

from tasksvc.api.requests.etags import condition_problem
from tasksvc.api.requests.suggestions import did_you_mean
from tasksvc.api.responses.problems import ERRORS_MAX
from tasksvc.api.schemas.fields import (
    Field,
    ResponseInteger,
    ResponseSchema,
    StrictBoolean,
    StrictInteger,
    StrictNested,
    StrictSchema,
    StrictString,
    UTCDateTime,
    checked_by,
    described,
)
from tasksvc.application.tasks import DELETE_MATCHING_MAX
from tasksvc.domain import rules
from tasksvc.domain.json_text import packed
from tasksvc.domain.task import TaskDraft

BATCH_MAX = 1_000
"""Operations that a batch may have."""


class Labels(Field[tuple[str, ...]]):
    """A JSON array of strings, taken as a set."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
            raise ValidationError("Must be an array of strings.")
        if (problem := rules.labels_error(value)) is not None:
            raise ValidationError(problem)
        return rules.normalize_labels(value)


class Metadata(Field[dict[str, Any]]):
    """A JSON object of the user's."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Must be an object.")
        if (problem := rules.metadata_error(value)) is not None:
            raise ValidationError(problem)
        return value


# ---------------------------------------------------------------- tasks, coming in

SET_BY_SERVICE = ("id", "completed_at", "created_at", "updated_at", "version")
"""Fields of a task that clients do not write."""
EXAMPLE_TASK = {"description": "Water the plants", "due_at": "2026-11-24T18:00:00+01:00", "labels": ["home"]}


# Patterns, for the description alone: the domain has the rules.  They keep to what means the same in ECMA-262, Python,
# Rust and others (JSON Schema, section 6.4), and to escapes of the form \u0000; \s, \d and \w for instance differ.
STORABLE = r"^[^\u0000]*$"
BLANK = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The characters for which str.isspace() is true, as the inner part of a character class."""
DESCRIPTION = {
    "minLength": 1,
    "maxLength": rules.DESCRIPTION_MAX,
    "pattern": rf"^[^\u0000]*[^\u0000{BLANK}][^\u0000]*$",
}
LABEL = {"minLength": 1, "maxLength": rules.LABEL_MAX, "pattern": STORABLE}
CONDITION = {"pattern": r'^([*]|(W/)?"[!#-~]*"([ \u0009]*,[ \u0009]*(W/)?"[!#-~]*")*)$'}

EXAMPLE_TAG = '"5d2f0c9a7b1e4c3d.1"'


IF_MATCH = described("Like the header If-Match: an entity tag, several with commas, or *.", EXAMPLE_TAG, **CONDITION)


class TaskIn(StrictSchema):
    """A task to be created."""

    set_by_service = SET_BY_SERVICE

    description = StrictString(
        required=True,
        validate=checked_by(rules.description_error),
        metadata=described("What is to be done: 1 to 10,000 characters, not blank.", "Water the plants", **DESCRIPTION),
    )
    done = StrictBoolean(metadata=described("Whether the task is done."))
    due_at = UTCDateTime(
        allow_none=True,
        metadata=described(
            "When the task is due: RFC 3339 with an offset; stored in UTC.", "2026-11-24T18:00:00+01:00"
        ),
    )
    priority = StrictInteger(0, rules.PRIORITY_MAX, metadata=described("From 0, no priority, to 9, the highest."))
    labels = Labels(
        metadata=described("A set of up to 50 different labels of 1 to 100 characters; stored sorted.", ["home"])
    )
    metadata = Metadata(
        metadata=described("Any JSON object: up to 16 KiB, 32 levels, integers within ±(2^53 - 1).", {"room": 4})
    )

    @post_load
    def draft(self, data: dict[str, Any], **kwargs: Any) -> TaskDraft:
        return TaskDraft(**data)


class TaskPatch(StrictSchema):
    """A JSON Merge Patch of a task (RFC 7396): what is not sent is not touched, null resets."""

    set_by_service = SET_BY_SERVICE

    description = StrictString(
        validate=checked_by(rules.description_error),
        metadata=described("1 to 10,000 characters, not blank.", **DESCRIPTION),
    )
    done = StrictBoolean(allow_none=True, metadata=described("Sets or clears completed_at too."))
    due_at = UTCDateTime(allow_none=True, metadata=described("RFC 3339 with an offset."))
    priority = StrictInteger(0, rules.PRIORITY_MAX, allow_none=True, metadata=described("0 to 9."))
    labels = Labels(allow_none=True, metadata=described("Up to 50 different labels, which replace all labels."))
    metadata = Metadata(allow_none=True, metadata=described("Merged into the current metadata, at every level."))


# ---------------------------------------------------------------- a batch, coming in


class BatchCreate(StrictSchema):
    """An operation that creates a task."""

    op = StrictString(required=True, metadata={"enum": ["create"]})
    task = StrictNested(TaskIn, required=True)


class BatchUpdate(StrictSchema):
    """An operation that updates a task."""

    op = StrictString(required=True, metadata={"enum": ["update"]})
    id = StrictInteger(1, rules.ID_MAX, required=True)
    patch = StrictNested(TaskPatch, required=True)
    if_match = StrictString(validate=checked_by(condition_problem), metadata=IF_MATCH)


class BatchDelete(StrictSchema):
    """An operation that deletes a task."""

    op = StrictString(required=True, metadata={"enum": ["delete"]})
    id = StrictInteger(1, rules.ID_MAX, required=True)
    if_match = StrictString(validate=checked_by(condition_problem), metadata=IF_MATCH)


_OPERATIONS: Mapping[str, Schema] = {"create": BatchCreate(), "update": BatchUpdate(), "delete": BatchDelete()}


class Batch(Schema):
    """An array of operations, each of one of three kinds, which is loaded one operation at a time."""

    def load(self, data: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Returns the operations, each loaded by the schema of its `op`.  Raises ValidationError, by index."""
        operations = Operations()
        for item in data if isinstance(data, list) else ():
            operations.add(item)
        return operations.loaded()


class Operations:
    """The operations of a batch, each loaded by the schema of its `op`."""

    def __init__(self) -> None:
        self._count = 0
        self._loaded: list[dict[str, Any]] = []
        self._wrong: dict[str, Any] = {}

    def add(self, item: Any) -> None:
        """Loads the next one.  Raises ValidationError where there are too many; what else is wrong, loaded() says."""
        index = self._count
        self._count += 1
        if self._count > BATCH_MAX:
            raise _wrong_count()
        if len(self._wrong) == ERRORS_MAX:
            return
        kind = item.get("op") if isinstance(item, dict) else None
        schema = _OPERATIONS.get(kind) if isinstance(kind, str) else None
        if schema is None:
            question = did_you_mean(kind, _OPERATIONS) if isinstance(kind, str) and len(self._wrong) < 10 else ""
            self._wrong[str(index)] = {"op": [f"Must be create, update or delete.{question}"]}
            return
        try:
            loaded = schema.load(item)
        except ValidationError as error:
            self._wrong[str(index)] = error.messages
            self._loaded.clear()  # which nobody will need
        else:
            if not self._wrong:
                self._loaded.append(_packed(loaded))

    def loaded(self) -> list[dict[str, Any]]:
        """Returns all of them.  Raises ValidationError, by index."""
        if not self._count:
            raise _wrong_count()
        if self._wrong:
            raise ValidationError(self._wrong)
        return self._loaded


def _packed(operation: dict[str, Any]) -> dict[str, Any]:
    """Returns `operation`, whose metadata takes no more memory than its text: a batch can have 8 MiB of that."""
    if (draft := operation.get("task")) is not None:
        return {**operation, "task": draft._replace(metadata=packed(draft.metadata))}
    if (patch := operation.get("patch")) and patch.get("metadata"):
        patch["metadata"] = packed(patch["metadata"])
    return operation


def _wrong_count() -> ValidationError:
    return ValidationError(f"Must be an array of 1 to {BATCH_MAX:,} operations.")


# ---------------------------------------------------------------- what goes out


TASK = {
    "id": 1,
    "description": "Water the plants",
    "done": False,
    "completed_at": None,
    "due_at": "2026-11-24T17:00:00Z",
    "priority": 0,
    "labels": ["home"],
    "metadata": {"room": 4},
    "created_at": "2026-11-24T15:00:00.123456Z",
    "updated_at": "2026-11-24T15:00:00.123456Z",
    "version": 1,
}
"""The example of a task in the API's description."""


def _shown(name: str, text: str = "") -> dict[str, Any]:
    """Returns a field of a task, with its value in the example."""
    return {"description": text, "example": TASK[name]} if text else {"example": TASK[name]}


class TaskOut(ResponseSchema):
    """A task as clients see it."""

    id = ResponseInteger(1, rules.ID_MAX, metadata=_shown("id", "A positive integer that is never reused."))
    description = fields.String(metadata=_shown("description", "As it was sent."))
    done = fields.Boolean(metadata=_shown("done"))
    completed_at = fields.AwareDateTime(allow_none=True, metadata=_shown("completed_at", "When the task was done."))
    due_at = fields.AwareDateTime(allow_none=True, metadata=_shown("due_at", "In UTC."))
    priority = ResponseInteger(0, rules.PRIORITY_MAX, metadata=_shown("priority"))
    labels = fields.List(fields.String(), metadata=_shown("labels", "Sorted."))
    metadata = fields.Dict(metadata=_shown("metadata", "As it was sent."))
    created_at = fields.AwareDateTime(metadata=_shown("created_at", "In UTC."))
    updated_at = fields.AwareDateTime(metadata=_shown("updated_at", "In UTC; never decreases."))
    version = ResponseInteger(1, rules.ID_MAX, metadata=_shown("version", "1, 2, 3, ..."))


class BatchItemOut(ResponseSchema):
    """What became of one operation."""

    op = fields.String(metadata={"enum": ["create", "update", "delete"]})
    id = ResponseInteger(1, rules.ID_MAX, metadata={"example": 1})
    etag = fields.String(
        allow_none=True,
        metadata=described("The entity tag of the task after the operation; null for a deletion.", EXAMPLE_TAG),
    )
    task = fields.Nested(
        TaskOut, allow_none=True, metadata=described("The task after the operation; null for a deletion.")
    )


class BatchOut(ResponseSchema):
    """The results, in the order of the operations."""

    results = fields.List(fields.Nested(BatchItemOut))


class CountOut(ResponseSchema):
    """How many tasks match a filter."""

    count = ResponseInteger(0, rules.ID_MAX, metadata={"example": 12})


class DeletedOut(ResponseSchema):
    """What a deletion by filter did."""

    deleted = ResponseInteger(0, DELETE_MATCHING_MAX, metadata={"example": 2})
    more = fields.Boolean(metadata=described("Whether more tasks match than one request deletes."))
