"""What the service answers about the change log, with the documentation of each operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Protocol

from aiohttp import web

from tasksvc.api.handlers.tasks import task_id_of
from tasksvc.api.openapi.decorators import NO_SUCH_TASK, POSITION_GONE, header, operation, responses
from tasksvc.api.pipeline.auth import Authenticator
from tasksvc.api.pipeline.clients import Client, caller_of
from tasksvc.api.requests.positions import format_position, parse_position
from tasksvc.api.requests.validation import QUERY
from tasksvc.api.requests.workspaces import workspace_of
from tasksvc.api.responses.raw import RawResponse, encoded_response
from tasksvc.api.responses.sse import change_to_json, stream_start
from tasksvc.api.responses.streaming import Chunk, StreamingResponse
from tasksvc.api.routes import Route, RouteGroup
from tasksvc.api.schemas.changes import ChangesOut
from tasksvc.api.schemas.queries import POSITION, ChangesQuery, StreamQuery
from tasksvc.application.callers import Caller, Scope
from tasksvc.application.runtime import Runtime
from tasksvc.domain.change import Position
from tasksvc.domain.errors import PositionGone
from tasksvc.domain.json_text import dumps
from tasksvc.ports.store import ChangePage

LAST_EVENT_ID = header(
    "Last-Event-ID", "The id of the last event that the client received; takes precedence over `since`.", **POSITION
)

STREAM_DESCRIPTION = (
    "Server-Sent Events, one for each change, whose id is its position. The id at which the stream starts comes first,"
    " without data. A client that comes back with Last-Event-ID gets what it missed, and goes on live. The answer"
    " doesn't end, so Swagger UI shows what comes within two seconds of the first bytes."
)
PAGES_MAX = 2
"""Pages of the log that are put together at once, since each may take some megabytes."""


def event_stream(events: AsyncGenerator[Chunk, None], *, closed: Callable[[], None]) -> StreamingResponse:
    """Returns a response of Server-Sent Events, which goes on until its client leaves; `closed` is called then."""
    return StreamingResponse(
        "text/event-stream",
        events,
        [("X-Accel-Buffering", "no")],
        heartbeat=b":\n",  # no empty line after it, since some clients make an event of a block without data
        closed=closed,
    )


class ReadChanges(Protocol):
    """Reads a page of the change log, or of a part of it."""

    async def __call__(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        """Returns at most `limit` changes after `since`."""


class ChangeHandlers:
    """Handles the routes below /changes."""

    def __init__(self, runtime: Runtime, authenticator: Authenticator) -> None:
        self._runtime, self._authenticator = runtime, authenticator
        self._limits, self._timeouts = runtime.limits, runtime.timeouts
        self._reading = asyncio.Semaphore(min(PAGES_MAX, runtime.limits.pages))

    @operation(
        "Read the change log",
        tag="changes",
        description=(
            "Pass `next`, or the `position` of a change, as the following request's `since` to see every change"
            " exactly once."
        ),
        responses=responses({200: ("Changes, in order.", ChangesOut, [])}, POSITION_GONE),
        query=ChangesQuery(),
    )
    async def changes(self, request: web.Request) -> RawResponse:
        return await self._page(request, partial(self._runtime.feeds.read, workspace_of(request)))

    @operation(
        "Read the history of a task",
        tag="tasks",
        description=(
            "The changes of one task, which may be deleted, as far as the change log has them. Without `since` from the"
            " first one that it has."
        ),
        responses=responses({200: ("Changes, in order.", ChangesOut, [])}, NO_SUCH_TASK, POSITION_GONE),
        query=ChangesQuery(),
    )
    async def task_changes(self, request: web.Request) -> RawResponse:
        tasks = self._runtime.tasks_of(workspace_of(request))
        return await self._page(request, partial(tasks.changes_of, task_id_of(request)))

    async def _page(self, request: web.Request, read: ReadChanges) -> RawResponse:
        """Returns the answer with the changes that a request asks for, which `read` reads."""
        since = parse_position(request[QUERY]["since"], where="query", field="since")
        async with self._reading:
            return encoded_response(await self._body(read, since, request[QUERY]["limit"]))

    async def _body(self, read: ReadChanges, since: Position, limit: int) -> bytes:
        """Returns the body of an answer with at most `limit` changes after `since`."""
        left, room, at_once = limit, self._limits.page_bytes, self._limits.changes_read
        taken: list[bytes] = []
        more = True
        while more and left and room > 0:
            page = await read(since, limit=min(left, at_once), max_bytes=room)
            since, more = page.next, page.more
            for change in page.changes:
                position = format_position(Position(page.next.generation, change.seq))
                taken.append(encoded := dumps(change_to_json(change, position)))
                left, room = left - 1, room - len(encoded)
        return b'{"changes":[%b],"next":%b,"more":%b}\n' % (
            b",".join(taken),
            dumps(format_position(since)),
            dumps(more),
        )

    @operation(
        "Follow the change log",
        tag="changes",
        description=STREAM_DESCRIPTION,
        headers=[LAST_EVENT_ID],
        produces="text/event-stream",
        responses=responses({200: ("Events.", None, [])}, POSITION_GONE),
        query=StreamQuery(),
    )
    async def stream(self, request: web.Request) -> StreamingResponse:
        since = None
        if (last := request.headers.get("Last-Event-ID")) is not None:
            since = parse_position(last, where="header", field="Last-Event-ID")
        elif (named := request[QUERY].get("since")) is not None:
            since = parse_position(named, where="query", field="since")
        workspace = workspace_of(request)
        # While it can still be answered that the position is gone, or the store broken.
        start = await self._runtime.feeds.start(workspace, since)
        client = self._authenticator.client_of(request)
        self._authenticator.open_stream(client)
        events = self._events(workspace, start, client, caller_of(request))
        return event_stream(events, closed=partial(self._authenticator.close_stream, client))

    async def _events(
        self, workspace: str, start: Position, client: Client, caller: Caller
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the stream's body: an id, then events, until the caller may see no more.

        It ends too where the log has lost the position, since the workspace was erased or the store restored: the
        client that comes back with it learns so.

        A client that is cut off before its first event comes back with the id that came first (HTML
        standard, section 9.2.6).
        """
        yield stream_start(format_position(start))
        since, woken = start, asyncio.Event()
        with self._authenticator.watch(client, caller, woken) as watched:
            async with self._runtime.feeds.follow(workspace, woken) as feed:
                while not feed.ended:
                    woken.clear()  # before anything is looked at, so that nothing that comes later is missed
                    try:
                        changes, since = await feed.next(since)
                    except PositionGone:
                        return
                    now = await watched.now()
                    if now is None or not now.may_enter(workspace):
                        return
                    if changes:
                        chunk = b"".join(changes)
                        del changes  # slow clients are many
                        yield chunk
                        del chunk
                    else:
                        await woken.wait()

    def routes(self) -> RouteGroup:
        """Returns the routes of the change log."""
        return RouteGroup(
            [
                Route("GET", "/changes", self.changes, Scope.READ),
                Route("GET", "/tasks/{id}/changes", self.task_changes, Scope.READ),
                Route("GET", "/changes/stream", self.stream, Scope.READ),
            ]
        )
