"""Workspaces, as clients name and see them."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, post_load, validate

from tasksvc.api.schemas.fields import (
    Query,
    QueryInteger,
    ResponseInteger,
    ResponseSchema,
    StrictString,
    described,
)
from tasksvc.domain.rules import ID_MAX
from tasksvc.domain.workspace import WORKSPACE_NAME_MAX

WORKSPACE_NAME = {
    "minLength": 1,
    "maxLength": WORKSPACE_NAME_MAX,
    # Anything but . and .., in a pattern that every dialect understands.
    "pattern": "^([.]?[0-9A-Za-z_~-]|[.][.][0-9A-Za-z._~-])[0-9A-Za-z._~-]*$",
}
EXAMPLE_WORKSPACE = "u_42"
LIMIT_MAX = 1_000
_PART = {"pattern": f"^[0-9A-Za-z._~-]{{0,{WORKSPACE_NAME_MAX}}}$"}
"""A part of a name, or none."""


class WorkspacesQuery(Query):
    """Selects workspaces by name, and takes a page of them."""

    prefix = StrictString(
        validate=validate.Regexp(_PART["pattern"].replace("$", r"\Z"), error="Must be the beginning of a name."),
        metadata=described("What the names begin with.", **_PART),
    )
    after = StrictString(
        validate=validate.Regexp(_PART["pattern"].replace("$", r"\Z"), error="Must be a name, or a part of one."),
        metadata=described(
            "The name after which the page begins, as in the Link header of the previous page.", **_PART
        ),
    )
    limit = QueryInteger(
        1,
        LIMIT_MAX,
        metadata=described("The largest number of workspaces on a page. Without it, the response has all."),
    )

    @post_load
    def with_defaults(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"prefix": "", "after": "", "limit": None, **data}


class WorkspaceOut(ResponseSchema):
    """A workspace, and how much is in it."""

    name = fields.String(metadata=described("Its name.", EXAMPLE_WORKSPACE))
    tasks = ResponseInteger(0, ID_MAX, metadata=described("The number of its tasks.", 7))
    open = ResponseInteger(0, ID_MAX, metadata=described("The number of its tasks that aren't done.", 3))
    updated_at = fields.AwareDateTime(
        allow_none=True,
        metadata=described("The time of the newest change; null if its log holds none any more."),
    )
