"""What all requests for a webhook do first and last."""

from __future__ import annotations

from aiohttp import web

from tasksvc import Overloaded, RecordConflict
from tasksvc.plugin import caller_of
from tasksvc_webhooks import refusals
from tasksvc_webhooks.context import Context
from tasksvc_webhooks.refusals import NoSuchWebhook
from tasksvc_webhooks.storing import DamagedRecord, Update
from tasksvc_webhooks.subscriptions import Webhook


class WebhookRequests:
    """Finds and changes the webhooks that requests are for."""

    def __init__(self, context: Context) -> None:
        self._service, self._store, self._registry = context.service, context.store, context.registry

    async def _visible(self, request: web.Request) -> Webhook:
        """Returns the webhook in the path.  Raises NoSuchWebhook if there is none, or the caller may not see it.

        Raises DamagedRecord, for callers that may see all webhooks.
        """
        try:
            webhook = await self._store.get(id_in(request))
        except DamagedRecord as error:
            self._service.log.error("%s", error)
            if refusals.may_have_all(self._service, caller_of(request)):
                raise
            raise NoSuchWebhook from error
        if webhook is None or not refusals.may_see(self._service, caller_of(request), webhook):
            raise NoSuchWebhook
        return webhook

    async def _update(self, webhook: Webhook, update: Update) -> Webhook:
        """Changes a webhook.  Raises NoSuchWebhook if it's deleted meanwhile."""
        try:
            changed = await self._store.update(webhook.id, update)
        except RecordConflict as error:
            raise busy() from error
        if changed is None:
            raise NoSuchWebhook
        self._registry.put(changed.id, changed)
        return changed


def id_in(request: web.Request) -> str:
    """Returns the id in the path of a request."""
    return request.match_info["id"][:100]


def busy() -> Overloaded:
    """Returns the error that others change webhooks at the same time."""
    return Overloaded("Others change webhooks at the same time. Send the request again.")
