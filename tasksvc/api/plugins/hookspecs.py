"""The hooks that a plugin may implement, each of which is called when the service starts, or as it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager

import pluggy

from tasksvc.api.pipeline.clients import RequestLogin
from tasksvc.api.plugins.extensions import Metric, Setting
from tasksvc.api.plugins.service import Service
from tasksvc.api.routes import RouteGroup
from tasksvc.domain.record import Record

VERSION = 1
"""The version of the hooks and of `tasksvc.plugin`.

A plugin declares the one that it was written for, as a number, in the module or object that its entry point names:
`PLUGIN = 1`.  tasksvc refuses plugins of another version.
"""

hookspec = pluggy.HookspecMarker("tasksvc")


@hookspec(firstresult=True)
def tasksvc_settings() -> Iterable[Setting]:  # type: ignore[empty-body]
    """Returns the flags of `tasksvc serve` that the plugin takes, whose values Service.setting() gives.

    A flag begins with the name of the plugin, or with that without a plural s: --webhook-allow, of webhooks.
    """


@hookspec(firstresult=True)
def tasksvc_routes(service: Service) -> Iterable[RouteGroup]:  # type: ignore[empty-body]
    """Returns the routes that the plugin serves.  The store isn't open yet.

    No route has a path that the service or another plugin has, but for `/`, which leads to /docs without a plugin.
    """


@hookspec(firstresult=True)
def tasksvc_lifespan(service: Service) -> AbstractAsyncContextManager[None]:  # type: ignore[empty-body]
    """Returns a context manager for what the plugin does beside the routes.

    It's entered when the store is open, before the first request, and left after the last one, before the store is
    closed.  It's entered and left in one task.  What it raises when it is entered ends the start.  It has
    `timeouts.plugin_exit` seconds to end.
    """


@hookspec(firstresult=True)
def tasksvc_authenticate(service: Service) -> RequestLogin:  # type: ignore[empty-body]
    """Returns a way in which callers show who they are.

    It's asked before tokens are looked at.  A service with such a plugin lets nobody in who doesn't show who they are.
    """


@hookspec(firstresult=True)
def tasksvc_metrics(service: Service) -> Iterable[Metric]:  # type: ignore[empty-body]
    """Returns the metrics of the plugin, at each GET /metrics.  It must return at once, and doesn't read the store."""


@hookspec(firstresult=True)
def tasksvc_check(records: Sequence[Record]) -> Iterable[str]:  # type: ignore[empty-body]
    """Returns what is wrong in the records of the plugin, a sentence each, for `tasksvc check`.

    `records` are those that the store has, secrets too, by namespace and key.
    """
