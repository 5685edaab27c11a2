"""What the service answers about the lists of a workspace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from functools import partial

from aiohttp import hdrs, web

from tasksvc.api.openapi.decorators import Refusal, operation, responses
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.pipeline.clients import name_of
from tasksvc.api.requests.etags import check_untagged, conditions_of
from tasksvc.api.requests.lists import LIST, list_of
from tasksvc.api.requests.validation import BODY, QUERY
from tasksvc.api.requests.workspaces import workspace_of
from tasksvc.api.responses.pages import array_members, json_array, next_link
from tasksvc.api.responses.problems import NoSuchList
from tasksvc.api.responses.raw import JSON, RawResponse, json_response
from tasksvc.api.responses.streaming import StreamingResponse
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.lists import ListOut, ListPatch, ListsQuery
from tasksvc.application.callers import Scope
from tasksvc.application.lists import find_lists, iter_lists, summarize_list
from tasksvc.application.runtime import Runtime
from tasksvc.ports.store import ListSummary

NO_SUCH_LIST = Refusal(404, "list-not-found", "Neither list has a task.")


class ListHandlers:
    """Handles the routes below /lists/."""

    def __init__(self, runtime: Runtime, authenticator: Authenticator) -> None:
        self._runtime, self._authenticator = runtime, authenticator
        self._page_size = runtime.limits.stream_page

    @operation(
        "List lists",
        tag="lists",
        description=(
            "Those that have a task, by name in the order of code points. All of them, or with `limit` a page, which a"
            " Link header leads on from."
        ),
        responses=responses({200: ("The lists.", [ListOut], ["Link"])}),
        query=ListsQuery(),
    )
    async def list_lists(self, request: web.Request) -> RawResponse | StreamingResponse:
        repository, asked = self._runtime.workspace(workspace_of(request)), request[QUERY]
        caller, limit = partial(self._authenticator.client_of, request), asked["limit"]
        find = partial(find_lists, repository, self._runtime.turns, caller=caller)
        page = await find(after=asked["after"], limit=limit or self._page_size)
        answer = json_response(_shown(page.lists))
        if page.next is None:
            return answer
        if limit is not None:
            answer.add_header(hdrs.LINK, next_link(request, page.next))
            return answer
        rest = iter_lists(repository, self._runtime.turns, caller=caller, after=page.next, page_size=self._page_size)
        self._authenticator.open_stream(client := caller())
        closed = partial(self._authenticator.close_stream, client)
        return StreamingResponse(JSON, json_array(answer.body, _members(rest)), closed=closed)

    @operation(
        "Rename a list",
        tag="lists",
        description=(
            "Moves its tasks to another list, in transactions of up to 1,000, and is always finished, even if the"
            " client disconnects or the service is killed. If there is a list of that name, they become one. It is"
            " safe to repeat, so it takes no Idempotency-Key."
        ),
        responses=responses({200: ("The list with its new name.", ListOut, [])}, NO_SUCH_LIST),
        body=ListPatch(),
    )
    async def rename_list(self, request: web.Request) -> RawResponse:
        check_untagged(*conditions_of(request))
        workspace, name, to = workspace_of(request), list_of(request), request[BODY]["name"]
        tasks = self._runtime.tasks_of(workspace)
        is_moved = to != name and await self._runtime.list_jobs.rename(workspace, name, to, by=name_of(request))
        summary = await summarize_list(tasks, to, caller=partial(self._authenticator.client_of, request))
        if not summary.total and not is_moved:
            raise NoSuchList(f"There is no list {name!r}, and none {to!r}.")
        return json_response(summary._asdict())

    @operation(
        "Delete a list",
        tag="lists",
        description=(
            "Deletes its tasks, in transactions of up to 1,000, and is always finished, even if the client disconnects"
            " or the service is killed. A list without tasks is answered alike, so it takes no Idempotency-Key."
        ),
        responses=responses({204: "The list is deleted."}),
    )
    async def delete_list(self, request: web.Request) -> web.Response:
        check_untagged(*conditions_of(request))
        workspace, name = workspace_of(request), list_of(request)
        await self._runtime.list_jobs.delete(workspace, name, by=name_of(request))
        return web.Response(status=204)

    def routes(self) -> list[RouteGroup]:
        """Returns the routes of lists."""
        path = f"/lists/{{{LIST}}}"
        return [
            RouteGroup(
                [
                    Route("GET", "/lists/", self.list_lists, Scope.READ),
                    Route("PATCH", path, self.rename_list, Scope.WRITE),
                    Route("DELETE", path, self.delete_list, Scope.WRITE),
                ]
            ),
            RouteGroup([Route("GET", "/lists", self.list_lists, Scope.READ)], documented=False),
        ]


def _shown(lists: Sequence[ListSummary]) -> list[dict[str, object]]:
    return [each._asdict() for each in lists]


async def _members(pages: AsyncGenerator[Sequence[ListSummary], None]) -> AsyncGenerator[bytes, None]:
    async for lists in pages:
        if lists:
            yield array_members(_shown(lists))
