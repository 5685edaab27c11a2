"""The records of webhooks and of their secrets, and a count of their changes by which every process notices them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tasksvc import Record, RecordConflict
from tasksvc.plugin import Delete, Put, RequestError, Service
from tasksvc_webhooks.keys import FOLLOWED, REVISION, STATUS, WEBHOOK
from tasksvc_webhooks.rotation import Secret, rotated, secrets_from_json, secrets_to_json
from tasksvc_webhooks.subscriptions import Webhook, webhook_from_json, webhook_to_json
from tasksvc_webhooks.times import format_time

RECENT_MAX: Final = 100
"""Changes that it names.  A process that has missed more reads all webhooks."""
NO_STATUS: Final[Mapping[str, Any]] = {"answers": [], "lost": [], "lost_changes": 0}
"""The value of that record for a webhook to which nothing was sent."""
TRIES_MAX: Final = 20
"""Times that a change of a webhook is tried while other processes change it or another one."""
RETRY_SECONDS: Final = 0.05
WEBHOOKS_READ: Final = 100
"""Webhooks that are read at once."""
WORKSPACES_READ: Final = 1_000
"""Names of changed workspaces that are read at once."""

Update = Callable[[Webhook], Webhook]
"""Returns a webhook as it is to be.  It may be called again with a newer one."""


DAMAGED: Final = (AttributeError, KeyError, TypeError, ValueError)
"""What is raised by reading a record that isn't one that this version wrote."""


class DamagedRecord(RequestError):
    """The record of a webhook isn't one that this version wrote."""

    status, name = 500, "internal-error"


