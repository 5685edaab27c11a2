"""A file that was restored from a copy has another generation; a stop or a kill keeps it."""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from heads import generation_of

from stores.sqlite.stores import NOW, add, descriptions, open_and_close, opened, url_of
from tasksvc import Position, PositionGone, Precondition, TaskQuery, TaskRepository, UpdateTask, VersionConflict
from tasksvc.files import HighWaterMark
from tasksvc.ports.store_url import StoreURL
from tasksvc.store_adapters import backup, open_reader

PARTS = ("", "-wal", "-shm")
"""The suffixes of the files that SQLite creates for a store."""
ROOM = b"x" * 54
"""A value as long as a mark that isn't one."""


async def head_of(repository: TaskRepository) -> Position:
    return (await repository.find(TaskQuery(), limit=1)).position


async def write(file: Path, tasks: int) -> Position:
    """Serves the store until it has that number of more `tasks`, and returns the end of its log."""
    async with opened(file) as repository:
        for _ in range(tasks):
            await add(repository)
        return await head_of(repository)


async def generation(file: Path) -> str:
    """Returns the generation of the store, when it is served again."""
    async with opened(file) as repository:
        return await generation_of(repository)


def copy(file: Path, to: Path, *more: str) -> None:
    """Copies the files of a store, with those that end with `more`, over existing ones."""
    for part in (*PARTS, *more):
        Path(f"{to}{part}").unlink(missing_ok=True)
        if Path(f"{file}{part}").exists():
            shutil.copy(f"{file}{part}", f"{to}{part}")


def lock_of(file: Path) -> Path:
    return Path(f"{file}.lock")


@asynccontextmanager
async def killed_at_the_end(file: Path) -> AsyncIterator[TaskRepository]:
    """Serves the store, and leaves its files as they are at the end of the block, as SIGKILL does."""
    with TemporaryDirectory() as folder:
        aside = Path(folder) / "tasks.db"
        async with opened(file) as repository:
            yield repository
            copy(file, aside, ".lock")
        copy(aside, file, ".lock")


# ---------------------------------------------------------------- what is noticed

PUT_BACK: dict[str, Callable[[Path, Path], object]] = {
    "cp": lambda old, file: subprocess.run(["cp", old, file], check=True),
    "cp -p": lambda old, file: subprocess.run(["cp", "-p", old, file], check=True),
    "mv": lambda old, file: subprocess.run(["mv", old, file], check=True),
    "as rsync": lambda old, file: subprocess.run(
        ["sh", "-c", 'cp -p "$0" "$0.new" && mv "$0.new" "$1"', old, file], check=True
    ),
    "ln": lambda old, file: subprocess.run(["ln", "--force", old, file], check=True),
}


