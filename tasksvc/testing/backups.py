"""The hooks for backups, if the adapter has them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tasksvc import Capability, CreateTask, DeleteTask, Entry, NotSupported, PutRecord, StoreHeader, UpdateTask
from tasksvc.plugins import backup, open_reader, recognizes_backup
from tasksvc.ports.hookspecs import BACKUP_HEAD_BYTES
from tasksvc.testing.dumping import dumped, without_generation
from tasksvc.testing.samples import FULL, varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store

FOREIGN = (
    b"",
    b"{}",
    b"[]\n",
    b"milk, bread\n",
    b'{"tasksvc":"export","format":2}\n{"header":{"last_id":0,"last_seq":0,"pruned_seq":0}}\n',
    b"SQLite format 3\0" + bytes(84),
    b"PGDMP\x01\x0e",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
)
"""How files begin that aren't backups: exports, archives, other programs' databases."""


async def _backed_up(store: Store) -> Path:
    """Returns a backup of `store`, which stays open. Skips the test if the adapter can't make one."""
    file = store.atomic_write()
    try:
        await backup(store.url, file)
    except NotSupported as error:
        pytest.skip(str(error))
    return file


async def _entries(url: str) -> list[Entry]:
    reader = await open_reader(url)
    try:
        return [entry async for entry in reader.dump()]
    finally:
        await reader.close()


class BackupsContract(StoreUnderTest):
    """Tests of tasksvc_backup and tasksvc_recognize_backup."""

    @on_store(Capability.DURABLE, Capability.DUMP)
    async def test_a_backup_is_a_separate_store_with_the_same_contents(self, store: Store) -> None:
        await store.add_all(varied(30))
        await store.commit(
            UpdateTask(1, {"done": True}), DeleteTask(2), CreateTask(FULL), PutRecord("space", "name", {"n": 1})
        )
        expected = await dumped(store)

        file = await _backed_up(store)
        await store.add("later")

        found = await _entries(f"{store.scheme}:///{quote(str(file))}")
        assert without_generation(found) == without_generation(expected), "a backup holds all of one moment"
        assert isinstance(found[0], StoreHeader)
        assert found[0].generation != await store.generation(), "a backup has a generation of its own"

    @on_store(Capability.DURABLE)
    async def test_a_backup_is_recognized_and_no_other_file_is(self, store: Store) -> None:
        await store.add()

        file = await _backed_up(store)

        with file.open("rb") as backup:
            head = backup.read(BACKUP_HEAD_BYTES)
        assert recognizes_backup(store.scheme, head), "an adapter that makes backups recognizes them"
        taken = [foreign for foreign in FOREIGN if recognizes_backup(store.scheme, foreign)]
        assert taken == [], "what another program wrote isn't taken for a backup"
