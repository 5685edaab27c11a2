"""Webhooks, as clients send and see them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate

from tasksvc import DEFAULT_WORKSPACE, LOG_START, WORKSPACE_NAME_MAX, ChangeKind, Position, is_workspace_name
from tasksvc.plugin import (
    WORKSPACE_NAME,
    Choice,
    InvalidRequest,
    Query,
    QueryInteger,
    ResponseInteger,
    ResponseSchema,
    StrictSchema,
    StrictString,
    UTCDateTime,
    described,
    parse_position,
)
from tasksvc_webhooks.addresses import URL_MAX
from tasksvc_webhooks.sending import Outcome

WORKSPACES_MAX: Final = 100
"""Workspaces that a webhook may name."""
LABELS_MAX: Final = 50
TEXT_MAX: Final = 255
"""Characters that a label, the name of a list and a description may have here."""
LIMIT_MAX: Final = 1_000
NUMBER_MAX: Final = 2**53 - 1
"""The highest number that every JSON parser keeps exact."""
EXAMPLE_URL: Final = "https://hooks.example/tasks"
EXAMPLE_ID: Final = "wh_9Jp2xQm0Tz6bq1c7d8eFgA"
TAG: Final = "Changes that are sent to a URL, at least once and in the order of each workspace, signed."
TIME: Final = "2026-11-24T15:00:00.123456Z"
FIRST: Final = datetime.min.replace(tzinfo=UTC)
"""The time from which all that the log has is sent again."""
_STORABLE: Final = {"pattern": r"^[^\u0000]*$"}
_TIME_FORM: Final = (
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?"
    "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)


def _check_workspace(name: str) -> None:
    if not is_workspace_name(name):
        raise ValidationError(
            f"Must be the name of a workspace: 1 to {WORKSPACE_NAME_MAX} characters of A-Z, a-z, 0-9, '.', '_', '~' and"
            " '-'."
        )


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValidationError("Must not hold U+0000 or a lone surrogate.")


def _text(least: int, most: int) -> list[Any]:
    return [validate.Length(least, most), _check_text]


def _workspaces(**options: Any) -> fields.List[str]:
    return fields.List(
        StrictString(validate=_check_workspace, metadata=dict(WORKSPACE_NAME)),
        allow_none=True,
        validate=validate.Length(1, WORKSPACES_MAX),
        metadata=described(
            "The workspaces whose changes are sent; null for all, which needs the scope admin. By default it's the home"
            " of the caller.",
            [DEFAULT_WORKSPACE],
        ),
        **options,
    )


class _Subscription(StrictSchema):
    """What a webhook asks for."""

    types = fields.List(
        StrictString(validate=Choice(kind.value for kind in ChangeKind)),
        allow_none=True,
        validate=validate.Length(1, len(ChangeKind)),
        metadata=described("The types of changes that are sent; null for all.", ["created", "deleted"]),
    )
    labels = fields.List(
        StrictString(validate=_text(1, TEXT_MAX), metadata=dict(_STORABLE)),
        allow_none=True,
        validate=validate.Length(1, LABELS_MAX),
        metadata=described(
            "Only changes are sent that leave a task with one of these labels; null for any. A deletion leaves no task"
            " and is sent whatever the labels were.",
            ["urgent"],
        ),
    )
    list = StrictString(
        allow_none=True,
        validate=_text(1, TEXT_MAX),
        metadata=described(
            "Only changes are sent that leave a task in this list, and every deletion; null for any list.",
            "garden",
            **_STORABLE,
        ),
    )
    description = StrictString(
        validate=_text(0, TEXT_MAX),
        metadata=described("What it is for; nothing depends on it.", "Tells the chat.", **_STORABLE),
    )


def _url(**options: Any) -> StrictString:
    return StrictString(
        validate=validate.Length(1, URL_MAX),
        metadata=described(
            "Where changes are sent: https, a public address, and no user name or password, unless the service allows"
            " others.",
            EXAMPLE_URL,
        ),
        **options,
    )


class WebhookIn(_Subscription):
    """A webhook to be created."""

    example = MappingProxyType({"url": EXAMPLE_URL})

    url = _url(required=True)
    workspaces = _workspaces()


class WebhookPatch(_Subscription):
    """Changes of a webhook (RFC 7396): what isn't sent stays as it is."""

    example = MappingProxyType({"types": ["created"]})

    url = _url()
    workspaces = _workspaces()


class Since(fields.Field["datetime | Position"]):
    """A time or a position; both 0 and the time FIRST are before everything."""

    default_error_messages = StrictString.default_error_messages

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime | Position:
        text: str = StrictString().deserialize(value)
        if ":" in text:  # which no position has
            at: datetime = UTCDateTime().deserialize(text)
            return at
        try:
            position = parse_position(text, where="body", field=attr or "")
        except InvalidRequest as error:
            raise ValidationError([found.message for found in error.found]) from None
        return FIRST if position == LOG_START else position