class WebhookStore:
    """Reads and writes webhooks.  All methods raise StoreUnavailable, and NotSupported if the store has no records."""

    def __init__(self, service: Service) -> None:
        self._service, self._lock = service, asyncio.Lock()

    # ------------------------------------------------------------ reading

    async def get(self, webhook_id: str) -> Webhook | None:
        """Returns a webhook, or None.  Raises DamagedRecord."""
        record = await self._service.records.get(WEBHOOK + webhook_id)
        return None if record is None else _webhook(webhook_id, record.value, record.version)

    async def page(self, *, after: str, limit: int) -> tuple[Sequence[Webhook], str | None]:
        """Returns at most `limit` webhooks by id, after that one, and the id from which to go on; None at the end.

        The log says of which the record is damaged.
        """
        records = await self._service.records.list(after=WEBHOOK + after, limit=limit)
        found = [record for record in records if record.key.startswith(WEBHOOK)]
        webhooks = []
        for record in found:
            try:
                webhooks.append(_webhook(record.key.removeprefix(WEBHOOK), record.value, record.version))
            except DamagedRecord as error:
                self._service.log.error("%s", error)
        return webhooks, found[-1].key.removeprefix(WEBHOOK) if len(found) == limit else None

    async def all(self) -> AsyncIterator[Webhook]:
        """Yields all webhooks by id, but for those whose records are damaged."""
        after: str | None = ""
        while after is not None:
            webhooks, after = await self.page(after=after, limit=WEBHOOKS_READ)
            for webhook in webhooks:
                yield webhook

    async def status(self, webhook_id: str) -> Mapping[str, Any]:
        """Returns the results of the last deliveries of a webhook, as Statuses wrote it; none if it's damaged."""
        record = await self._service.records.get(STATUS + webhook_id)
        return record.value if record is not None and _is_status(record.value) else NO_STATUS

    async def secrets(self, webhook: Webhook) -> Sequence[Secret]:
        """Returns the secrets of a webhook, the newest one first; none after an import, which has none.

        None, too, if the record is damaged, which the log says.
        """
        return self._secrets_in(await self._service.secrets.get(webhook.key))

    async def revision(self) -> tuple[int, Sequence[tuple[int, str]]]:
        """Returns the number of changes of webhooks ever made, and the newest ones: their numbers, and of which."""
        record = await self._service.records.get(REVISION)
        if record is None:
            return 0, []
        return record.value["number"], [(number, webhook_id) for number, webhook_id in record.value["recent"]]

    async def known_followed(self) -> str | None:
        """Returns the token up to which all workspaces were looked at; None if there was never a webhook."""
        record = await self._service.records.get(FOLLOWED)
        return None if record is None else str(record.value["token"])

    async def followed(self) -> str:
        """Returns that token, which the first call makes, before there is a webhook."""
        if (known := await self.known_followed()) is not None:
            return known
        token, more = "", True
        while more:
            _, token, more = await self._service.changed_workspaces(token, limit=WORKSPACES_READ)
        try:
            await self._service.records.put(FOLLOWED, {"token": token}, expected=0)
        except RecordConflict:
            return await self.followed()
        return token

    async def set_followed(self, token: str) -> None:
        """Replaces that token by a later one."""
        await self._service.records.put(FOLLOWED, {"token": token})

    # ------------------------------------------------------------ writing

    async def create(self, webhook: Webhook, secret: str) -> Webhook | None:
        """Writes a new webhook and its secret; returns it, or None if there is one of that id already."""
        if await self.get(webhook.id) is not None:
            return None
        # A process that was killed between these two writes leaves a secret, which the next try replaces.
        value = {**secrets_to_json([Secret(secret)]), "created_at": format_time(webhook.created_at)}
        await self._service.secrets.put(webhook.key, value)
        return await self._try(webhook.id, lambda there: webhook if there is None else None)

    async def update(self, webhook_id: str, update: Update) -> Webhook | None:
        """Changes a webhook by compare-and-set, and returns it; None if there is none.

        Raises RecordConflict if it or others were changed each time that it was tried.
        """
        return await self._try(webhook_id, lambda there: None if there is None else update(there))

    async def rotate(self, webhook_id: str, secret: str, at: datetime) -> Webhook | None:
        """Gives a webhook another secret beside the one that it has; None if there is no such webhook.

        The webhook is changed too, so that every process reads its secrets again.
        """
        async with self._lock:
            webhook = await self.get(webhook_id)
            if webhook is None:
                return None
            record = await self._service.secrets.get(webhook.key)
            value: dict[str, Any] = {"created_at": format_time(at)} if record is None else dict(record.value)
            secrets = rotated(self._secrets_in(record), secret, at)
            version = 0 if record is None else record.version
            await self._service.secrets.put(webhook.key, {**value, **secrets_to_json(secrets)}, expected=version)
        return await self.update(webhook_id, lambda there: there._replace(updated_at=at))

    async def delete(self, webhook_id: str) -> bool:
        """Deletes a webhook and its secrets; whether there was one.  Its lanes go later."""
        key = WEBHOOK + webhook_id
        for _ in range(TRIES_MAX):
            async with self._lock:
                if await self._service.records.get(key) is None:
                    break
                try:
                    await self._service.records.write(
                        [Delete(key), Delete(STATUS + webhook_id), await self._bump(webhook_id)]
                    )
                except RecordConflict:
                    pass
                else:
                    await self._service.secrets.delete(key)
                    return True
            await _pause()
        return False

    async def clear_scan(self, webhook: Webhook) -> Webhook | None:
        """Writes that lanes of a webhook need no more be looked for; None if it was changed meanwhile.

        Other processes need not notice it.
        """
        done = webhook._replace(scan=None)
        try:
            record = await self._service.records.put(webhook.key, webhook_to_json(done), expected=webhook.version)
        except RecordConflict:
            return None
        return done._replace(version=record.version)

    async def _try(self, webhook_id: str, make: Callable[[Webhook | None], Webhook | None]) -> Webhook | None:
        """Writes what `make` returns of a webhook as it is, None if there is none; None writes nothing."""
        for number in range(TRIES_MAX):
            async with self._lock:  # so that requests to one process don't get in each other's way
                there = await self.get(webhook_id)
                wanted = make(there)
                if wanted is None or wanted == there:
                    return wanted
                expected = 0 if there is None else there.version
                put = Put(wanted.key, webhook_to_json(wanted), expected)
                try:
                    await self._service.records.write([put, await self._bump(webhook_id)])
                except RecordConflict:
                    if number == TRIES_MAX - 1:
                        raise
                else:
                    return wanted._replace(version=expected + 1)
            await _pause()
        return None

    def _secrets_in(self, record: Record | None) -> Sequence[Secret]:
        if record is None:
            return []
        try:
            return secrets_from_json(record.value)
        except DAMAGED:
            self._service.log.error(
                "The record %s of secrets is damaged. Rotate the secret of the webhook.", record.key
            )
            return []

    async def _bump(self, webhook_id: str) -> Put:
        """Returns the write that counts a change of a webhook."""
        record = await self._service.records.get(REVISION)
        number, recent = (0, []) if record is None else (record.value["number"], record.value["recent"])
        value = {"number": number + 1, "recent": [*recent, [number + 1, webhook_id]][-RECENT_MAX:]}
        return Put(REVISION, value, 0 if record is None else record.version)


async def _pause() -> None:
    await asyncio.sleep(random.uniform(0, RETRY_SECONDS))


def _is_status(value: Mapping[str, Any]) -> bool:
    kinds = {"answers": list, "lost": list, "lost_changes": int}
    return all(isinstance(value.get(name), kind) for name, kind in kinds.items())


def _webhook(webhook_id: str, value: Any, version: int) -> Webhook:
    try:
        return webhook_from_json(webhook_id, value, version)
    except DAMAGED as error:
        raise DamagedRecord(
            f"The record of the webhook {webhook_id} is damaged. Delete it, or restore the store from a backup."
        ) from error
