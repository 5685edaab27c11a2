"""What is done with one webhook: it is tested, paused, resumed, replayed, and gets another secret."""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import datetime
from typing import Final

from aiohttp import web

from tasksvc import Position, RecordConflict
from tasksvc.plugin import (
    RawResponse,
    Refusal,
    Route,
    Scope,
    body_of,
    caller_of,
    json_response,
    name_of,
    operation,
    responses,
)
from tasksvc_webhooks import refusals, schemas
from tasksvc_webhooks.context import Context
from tasksvc_webhooks.refusals import (
    NO_SUCH_WEBHOOK,
    WITHOUT_SECRET,
    NoSuchWebhook,
    invalid,
)
from tasksvc_webhooks.requests import WebhookRequests, busy
from tasksvc_webhooks.rotation import signing
from tasksvc_webhooks.sending import Message, Target
from tasksvc_webhooks.signing import message_id, new_secret
from tasksvc_webhooks.statuses import attempt_to_json
from tasksvc_webhooks.subscriptions import (
    Pause,
    paused,
    replayed,
    resumed,
)
from tasksvc_webhooks.times import format_time
from tasksvc_webhooks.views import webhook_view

TESTS_MAX: Final = 20
"""Test messages that are being sent at once.  Further ones wait."""
POSITION_GONE = Refusal(410, "position-gone", "The log doesn't have the position any more, or never had it.")


class WebhookActions(WebhookRequests):
    """Handles the routes below the path of a webhook."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._sender = context.sender
        self._tests = asyncio.Semaphore(TESTS_MAX)

    @operation(
        "Test a webhook",
        tag="webhooks",
        description=(
            "Sends one signed message now, with the type `webhook.test`, even if the webhook is paused, and answers"
            " what came of it."
        ),
        responses=responses({200: ("The result.", schemas.AttemptOut, [])}, NO_SUCH_WEBHOOK, WITHOUT_SECRET),
    )
    async def test_webhook(self, request: web.Request) -> RawResponse:
        webhook = await self._visible(request)
        now = self._service.now()
        keys = signing(await self._store.secrets(webhook), now)
        if not keys:
            raise refusals.NoSecret
        workspace = webhook.workspaces[0] if webhook.workspaces else caller_of(request).home
        document = {"type": "webhook.test", "webhook": webhook.id, "at": format_time(now)}
        body = json.dumps(document, separators=(",", ":")).encode()
        message = Message(message_id(webhook.id, workspace, f"test {secrets.token_hex(8)}", 0), now, body, workspace)
        async with self._tests:
            attempt = await self._sender.send(Target(webhook.url, keys), message)
        return json_response({"at": format_time(now), **attempt_to_json(attempt)})

    @operation(
        "Pause a webhook",
        tag="webhooks",
        description="Nothing is sent until it is resumed, which sends what has changed meanwhile.",
        responses=responses({200: ("The webhook.", schemas.WebhookOut, [])}, NO_SUCH_WEBHOOK),
    )
    async def pause_webhook(self, request: web.Request) -> RawResponse:
        webhook, name = await self._visible(request), name_of(request)
        reason = "It was paused by a caller." if name is None else f"It was paused by {name}."
        followed, pause = await self._store.followed(), Pause(self._service.now(), reason, name)
        changed = await self._update(webhook, lambda there: paused(there, pause, followed=followed))
        return json_response(webhook_view(changed))

    @operation(
        "Resume a webhook",
        tag="webhooks",
        description=(
            "It goes on where it was, at once and with all attempts. One that is active and waits for its next attempt"
            " doesn't wait any longer."
        ),
        responses=responses({200: ("The webhook.", schemas.WebhookOut, [])}, NO_SUCH_WEBHOOK),
    )
    async def resume_webhook(self, request: web.Request) -> RawResponse:
        webhook = await self._visible(request)
        followed, now = await self._store.followed(), self._service.now()
        changed = await self._update(webhook, lambda there: resumed(there, at=now, followed=followed))
        return json_response(webhook_view(changed))

    @operation(
        "Replay changes",
        tag="webhooks",
        description=(
            "Goes back, or on, to a time or a position, from which changes are sent in their order. A message that was"
            " sent before has the same id again."
        ),
        responses=responses({200: ("The webhook.", schemas.WebhookOut, [])}, NO_SUCH_WEBHOOK, POSITION_GONE),
        body=schemas.Replay(),
    )
    async def replay_webhook(self, request: web.Request) -> RawResponse:
        webhook, asked = await self._visible(request), body_of(request)
        workspace: str | None = asked.get("workspace")
        if workspace is not None and not (webhook.wants(workspace) and caller_of(request).may_enter(workspace)):
            raise invalid("workspace", "The webhook doesn't have this workspace.")
        since: datetime | Position = asked["since"]
        if isinstance(since, Position):
            if workspace is None and webhook.workspaces is not None and len(webhook.workspaces) == 1:
                workspace = webhook.workspaces[0]
            if workspace is None:
                raise invalid("workspace", "A position is one of a single workspace. Name it, or give a time.")
            await self._service.read_changes(workspace, since, limit=1)  # raises PositionGone
        named, now = None if workspace is None else [workspace], self._service.now()
        changed = await self._update(webhook, lambda there: replayed(there, since, named, at=now))
        return json_response(webhook_view(changed))

    @operation(
        "Rotate the secret of a webhook",
        tag="webhooks",
        description="For 24 hours messages are signed with both the new secret and the one before.",
        responses=responses({200: ("The new secret.", schemas.SecretOut, [])}, NO_SUCH_WEBHOOK),
    )
    async def rotate_secret(self, request: web.Request) -> RawResponse:
        webhook, secret = await self._visible(request), new_secret()
        try:
            changed = await self._store.rotate(webhook.id, secret, self._service.now())
        except RecordConflict as error:
            raise busy() from error
        if changed is None:
            raise NoSuchWebhook
        self._registry.put(changed.id, changed)
        return json_response({"id": webhook.id, "secret": secret})

    def routes(self) -> list[Route]:
        """Returns the routes of what is done with one webhook."""
        one = "/webhooks/{id}"
        return [
            Route("POST", f"{one}/test", self.test_webhook, Scope.WRITE),
            Route("POST", f"{one}/pause", self.pause_webhook, Scope.WRITE),
            Route("POST", f"{one}/resume", self.resume_webhook, Scope.WRITE),
            Route("POST", f"{one}/replay", self.replay_webhook, Scope.WRITE),
            Route("POST", f"{one}/rotate-secret", self.rotate_secret, Scope.WRITE),
        ]