class Replay(StrictSchema):
    """The place from which changes are sent again."""

    example = MappingProxyType({"since": "0"})

    since = Since(
        required=True,
        metadata=described(
            "A date and time with an offset (RFC 3339): changes from then on are sent again. Or a position that the"
            " service gave: changes after it. Or 0, for all that the log has.",
            "2026-11-24T15:00:00Z",
            type="string",
            pattern=f"^(0|[0-9a-z]{{1,32}}-[0-9]{{1,18}}|{_TIME_FORM})$",
        ),
    )
    workspace = StrictString(
        validate=_check_workspace,
        metadata=described(
            "Only this workspace; by default all that the webhook has.", DEFAULT_WORKSPACE, **WORKSPACE_NAME
        ),
    )


class WebhooksQuery(Query):
    """Takes a page of webhooks."""

    after = StrictString(
        validate=validate.Length(0, 100),
        metadata=described("The id after which the page begins, as in the Link header of the previous page."),
    )
    limit = QueryInteger(1, LIMIT_MAX, metadata=described("The largest number of webhooks on a page; 100 without it."))

    @post_load
    def with_defaults(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {"after": "", "limit": 100, **data}


# ---------------------------------------------------------------- answers


def _count(text: str, example: int) -> ResponseInteger:
    return ResponseInteger(0, NUMBER_MAX, metadata=described(text, example))


class PauseOut(ResponseSchema):
    """Why a webhook is paused."""

    at = fields.String(metadata={"format": "date-time", "example": TIME})
    by = fields.String(
        allow_none=True, metadata=described("The name of the caller who paused it; null if the service did.")
    )
    reason = fields.String(metadata=described("A sentence.", "The target answered 410."))


class WebhookOut(ResponseSchema):
    """A webhook, without its secret."""

    id = fields.String(metadata={"example": EXAMPLE_ID})
    url = fields.String(metadata={"example": EXAMPLE_URL})
    workspaces = fields.List(fields.String(), allow_none=True, metadata=described("null for all."))
    types = fields.List(fields.String(), allow_none=True, metadata=described("null for all."))
    labels = fields.List(fields.String(), allow_none=True, metadata=described("null for any."))
    list = fields.String(allow_none=True, metadata=described("null for any."))
    description = fields.String()
    state = fields.String(metadata=described("Whether changes are sent.", "active", enum=["active", "paused"]))
    pause = fields.Nested(PauseOut, allow_none=True, metadata=described("null if it's active."))
    created_at = fields.String(metadata={"format": "date-time", "example": TIME})
    created_by = fields.String(allow_none=True)
    updated_at = fields.String(metadata={"format": "date-time", "example": TIME})


class WebhookCreated(WebhookOut):
    """A webhook, with its secret."""

    secret = fields.String(
        allow_none=True,
        metadata=described(
            "What signs its messages (Standard Webhooks 1.0). It is shown only here: null in a repetition under an"
            " Idempotency-Key after 24 hours, or once it was replaced.",
            "whsec_…",
        ),
    )


class AttemptOut(ResponseSchema):
    """The result of an attempt to send something."""

    at = fields.String(metadata={"format": "date-time", "example": TIME})
    outcome = fields.String(metadata={"enum": [outcome.value for outcome in Outcome], "example": "delivered"})
    status = ResponseInteger(
        100, 599, allow_none=True, metadata=described("The status of the answer, if there was one.", 204)
    )
    detail = fields.String(metadata=described("A sentence.", "The answer was 204."))
    seconds = fields.Float(metadata=described("How long it took.", 0.12))


class AnswerOut(AttemptOut):
    """The result of an attempt to deliver a change."""

    workspace = fields.String()
    position = fields.String(metadata=described("The position after the change."))


class LagOut(ResponseSchema):
    """How much is yet to be looked at."""

    changes = ResponseInteger(
        0, NUMBER_MAX, metadata=described("Changes in the logs, whether or not they are to be sent.", 2)
    )
    seconds = fields.Float(metadata=described("The age of the oldest one; 0 if there is none.", 0.3))


class PlaceOut(LagOut):
    """How far the deliveries of a workspace have come."""

    workspace = fields.String()
    position = fields.String(metadata=described("The position after the last change that is done with."))
    attempts = ResponseInteger(
        0, NUMBER_MAX, metadata=described("Attempts to deliver the next change, all of which failed.", 0)
    )
    next_attempt_at = fields.String(allow_none=True, metadata={"format": "date-time", "example": None})


class LossOut(ResponseSchema):
    """Changes that were pruned before they were delivered."""

    at = fields.String(metadata={"format": "date-time", "example": TIME})
    workspace = fields.String()
    changes = _count("How many.", 40)
    until = fields.String(metadata=described("The position after the last one."))


class WebhookDetails(WebhookOut):
    """A webhook, and what became of its deliveries."""

    lag = fields.Nested(LagOut, metadata=described("Of all `places` together."))
    places = fields.List(
        fields.Nested(PlaceOut),
        metadata=described("Of a webhook of all workspaces, up to 100 that have been behind for some seconds."),
    )
    answers = fields.List(fields.Nested(AnswerOut), metadata=described("The last 10, the newest one last."))
    lost = fields.List(fields.Nested(LossOut), metadata=described("The last 10 losses, the newest one last."))
    lost_changes = _count("Changes that were ever lost.", 0)


class SecretOut(ResponseSchema):
    """The new secret of a webhook."""

    id = fields.String(metadata={"example": EXAMPLE_ID})
    secret = fields.String(
        metadata=described("It signs from now on, and the one before for 24 hours more. It is shown only once.")
    )
