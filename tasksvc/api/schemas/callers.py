"""Callers, as they see themselves."""

from __future__ import annotations

from marshmallow import fields

from tasksvc.api.schemas.fields import ResponseSchema, described
from tasksvc.api.schemas.workspaces import EXAMPLE_WORKSPACE
from tasksvc.application.callers import Scope


class CallerOut(ResponseSchema):
    """The sender of a request, and what they may do."""

    name = fields.String(
        allow_none=True, metadata=described("The name of the token; null if the service requires none.", "reporting")
    )
    scope = fields.String(metadata=described("What the caller may do.", enum=[str(scope) for scope in Scope]))
    workspaces = fields.List(
        fields.String(),
        allow_none=True,
        metadata=described("The workspaces that the caller may enter; null for all.", [EXAMPLE_WORKSPACE]),
    )
    home = fields.String(metadata=described("The workspace of paths without one.", EXAMPLE_WORKSPACE))
    expires_at = fields.AwareDateTime(
        allow_none=True, metadata=described("When the caller may do nothing any more; null for never.")
    )
