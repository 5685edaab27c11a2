"""The change log, as clients see it."""

from __future__ import annotations

from marshmallow import fields

from tasksvc.api.schemas.fields import ResponseInteger, ResponseSchema, described
from tasksvc.api.schemas.queries import EXAMPLE_POSITION
from tasksvc.api.schemas.task_fields import TaskOut
from tasksvc.domain import rules


class ChangeOut(ResponseSchema):
    """One entry of the change log."""

    seq = ResponseInteger(1, rules.ID_MAX, metadata=described("1, 2, 3, ... without gaps.", 1))
    position = fields.String(metadata=described("The position after this change, for `since`.", EXAMPLE_POSITION))
    type = fields.String(metadata={"enum": ["created", "updated", "deleted"]})
    task_id = ResponseInteger(1, rules.ID_MAX, metadata={"example": 1})
    task = fields.Nested(
        TaskOut, allow_none=True, metadata=described("The task after the change; null for a deletion.")
    )
    at = fields.AwareDateTime(metadata={"example": "2026-11-24T15:00:00.123456Z"})
    by = fields.String(
        allow_none=True,
        metadata=described("The name of the caller who made it; null where callers have no names.", "reporting"),
    )


class ChangesOut(ResponseSchema):
    """A page of the change log."""

    changes = fields.List(fields.Nested(ChangeOut))
    next = fields.String(metadata=described("The position to continue from, for `since`.", EXAMPLE_POSITION))
    more = fields.Boolean(metadata=described("Whether there are more changes now."))
