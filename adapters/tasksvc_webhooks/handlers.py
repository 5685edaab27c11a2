"""What the service answers about webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from aiohttp import hdrs, web

from tasksvc import IdempotencyKey, IdempotencyKeyReused, Position, RecordConflict
from tasksvc.plugin import (
    IDEMPOTENCY_KEY,
    RawResponse,
    Route,
    RouteGroup,
    Scope,
    body_of,
    caller_of,
    idempotency_key_of,
    json_response,
    name_of,
    operation,
    query_of,
    raw_body_of,
    responses,
)
from tasksvc_webhooks import refusals, schemas
from tasksvc_webhooks.actions import WebhookActions
from tasksvc_webhooks.addresses import InvalidURL, check_resolves, check_url
from tasksvc_webhooks.context import Context
from tasksvc_webhooks.refusals import (
    NO_SUCH_WEBHOOK,
    NOT_YOURS,
    TOO_MANY,
    WRONG_URL,
    NoSuchWebhook,
    invalid,
)
from tasksvc_webhooks.requests import WebhookRequests, busy, id_in
from tasksvc_webhooks.signing import new_secret
from tasksvc_webhooks.storing import DamagedRecord
from tasksvc_webhooks.subscriptions import (
    CREATION_SLACK,
    ID_PATTERN,
    Filter,
    Start,
    Webhook,
    new_id,
    pointed_elsewhere,
    with_workspaces,
)
from tasksvc_webhooks.views import detailed_view, webhook_view

PARAMETERS: Final = {
    "id": {"schema": {"type": "string", "pattern": f"^{ID_PATTERN}$"}, "example": schemas.EXAMPLE_ID},
}
"""The description of the id in paths."""
REPEATED: Final = timedelta(hours=24)
"""How long a repetition of the request that created a webhook shows the secret again, as other keys are kept."""


class WebhookHandlers(WebhookRequests):
    """Handles the routes of webhooks."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._allowed, self._settings = context.allowed, context.settings
        self._actions = WebhookActions(context)

    @operation(
        "Create a webhook",
        tag="webhooks",
        description=(
            "From now on every change of its workspaces is sent to the URL as an HTTP POST, with the JSON that the"
            " change has in the change log: at least once, and in the order of each workspace. The answer holds the"
            " secret that signs the messages (Standard Webhooks 1.0); it isn't shown again."
        ),
        headers=[IDEMPOTENCY_KEY],
        responses=responses(
            {201: ("The webhook.", schemas.WebhookCreated, ["Idempotency-Replayed"])}, NOT_YOURS, TOO_MANY, WRONG_URL
        ),
        body=schemas.WebhookIn(),
    )
    async def create_webhook(self, request: web.Request) -> RawResponse:
        asked, caller = body_of(request), caller_of(request)
        key = idempotency_key_of(request, "/webhooks/", raw_body_of(request))
        if key is not None and (answer := await self._made_before(key)) is not None:
            return answer
        workspaces = _names(asked["workspaces"]) if "workspaces" in asked else (caller.home,)
        refusals.check_workspaces(self._service, caller, workspaces)
        await self._registry.refresh()
        refusals.check_room(self._registry, self._settings, workspaces)
        url = await self._checked(asked["url"])
        followed, now = await self._store.followed(), self._service.now()
        webhook = Webhook(
            id=new_id() if key is None else _id_of(key),
            url=url,
            workspaces=workspaces,
            filter=_filter(Filter(), asked),
            description=asked.get("description", ""),
            created_at=now,
            updated_at=now,
            begun=Start(1, now - CREATION_SLACK),
            starts={name: Start(1, now, await self._service.end_of_log(name)) for name in workspaces or ()},
            scan=followed,
            created_by=name_of(request),
            fingerprint=None if key is None else key.fingerprint,
        )
        secret = new_secret()
        try:
            created = await self._store.create(webhook, secret)
        except RecordConflict as error:
            raise busy() from error
        if created is None:
            assert key is not None
            return await self._made_before(key) or json_response({}, status=201)
        self._registry.put(created.id, created)
        return json_response({**webhook_view(created), "secret": secret}, status=201)

    async def _made_before(self, key: IdempotencyKey) -> RawResponse | None:
        """Returns the answer to a request that is repeated; None if there is no webhook of its key.

        Raises IdempotencyKeyReused if the key came with another request.
        """
        webhook = await self._store.get(_id_of(key))
        if webhook is None:
            return None
        if webhook.fingerprint != key.fingerprint:
            raise IdempotencyKeyReused
        secrets_kept = await self._store.secrets(webhook)
        is_first = len(secrets_kept) == 1 and self._service.now() - webhook.created_at < REPEATED
        shown = secrets_kept[0].secret if is_first else None
        answer = json_response({**webhook_view(webhook), "secret": shown}, status=201)
        answer.add_header("Idempotency-Replayed", "true")
        return answer

    @operation(
        "List webhooks",
        tag="webhooks",
        description=(
            "Those whose workspaces the caller may all enter, by id; administrators see all. A Link header leads on."
        ),
        responses=responses({200: ("The webhooks.", [schemas.WebhookOut], ["Link"])}),
        query=schemas.WebhooksQuery(),
    )
    async def list_webhooks(self, request: web.Request) -> RawResponse:
        caller, limit = caller_of(request), query_of(request)["limit"]
        after: str | None = query_of(request)["after"]
        found: list[Webhook] = []
        while after is not None and len(found) < limit:
            page, after = await self._store.page(after=after, limit=limit - len(found))
            found += [webhook for webhook in page if refusals.may_see(self._service, caller, webhook)]
        answer = json_response([webhook_view(webhook) for webhook in found])
        if after is not None:
            query = request.rel_url.update_query(after=after).raw_query_string
            answer.add_header(hdrs.LINK, f'<?{query}>; rel="next"')
        return answer

    @operation(
        "Show a webhook",
        tag="webhooks",
        description="With how far its deliveries have come, and the last answers of its target.",
        responses=responses({200: ("The webhook.", schemas.WebhookDetails, [])}, NO_SUCH_WEBHOOK),
    )
    async def get_webhook(self, request: web.Request) -> RawResponse:
        return json_response(await detailed_view(self._service, self._store, await self._visible(request)))

    @operation(
        "Change a webhook",
        tag="webhooks",
        description=(
            "What is sent replaces what the webhook had. A workspace that is added begins with its next change. Another"
            " URL gets what is due at once."
        ),
        responses=responses(
            {200: ("The webhook.", schemas.WebhookOut, [])}, NOT_YOURS, NO_SUCH_WEBHOOK, TOO_MANY, WRONG_URL
        ),
        body=schemas.WebhookPatch(),
    )
    async def update_webhook(self, request: web.Request) -> RawResponse:
        there, asked = await self._visible(request), body_of(request)
        ends: dict[str, Position] = {}
        workspaces: tuple[str, ...] | None = None
        if "workspaces" in asked:
            workspaces = _names(asked["workspaces"])
            refusals.check_workspaces(self._service, caller_of(request), workspaces)
            await self._registry.refresh()
            refusals.check_room(self._registry, self._settings, workspaces, there)
            ends = {name: await self._service.end_of_log(name) for name in workspaces or ()}
        url = await self._checked(asked["url"]) if "url" in asked else None
        followed, now = await self._store.followed(), self._service.now()

        def update(webhook: Webhook) -> Webhook:
            changed = webhook._replace(
                filter=_filter(webhook.filter, asked), description=asked.get("description", webhook.description)
            )
            if url is not None and url != webhook.url:
                changed = pointed_elsewhere(changed, url, followed=followed)
            if "workspaces" in asked:
                changed = with_workspaces(changed, workspaces, ends, at=now, followed=followed)
            return webhook if changed == webhook else changed._replace(updated_at=now)

        return json_response(webhook_view(await self._update(there, update)))

    @operation(
        "Delete a webhook",
        tag="webhooks",
        description="Nothing is sent any more, and its secret is deleted.",
        responses=responses({204: "The webhook is deleted."}, NO_SUCH_WEBHOOK),
    )
    async def delete_webhook(self, request: web.Request) -> web.Response:
        webhook_id = id_in(request)
        with suppress(DamagedRecord):  # which can only be deleted
            await self._visible(request)
        if not await self._store.delete(webhook_id):
            raise NoSuchWebhook
        self._registry.put(webhook_id, None)
        return web.Response(status=204)

    async def _checked(self, url: str) -> str:
        """Returns a URL as it is kept.  Raises InvalidRequest if nothing may be sent there."""
        try:
            url = check_url(url, self._allowed)
            await check_resolves(url, self._allowed)
        except InvalidURL as error:
            raise invalid("url", str(error)) from None
        return url

    def routes(self) -> list[RouteGroup]:
        """Returns the routes of webhooks."""
        one = "/webhooks/{id}"
        routes = [
            Route("GET", "/webhooks/", self.list_webhooks, Scope.WRITE),
            Route("POST", "/webhooks/", self.create_webhook, Scope.WRITE),
            Route("GET", one, self.get_webhook, Scope.WRITE),
            Route("PATCH", one, self.update_webhook, Scope.WRITE),
            Route("DELETE", one, self.delete_webhook, Scope.WRITE),
            *self._actions.routes(),
        ]
        described = [route._replace(parameters=PARAMETERS) for route in routes]
        return [RouteGroup(described, tags={"webhooks": schemas.TAG})]


def _names(names: list[str] | None) -> tuple[str, ...] | None:
    """Returns different names in their order."""
    return None if names is None else tuple(dict.fromkeys(names))


def _filter(before: Filter, asked: Mapping[str, Any]) -> Filter:
    """Returns a filter with what is asked for."""
    types, labels = (_names(asked[name]) if name in asked else getattr(before, name) for name in ("types", "labels"))
    return Filter(types, labels, asked.get("list", before.list))


def _id_of(key: IdempotencyKey) -> str:
    """Returns the id of the webhook that is created under an idempotency key."""
    return new_id(f"{key.scope}\n{key.value}")
