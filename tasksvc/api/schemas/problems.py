"""Health, and problems (RFC 9457)."""

from __future__ import annotations

from marshmallow import Schema, fields

from tasksvc.api.schemas.fields import ResponseInteger, ResponseSchema, described
from tasksvc.api.schemas.task_fields import TaskOut
from tasksvc.api.schemas.tasks import BATCH_MAX
from tasksvc.api.schemas.tokens import TokenOut
from tasksvc.domain.rules import ID_MAX


class HealthOut(ResponseSchema):
    """The health of the service."""

    status = fields.String(metadata={"enum": ["ok"]})


class FieldProblem(ResponseSchema):
    """What is wrong with one field."""

    field_in = fields.String(data_key="in", metadata={"enum": ["body", "query", "header", "path"]})
    field = fields.String(metadata={"example": "description"})
    message = fields.String(metadata=described("Says what is expected.", "This field is required."))


class Problem(Schema):
    """A problem document (RFC 9457)."""

    type = fields.String(
        required=True, metadata=described("Stable: programs may rely on it.", "urn:tasksvc:problem:invalid-request")
    )
    title = fields.String(required=True, metadata={"example": "Unprocessable Content"})
    status = ResponseInteger(400, 599, required=True, metadata={"example": 422})
    detail = fields.String(required=True, metadata=described("An explanation for people."))
    errors = fields.List(fields.Nested(FieldProblem), metadata=described("For 422: what is wrong with each field."))
    index = ResponseInteger(
        0, BATCH_MAX - 1, metadata=described("For a batch: the operation that was refused, counted from 0.")
    )
    current = fields.Nested(
        TaskOut, metadata=described("For 412: the current task. For `uid-taken`: the task with the uid.")
    )
    outcome = fields.String(
        metadata={
            "enum": ["not-done", "unknown"],
            "description": "For 503 and 507: whether the write may have been done.",
        }
    )
    token = fields.Nested(TokenOut, metadata=described("For 409: the token that was created before."))
    limit = ResponseInteger(
        1,
        ID_MAX,
        metadata=described("For 409: the tasks that a workspace may have, or that one request may change."),
    )
    resync = fields.String(metadata=described("For 410: how to continue."))
