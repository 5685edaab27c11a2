"""Deletes what webhooks have left that don't exist any more, or that have other workspaces than before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Final

from tasksvc.plugin import Delete, Service
from tasksvc_webhooks.keys import LANE, MARK, STATUS, WEBHOOK, lane_name
from tasksvc_webhooks.registry import Registry
from tasksvc_webhooks.subscriptions import Webhook
from tasksvc_webhooks.times import parse_time

SWEEP_SECONDS: Final = 3_600.0
"""Between two looks for what is left."""
PAUSE_SECONDS: Final = 0.05
"""Between two steps, so that requests come first."""
DELETED: Final = 100
"""Records that are deleted in one commit."""
CREATION: Final = timedelta(hours=1)
"""Time that a process has at least to write a webhook after its secret."""


async def drop_lanes(service: Service, old: Webhook, new: Webhook | None) -> None:
    """Deletes the records of the lanes that a webhook had and hasn't any more; all, if it was deleted."""
    if new is not None and new.workspaces is None:
        return
    kept = () if new is None else [lane_name(new.id, workspace) for workspace in new.workspaces or ()]
    await _drop_lanes(service, old.id, kept)


async def _drop_lanes(service: Service, webhook_id: str, kept: Collection[str] = ()) -> None:
    keys: list[str] = []
    for prefix in (LANE, MARK):
        async for record in service.records.all(f"{prefix}{webhook_id}:"):
            if record.key.removeprefix(prefix) not in kept:
                keys.append(record.key)
            if len(keys) == DELETED:
                await service.records.write([Delete(key) for key in keys])
                keys.clear()
                await asyncio.sleep(PAUSE_SECONDS)
    if keys:
        await service.records.write([Delete(key) for key in keys])


class Sweeper:
    """Looks for what a process left that was killed while it deleted or created a webhook."""

    def __init__(self, service: Service, registry: Registry) -> None:
        self._service, self._registry = service, registry

    async def sweep(self) -> None:
        """Deletes it, and waits.  Raises StoreUnavailable."""
        await self._registry.refresh()
        for prefix in (LANE, MARK):
            async for webhook_id in self._ids(prefix):
                if self._registry.get(webhook_id) is None:
                    await _drop_lanes(self._service, webhook_id)
        async for record in self._service.records.all(STATUS):
            if self._registry.get(record.key.removeprefix(STATUS)) is None:
                await self._service.records.delete(record.key)
        async for record in self._service.secrets.all(WEBHOOK):
            is_old = parse_time(record.value["created_at"]) < self._service.now() - CREATION
            if is_old and self._registry.get(record.key.removeprefix(WEBHOOK)) is None:
                await self._service.secrets.delete(record.key, expected=record.version)
        await asyncio.sleep(SWEEP_SECONDS)

    async def _ids(self, prefix: str) -> AsyncIterator[str]:
        """Yields the ids of the webhooks that have lanes, each with one read, however many lanes it has."""
        after = prefix
        while records := await self._service.records.list(after=after, limit=1):
            key = records[0].key
            if not key.startswith(prefix):
                return
            webhook_id = key.removeprefix(prefix).rpartition(":")[0]
            yield webhook_id
            after = f"{prefix}{webhook_id};"  # the character after the colon, so behind all of its lanes
            await asyncio.sleep(0)
