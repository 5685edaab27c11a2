"""The plugin with other settings than it has by itself."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

import tasksvc_webhooks
from tasksvc_webhooks.context import Context, context_of
from tasksvc_webhooks.settings import WebhookSettings

from tasksvc.plugin import RouteGroup, Service, hookimpl


class ConfiguredWebhooks:
    """Implements the hooks as the plugin does, with `settings`."""

    PLUGIN = tasksvc_webhooks.PLUGIN
    tasksvc_settings = staticmethod(tasksvc_webhooks.tasksvc_settings)
    tasksvc_metrics = staticmethod(tasksvc_webhooks.tasksvc_metrics)
    tasksvc_check = staticmethod(tasksvc_webhooks.tasksvc_check)

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._context: Context | None = None

    @property
    def context(self) -> Context:
        """What the hooks share, once a service runs."""
        assert self._context is not None
        return self._context

    @hookimpl
    def tasksvc_routes(self, service: Service) -> Iterable[RouteGroup]:
        self._context = context_of(service, self._settings)
        return tasksvc_webhooks.tasksvc_routes(service)

    @hookimpl
    def tasksvc_lifespan(self, service: Service) -> AbstractAsyncContextManager[None]:
        return tasksvc_webhooks.tasksvc_lifespan(service)
