"""What the service answers about several workspaces together, with the documentation of each operation.

These handlers stand for those of the caller's home on paths without a workspace.  They answer what names workspaces in
its query string, and pass everything else on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from functools import partial

from aiohttp import hdrs, web

from tasksvc.api.handlers.changes import STREAM_DESCRIPTION, ChangeHandlers, event_stream
from tasksvc.api.handlers.tasks import (
    COUNT_DESCRIPTION,
    EXAMPLE_LINES,
    LIST_DESCRIPTION,
    TaskHandlers,
    prefers_ndjson,
)
from tasksvc.api.openapi.decorators import POSITION_GONE, header, operation, responses
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.pipeline.clients import Client, caller_of
from tasksvc.api.pipeline.pipeline import Handler
from tasksvc.api.requests.cursors import decode_place, encode_place
from tasksvc.api.requests.etags import joined
from tasksvc.api.requests.positions import format_positions, parse_positions, position_entry
from tasksvc.api.requests.validation import QUERY
from tasksvc.api.responses.pages import json_array, json_lines, next_link
from tasksvc.api.responses.problems import NotYourWorkspace
from tasksvc.api.responses.raw import CHANGE_SEQ, JSON, NDJSON, RawResponse, json_response, page_response
from tasksvc.api.responses.sse import in_workspace, sse_farewell, stream_start
from tasksvc.api.responses.streaming import Chunk, StreamingResponse
from tasksvc.api.routes import RouteGroup
from tasksvc.api.schemas.queries import ANY_POSITION, FilterAcrossQuery, ListAcrossQuery, StreamAcrossQuery
from tasksvc.api.schemas.task_fields import TaskOut
from tasksvc.api.schemas.tasks import CountOut
from tasksvc.application.callers import Caller
from tasksvc.application.merged_feed import Starts, Step, find_starts, follow_all
from tasksvc.application.merged_tasks import MergedPage
from tasksvc.application.runtime import Runtime
from tasksvc.domain.change import Position
from tasksvc.domain.errors import PositionGone, StoreClosed
from tasksvc.domain.json_text import dumps

LAST_EVENT_ID = header(
    "Last-Event-ID", "The id of the last event that the client received; takes precedence over `since`.", **ANY_POSITION
)


class AcrossHandlers:
    """Handles lists, counts and streams of several workspaces."""

    def __init__(
        self, runtime: Runtime, authenticator: Authenticator, tasks: TaskHandlers, changes: ChangeHandlers
    ) -> None:
        """Takes the handlers of the home of the caller."""
        self._runtime, self._authenticator = runtime, authenticator
        self._tasks, self._changes = tasks, changes
        self._limits, self._timeouts = runtime.limits, runtime.timeouts

    # ------------------------------------------------------------ tasks

    @operation(
        "List tasks",
        tag="tasks",
        description=(
            f"{LIST_DESCRIPTION} With `workspace` the tasks of several workspaces are one list, each with its"
            " `workspace`. Tasks with the same value of the sort are ordered by workspace and id."
        ),
        responses=responses(
            {200: ("The tasks.", [TaskOut], ["Link", CHANGE_SEQ])}, also={200: {NDJSON: EXAMPLE_LINES}}
        ),
        query=ListAcrossQuery(),
    )
    async def list_tasks(self, request: web.Request) -> RawResponse | StreamingResponse:
        names, request[QUERY] = request[QUERY]
        if names is None:
            return await self._tasks.list_tasks(request)
        query, cursor, limit = request[QUERY]
        after = None if cursor is None else decode_place(cursor, query, names)
        tasks, caller = self._runtime.tasks_across(names), partial(self._authenticator.client_of, request)
        lines = prefers_ndjson(joined(request, hdrs.ACCEPT))
        if limit is not None:
            page = await tasks.find(query, caller=caller, after=after, limit=limit, max_bytes=self._limits.page_bytes)
            answer = _page_response(page, lines=lines)
            if page.next is not None:
                answer.add_header(hdrs.LINK, next_link(request, encode_place(page.next, query, names)))
            return answer
        rest = tasks.whole(query, caller=caller, after=after)
        next_page = partial(rest.next_page, limit=self._limits.stream_page, max_bytes=self._limits.stream_bytes)
        first = await next_page()
        answer = _page_response(first, lines=lines)
        if first.next is None:
            return answer
        show = json_lines if lines else json_array
        self._authenticator.open_stream(whose := caller())
        return StreamingResponse(
            NDJSON if lines else JSON,
            show(answer.body, _rest(next_page, lines=lines)),
            [(CHANGE_SEQ, format_positions(first.positions)), (hdrs.VARY, hdrs.ACCEPT)],
            kept=self._limits.stream_bytes,
            closed=partial(self._authenticator.close_stream, whose),
        )

    @operation(
        "Count tasks",
        tag="tasks",
        description=f"{COUNT_DESCRIPTION} With `workspace` it's the number of those in several workspaces together.",
        responses=responses({200: ("The number of tasks.", CountOut, [])}),
        query=FilterAcrossQuery(),
    )
    async def count_tasks(self, request: web.Request) -> RawResponse:
        names, request[QUERY] = request[QUERY]
        if names is None:
            return await self._tasks.count_tasks(request)
        caller = partial(self._authenticator.client_of, request)
        return json_response({"count": await self._runtime.tasks_across(names).count(request[QUERY], caller=caller)})

    # ------------------------------------------------------------ changes

    @operation(
        "Follow the change log",
        tag="changes",
        description=(
            f"{STREAM_DESCRIPTION} With `workspace` the changes of several workspaces come in one stream, each with its"
            " `workspace`, and an id holds a position for each of them. A workspace leaves the stream with an event"
            " `position-gone` where its log doesn't reach back to the position, and with `workspace-forbidden` when the"
            " caller may no longer enter it."
        ),
        headers=[LAST_EVENT_ID],
        produces="text/event-stream",
        responses=responses({200: ("Events.", None, [])}, POSITION_GONE),
        query=StreamAcrossQuery(),
    )
    async def stream(self, request: web.Request) -> StreamingResponse:
        names: tuple[str, ...] | None = request[QUERY].get("workspace")
        if names is None:
            return await self._changes.stream(request)
        since: dict[str, Position | None] = dict.fromkeys(names)
        if (last := request.headers.get("Last-Event-ID")) is not None:
            since = parse_positions(last, names, where="header", field="Last-Event-ID")
        elif (named := request[QUERY].get("since")) is not None:
            since = parse_positions(named, names, where="query", field="since")
        starts = await find_starts(self._runtime.feeds, since, at_once=self._limits.pages)
        client = self._authenticator.client_of(request)
        self._authenticator.open_stream(client, len(names))  # it keeps as much as if they were
        return event_stream(
            self._events(starts, client, caller_of(request)),
            closed=partial(self._authenticator.close_stream, client, len(names)),
        )

    async def _events(self, starts: Starts, client: Client, caller: Caller) -> AsyncGenerator[Chunk, None]:
        """Yields the stream's body, as ChangeHandlers does that of one workspace, until no workspace is left."""
        ids, woken, known = _Ids(starts), asyncio.Event(), caller
        yield stream_start(str(ids))
        for workspace, error in starts.gone.items():
            yield _farewell(workspace, error)
        with self._authenticator.watch(client, caller, woken) as watched:
            async with follow_all(self._runtime.feeds, starts, woken) as feed:
                while feed.followed:
                    woken.clear()
                    try:
                        step = await feed.next()
                    except StoreClosed:
                        return
                    now = await watched.now()
                    if now is None:
                        return
                    if now is not known:
                        known = now
                        for workspace in feed.followed:
                            if not now.may_enter(workspace):
                                await feed.leave(workspace)
                                yield _farewell(workspace, NotYourWorkspace())
                    if step is None:
                        if feed.followed:
                            await woken.wait()
                    elif step.gone is not None:
                        yield _farewell(step.workspace, step.gone)
                    elif now.may_enter(step.workspace):
                        chunk = b"".join(ids.events(step))
                        del step  # slow clients are many
                        yield chunk
                        del chunk

    def routes(self, groups: Iterable[RouteGroup]) -> list[RouteGroup]:
        """Returns `groups`, which are those of the home of the caller, with the handlers that stand for them."""
        handlers: dict[object, Handler] = {
            self._tasks.list_tasks: self.list_tasks,
            self._tasks.count_tasks: self.count_tasks,
            self._changes.stream: self.stream,
        }
        return [
            group._replace(
                routes=[route._replace(handler=handlers.get(route.handler, route.handler)) for route in group.routes]
            )
            for group in groups
        ]


