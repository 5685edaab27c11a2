"""Tokens, as clients send and see them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError, fields

from tasksvc.api.schemas.fields import (
    Choice,
    Field,
    Query,
    ResponseSchema,
    StrictSchema,
    StrictString,
    UTCDateTime,
    checked_by,
    described,
)
from tasksvc.api.schemas.workspaces import WORKSPACE_NAME
from tasksvc.application.callers import Scope
from tasksvc.application.tokens import NAME_RULE, WORKSPACES_MAX
from tasksvc.domain.errors import InvalidWorkspaceName
from tasksvc.domain.rules import RECORD_KEY_MAX
from tasksvc.domain.workspace import check_workspace_name

TOKEN_NAME = {"pattern": f"^[0-9A-Za-z._-]{{1,{RECORD_KEY_MAX}}}$"}
EXAMPLE_NAME = "reporting"
WORKSPACES_RULE = (
    f"1 to {WORKSPACES_MAX} workspaces in which the token is valid, the first of which paths without one mean; null for"
    " all. The scope admin needs null."
)
WORKSPACES = {"minItems": 1, "maxItems": WORKSPACES_MAX}


def workspace_error(name: str) -> str | None:
    """Returns what is wrong with the name of a workspace; None if nothing is."""
    try:
        check_workspace_name(name)
    except InvalidWorkspaceName as error:
        return str(error)
    return None


class Workspaces(Field[tuple[str, ...]]):
    """Names of workspaces, each once, in their order."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValidationError("Must be an array of strings.")
        different = tuple(dict.fromkeys(value[: WORKSPACES_MAX + 1]))
        if not 1 <= len(different) <= WORKSPACES_MAX or len(value) > WORKSPACES_MAX:
            raise ValidationError(f"Must have 1 to {WORKSPACES_MAX} names of workspaces.")
        for name in different:
            if (problem := workspace_error(name)) is not None:
                raise ValidationError(problem)
        return different


# ---------------------------------------------------------------- tokens


class TokenIn(StrictSchema):
    """A token to be created."""

    example = MappingProxyType({"name": "reporting", "scope": "read"})

    name = StrictString(
        required=True, metadata=described(f"{NAME_RULE}; unique among tokens.", EXAMPLE_NAME, **TOKEN_NAME)
    )
    scope = StrictString(
        required=True,
        validate=Choice(map(str, Scope)),
        metadata=described("What the token allows; each scope includes those before it.", "read"),
    )
    workspaces = Workspaces(allow_none=True, load_default=None, metadata=described(WORKSPACES_RULE, **WORKSPACES))
    expires_at = UTCDateTime(
        allow_none=True, load_default=None, metadata=described("When the token expires; null for never.")
    )


class TokenPatch(StrictSchema):
    """Changes of a token (RFC 7396): what is not sent stays as it is."""

    example = MappingProxyType({"scope": "read"})

    scope = StrictString(validate=Choice(map(str, Scope)), metadata=described("What the token allows.", "read"))
    workspaces = Workspaces(allow_none=True, metadata=described(WORKSPACES_RULE, **WORKSPACES))
    expires_at = UTCDateTime(allow_none=True, metadata=described("When the token expires; null for never."))


class TokenQuery(Query):
    """Selects some of the tokens."""

    workspace = StrictString(
        validate=checked_by(workspace_error),
        metadata=described("The tokens that are valid in this workspace.", **WORKSPACE_NAME),
    )


class TokenOut(ResponseSchema):
    """A token, without its secret."""

    name = fields.String(metadata={"example": EXAMPLE_NAME})
    scope = fields.String(metadata={"enum": [str(scope) for scope in Scope]})
    workspaces = fields.List(
        fields.String(), allow_none=True, metadata=described("Where it is valid; null for everywhere.")
    )
    created_at = fields.AwareDateTime(metadata={"example": "2026-11-24T15:00:00.123456Z"})
    expires_at = fields.AwareDateTime(allow_none=True, metadata={"example": None})


TOKEN = {
    "name": EXAMPLE_NAME,
    "scope": "read",
    "workspaces": None,
    "created_at": "2026-11-24T15:00:00.123456Z",
    "expires_at": None,
}
"""The example of a token in the API's description."""


class TokenCreated(TokenOut):
    """A token, with its secret."""

    token = fields.String(metadata=described("The secret, for Authorization: Bearer. It is shown only once."))
