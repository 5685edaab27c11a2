"""Webhooks: sends the changes of workspaces to URLs that callers name, signed.

The modules that do it are imported when the service starts, and not with this one, which every command imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

from tasksvc import Record, hookimpl

if TYPE_CHECKING:
    from tasksvc.plugin import Metric, RouteGroup, Service, Setting

PLUGIN: Final = 1
"""The version of tasksvc.plugin that this was written for."""


@hookimpl
def tasksvc_settings() -> Iterable[Setting]:
    """Returns the flag --webhook-allow."""
    from ipaddress import ip_network

    from tasksvc.plugin import Setting

    return [
        Setting(
            "--webhook-allow",
            ip_network,
            "CIDR",
            "A network that webhooks may lead to although it isn't public, over plain http too.",
            multiple=True,
        )
    ]


@hookimpl
def tasksvc_routes(service: Service) -> Iterable[RouteGroup]:
    """Returns the routes below /webhooks/."""
    from tasksvc_webhooks.context import context_of
    from tasksvc_webhooks.handlers import WebhookHandlers

    return WebhookHandlers(context_of(service)).routes()


@hookimpl
def tasksvc_lifespan(service: Service) -> AbstractAsyncContextManager[None]:
    """Returns the time in which changes are delivered."""
    from tasksvc_webhooks.context import context_of

    return context_of(service).lifespan()


@hookimpl
def tasksvc_metrics(service: Service) -> Iterable[Metric]:
    """Returns what this process has counted."""
    from tasksvc_webhooks.context import context_of

    context = context_of(service)
    return context.counters.metrics(context.registry, service.now())


@hookimpl
def tasksvc_check(records: Sequence[Record]) -> Iterable[str]:
    """Returns what is wrong in the records of webhooks."""
    from tasksvc_webhooks.checking import problems_in

    return problems_in(records)
