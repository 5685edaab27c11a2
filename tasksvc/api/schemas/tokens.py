"""Tokens, as clients send and see them."""

from __future__ import annotations

from marshmallow import fields

from tasksvc.api.schemas.fields import Choice, ResponseSchema, StrictSchema, StrictString, UTCDateTime, described
from tasksvc.application.tokens import NAME_RULE, Scope
from tasksvc.domain.rules import RECORD_KEY_MAX

TOKEN_NAME = {"pattern": f"^[0-9A-Za-z._-]{{1,{RECORD_KEY_MAX}}}$"}
EXAMPLE_NAME = "reporting"


# ---------------------------------------------------------------- tokens


class TokenIn(StrictSchema):
    """A token to be created."""

    name = StrictString(
        required=True, metadata=described(f"{NAME_RULE}; unique among tokens.", EXAMPLE_NAME, **TOKEN_NAME)
    )
    scope = StrictString(
        required=True,
        validate=Choice(map(str, Scope)),
        metadata=described("What the token allows; each scope includes those before it.", "read"),
    )
    expires_at = UTCDateTime(
        allow_none=True, load_default=None, metadata=described("When the token expires; null for never.")
    )


class TokenOut(ResponseSchema):
    """A token, without its secret."""

    name = fields.String(metadata={"example": EXAMPLE_NAME})
    scope = fields.String(metadata={"enum": [str(scope) for scope in Scope]})
    created_at = fields.AwareDateTime(metadata={"example": "2026-11-24T15:00:00.123456Z"})
    expires_at = fields.AwareDateTime(allow_none=True, metadata={"example": None})


TOKEN = {
    "name": EXAMPLE_NAME,
    "scope": "read",
    "created_at": "2026-11-24T15:00:00.123456Z",
    "expires_at": None,
}
"""The example of a token in the API's description."""


class TokenCreated(TokenOut):
    """A token, with its secret."""

    token = fields.String(metadata=described("The secret, for Authorization: Bearer. It is shown only once."))
