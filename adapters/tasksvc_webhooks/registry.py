"""All webhooks, as one process knows them: it looks each second whether another one has changed any."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from tasksvc import RepositoryError
from tasksvc.plugin import Service
from tasksvc_webhooks.storing import DamagedRecord, WebhookStore
from tasksvc_webhooks.subscriptions import Webhook

LOOK_SECONDS: Final = 1.0
"""Between two looks for changes of other processes."""


class Listener(Protocol):
    """Receives changes of webhooks."""

    def __call__(self, old: Webhook | None, new: Webhook | None) -> None:
        """Takes a webhook as it was and as it is; None where there was or is none."""


class Registry:
    """Knows all webhooks, by id and by workspace."""

    def __init__(self, service: Service, store: WebhookStore) -> None:
        self._service, self._store = service, store
        self._webhooks: dict[str, Webhook] = {}
        self._by_workspace: dict[str, dict[str, None]] = {}
        self._of_all: dict[str, None] = {}
        self._number: int | None = None
        """The number of changes that it has seen; None before it has read all webhooks."""
        self._lock = asyncio.Lock()
        self.listener: Listener | None = None

    @property
    def webhooks(self) -> Mapping[str, Webhook]:
        """All webhooks by id."""
        return self._webhooks

    def get(self, webhook_id: str) -> Webhook | None:
        """Returns a webhook as it is known now."""
        return self._webhooks.get(webhook_id)

    def wanting(self, workspace: str) -> Iterable[str]:
        """Returns the ids of the webhooks that get the changes of a workspace, paused ones too."""
        return (*self._by_workspace.get(workspace, ()), *self._of_all)

    def count_of(self, workspace: str | None) -> int:
        """Returns how many webhooks name a workspace, or of None, are for all of them."""
        return len(self._of_all if workspace is None else self._by_workspace.get(workspace, ()))

    async def run(self) -> None:
        """Looks for changes of other processes, until it is cancelled."""
        failed = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.refresh()
                failed = False
            except RepositoryError as error:
                if not failed:
                    self._service.log.warning("The webhooks cannot be read: %s", error)
                failed = True
            except Exception as error:
                self._service.log.error("The webhooks cannot be read.", exc_info=error)

    async def refresh(self) -> None:
        """Reads what was changed since the last time.  Raises StoreUnavailable."""
        async with self._lock:
            number, recent = await self._store.revision()
            if number == self._number:
                return
            known = self._number
            if known is None or not 0 < number - known <= len(recent):
                await self._read_all()
            else:
                for webhook_id in dict.fromkeys(webhook_id for seen, webhook_id in recent if seen > known):
                    self.put(webhook_id, await self._read(webhook_id))
            self._number = number

    async def reread(self, webhook_id: str) -> None:
        """Reads one webhook.  Raises StoreUnavailable."""
        async with self._lock:
            self.put(webhook_id, await self._read(webhook_id))

    async def _read_all(self) -> None:
        there = {webhook.id: webhook async for webhook in self._store.all()}
        for webhook_id in [*self._webhooks, *there]:
            self.put(webhook_id, there.get(webhook_id))

    async def _read(self, webhook_id: str) -> Webhook | None:
        try:
            return await self._store.get(webhook_id)
        except DamagedRecord as error:
            self._service.log.error("%s", error)
            return None

    def put(self, webhook_id: str, new: Webhook | None) -> None:
        """Takes a webhook as it is now, unless a newer one is known; None if it was deleted."""
        old = self._webhooks.get(webhook_id)
        if old == new or (old is not None and new is not None and _is_newer(old, new)):
            return
        for webhook, is_there in ((old, False), (new, True)):
            for names in () if webhook is None else self._indexes(webhook):
                if is_there:
                    names[webhook_id] = None
                else:
                    names.pop(webhook_id, None)
        if old is not None:
            for workspace in old.workspaces or ():
                if not self._by_workspace.get(workspace, True):
                    del self._by_workspace[workspace]
        if new is None:
            self._webhooks.pop(webhook_id, None)
        else:
            self._webhooks[webhook_id] = new
        if self.listener is not None:
            self.listener(old, new)

    def _indexes(self, webhook: Webhook) -> Iterable[dict[str, None]]:
        if webhook.workspaces is None:
            return [self._of_all]
        return [self._by_workspace.setdefault(workspace, {}) for workspace in webhook.workspaces]


def _is_newer(one: Webhook, other: Webhook) -> bool:
    """Returns whether `one` is a later version of the same webhook, and not of one that was deleted before."""
    return one.created_at == other.created_at and one.version > other.version