@pytest.mark.parametrize("way", PUT_BACK)
async def test_an_older_file_in_the_place_of_the_store_gets_a_new_generation(
    way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, old = tmp_path / "tasks.db", tmp_path / "old.db"
    await write(file, 3)
    copy(file, old)
    async with opened(file) as repository:
        await add(repository, "lost")
        position, version = await head_of(repository), (await repository.get(1)).version

    PUT_BACK[way](old, file)

    async with opened(file) as repository:
        for _ in range(3):  # more than were lost, so that the number is there again
            await add(repository)
        with pytest.raises(PositionGone, match="another generation"):
            await repository.read_changes(position, limit=10)
        with pytest.raises(VersionConflict):
            await repository.commit([UpdateTask(1, {"done": True}, Precondition(frozenset({version})))], at=NOW)
    assert [(record.levelno, record.getMessage()) for record in caplog.records if record.levelno > logging.INFO] == [
        (
            logging.WARNING,
            f"{file} ends with change 3, and was served here up to change 4. It has a new generation now:"
            " clients that follow its changes start over, and older ETags don't match.",
        )
    ]


async def test_a_copy_of_a_served_store_is_noticed_with_its_log_and_without(tmp_path: Path) -> None:
    file, with_log, without = (tmp_path / name for name in ("tasks.db", "with.db", "without.db"))
    async with opened(file) as repository:
        await add(repository)
        copy(file, with_log)
        shutil.copy(file, without)
        await add(repository)
        before = await generation_of(repository)

    copy(with_log, file)
    first = await generation(file)
    copy(without, file)
    second = await generation(file)

    assert len({before, first, second}) == 3


async def test_a_copy_is_noticed_after_a_kill(tmp_path: Path) -> None:
    file, old = tmp_path / "tasks.db", tmp_path / "old.db"
    async with killed_at_the_end(file) as repository:
        await add(repository)
        copy(file, old)
        await add(repository)
        before = await generation_of(repository)

    copy(old, file)

    assert await generation(file) != before


async def test_an_empty_store_that_was_put_back_is_noticed(tmp_path: Path) -> None:
    file, old = tmp_path / "tasks.db", tmp_path / "old.db"
    before = await write(file, 0)
    copy(file, old)
    await write(file, 1)

    copy(old, file)

    assert await generation(file) != before.generation


async def test_a_copy_from_before_a_restore_is_noticed(tmp_path: Path) -> None:
    file, old, other = tmp_path / "tasks.db", tmp_path / "old.db", tmp_path / "other.db"
    before = await write(file, 0)
    copy(file, old)
    await write(other, 2)
    reader = await open_reader(StoreURL(url_of(other)))
    async with opened(file) as repository:
        await repository.restore(reader.dump())
        restored = await generation_of(repository)

    kept = await generation(file)
    copy(old, file)

    assert kept == restored
    assert await generation(file) not in (before.generation, restored)


async def test_a_copy_at_another_place_is_another_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, fork = tmp_path / "tasks.db", tmp_path / "fork.db"
    before = await write(file, 2)
    copy(file, fork)

    first, second = await generation(fork), await generation(fork)

    assert first != before.generation
    assert second == first, "once is enough"
    assert await generation(file) == before.generation
    assert f"{fork} was not served at this place before" in caplog.text


async def test_a_store_that_takes_the_place_of_another_one_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, other = tmp_path / "tasks.db", tmp_path / "other.db"
    await write(file, 1)
    before = await write(other, 2)

    copy(other, file)

    assert await generation(file) != before.generation
    assert f"{file} is another store than the one that was served here last" in caplog.text


async def test_a_fork_that_went_on_is_noticed_in_the_place_of_its_source(tmp_path: Path) -> None:
    file, fork = tmp_path / "tasks.db", tmp_path / "fork.db"
    before = await write(file, 2)
    copy(file, fork)
    gone_on = await write(fork, 5)

    copy(fork, file)

    assert await generation(file) not in (before.generation, gone_on.generation)


@pytest.mark.parametrize("note", [b"x", ROOM, b"\xff" * 54, b"\0" * 54], ids=["short", "text", "binary", "zeros"])
async def test_an_unreadable_mark_is_ignored(note: bytes, tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    before = await write(file, 1)

    lock_of(file).write_bytes(note)

    assert await generation(file) != before.generation


# ---------------------------------------------------------------- not a restored copy


async def test_a_stopped_store_keeps_its_generation(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"

    generations = {(await write(file, count)).generation for count in (0, 1, 70, 0)}

    assert len(generations) == 1


async def test_a_killed_store_keeps_its_generation(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    generations = set()

    for _ in range(5):
        async with killed_at_the_end(file) as repository:
            await add(repository)
            generations.add(await generation_of(repository))

    assert len(generations) == 1


async def test_a_store_keeps_its_generation_where_the_mark_is_older(tmp_path: Path) -> None:
    """This happens after a kill between a commit and its mark, or a power failure, which loses unsynced data."""
    file = tmp_path / "tasks.db"
    before = await write(file, 1)
    older = lock_of(file).read_bytes()
    await write(file, 100)

    lock_of(file).write_bytes(older)

    assert await generation(file) == before.generation


async def test_a_store_of_an_earlier_version_keeps_its_generation(tmp_path: Path) -> None:
    file, old = tmp_path / "tasks.db", tmp_path / "old.db"
    before = await write(file, 2)
    copy(file, old)
    lock_of(file).write_bytes(b"")  # which is what that version left

    upgraded = await write(file, 1)
    copy(old, file)

    assert upgraded.generation == before.generation
    assert await generation(file) != before.generation, "it is protected from then on"


async def test_a_store_that_is_moved_with_its_lock_keeps_its_generation(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "tasks.db", tmp_path / "elsewhere.db"
    before = await write(file, 2)

    file.rename(elsewhere)
    lock_of(file).rename(lock_of(elsewhere))

    assert await generation(elsewhere) == before.generation


async def test_a_copy_of_all_that_was_served_is_the_same_store(tmp_path: Path) -> None:
    file, aside = tmp_path / "tasks.db", tmp_path / "aside.db"
    before = await write(file, 2)
    copy(file, aside)

    file.unlink()
    aside.rename(file)

    assert await generation(file) == before.generation


async def test_a_new_store_and_a_new_scratch_store_are_not_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, scratch in (("kept.db", False), ("scratch.db", True)):
        async with opened(tmp_path / name, scratch=scratch) as repository:
            await add(repository)
        await open_and_close(tmp_path / name, scratch=scratch)
    async with opened(tmp_path / "scratch.db") as repository:  # and kept from now on
        await add(repository)

    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_scratch_store_that_was_killed_and_is_kept_then_keeps_its_generation(tmp_path: Path) -> None:
    file, aside = tmp_path / "tasks.db", tmp_path / "aside.db"
    async with opened(file, scratch=True) as repository:
        await add(repository, "kept")
        before = await generation_of(repository)
        copy(file, aside, ".lock")
    copy(aside, file, ".lock")

    async with opened(file) as repository:
        assert await descriptions(repository) == ["kept"]
        assert await generation_of(repository) == before


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 50))])
async def test_whatever_happens_only_what_was_put_back_is_another_store(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    file = tmp_path / "tasks.db"
    head = await write(file, 1)
    copies: list[tuple[Path, Position]] = []

    for number in range(25):
        async with opened(file) if dice.random() < 0.5 else killed_at_the_end(file) as repository:
            found = await head_of(repository)
            assert found == head or (found.generation != head.generation and found.seq == head.seq)
            for _ in range(dice.randrange(4)):
                await add(repository)
            served = await head_of(repository)
            copies.append((tmp_path / f"{number}.db", served))
            copy(file, copies[-1][0])
            for _ in range(dice.randrange(3)):
                await add(repository)
            served = await head_of(repository)
        head = served
        if dice.random() < 0.5:
            old, was = dice.choice(copies)
            copy(old, file)
            async with killed_at_the_end(file) as repository:
                head = await head_of(repository)
            assert (head.generation == served.generation) == (was == served)
            assert head.seq == was.seq
        else:
            async with killed_at_the_end(file) as repository:
                assert await head_of(repository) == served


# ---------------------------------------------------------------- readers beside writers


async def test_what_only_reads_leaves_mark_and_generation(tmp_path: Path) -> None:
    file, old, saved = tmp_path / "tasks.db", tmp_path / "old.db", tmp_path / "saved.db"
    await write(file, 1)
    copy(file, old)
    before = await write(file, 1)
    copy(old, file)
    mark = lock_of(file).read_bytes()
    saved.touch()

    reader = await open_reader(StoreURL(url_of(file)))
    entries = [entry async for entry in reader.dump()]
    problems = await reader.check()
    await backup(StoreURL(url_of(file)), saved)

    assert (len(entries), problems) == (4, [])
    assert lock_of(file).read_bytes() == mark
    assert await generation(file) != before.generation


def test_a_mark_that_cannot_be_written_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.touch()
    descriptor = os.open(file, os.O_RDONLY)

    mark = HighWaterMark(descriptor, is_new=False)
    mark.write(Position("generation", 1))
    found = mark.read()
    os.close(descriptor)

    assert found is None
    mark.sync()
