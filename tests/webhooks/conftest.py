"""A service with webhooks, and a receiver for their messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from tasksvc_webhooks.settings import WebhookSettings

from tasksvc.testing.plugin import serving
from webhooks.client import Client
from webhooks.configured import ConfiguredWebhooks
from webhooks.receiver import LOOPBACK, Receiver, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A server that keeps what it's sent."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def session(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with an open service in memory, whose webhooks have the settings of the test's marker `options`."""
    marker = request.node.get_closest_marker("options")
    plugin = ConfiguredWebhooks(WebhookSettings(**marker.kwargs if marker else {}))
    async with serving(plugin, name="webhooks", settings={"--webhook-allow": LOOPBACK}) as session:
        yield session


@pytest.fixture
def client(session: aiohttp.ClientSession) -> Client:
    """A client of that service."""
    return Client(session)
