"""A service with webhooks on a store that is kept, and what is in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tasksvc_webhooks.context import Context
from tasksvc_webhooks.settings import WebhookSettings

from tasksvc.testing.plugin import serving
from webhooks.client import Client
from webhooks.configured import ConfiguredWebhooks
from webhooks.receiver import LOOPBACK

QUICK = WebhookSettings(save=0.02, save_skipped=0.05, checkpoint=0.05, save_answers=0.1)


@asynccontextmanager
async def served(folder: Path, **settings: Any) -> AsyncIterator[tuple[Client, Context]]:
    """Gives a client of a service with webhooks on a store in `folder`, and what its hooks share."""
    plugin = ConfiguredWebhooks(QUICK._replace(**settings))
    store = f"sqlite:///{folder}/kept.db"
    async with serving(plugin, name="webhooks", store=store, settings={"--webhook-allow": LOOPBACK}) as session:
        yield Client(session), plugin.context


async def records(context: Context, prefix: str) -> list[str]:
    """Returns the keys of records that begin with `prefix`."""
    return [record.key async for record in context.service.records.all(prefix)]
