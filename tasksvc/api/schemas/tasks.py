"""Batches, counts and deletions, as clients send and see them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, ValidationError, fields

from tasksvc.api.requests.etags import condition_problem
from tasksvc.api.requests.suggestions import did_you_mean
from tasksvc.api.responses.problems import ERRORS_MAX
from tasksvc.api.schemas.fields import (
    Choice,
    ResponseInteger,
    ResponseSchema,
    StrictInteger,
    StrictNested,
    StrictSchema,
    StrictString,
    checked_by,
    described,
)
from tasksvc.api.schemas.task_fields import TaskIn, TaskOut, TaskPatch
from tasksvc.application.tasks import DELETE_MATCHING_MAX
from tasksvc.domain import rules
from tasksvc.domain.json_text import packed

BATCH_MAX = 1_000
"""Operations that a batch may have."""


CONDITION = {"pattern": r'^([*]|(W/)?"[!#-~]*"([ \u0009]*,[ \u0009]*(W/)?"[!#-~]*")*)$'}

EXAMPLE_TAG = '"5d2f0c9a7b1e4c3d.1"'


IF_MATCH = described("Like the header If-Match: an entity tag, several with commas, or *.", EXAMPLE_TAG, **CONDITION)


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


class RestoreIn(StrictSchema):
    """Which version of a task is to be brought back."""

    example = MappingProxyType({"version": 1})

    version = StrictInteger(1, rules.ID_MAX, required=True, metadata=described("A version that the log still has."))


class BatchRestore(StrictSchema):
    """An operation that brings back a version of a task, which may be deleted."""

    op = StrictString(required=True, metadata={"enum": ["restore"]})
    id = StrictInteger(1, rules.ID_MAX, required=True)
    version = StrictInteger(1, rules.ID_MAX, required=True)
    if_match = StrictString(validate=checked_by(condition_problem), metadata=IF_MATCH)


class BatchDelete(StrictSchema):
    """An operation that deletes a task."""

    op = StrictString(required=True, metadata={"enum": ["delete"]})
    id = StrictInteger(1, rules.ID_MAX, required=True)
    children = StrictString(
        validate=Choice(["delete"]), metadata=described("With `delete`, all tasks below it are deleted too.")
    )
    if_match = StrictString(validate=checked_by(condition_problem), metadata=IF_MATCH)


_OPERATIONS: Mapping[str, Schema] = {
    "create": BatchCreate(),
    "update": BatchUpdate(),
    "restore": BatchRestore(),
    "delete": BatchDelete(),
}


class Batch(Schema):
    """An array of operations, each of one of four kinds, which is loaded one operation at a time."""

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
            self._wrong[str(index)] = {"op": [f"Must be create, update, restore or delete.{question}"]}
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


class BatchItemOut(ResponseSchema):
    """What became of one operation."""

    op = fields.String(metadata={"enum": list(_OPERATIONS)})
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
