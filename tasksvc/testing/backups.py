"""The hooks tasksvc_open_reader, tasksvc_backup and tasksvc_recognize_backup, if the adapter has them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import pytest

from tasksvc import (
    Capability,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    NotSupported,
    PutRecord,
    StoreClosed,
    StoreEntry,
    StoreReader,
    StoreRefused,
    TaskQuery,
    UpdateTask,
)
from tasksvc.ports.hookspecs import BACKUP_HEAD_BYTES
from tasksvc.store_adapters import backup, has_reader, open_reader, open_repository, recognizes_backup
from tasksvc.testing.dumping import dumped, epoch_of, is_of_one_moment, without_generations
from tasksvc.testing.samples import FULL, NOW, varied
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

KEY = IdempotencyKey("s", "key", "f")

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


def _url_of(store: Store, file: Path) -> str:
    """Returns the URL under which the backup in `file` is opened."""
    return f"{store.scheme}:///{quote(str(file))}"


async def _entries(url: str) -> list[StoreEntry]:
    reader = await open_reader(url)
    try:
        return [entry async for entry in reader.dump()]
    finally:
        await reader.close()


async def _reader(store: Store, url: str | None = None) -> StoreReader:
    """Returns a reader of `store`, or of `url`. Skips the test if the adapter has none of its own."""
    if not has_reader(store.scheme):
        pytest.skip(f"The adapter for {store.scheme}: has no tasksvc_open_reader: its stores are opened to be read.")
    return await open_reader(url or store.url)


def _contents(folder: Path) -> dict[str, bytes]:
    """Returns the contents of the files in a folder, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def _write_until(over: asyncio.Event, store: Store, number: int) -> None:
    """Creates and deletes tasks, as long as something else reads."""
    while not over.is_set():
        task = await store.add(f"new {number}")
        await store.commit(UpdateTask(number, {"metadata": {"by": task.id}}), DeleteTask(task.id))


class ReadersContract(StoreUnderTest):
    """Tests of tasksvc_open_reader, which opens a store to be read."""

    @on_store(Capability.DURABLE, Capability.DUMP, alone=True)
    async def test_a_reader_gives_what_the_store_holds_while_it_is_served(self, store: Store) -> None:
        await store.add_all(varied(30))
        await store.commit(UpdateTask(1, {"done": True}), DeleteTask(2), idempotency_key=KEY)
        if Capability.RECORDS in store.repository.capabilities:
            await store.commit(PutRecord("space", "name", {"n": 1}))

        reader = await _reader(store)
        found = [entry async for entry in reader.dump()]
        problems = await reader.check()
        await asyncio.gather(reader.close(), reader.close())

        expected = await dumped(store)
        assert found[0] == expected[0], "a reader gives the header of the store, with its epoch"
        assert without_generations(found) == without_generations(expected), "a reader gives all that the store holds"
        assert list(problems) == [], "check() finds nothing wrong with a sound store"
        await raised(StoreClosed, anext(reader.dump()), "dump() of a reader after close()")

    @on_store(Capability.DURABLE, Capability.DUMP, alone=True)
    async def test_a_reader_beside_writers_sees_one_moment(self, store: Store) -> None:
        await store.add_all(varied(20))
        reader = await _reader(store)
        over = asyncio.Event()
        writers = [asyncio.ensure_future(_write_until(over, store, number)) for number in (1, 2, 3)]

        for _ in range(3):
            entries = []
            async for entry in reader.dump():
                entries.append(entry)
                await asyncio.sleep(0)  # lets the writers write
            is_of_one_moment(entries)

        over.set()
        await asyncio.gather(*writers)
        await reader.close()

    @on_store(Capability.DURABLE, alone=True)
    async def test_a_reader_changes_nothing(self, store: Store) -> None:
        await store.add_all(varied(3))
        generation = await store.generation()
        await store.close()
        before = _contents(store.folder)

        reader = await _reader(store)
        assert len([entry async for entry in reader.dump()]) == 2 + 3 + 3, "a reader gives what is there"
        await reader.check()
        await reader.close()

        after = _contents(store.folder)  # with files that some databases need beside theirs while they read
        assert {path: after.get(path) for path in before} == before, "a reader changes no file"
        await store.reopen()
        assert await store.generation() == generation, "the store is as it was"
        await store.check()

    @on_store(Capability.DURABLE, alone=True)
    async def test_a_reader_of_no_store_is_refused_and_makes_none(self, store: Store) -> None:
        url = store.url_of_another()

        for _ in range(2):
            await raised(StoreRefused, _reader(store, url), "reading a store that doesn't exist")

        assert _contents(store.folder_of_another) == {}, "a reader makes no store"


