"""What the service answers to programs that subscribe to a calendar."""

from __future__ import annotations

import hashlib
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import hdrs, web

from tasksvc import __version__
from tasksvc.plugin import (
    Route,
    RouteGroup,
    Service,
    StreamingResponse,
    format_position,
    in_workspaces,
    operation,
    query_of,
    responses,
)
from tasksvc_calendar import schemas
from tasksvc_calendar.feed import View, calendar
from tasksvc_calendar.keys import Key
from tasksvc_calendar.refusals import NO_SUCH_CALENDAR, NoSuchCalendar
from tasksvc_calendar.storing import KeyStore

CALENDAR: Final = "text/calendar"
CACHED: Final = "private, no-cache"
"""Whoever asked may keep the calendar, and asks each time whether it has changed."""
FORM: Final = 1
"""Raised when the same tasks are shown in another way, so that nobody keeps the old one."""


class FeedHandlers:
    """Handles the routes of calendars, which need no token."""

    def __init__(self, service: Service, store: KeyStore) -> None:
        self._service, self._store = service, store

    @operation(
        "Read a calendar",
        tag="calendar",
        description=(
            "The due tasks of a list as iCalendar (RFC 5545), for programs that subscribe to an address. They send no"
            " headers, so the key in the address says that they may. Without a workspace in the path, it's that of the"
            " key."
        ),
        responses=responses(
            {200: "The calendar.", 304: "The calendar hasn't changed since the response with the ETag."},
            NO_SUCH_CALENDAR,
        ),
        query=schemas.CalendarQuery(),
        produces=CALENDAR,
    )
    async def get_calendar(self, request: web.Request) -> web.StreamResponse | StreamingResponse:
        asked = query_of(request)
        key = await self._store.find(asked["key"])
        named = request.match_info.get("workspace")
        if key is None or key.list != request.match_info["list"] or named not in (None, key.workspace):
            raise NoSuchCalendar
        tag = await self._tag(key)
        headers = {hdrs.ETAG: f'W/"{tag}"', hdrs.CACHE_CONTROL: CACHED, "Referrer-Policy": "no-referrer"}
        if any(known.value in (tag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        form, done = asked.get("as", "tasks"), asked.get("done")
        if done is None and form == "events":
            done = False
        parts = calendar(self._service, key, View(form, done, ZoneInfo(asked.get("zone", "UTC"))))
        answer = StreamingResponse(f"{CALENDAR}; charset=utf-8", parts)
        answer.response.headers.update(headers)
        return answer

    async def _tag(self, key: Key) -> str:
        """Returns the entity tag, without its quotes, of the calendar as it is now.

        It is of the end of the log, so no task is read; and weak, since a task that changes while the calendar is sent
        may be shown either way.
        """
        position = format_position(await self._service.end_of_log(key.workspace))
        return hashlib.sha256(f"{position} {__version__} {FORM}".encode()).hexdigest()[:32]

    def routes(self) -> list[RouteGroup]:
        """Returns the routes of calendars.  Requests count for the rate limit of their address."""
        group = RouteGroup([Route("GET", "/calendar/{list}.ics", self.get_calendar, None)], counted=True)
        return [group, in_workspaces(group)]
