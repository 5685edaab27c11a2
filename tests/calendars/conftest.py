"""A service with calendars."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import tasksvc_calendar

from calendars.client import Client
from tasksvc.testing.plugin import serving


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session with an open service in memory."""
    async with serving(tasksvc_calendar, name="calendar") as session:
        yield session


@pytest.fixture
def client(session: aiohttp.ClientSession) -> Client:
    """A client of that service."""
    return Client(session)
