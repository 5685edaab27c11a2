"""A scratch store is emptied; another store never is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from heads import generation_of
from patience import PATIENCE_SECONDS

from stores.sqlite.stores import NOW, add, add_all, descriptions, open_and_close, opened, process, raw, url_of
from tasksvc import LOG_START, CreateTask, IdempotencyKey, PutRecord, StoreRefused, TaskDraft

CRASH = """
import asyncio, os, sys
from datetime import UTC, datetime
from tasksvc import CreateTask, PutRecord, IdempotencyKey, TaskDraft, TaskQuery
from tasksvc.store_adapters import open_repository
async def crash():
    repository = await open_repository(sys.argv[1], scratch=True)
    for text in ("one", "two"):
        await repository.commit((CreateTask(TaskDraft(text)),), at=datetime.now(UTC))
        await repository.commit((PutRecord("s", text, {}),), at=datetime.now(UTC),
                                idempotency_key=IdempotencyKey("", text, ""))
    print((await repository.find(TaskQuery(), limit=1)).position.generation, flush=True)
    os._exit(9)
asyncio.run(crash())
"""


def crash(file: Path) -> str:
    """Creates a scratch store with two tasks, whose process dies, and returns its generation."""
    with process(CRASH, url_of(file)) as crashing:
        generation, complaint = crashing.communicate(timeout=PATIENCE_SECONDS)
    assert complaint == ""
    return generation.strip()


async def test_it_is_emptied_on_close_and_its_file_stays(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file, scratch=True) as repository:
        await add(repository, "gone soon", labels=("a",))

    assert file.is_file()
    with raw(file) as database:
        for table in ("tasks", "task_terms", "changes", "records", "idempotency_keys"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


async def test_it_starts_empty_each_time(tmp_path: Path) -> None:
    generations = set()
    for _ in range(3):
        async with opened(tmp_path / "tasks.db", scratch=True) as repository:
            generations.add(await generation_of(repository))
            task = await add(repository)
            assert task.id == 1
            assert (await repository.read_changes(LOG_START, limit=9)).next.seq == 1

    assert len(generations) == 3


async def test_what_a_crash_left_is_emptied_at_the_next_start(tmp_path: Path) -> None:
    generation = crash(tmp_path / "tasks.db")

    async with opened(tmp_path / "tasks.db", scratch=True) as repository:
        assert await generation_of(repository) != generation
        assert await descriptions(repository) == []
        assert await repository.records("s", limit=9) == []
        again = await repository.commit(
            (CreateTask(TaskDraft("one")),), at=NOW, idempotency_key=IdempotencyKey("", "one", "")
        )
        assert not again.replayed
        assert again.position.seq == 1


async def test_naming_what_a_crash_left_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    generation = crash(file)

    async with opened(file) as repository:
        assert await descriptions(repository) == ["one", "two"]
        assert await generation_of(repository) == generation

    with pytest.raises(StoreRefused, match="holds tasks that are kept"):
        await open_and_close(file, scratch=True)


async def test_a_kept_file_is_never_taken_as_scratch(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add(repository, "kept")

    with pytest.raises(StoreRefused, match="holds tasks that are kept") as refusal:
        await open_and_close(file, scratch=True)

    assert str(file) in str(refusal.value)
    async with opened(file) as repository:
        assert await descriptions(repository) == ["kept"]


async def test_a_kept_file_whose_process_was_killed_is_never_taken_as_scratch(tmp_path: Path) -> None:
    """Its mark may be only in the write-ahead log."""
    file = tmp_path / "tasks.db"
    crash(file)
    async with opened(file):  # kept from now on
        for name in ("tasks.db", "tasks.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / name.replace("tasks", "copy"))

    with pytest.raises(StoreRefused, match="holds tasks that are kept"):
        await open_and_close(tmp_path / "copy.db", scratch=True)


async def test_a_kept_file_stays_kept_though_it_is_empty(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db"):
        pass

    with pytest.raises(StoreRefused, match="kept"):
        await open_and_close(tmp_path / "tasks.db", scratch=True)


async def test_records_and_keys_alone_are_emptied_too(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    script = CRASH.replace("(CreateTask(TaskDraft(text)),)", "()")
    with process(script, url_of(file)) as crashing:
        crashing.communicate(timeout=PATIENCE_SECONDS)

    async with opened(file, scratch=True) as repository:
        await repository.commit((PutRecord("s", "one", {}, expected=0),), at=NOW)


async def test_a_large_one_gives_its_room_back(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file, scratch=True) as repository:
        await add_all(repository, [TaskDraft("x" * 9_000)] * 500)
        with raw(file) as database:
            database.execute("SELECT count(*) FROM tasks").fetchone()

    assert os.path.getsize(file) < 200_000


@pytest.mark.parametrize(("scratch", "synchronous"), [(False, 2), (True, 0)])
async def test_only_a_kept_store_waits_for_the_disk(tmp_path: Path, scratch: bool, synchronous: int) -> None:
    from tasksvc_sqlite.repository import open_file

    repository = await open_file(str(tmp_path / "tasks.db"), scratch=scratch)
    try:
        async with repository._writer as writer:
            assert await writer.rows("PRAGMA synchronous") == [(synchronous,)]
            assert await writer.rows("PRAGMA journal_mode") == [("wal",)]
    finally:
        await repository.close()
