"""What the hooks of one service share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tasksvc import __version__
from tasksvc.plugin import Service
from tasksvc_webhooks.addresses import Networks
from tasksvc_webhooks.counters import Counters
from tasksvc_webhooks.dispatcher import Dispatcher
from tasksvc_webhooks.registry import Registry
from tasksvc_webhooks.sending import Sender
from tasksvc_webhooks.settings import DEFAULT_SETTINGS, WebhookSettings
from tasksvc_webhooks.storing import WebhookStore

ALLOW = "--webhook-allow"
"""The flag of networks that messages may be sent to although they aren't public."""


class Context:
    """The webhooks of one service."""

    def __init__(self, service: Service, settings: WebhookSettings) -> None:
        self.service, self.settings = service, settings
        self.allowed: Networks = service.setting(ALLOW)
        self.store = WebhookStore(service)
        self.registry = Registry(service, self.store)
        self.counters = Counters()
        self.sender = Sender(self.allowed, user_agent=f"tasksvc/{__version__}")

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Delivers, or waits until this process may, until the end of the block."""
        if not self.service.keeps_records:
            yield
            return
        try:
            async with self.service.background(self.registry.run), self.service.background(self._deliver):
                yield
        finally:
            await self.sender.close()

    async def _deliver(self) -> None:
        await self.service.lease("deliveries").hold(self._dispatch)

    async def _dispatch(self) -> None:
        await Dispatcher(self.service, self.store, self.registry, self.sender, self.counters, self.settings).run()


def context_of(service: Service, settings: WebhookSettings = DEFAULT_SETTINGS) -> Context:
    """Returns what the hooks of a service share, which the first call makes, with these settings."""
    # It's kept by the service itself, so that both can be forgotten together.
    context: Context = vars(service).get("_webhooks") or Context(service, settings)
    vars(service)["_webhooks"] = context
    return context
