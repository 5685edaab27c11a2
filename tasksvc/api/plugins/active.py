"""The plugins of one application, each with the service that it's given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasksvc.api.pipeline.clients import RequestLogin
from tasksvc.api.plugins.extensions import Metric
from tasksvc.api.plugins.lifespans import Lifespans
from tasksvc.api.plugins.loading import Plugin
from tasksvc.api.plugins.paths import HOME, with_plugins
from tasksvc.api.plugins.service import Service
from tasksvc.api.routes import RouteGroup
from tasksvc.application.runtime import Runtime


class ActivePlugins:
    """Asks all plugins of an application for what they add.  Each method raises what the hooks of Plugin raise."""

    def __init__(
        self, plugins: Sequence[Plugin], settings: Mapping[str, Any], runtime: Runtime, is_closed: Callable[[], bool]
    ) -> None:
        """Takes the values of all settings by their flags, and `is_closed`: whether callers must show who they are."""
        self._given = [
            (plugin, Service(plugin.name, plugin.values(settings), runtime, is_closed)) for plugin in plugins
        ]
        self._lifespans = Lifespans(runtime.timeouts.plugin_exit)
        self.have_home = False
        """Whether one of those whose routes were added answers at `/`."""

    def logins(self) -> list[RequestLogin]:
        """Returns the ways to know callers."""
        return [login for plugin, service in self._given if (login := plugin.login(service)) is not None]

    def add_routes(self, groups: Sequence[RouteGroup]) -> Sequence[RouteGroup]:
        """Returns the groups of the service and those of the plugins."""
        added = [(plugin, plugin.routes(service)) for plugin, service in self._given]
        self.have_home = any(route.path == HOME for _, more in added for group in more for route in group.routes)
        return with_plugins(groups, added)

    def metrics(self) -> list[Metric]:
        """Returns the metrics as they are now."""
        return [metric for plugin, service in self._given for metric in plugin.metrics(service)]

    async def start(self) -> None:
        """Begins what the plugins do beside the routes, once the store is open."""
        await self._lifespans.enter(
            [(plugin, span) for plugin, service in self._given if (span := plugin.lifespan(service)) is not None]
        )

    async def stop(self) -> None:
        """Ends that.  What goes wrong is logged."""
        await self._lifespans.leave()
