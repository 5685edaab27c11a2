"""A client of calendars, and what two libraries read in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import vobject
from icalendar import Calendar, Component


class Client:
    """Sends requests, and expects their statuses."""

    def __init__(self, session: aiohttp.ClientSession, headers: Mapping[str, str] | None = None) -> None:
        self._session, self._headers = session, dict(headers or {})

    async def ask(self, method: str, path: str, document: object = None, *, status: int = 200) -> Any:
        """Sends a request, and returns the document of the answer, which has `status`; None if it has none."""
        async with self._session.request(method, path, json=document, headers=self._headers) as response:
            body = await response.text()
            assert response.status == status, (response.status, body)
            return await response.json(content_type=None) if body else None

    async def create(self, workspace: str | None = None, **fields: Any) -> dict[str, Any]:
        """Creates a task, which is due on 1 December 2026 unless `fields` say something else."""
        path = "/tasks/" if workspace is None else f"/workspaces/{workspace}/tasks/"
        due = {} if {"due_at", "due_on"} & fields.keys() else {"due_on": "2026-12-01"}
        made: dict[str, Any] = await self.ask("POST", path, {"description": "water", **due, **fields}, status=201)
        return made

    async def key(self, name: str = "inbox", workspace: str | None = None) -> dict[str, Any]:
        """Creates a key for a list."""
        path = "/calendar/keys/" if workspace is None else f"/workspaces/{workspace}/calendar/keys/"
        made: dict[str, Any] = await self.ask("POST", path, {"list": name}, status=201)
        return made

    async def read(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Reads a calendar, as a calendar program does: without a token."""
        async with self._session.get(path, headers=headers or {}) as response:
            body = await response.read()
            assert response.status == 200, (response.status, body)
            assert response.content_type == "text/calendar"
            return body

    async def show(self, path: str | None = None, query: str = "") -> list[Any]:
        """Returns the to-dos and events of a calendar as icalendar reads it; by default that of the list `inbox`."""
        read = await self.read((path or (await self.key())["path"]) + query)
        return entries(Calendar.from_ical(read))

    async def show_one(self, query: str = "") -> Any:
        """Returns the only to-do or event of the calendar of the list `inbox`."""
        (entry,) = await self.show(query=query)
        return entry


def entries(calendar: Component) -> list[Any]:
    """Returns the to-dos and events of a calendar."""
    return [each for each in calendar.subcomponents if each.name in ("VTODO", "VEVENT")]


def todos_by_vobject(read: bytes) -> list[Any]:
    """Returns the to-dos of a calendar as vobject reads it."""
    return list(vobject.readOne(read.decode()).contents.get("vtodo", []))