class BackupsContract(StoreUnderTest):
    """Tests of tasksvc_backup and tasksvc_recognize_backup."""

    @on_store(Capability.DURABLE, Capability.DUMP, alone=True)
    async def test_a_backup_is_a_separate_store_with_the_same_contents(self, store: Store) -> None:
        await store.add_all(varied(30))
        await store.commit(UpdateTask(1, {"done": True}), DeleteTask(2), CreateTask(FULL))
        await store.commit(PutRecord("space", "name", {"n": 1}))
        expected = await dumped(store)

        file = await _backed_up(store)
        await store.add("later")

        found = await _entries(_url_of(store, file))
        assert without_generations(found) == without_generations(expected), "a backup holds all of one moment"
        assert epoch_of(found) != epoch_of(expected), "a backup has an epoch of its own, and so generations of its own"

    @on_store(Capability.DURABLE, Capability.DUMP, alone=True)
    async def test_a_backup_beside_writers_is_of_one_moment(self, store: Store) -> None:
        await store.add_all(varied(20))
        over = asyncio.Event()
        writers = [asyncio.ensure_future(_write_until(over, store, number)) for number in (1, 2, 3)]
        try:
            files = [await _backed_up(store) for _ in range(3)]
        finally:
            over.set()
            await asyncio.gather(*writers)

        for file in files:
            is_of_one_moment(await _entries(_url_of(store, file)))

    @on_store(Capability.DURABLE, alone=True)
    async def test_a_backup_is_opened_and_served(self, store: Store) -> None:
        tasks = await store.add_all(varied(3))
        file = await _backed_up(store)
        await store.add("later")

        served = await open_repository(_url_of(store, file))
        try:
            page = await served.find(TaskQuery(), limit=10)
            committed = await served.commit([CreateTask(FULL)], at=NOW)
        finally:
            await served.close()

        assert list(page.tasks) == tasks, "a backup is a store with the same tasks"
        assert committed.position == (page.position.generation, 4), "which goes on where it ended"
        assert page.position.generation != await store.generation(), "a backup has a generation of its own"
        assert len(await store.listed()) == 4, "and is apart from the store"

    @on_store(Capability.DURABLE, alone=True)
    async def test_no_store_is_not_backed_up(self, store: Store) -> None:
        await _backed_up(store)  # or the test is skipped
        url, file = store.url_of_another(), store.atomic_write()

        await raised(StoreRefused, backup(url, file), "backing up a store that doesn't exist")

        assert _contents(store.folder_of_another) == {}, "a backup makes no store"

    @on_store(Capability.DURABLE, alone=True)
    async def test_a_backup_is_recognized_and_no_other_file_is(self, store: Store) -> None:
        await store.add()

        file = await _backed_up(store)

        with file.open("rb") as backup:
            head = backup.read(BACKUP_HEAD_BYTES)
        assert recognizes_backup(store.scheme, head), "an adapter that makes backups recognizes them"
        taken = [foreign for foreign in FOREIGN if recognizes_backup(store.scheme, foreign)]
        assert taken == [], "what another program wrote isn't taken for a backup"
