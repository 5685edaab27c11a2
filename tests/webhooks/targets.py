"""Targets of webhooks on loopback, and what sends to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

from tasksvc_webhooks.sending import Sender


@asynccontextmanager
async def sender(*allowed: str, **options: Any) -> AsyncIterator[Sender]:
    """Gives a sender that may send to the networks, and takes the options of Sender."""
    sending = Sender([ip_network(network) for network in allowed], user_agent="tasksvc/test", **options)
    try:
        yield sending
    finally:
        await sending.close()
