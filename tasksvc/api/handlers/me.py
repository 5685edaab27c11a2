"""What the service answers to callers about themselves."""

from __future__ import annotations

from aiohttp import web

from tasksvc.api.openapi.decorators import operation, responses
from tasksvc.api.pipeline.clients import caller_of
from tasksvc.api.responses.raw import RawResponse, json_response
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.callers import CallerOut
from tasksvc.application.callers import Scope


class MeHandlers:
    """Handles the route /me."""

    @operation(
        "Show who you are",
        tag="callers",
        description="Clients learn from it which workspaces they may enter, and which one paths without one mean.",
        responses=responses({200: ("The caller.", CallerOut, [])}),
    )
    async def show_caller(self, request: web.Request) -> RawResponse:
        caller = caller_of(request)
        return json_response(
            {
                "name": caller.name,
                "scope": str(caller.scope),
                "workspaces": caller.workspaces,
                "home": caller.home,
                "expires_at": caller.expires_at,
            }
        )

    def routes(self) -> RouteGroup:
        """Returns the route of the caller."""
        return RouteGroup([Route("GET", "/me", self.show_caller, Scope.READ)])
