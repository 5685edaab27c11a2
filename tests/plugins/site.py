"""Plugins that are installed for one test."""

from __future__ import annotations

import textwrap
from pathlib import Path

from site_packages import SitePackages

GREETING = """
    from tasksvc.plugin import Route, RouteGroup, Scope, hookimpl, json_response, operation, responses

    @operation("Greet", tag="greetings", responses=responses({200: "Hello."}))
    async def greet(request):
        return json_response("Hello.")

    @hookimpl
    def tasksvc_routes(service):
        return [RouteGroup([Route("GET", PATH, greet, Scope.READ)], documented=False)]
"""


class Site(SitePackages):
    """Where plugins are installed."""

    def install(
        self,
        name: str = "greeting",
        source: str | None = GREETING,
        *,
        path: str = "/greeting",
        distribution: str = "",
        version: object = 1,
        requires: str = "",
    ) -> Path:
        """Installs a plugin, whose module declares PATH, and the version of the hooks that it was written for."""
        module = f"plug_{name.replace('-', '_')}"
        sources = {} if source is None else {module: f"PLUGIN = {version}\nPATH = {path!r}\n{textwrap.dedent(source)}"}
        return self.add(
            distribution or f"tasksvc-{name}",
            "2.0",
            entry_points={"tasksvc.plugins": {name: module}},
            modules=sources,
            requires=requires,
        )
