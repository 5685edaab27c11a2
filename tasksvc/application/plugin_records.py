"""Records of one plugin: small JSON objects by key, in a namespace of its own, written by compare-and-set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence, Set
from typing import Final, NamedTuple, cast

from tasksvc.application.clock import now
from tasksvc.domain.json_object import JSONObject, compact_size
from tasksvc.domain.record import Record
from tasksvc.domain.rules import RECORD_KEY_MAX, RECORD_NAMESPACE_MAX, RECORD_VALUE_MAX, text_error
from tasksvc.domain.writes import DeleteRecord, PutRecord, Write
from tasksvc.ports.store import Capability, TaskRepository

RECORDS_AT_ONCE: Final = 100
"""Records that all() reads at once."""


class Put(NamedTuple):
    """Creates or replaces a record.

    `expected` is the present version of the record, 0 if it must not exist, or None for any version.
    """

    key: str
    value: JSONObject
    expected: int | None = None


class Delete(NamedTuple):
    """Deletes a record, if it exists."""

    key: str
    expected: int | None = None


class Records:
    """The records of a namespace.

    A key has 1 to 100 characters, and a value at most 64 KiB of JSON.  All methods raise StoreUnavailable, and
    NotSupported where the store keeps no records.
    """

    def __init__(self, store: Callable[[], TaskRepository], namespace: str) -> None:
        """Takes what returns the open store, which is asked at each call, and 1 to 64 characters."""
        _check("namespace", namespace, RECORD_NAMESPACE_MAX)
        self._store, self.namespace = store, namespace

    @property
    def capabilities(self) -> Set[Capability]:
        """What the open store can do.  Raises StoreClosed before the start of the service, and after its stop."""
        return self._store().capabilities

    async def get(self, key: str) -> Record | None:
        """Returns the record with that key, or None."""
        return await self._store().record(self.namespace, key)

    async def list(self, *, after: str = "", limit: int = RECORDS_AT_ONCE) -> Sequence[Record]:
        """Returns at most `limit` records whose keys sort after `after` by code point, in that order."""
        return await self._store().records(self.namespace, after=after, limit=limit)

    async def all(self, prefix: str = "") -> AsyncIterator[Record]:
        """Yields the records whose keys begin with `prefix` and are longer, by key, page by page."""
        after = prefix
        while records := await self.list(after=after):
            for record in records:
                if not record.key.startswith(prefix):
                    return
                yield record
            after = records[-1].key

    async def put(self, key: str, value: JSONObject, *, expected: int | None = None) -> Record:
        """Creates or replaces a record, and returns it.  `expected` is as for Put.  Raises what write() raises."""
        (record,) = await self.write([Put(key, value, expected)])
        return cast(Record, record)

    async def delete(self, key: str, *, expected: int | None = None) -> None:
        """Deletes a record, if it exists.  `expected` is as for Put.  Raises what write() raises."""
        await self.write([Delete(key, expected)])

    async def write(self, writes: Sequence[Put | Delete]) -> Sequence[Record | None]:
        """Does all of `writes` in their order in one commit, or none of them.

        Returns the record of each Put, and None for each Delete.  Raises RecordConflict, whose `index` says which write
        expected another version, OutcomeUnknown, StoreFull, and ValueError for a key or a value that no store keeps.
        """
        committed = await self._store().commit([self._write(write) for write in writes], at=now())
        return cast("Sequence[Record | None]", committed.results)

    def _write(self, write: Put | Delete) -> Write:
        _check("key", write.key, RECORD_KEY_MAX)
        if isinstance(write, Delete):
            return DeleteRecord(self.namespace, *write)
        size = compact_size(write.value)
        if size > RECORD_VALUE_MAX:
            raise ValueError(f"The record {write.key!r} has {size:,} bytes of JSON, more than {RECORD_VALUE_MAX:,}.")
        return PutRecord(self.namespace, *write)


def _check(name: str, text: str, most: int) -> None:
    if error := text_error(text, most=most):
        raise ValueError(f"The {name} {text[: most + 1]!r} of a record is wrong. {error}")
