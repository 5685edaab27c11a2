"""What the service answers to those who administer workspaces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial

from aiohttp import hdrs, web

from tasksvc.api.handlers.tokens import NO_ADMIN
from tasksvc.api.openapi.decorators import operation, responses
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.requests.etags import check_untagged, conditions_of
from tasksvc.api.requests.validation import QUERY
from tasksvc.api.requests.workspaces import PARAMETER, PATH, PREFIX
from tasksvc.api.responses.pages import array_members, json_array, next_link
from tasksvc.api.responses.raw import JSON, RawResponse, json_response
from tasksvc.api.responses.streaming import StreamingResponse
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.workspaces import WorkspaceOut, WorkspacesQuery
from tasksvc.application.callers import Scope
from tasksvc.application.runtime import Runtime
from tasksvc.application.workspaces import find_workspaces, iter_workspaces
from tasksvc.ports.store import WorkspaceSummary


class WorkspaceHandlers:
    """Handles the list of workspaces, and their erasure."""

    def __init__(self, runtime: Runtime, authenticator: Authenticator) -> None:
        self._runtime, self._authenticator = runtime, authenticator
        self._page_size = runtime.limits.stream_page

    @operation(
        "List workspaces",
        tag="workspaces",
        description=(
            "Those that somebody has written to, by name in the order of code points. All of them, or with `limit` a"
            " page, which a Link header leads on from."
        ),
        responses=responses({200: ("The workspaces.", [WorkspaceOut], ["Link"])}, NO_ADMIN),
        query=WorkspacesQuery(),
    )
    async def list_workspaces(self, request: web.Request) -> RawResponse | StreamingResponse:
        repository, asked = self._runtime.repository, request[QUERY]
        prefix, limit = asked["prefix"], asked["limit"]
        page = await find_workspaces(repository, prefix=prefix, after=asked["after"], limit=limit or self._page_size)
        answer = json_response(_shown(page.workspaces))
        if page.next is None:
            return answer
        if limit is not None:
            answer.add_header(hdrs.LINK, next_link(request, page.next))
            return answer
        rest = _members(iter_workspaces(repository, prefix=prefix, after=page.next, page_size=self._page_size))
        client = self._authenticator.client_of(request)
        self._authenticator.open_stream(client)
        closed = partial(self._authenticator.close_stream, client)
        return StreamingResponse(JSON, json_array(answer.body, rest), closed=closed)

    @operation(
        "Erase a workspace",
        tag="workspaces",
        description=(
            "Its tasks, change log, idempotency keys and name are gone at once, for every caller, and streams of its"
            " changes end. What is left of them in the store is deleted in the background. A workspace that doesn't"
            " exist is answered alike. Tokens that name it stay."
        ),
        responses=responses({204: "The workspace is erased."}, NO_ADMIN),
    )
    async def erase_workspace(self, request: web.Request) -> web.Response:
        check_untagged(*conditions_of(request))
        await self._runtime.erase(request.match_info[PARAMETER])
        return web.Response(status=204)

    def routes(self) -> list[RouteGroup]:
        """Returns the routes for administrators."""
        without_slash = Route("GET", PREFIX.removesuffix("/"), self.list_workspaces, Scope.ADMIN)
        return [RouteGroup(self._routes(Scope.ADMIN)), RouteGroup([without_slash], documented=False)]

    def local_routes(self) -> RouteGroup:
        """Returns the routes that need no token, for a socket that only administrators can open."""
        return RouteGroup(self._routes(None), documented=False, origin_checked=False)

    def _routes(self, scope: Scope | None) -> list[Route]:
        return [
            Route("GET", PREFIX, self.list_workspaces, scope),
            Route("DELETE", PATH, self.erase_workspace, scope),
        ]


def _shown(workspaces: Sequence[WorkspaceSummary]) -> list[dict[str, object]]:
    return [workspace._asdict() for workspace in workspaces]


async def _members(pages: AsyncGenerator[Sequence[WorkspaceSummary], None]) -> AsyncGenerator[bytes, None]:
    async for workspaces in pages:
        if workspaces:
            yield array_members(_shown(workspaces))
