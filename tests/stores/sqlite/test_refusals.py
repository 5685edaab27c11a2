"""Files that aren't opened stay unchanged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from tasksvc_sqlite.settings import Settings

from stores.sqlite.stores import (
    WITHOUT_OVERRIDE,
    add,
    make_read_only,
    mounted,
    open_and_close,
    opened,
    process,
    raw,
    url_of,
)
from tasksvc import StoreRefused

OPEN = """
import asyncio, sys
from tasksvc import StoreRefused
from tasksvc.store_adapters import open_repository
try:
    asyncio.run(open_repository(sys.argv[1]))
except StoreRefused as error:
    print(error)
"""


def seen(folder: Path) -> dict[str, bytes]:
    """Returns all files of `folder` but locks and the memory that readers share."""
    apart = (".lock", "-shm")
    return {
        file.name: file.read_bytes() for file in folder.iterdir() if file.is_file() and not file.name.endswith(apart)
    }


async def refusal_of(file: Path, *, scratch: bool = False) -> str:
    """Returns the message with which `file` isn't opened, after checking that nothing in its folder was changed."""
    before = seen(file.parent) if file.parent.is_dir() else {}
    with pytest.raises(StoreRefused) as refusal:
        await open_and_close(file, scratch=scratch)
    assert str(file) in str(refusal.value)
    if file.parent.is_dir():
        assert seen(file.parent) == before
    return str(refusal.value)


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize("content", [b"x", b"some notes\n" * 9, b"\x89PNG" * 400, b"SQLite format 3\0", bytes(4096)])
async def test_a_file_that_is_not_an_sqlite_database_is_refused(tmp_path: Path, content: bytes, scratch: bool) -> None:
    (tmp_path / "notes.txt").write_bytes(content)

    assert "no SQLite database" in await refusal_of(tmp_path / "notes.txt", scratch=scratch)


@pytest.mark.parametrize("journal", ["delete", "wal"])
async def test_a_database_of_another_program_is_refused(tmp_path: Path, journal: str) -> None:
    with raw(tmp_path / "photos.db") as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.execute("CREATE TABLE photos (name)")

    assert "another program" in await refusal_of(tmp_path / "photos.db")


async def test_a_database_of_another_program_that_runs_is_refused(tmp_path: Path) -> None:
    """Its table is only in the write-ahead log, which isn't seen in the file."""
    with raw(tmp_path / "photos.db") as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE photos (name)")

        assert "another program" in await refusal_of(tmp_path / "photos.db")
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]


async def test_a_file_marked_as_another_programs_is_refused(tmp_path: Path) -> None:
    with raw(tmp_path / "other.db") as database:
        database.execute("PRAGMA application_id = 252006675")

    assert "another program" in await refusal_of(tmp_path / "other.db")


async def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add(repository)
    with raw(file) as database:
        database.execute("PRAGMA user_version = 8")

    said = await refusal_of(file)

    assert "newer tasksvc" in said
    assert "version 8" in said


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add(repository)
    content = bytearray(file.read_bytes())
    content[4096:8192] = os.urandom(4096)  # the second page
    content[8192:12288] = os.urandom(4096)
    file.write_bytes(content)

    assert "damaged" in await refusal_of(file)


async def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    said = await refusal_of(tmp_path / "missing" / "tasks.db")

    assert f"no folder {tmp_path / 'missing'}" in said
    assert not (tmp_path / "missing").exists()


async def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "tasks.db").mkdir()

    assert "is no file" in await refusal_of(tmp_path / "tasks.db")
    assert list(tmp_path.iterdir()) == [tmp_path / "tasks.db"]


async def test_a_file_that_another_program_holds_locked_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add(repository)
    with raw(file) as database:
        database.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreRefused, match="Another program holds"):
            await open_and_close(file, settings=Settings(busy_timeout=0.1))


# ---------------------------------------------------------------- places that cannot be written


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Path]:
    """A folder that can be made unwritable."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    yield folder
    folder.chmod(0o755)


def said_to_somebody(file: Path) -> str:
    """Returns the message for a user who opens `file` with only the permissions of the file."""
    with process(OPEN, url_of(file), before=WITHOUT_OVERRIDE) as somebody:
        said, complaint = somebody.communicate(timeout=PATIENCE_SECONDS)
    assert complaint == ""
    return said


async def test_a_folder_that_cannot_be_written_is_named(foreign: Path) -> None:
    foreign.chmod(0o555)

    said = said_to_somebody(foreign / "tasks.db")

    assert f"{foreign / 'tasks.db'} cannot be locked" in said
    assert "Permission denied" in said
    assert list(foreign.iterdir()) == []


async def store_of_rights(foreign: Path, mode: int) -> Path:
    """A store in `foreign` that holds a task, and whose file has these permissions."""
    file = foreign / "tasks.db"
    async with opened(file) as repository:
        await add(repository)
    file.chmod(mode)
    (foreign / "tasks.db.lock").chmod(0o666)
    foreign.chmod(0o777)
    return file


async def test_a_file_that_cannot_be_written_is_refused(foreign: Path) -> None:
    file = await store_of_rights(foreign, 0o444)
    before = file.read_bytes()

    assert f"{file} cannot be written" in said_to_somebody(file)
    assert file.read_bytes() == before


async def test_a_file_that_cannot_be_read_is_refused(foreign: Path) -> None:
    file = await store_of_rights(foreign, 0o200)

    assert f"{file} cannot be opened. Look at its permissions" in said_to_somebody(file)


async def test_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "disk" / "tasks.db"
    file.parent.mkdir()
    with mounted(file.parent, "size=64k"):
        (file.parent / "ballast").write_bytes(bytes(32_768))

        with pytest.raises(StoreRefused, match="no room left"):
            await open_and_close(file)


async def test_a_disk_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "disk" / "tasks.db"
    file.parent.mkdir()
    with mounted(file.parent, "size=4m"):
        async with opened(file) as repository:
            await add(repository)
        make_read_only(file.parent)

        said = await refusal_of(file)
        assert "writable, or name another file" in said
