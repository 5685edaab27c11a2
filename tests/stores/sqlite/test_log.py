"""SQLite's write-ahead log doesn't grow without bound."""

from __future__ import annotations

import asyncio
from pathlib import Path

from patience import FOREVER_SECONDS, PATIENCE_SECONDS
from tasksvc_sqlite.settings import Settings

from stores.sqlite.stores import add, add_all, opened, raw
from tasksvc import TaskDraft, TaskRepository

LIMIT = 300_000


SHORT_LOG = Settings(log_bytes=LIMIT, log_check_interval=1)
"""Settings that limit the log to a much smaller size than usual, which is checked after each write."""


async def write(repository: TaskRepository, kilobytes: int) -> None:
    for _ in range(kilobytes // 50):
        await add_all(repository, [TaskDraft("x" * 5_000)] * 10)


async def test_a_log_that_is_too_long_is_reset(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db", settings=SHORT_LOG) as repository:
        await write(repository, 2_000)

        assert (tmp_path / "tasks.db-wal").stat().st_size < 2 * LIMIT


async def test_a_program_that_reads_on_holds_no_write_up_and_the_log_shrinks_when_it_stops(
    tmp_path: Path,
) -> None:
    # Arrange: a write that waited for the reader as it does for a writer would never end.
    settings = SHORT_LOG._replace(busy_timeout=FOREVER_SECONDS)
    async with opened(tmp_path / "tasks.db", settings=settings) as repository:
        await add(repository)
        with raw(tmp_path / "tasks.db") as database:
            database.execute("BEGIN")
            database.execute("SELECT count(*) FROM tasks").fetchone()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await write(repository, 2_000)

            assert (tmp_path / "tasks.db-wal").stat().st_size > 2_000_000
            database.execute("COMMIT")
        await write(repository, 1_000)

        assert (tmp_path / "tasks.db-wal").stat().st_size < 2 * LIMIT


async def test_after_close_all_is_in_the_one_file(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db", settings=SHORT_LOG) as repository:
        await add(repository)

    assert sorted(file.name for file in tmp_path.iterdir()) == ["tasks.db", "tasks.db.lock"]
