"""Pruning makes the file shorter, and a process that is killed meanwhile leaves the old or the new one."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tasksvc_jsonl import JSONLRepository

from tasksvc import (
    CreateTask,
    IdempotencyKey,
    PutRecord,
    StoreEntry,
    StoreFull,
    StoreInUse,
    StoreUnavailable,
    TaskDraft,
    UpdateTask,
)
from tasksvc.testing import failing_files

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
LATER = NOW + timedelta(days=1)

PRUNING_UNTIL_KILLED = """
import asyncio, itertools, os, shutil, signal, sys, threading
from datetime import UTC, datetime
from pathlib import Path
import tasksvc_jsonl

WRITING = [method.__code__ for method in (Path.write_bytes, Path.rename, Path.replace, Path.unlink)]
AT = datetime(2026, 11, 25, 15, tzinfo=UTC)

async def prune(path):
    store = tasksvc_jsonl.JSONLRepository(path)
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        code = frame.f_code
        if code.co_filename != tasksvc_jsonl.__file__ and code not in WRITING:
            return None
        if event == "line":
            lines += 1
            if lines == moment:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    threading.settrace(trace)
    await store.prune(log_before=AT, max_changes=2, keys_before=AT, limit=1_000)

for moment in itertools.count(1):
    copy = Path(f"{sys.argv[1]}-{moment}")
    shutil.copyfile(sys.argv[1], copy)
    if (child := os.fork()) == 0:
        asyncio.run(prune(copy))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        print(moment - 1)
        break
    assert status == signal.SIGKILL, status
"""
"""Prunes copies of a store in processes each of which is killed at another line of the adapter, or of pathlib."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.jsonl"


def content(path: Path) -> bytes:
    return path.read_bytes()


def status(path: Path) -> os.stat_result:
    return os.stat(path)


def with_store(path: Path, use: Callable[[JSONLRepository], Awaitable[None]]) -> None:
    """Opens the store, uses it and closes it."""

    async def whole() -> None:
        store = JSONLRepository(path)
        try:
            await use(store)
        finally:
            await store.close()

    asyncio.run(whole())


async def fill(store: JSONLRepository) -> None:
    """Writes a hundred changes and idempotency keys of one task, two tasks more, and a record."""
    await store.commit([CreateTask(TaskDraft("x"))] * 3, at=NOW)
    for number in range(100):
        key = IdempotencyKey("s", f"key-{number}", "f")
        await store.commit([UpdateTask(2, {"description": f"{number} {'x' * 500}"})], at=NOW, idempotency_key=key)
    await store.commit([PutRecord("a", "b", {"n": 1})], at=NOW)


async def prune(store: JSONLRepository) -> None:
    await store.prune(log_before=LATER, max_changes=2, keys_before=LATER, limit=1_000)


def dumped(path: Path) -> list[StoreEntry]:
    """Returns everything in the store."""
    entries: list[StoreEntry] = []

    async def dump(store: JSONLRepository) -> None:
        entries.extend([entry async for entry in store.dump()])

    with_store(path, dump)
    return entries


def test_the_file_gets_shorter_and_holds_what_is_left(path: Path) -> None:
    left: list[StoreEntry] = []

    async def fill_and_prune(store: JSONLRepository) -> None:
        await fill(store)
        before = status(path).st_size
        await prune(store)
        assert status(path).st_size < before / 20
        left.extend([entry async for entry in store.dump()])

    with_store(path, fill_and_prune)

    assert b"key-7" not in content(path)
    assert dumped(path) == left
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_store_that_is_written_and_pruned_for_ever_does_not_grow(path: Path) -> None:
    sizes = []

    async def fill_and_prune_again(store: JSONLRepository) -> None:
        for _ in range(5):
            for number in range(20):
                await store.commit([UpdateTask(1, {"description": f"{number:09}"})], at=NOW)
            await prune(store)
            sizes.append(status(path).st_size)

    with_store(path, fill)
    with_store(path, fill_and_prune_again)

    assert max(sizes) - min(sizes) < 100


def test_writing_goes_on_in_the_new_file(path: Path) -> None:
    async def fill_prune_and_add(store: JSONLRepository) -> None:
        await fill(store)
        await prune(store)
        await store.commit([CreateTask(TaskDraft("the next"))], at=LATER)

    with_store(path, fill_prune_and_add)

    assert "the next" in repr(dumped(path))


def test_the_new_file_has_the_lock_and_the_permissions_of_the_old_one(path: Path) -> None:
    async def prune_a_shared_file(store: JSONLRepository) -> None:
        os.chmod(path, 0o640)
        await prune(store)

        assert stat.S_IMODE(status(path).st_mode) == 0o640
        with pytest.raises(StoreInUse):
            JSONLRepository(path)

    with_store(path, fill)
    with_store(path, prune_a_shared_file)


def test_a_link_still_leads_to_the_file(path: Path) -> None:
    link = path.with_name("link.jsonl")
    link.symlink_to(path)
    with_store(link, fill)
    with_store(link, prune)

    assert link.is_symlink()
    assert dumped(link) == dumped(path)


def test_if_nothing_is_due_the_file_is_left_alone(path: Path) -> None:
    with_store(path, fill)
    before = status(path)

    async def prune_nothing(store: JSONLRepository) -> None:
        await store.prune(log_before=NOW, max_changes=1_000, keys_before=NOW, limit=10)

    with_store(path, prune_nothing)

    assert status(path).st_ino == before.st_ino
    assert status(path).st_size == before.st_size


def test_on_a_full_disk_the_old_file_stays_and_is_written_to(path: Path) -> None:
    async def prune_on_a_full_disk(store: JSONLRepository) -> None:
        before = content(path)
        with failing_files(), pytest.raises(StoreFull, match=r"Nothing was changed\."):
            await prune(store)
        assert content(path) == before
        await store.commit([CreateTask(TaskDraft("the next"))], at=LATER)

    with_store(path, fill)
    with_store(path, prune_on_a_full_disk)

    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert "the next" in repr(dumped(path))


def test_in_a_folder_that_cannot_be_written_nothing_is_changed(path: Path) -> None:
    async def prune_without_a_folder(store: JSONLRepository) -> None:
        path.with_name(f"{path.name}.new").mkdir()
        with pytest.raises(StoreUnavailable, match=r"Nothing was changed\."):
            await prune(store)
        await store.commit([CreateTask(TaskDraft("the next"))], at=LATER)

    with_store(path, fill)
    with_store(path, prune_without_a_folder)

    assert "the next" in repr(dumped(path))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_while_it_prunes_leaves_the_old_or_the_new_file(path: Path) -> None:
    with_store(path, fill)
    old = dumped(path)
    killing = [sys.executable, "-c", PRUNING_UNTIL_KILLED, str(path)]

    kills = int(subprocess.run(killing, stdout=subprocess.PIPE, text=True, check=True).stdout)
    with_store(path, prune)
    new = dumped(path)
    left = [dumped(path.with_name(f"{path.name}-{moment}")) for moment in range(1, kills + 1)]

    assert kills > 15
    assert {repr(entries) for entries in left} == {repr(old), repr(new)}
