"""The operations on webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasksvc_client.encoding import query_text
from tasksvc_client.errors import WebhookNotFound
from tasksvc_client.models import Webhook, WebhookAttempt
from tasksvc_client.operations.requests import get, nothing, walk, write
from tasksvc_client.scope import Scope, segment
from tasksvc_client.steps import Answer, Items, Operation, Repeat

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Unpack

    from tasksvc_client.operations.fields import WebhookFields

LISTS = ("workspaces", "types", "labels")
"""Fields that are arrays."""


def webhooks(scope: Scope, /) -> Items[Webhook]:
    """Yields the webhooks that the caller may see, by id."""
    yield from walk(scope, "/webhooks/" + query_text([("limit", 1_000)]), _webhooks)


def create_webhook(
    scope: Scope, /, url: str, *, key: str | None = None, **fields: Unpack[WebhookFields]
) -> Operation[Webhook]:
    """Creates a webhook and returns it with its `secret`, which is shown only here.

    It sends the changes of `workspaces`, or of the caller's home. Raises TooManyWebhooks.
    """
    body = {"url": url, **_with_arrays(fields)}
    return (yield from write(scope, "POST", "/webhooks/", _webhook, body=body, key=key))


def get_webhook(scope: Scope, /, id: str) -> Operation[Webhook]:  # noqa: A002
    """Returns a webhook; its `json` also says how far its deliveries have come. Raises WebhookNotFound."""
    return (yield from get(scope, _path(id), _webhook))


def change_webhook(
    scope: Scope,
    /,
    id: str,  # noqa: A002
    *,
    url: str | None = None,
    **fields: Unpack[WebhookFields],
) -> Operation[Webhook]:
    """Changes a webhook and returns it. Raises WebhookNotFound."""
    body = _with_arrays(fields) if url is None else {"url": url, **_with_arrays(fields)}
    return (yield from write(scope, "PATCH", _path(id), _webhook, body=body, repeat=Repeat.ALWAYS))


def delete_webhook(scope: Scope, /, id: str) -> Operation[None]:  # noqa: A002
    """Deletes a webhook and its secret. Raises WebhookNotFound."""
    try:
        yield from write(scope, "DELETE", _path(id), nothing, repeat=Repeat.ALWAYS)
    except WebhookNotFound as error:
        if not error.may_be_done:
            raise


def pause_webhook(scope: Scope, /, id: str) -> Operation[Webhook]:  # noqa: A002
    """Pauses a webhook until it is resumed, and returns it. Raises WebhookNotFound."""
    return (yield from write(scope, "POST", _path(id, "/pause"), _webhook, repeat=Repeat.ALWAYS))


def resume_webhook(scope: Scope, /, id: str) -> Operation[Webhook]:  # noqa: A002
    """Lets a webhook go on where it was, at once, and returns it. Raises WebhookNotFound."""
    return (yield from write(scope, "POST", _path(id, "/resume"), _webhook, repeat=Repeat.ALWAYS))


def replay_webhook(
    scope: Scope,
    /,
    id: str,  # noqa: A002
    since: datetime | str,
    *,
    workspace: str | None = None,
) -> Operation[Webhook]:
    """Sends changes again, from a time or a position on, or from "0" for all, and returns the webhook.

    Raises WebhookNotFound, and PositionGone.
    """
    body: dict[str, Any] = {"since": since} if workspace is None else {"since": since, "workspace": workspace}
    return (yield from write(scope, "POST", _path(id, "/replay"), _webhook, body=body, repeat=Repeat.ALWAYS))


def test_webhook(scope: Scope, /, id: str) -> Operation[WebhookAttempt]:  # noqa: A002
    """Sends a message of the type webhook.test now, and returns the result. Raises WebhookNotFound.

    It isn't repeated once the message may have been sent: then it raises OutcomeUnknown.
    """
    return (yield from write(scope, "POST", _path(id, "/test"), _attempt, repeat=Repeat.NEVER))


def rotate_webhook_secret(scope: Scope, /, id: str) -> Operation[str]:  # noqa: A002
    """Returns a new secret of a webhook, whose messages are signed with both for 24 hours. Raises WebhookNotFound.

    It isn't repeated once there may be a new secret, since the one before would be lost: then it raises OutcomeUnknown.
    """
    return (yield from write(scope, "POST", _path(id, "/rotate-secret"), _secret, repeat=Repeat.NEVER))


def _path(id: str, action: str = "") -> str:  # noqa: A002
    return f"/webhooks/{segment(id)}{action}"


def _with_arrays(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if name in LISTS and value is not None else value for name, value in fields.items()}


def _webhook(answer: Answer) -> Webhook:
    return Webhook.from_json(answer.document)


def _webhooks(answer: Answer) -> list[Webhook]:
    return list(map(Webhook.from_json, answer.document))


def _attempt(answer: Answer) -> WebhookAttempt:
    return WebhookAttempt.from_json(answer.document)


def _secret(answer: Answer) -> str:
    return str(answer.document["secret"])
