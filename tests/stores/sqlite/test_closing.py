"""No thread and no file stays open, whatever fails and whichever call is cancelled."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS

from stores.sqlite.stores import NOW, add, add_all, descriptions, open_and_close, opened, process, raw, url_of
from tasksvc import CreateTask, StoreClosed, StoreRefused, TaskDraft, TaskRepository
from tasksvc.store_adapters import open_repository
from tasksvc.testing.cancellation import cancelled_everywhere


def in_use() -> tuple[int, list[str]]:
    """Returns the number of threads, and the open files."""
    links = [f"/proc/self/fd/{descriptor}" for descriptor in os.listdir("/proc/self/fd")]
    files = [os.readlink(link) for link in links if os.path.islink(link)]
    return threading.active_count(), sorted(file for file in files if ".db" in file)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Waits until nothing is left, since a stopped thread takes a moment to end."""
    if not sys.platform.startswith("linux"):
        pytest.skip("open files are listed in /proc")
    # Not by their numbers: a thread of an earlier test may end meanwhile, and would make up for one that is left.
    threads, files = set(threading.enumerate()), Counter(in_use()[1])

    def left() -> list[object]:
        return [*(set(threading.enumerate()) - threads), *(Counter(in_use()[1]) - files).elements()]

    yield
    end = time.monotonic() + PATIENCE_SECONDS
    while left() and time.monotonic() < end:
        time.sleep(0.01)
    assert left() == []


async def test_after_use(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository)
        await descriptions(repository)
        assert len(in_use()[1]) > 3, "what is looked for is there meanwhile"


async def test_after_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"notes" * 1_000)
    with raw(tmp_path / "photos.db") as database:
        database.execute("CREATE TABLE photos (name)")
    async with opened(tmp_path / "kept.db"):
        with pytest.raises(StoreRefused):
            await open_and_close(tmp_path / "kept.db")

    for name, scratch in (("notes.txt", False), ("photos.db", False), ("kept.db", True), ("missing/x.db", False)):
        with pytest.raises(StoreRefused):
            await open_and_close(tmp_path / name, scratch=scratch)


@pytest.mark.slow
async def test_after_an_opening_that_is_cancelled_anywhere(tmp_path: Path) -> None:
    repository: TaskRepository | None = None

    async def open_it() -> None:
        nonlocal repository
        repository = await open_repository(url_of(tmp_path / "tasks.db"), scratch=True)

    count = 0
    async for _ in cancelled_everywhere(open_it):
        count += 1
        if repository is not None:
            await repository.close()
            repository = None

    assert count > 20
    async with opened(tmp_path / "tasks.db", scratch=True) as whole:
        await add(whole)
        assert await descriptions(whole) == ["a task"]


async def test_after_a_close_that_is_cancelled_anywhere(tmp_path: Path) -> None:
    """It goes on to its end: waiting writes are done, and a scratch store is emptied."""
    file = tmp_path / "tasks.db"
    repository = await open_repository(url_of(file), scratch=True)

    async def close() -> None:
        await repository.close()

    async for _ in cancelled_everywhere(close):
        await repository.close()
        with raw(file) as database:
            assert database.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
        repository = await open_repository(url_of(file), scratch=True)
        await add(repository)

    await repository.close()


async def test_after_a_close_amid_reads_and_writes(tmp_path: Path) -> None:
    repository = await open_repository(url_of(tmp_path / "tasks.db"))
    await add(repository)
    calls = [
        asyncio.ensure_future(call)
        for number in range(50)
        for call in (
            repository.commit((CreateTask(TaskDraft(f"{number}")),), at=NOW),
            repository.get(1),
            descriptions(repository),
            repository.ping(),
        )
    ]
    await asyncio.sleep(0)

    await repository.close()

    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    errors = {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)}
    assert errors <= {StoreClosed}
    written = sum(not isinstance(outcome, BaseException) for outcome in outcomes[::4])
    async with opened(tmp_path / "tasks.db") as again:
        assert len(await descriptions(again)) == 1 + written


async def test_after_a_dump_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add_all(repository, [TaskDraft("x")] * 1_000)
        after = []
        for _ in range(3):
            threads, _ = in_use()
            dump = repository.dump()
            await anext(dump)
            assert in_use()[0] == threads + 1

            del dump

            end = time.monotonic() + PATIENCE_SECONDS
            while in_use()[0] != threads and time.monotonic() < end:
                await asyncio.sleep(0.01)
            after.append(in_use())
        # SQLite keeps the file of the first one for the next, since closing it would drop its locks.
        assert after[1:] == after[:2]


async def test_a_close_ends_a_dump(tmp_path: Path) -> None:
    repository = await open_repository(url_of(tmp_path / "tasks.db"))
    await add_all(repository, [TaskDraft("x")] * 1_000)
    dump = repository.dump()
    await anext(dump)

    await repository.close()

    with pytest.raises(StoreClosed):
        async for _ in dump:
            pass


def test_an_event_loop_that_is_stopped_leaves_nothing_half_written(tmp_path: Path) -> None:
    """At its end, asyncio.run() cancels all tasks, including those of the store, and the process ends."""
    script = """
import asyncio, sys
from datetime import UTC, datetime
from tasksvc import CreateTask, IdempotencyKey, TaskDraft
from tasksvc.store_adapters import open_repository
async def main():
    repository = await open_repository(sys.argv[1])
    async def write(number):
        key = IdempotencyKey("", f"{number}", "")
        await repository.commit([CreateTask(TaskDraft("x"))] * 100, at=datetime.now(UTC), idempotency_key=key)
    writers = [asyncio.ensure_future(write(number)) for number in range(100)]
    await asyncio.wait(writers, return_when=asyncio.FIRST_COMPLETED)
    print("stopping", flush=True)
    closing = asyncio.ensure_future(repository.close())
    await asyncio.sleep(0)
asyncio.run(main())
"""
    with process(script, url_of(tmp_path / "tasks.db")) as stopping:
        said, complaint = stopping.communicate(timeout=PATIENCE_SECONDS)

    assert (said, complaint) == ("stopping\n", "")
    with raw(tmp_path / "tasks.db") as database:
        (tasks,) = database.execute("SELECT count(*) FROM tasks").fetchone()
        (keys,) = database.execute("SELECT count(*) FROM idempotency_keys").fetchone()
        assert tasks == 100 * keys > 0
