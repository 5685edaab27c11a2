"""Reading Server-Sent Events as a browser does (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import ClientResponse
from patience import PATIENCE_SECONDS

from api.api_client import Api


class Event(NamedTuple):
    """An event as it was received."""

    id: str
    data: dict[str, Any]


class Events:
    """An open stream of events."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.start = ""
        """The id that was received before any event."""

    async def line(self) -> str:
        """Returns the next line without its end. Raises EOFError at the end of the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self.response.content.readline()
        if not line:
            raise EOFError
        return line.decode().removesuffix("\n")

    async def next(self) -> Event:
        """Returns the next event. Comments and other fields are ignored."""
        found: dict[str, str] = {}
        while True:
            line = await self.line()
            name, _, value = line.partition(": ")
            if name in ("id", "data"):
                found[name] = value
            elif not line and "data" in found:
                return Event(found["id"], json.loads(found["data"]))

    async def take(self, count: int) -> list[Event]:
        """Returns the next `count` events."""
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def events(
    api: Api, since: str | None = None, last: str | None = None, *, below: str = ""
) -> AsyncIterator[Events]:
    """Opens a stream of changes that begins now; `below` is the path of a workspace."""
    headers = {} if last is None else {"Last-Event-ID": last}
    parameters = {} if since is None else {"since": since}
    async with api.client.get(f"{below}/changes/stream", headers=headers, params=parameters) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream"), await response.text()
        stream = Events(response)
        assert await stream.line() == "retry: 1000"
        name, _, stream.start = (await stream.line()).partition(": ")
        assert name == "id"
        assert await stream.line() == ""
        yield stream