class _Ids:
    """The ids of a stream of several workspaces, each with a position of all."""

    def __init__(self, starts: Starts) -> None:
        self._entries = {name: position_entry(name, at) for name, at in sorted(starts.positions.items())}

    def __str__(self) -> str:
        return ".".join(self._entries.values())

    def events(self, step: Step) -> Iterator[bytes]:
        """Yields the events of `step` with their ids."""
        workspace, events, (generation, last), _ = step
        for seq, event in enumerate(events, last - len(events) + 1):
            self._entries[workspace] = position_entry(workspace, Position(generation, seq))
            yield in_workspace(event, workspace, str(self))


def _farewell(workspace: str, error: PositionGone | NotYourWorkspace) -> bytes:
    reason = error.name if isinstance(error, NotYourWorkspace) else POSITION_GONE.name
    return sse_farewell(workspace, reason, str(error))


def _page_response(page: MergedPage, *, lines: bool) -> RawResponse:
    body = _as_lines(page) if lines else b"[%b]\n" % b",".join(_members(page))
    return page_response(body, format_positions(page.positions), lines=lines)


async def _rest(next_page: Callable[[], Awaitable[MergedPage]], *, lines: bool) -> AsyncGenerator[bytes, None]:
    """Yields what follows the first page of a list, page by page."""
    more = True
    while more:
        page = await next_page()
        more = page.next is not None
        chunk = _as_lines(page) if lines else b"".join(b"," + member for member in _members(page))
        del page  # slow clients are many
        yield chunk
        del chunk


def _as_lines(page: MergedPage) -> bytes:
    return b"".join(member + b"\n" for member in _members(page))


def _members(page: MergedPage) -> Iterator[bytes]:
    """Yields each task with its workspace, as JSON."""
    for workspace, task in page.tasks:
        yield b'{"workspace":"%b",%b' % (workspace.encode(), dumps(task)[1:])
