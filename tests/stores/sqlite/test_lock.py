"""Only one process serves a file."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from stores.sqlite.stores import add, descriptions, open_and_close, opened, process, raw, url_of
from tasksvc import StoreInUse, StoreRefused

CAN_MOUNT = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("unshare") is not None

SERVE = """
import asyncio, sys
from datetime import UTC, datetime
from tasksvc import CreateTask, TaskDraft
from tasksvc.store_adapters import open_repository
async def serve():
    repository = await open_repository(sys.argv[1], scratch=sys.argv[2] == "scratch")
    await repository.commit((CreateTask(TaskDraft("of the first process")),), at=datetime.now(UTC))
    print("serving", flush=True)
    await asyncio.to_thread(sys.stdin.read)
asyncio.run(serve())
"""

LEAVE_WAL = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0).execute("PRAGMA journal_mode = DELETE")
except sqlite3.OperationalError as error:
    print(error)
"""


@contextmanager
def served(file: Path, kind: str = "kept") -> Iterator[None]:
    """Serves the file in another process, which is killed at the end."""
    with process(SERVE, url_of(file), kind) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "serving\n"
        yield


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "tasks.db"), pytest.raises(StoreRefused, match="in use already") as refusal:
        await open_and_close(tmp_path / "tasks.db")

    assert str(tmp_path / "tasks.db") in str(refusal.value)


async def test_a_second_scratch_process_leaves_the_tasks_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    with served(file, "scratch"):
        with pytest.raises(StoreRefused, match="in use already"):
            await open_and_close(file, scratch=True)

        with raw(file) as database:
            assert database.execute("SELECT description FROM tasks").fetchall() == [("of the first process",)]


async def test_a_second_opening_in_the_same_process_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        with pytest.raises(StoreRefused, match="in use already"):
            await open_and_close(tmp_path / "tasks.db")

        await add(repository, "the first goes on")
        assert await descriptions(repository) == ["the first goes on"]


async def test_one_of_two_that_open_at_once_is_refused(tmp_path: Path) -> None:
    refused = asyncio.Event()

    async def serve() -> str:
        try:
            async with opened(tmp_path / "tasks.db"), asyncio.timeout(PATIENCE_SECONDS):
                await refused.wait()
                return "served"
        except StoreRefused:
            refused.set()
            return "refused"

    assert sorted(await asyncio.gather(serve(), serve())) == ["refused", "served"]


async def test_a_file_is_the_same_by_each_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "tasks.db")
    (tmp_path / "folder").symlink_to(tmp_path)

    async with opened(tmp_path / "tasks.db"):
        for name in ("link.db", "folder/tasks.db", "folder/link.db"):
            with pytest.raises(StoreRefused, match="in use already"):
                await open_and_close(tmp_path / name)


async def test_a_second_process_that_comes_by_a_hard_link_is_refused(tmp_path: Path) -> None:
    file, link = tmp_path / "tasks.db", tmp_path / "link.db"
    with served(file):
        os.link(file, link)

        with pytest.raises(StoreInUse, match="another of its names") as refusal:
            await open_and_close(link)

    assert str(link) in str(refusal.value)
    async with opened(file) as repository:
        assert await descriptions(repository) == ["of the first process"]


@pytest.mark.skipif(not CAN_MOUNT, reason="only root can mount")
def test_a_second_process_that_comes_by_a_bind_mount_is_refused(tmp_path: Path) -> None:
    file, mount = tmp_path / "tasks.db", tmp_path / "mount.db"
    mount.touch()
    words = (
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$1" "$2"; shift 2; exec "$@"',
        "sh",
        str(file),
        str(mount),
    )
    with served(file), process(SERVE, url_of(mount), "kept", before=words) as second:
        said, complaint = second.communicate("", timeout=PATIENCE_SECONDS)

    assert said == ""
    assert "another of its names" in complaint


async def test_a_refusal_by_another_name_leaves_the_locks_of_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add(repository, "first")
        os.link(file, tmp_path / "link.db")
        with pytest.raises(StoreInUse, match="another of its names"):
            await open_and_close(tmp_path / "link.db")

        with process(LEAVE_WAL, str(file)) as other:
            said = (await asyncio.to_thread(other.communicate, timeout=PATIENCE_SECONDS))[0]

        assert said == "database is locked\n"
        await add(repository, "second")
        assert await descriptions(repository) == ["first", "second"]


async def test_a_process_that_was_killed_holds_no_lock(tmp_path: Path) -> None:
    with served(tmp_path / "tasks.db"):
        pass

    async with opened(tmp_path / "tasks.db") as repository:
        assert await descriptions(repository) == ["of the first process"]


async def test_the_lock_is_free_after_close_and_after_a_refusal(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file):
        pass
    with pytest.raises(StoreRefused, match="kept"):
        await open_and_close(file, scratch=True)

    async with opened(file):
        assert (tmp_path / "tasks.db.lock").exists()


async def test_other_programs_may_read_the_file_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add(repository, "first")
        with raw(file) as database:
            database.execute("BEGIN")
            assert database.execute("SELECT description FROM tasks").fetchall() == [("first",)]

            await add(repository, "second")

            assert database.execute("SELECT count(*) FROM tasks").fetchone() == (1,)
            database.execute("COMMIT")
            assert database.execute("SELECT count(*) FROM tasks").fetchone() == (2,)
