"""The records of keys."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Final

from tasksvc import Record, RecordConflict
from tasksvc.plugin import Service
from tasksvc_calendar.keys import Key, id_in, key_from_json, key_to_json, tag_of

KEY: Final = "key:"
"""Precedes the id of a key in the key of its record."""
ORIGIN: Final = "origin"
"""The key of the record of the store's random id."""


class KeyStore:
    """Reads and writes keys.  All methods raise StoreUnavailable, and NotSupported if the store has no records."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def create(self, key: Key) -> None:
        """Writes a new key."""
        await self._service.records.put(KEY + key.id, key_to_json(key), expected=0)

    async def get(self, key_id: str) -> Key | None:
        """Returns the key with this id, which may be any text; None if there is none."""
        if not key_id.isalnum():
            return None
        return self._read(await self._service.records.get(KEY + key_id))

    async def of_workspace(self, workspace: str) -> Sequence[Key]:
        """Returns the keys of a workspace, by id."""
        keys = [self._read(record) async for record in self._service.records.all(KEY + tag_of(workspace))]
        return [key for key in keys if key is not None and key.workspace == workspace]

    async def find(self, given: str) -> Key | None:
        """Returns the key that came with a request; None if there is none."""
        key = await self.get(id_in(given))
        return key if key is not None and key.opens(given) else None

    async def delete(self, key_id: str) -> None:
        """Deletes a key, which opens nothing from now on."""
        await self._service.records.delete(KEY + key_id)

    async def origin(self) -> str:
        """Returns the random id of the store, which the first call makes.  Backups and exports have it, too."""
        if (record := await self._service.records.get(ORIGIN)) is not None:
            return str(record.value["id"])
        try:
            made = await self._service.records.put(ORIGIN, {"id": uuid.uuid4().hex}, expected=0)
        except RecordConflict:
            return await self.origin()
        return str(made.value["id"])

    def _read(self, record: Record | None) -> Key | None:
        if record is None:
            return None
        try:
            return key_from_json(record.value)
        except (KeyError, TypeError, ValueError):
            self._service.log.error("The record %r of calendars is damaged, so the key doesn't open any.", record.key)
            return None


def problems_in(records: Sequence[Record]) -> Iterable[str]:
    """Yields a sentence for each record that isn't one that this version has written."""
    for record in records:
        try:
            if record.key == ORIGIN:
                uuid.UUID(record.value["id"])
            elif record.key != KEY + key_from_json(record.value).id:
                raise ValueError(record.key)
        except (AttributeError, KeyError, TypeError, ValueError):
            yield f"The record {record.key!r} of calendars is damaged."
