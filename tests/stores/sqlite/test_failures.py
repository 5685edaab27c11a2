"""Failures below SQLite become errors of the port, and harm nothing else."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from heads import generation_of
from patience import FOREVER_SECONDS
from tasksvc_sqlite.repository import open_file
from tasksvc_sqlite.settings import Settings

from stores.sqlite.stores import NOW, add, add_all, descriptions, mounted, opened, raw
from tasksvc import (
    CreateTask,
    Cursor,
    DeleteTask,
    Found,
    IdempotencyKey,
    InvalidTask,
    OutcomeUnknown,
    Position,
    PutRecord,
    SortField,
    StoreFull,
    StoreUnavailable,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Write,
)
from tasksvc.domain.errors import PositionGone
from tasksvc.testing import failing_files

HUGE = 10**30


# ---------------------------------------------------------------- full disks


async def fill(repository: TaskRepository) -> int:
    """Creates tasks until the disk is full, and returns how many it created."""
    for count in range(10_000):
        try:
            await add(repository, f"{count} {'x' * 9_000}")
        except StoreFull:
            return count
    raise AssertionError("the disk is never full")


async def test_on_a_full_disk_nothing_is_lost_and_writes_go_on_when_there_is_room(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "size=2m"):
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(300_000))
        async with opened(folder / "tasks.db") as repository:
            count = await fill(repository)
            assert count > 10

            assert len(await descriptions(repository)) == count
            await repository.ping()
            with pytest.raises(StoreFull, match="no room left"):
                await repository.commit((DeleteTask(1), CreateTask(TaskDraft("x" * 9_000))), at=NOW)
            ballast.unlink()
            await repository.commit((DeleteTask(1),), at=NOW)
            await add(repository, "there is room again")
            kept = await descriptions(repository)

        async with opened(folder / "tasks.db") as repository:
            assert await descriptions(repository) == kept
            assert len(kept) == count


async def test_a_file_that_may_not_grow_is_full(tmp_path: Path) -> None:
    repository = await open_file(str(tmp_path / "tasks.db"), scratch=False)
    try:
        async with repository._writer as own:
            await own.rows("PRAGMA max_page_count = 60")
        count = await fill(repository)

        with pytest.raises(StoreFull):  # in a transaction of several statements
            await repository.commit(
                (CreateTask(TaskDraft("x" * 9_000)),), at=NOW, idempotency_key=IdempotencyKey("", "key", "")
            )
        assert len(await descriptions(repository)) == count
        async with repository._writer as own:
            await own.rows("PRAGMA max_page_count = 600")
        task = await add(repository)
        assert task.id == count + 1
    finally:
        await repository.close()


# ---------------------------------------------------------------- a disk that fails


async def test_after_a_failed_write_its_outcome_is_unknown_and_no_more_is_written(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository, "before")
        with failing_files(), pytest.raises(OutcomeUnknown, match="may be there or not"):
            await add(repository, "lost, or not")

        with pytest.raises(StoreUnavailable, match="restart"):
            await add(repository, "after")
        with pytest.raises(StoreUnavailable, match=r"Writing to .*tasks\.db failed"):
            await repository.ping()
        assert await descriptions(repository) == ["before"]
        assert (await repository.get(1)).task.description == "before"

    async with opened(tmp_path / "tasks.db") as repository:
        assert (await descriptions(repository))[0] == "before"
        await add(repository, "written again")


async def test_an_idempotency_key_makes_an_unknown_outcome_safe_to_repeat(tmp_path: Path) -> None:
    async def once(repository: TaskRepository) -> None:
        await repository.commit((CreateTask(TaskDraft("once")),), at=NOW, idempotency_key=IdempotencyKey("", "key", ""))

    async with opened(tmp_path / "tasks.db") as repository:
        with failing_files(), pytest.raises(OutcomeUnknown):
            await once(repository)

    async with opened(tmp_path / "tasks.db") as repository:
        await once(repository)
        await once(repository)
        assert await descriptions(repository) == ["once"]


async def test_a_damaged_page_fails_the_calls_that_read_it(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add_all(repository, [TaskDraft("x")] * 2_000)
    with raw(file) as database:
        find = "SELECT rootpage FROM sqlite_master WHERE name = 'tasks_by_created_at'"
        (number,) = database.execute(find).fetchone()
    with file.open("r+b") as content:
        content.seek((number - 1) * 4096)
        content.write(bytes(4096))

    async with opened(file) as repository:
        with pytest.raises(StoreUnavailable, match="cannot be read now"):
            await repository.find(TaskQuery(sort=SortField.CREATED_AT), limit=9)
        assert len((await repository.find(TaskQuery(), limit=9)).tasks) == 9
        assert await repository.check() != []


async def test_where_sqlite_refuses_to_write_nothing_is_written(tmp_path: Path) -> None:
    repository = await open_file(str(tmp_path / "tasks.db"), scratch=False)
    try:
        async with repository._writer as own:
            await own.rows("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailable, match="cannot be written now") as failure:
            await add(repository)
        assert not isinstance(failure.value, OutcomeUnknown)

        async with repository._writer as own:
            await own.rows("PRAGMA query_only = OFF")
        assert (await add(repository)).id == 1
        assert await repository.check() == []
        assert repository.statistics()["commits"] == 2
    finally:
        await repository.close()


# ---------------------------------------------------------------- another program


async def test_a_write_waits_for_another_program_and_then_gives_up(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db", settings=Settings(busy_timeout=0.2)) as repository:
        await add(repository, "before")
        with raw(tmp_path / "tasks.db") as database:
            database.execute("BEGIN IMMEDIATE")
            start = time.monotonic()
            with pytest.raises(StoreUnavailable, match="Another program holds") as failure:
                await add(repository, "while it is locked")
            waited = time.monotonic() - start

            assert not isinstance(failure.value, OutcomeUnknown)
            assert failure.value.retry_after > 0
            assert waited > 0.15
            assert await descriptions(repository) == ["before"]
            database.execute("COMMIT")

        await add(repository, "after")
        assert await descriptions(repository) == ["before", "after"]


async def test_after_a_busy_timeout_the_next_writes_wait_less_until_one_succeeds(tmp_path: Path) -> None:
    async def patience() -> int:
        ((milliseconds,),) = await repository._writer.rows("PRAGMA busy_timeout")
        return int(milliseconds)

    repository = await open_file(str(tmp_path / "tasks.db"), scratch=False)
    try:
        usual = await patience()
        with raw(tmp_path / "tasks.db") as database:
            database.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable):
                await add(repository, "while it is locked")
            assert await patience() < usual / 10
            database.execute("COMMIT")

        await add(repository, "after")

        assert await patience() == usual
    finally:
        await repository.close()


async def test_a_write_goes_on_when_another_program_lets_go_in_time(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db", settings=Settings(busy_timeout=FOREVER_SECONDS)) as repository:
        with raw(tmp_path / "tasks.db") as database:
            database.execute("BEGIN IMMEDIATE")
            writing = asyncio.ensure_future(add(repository, "patient"))
            await asyncio.sleep(0.1)
            assert await descriptions(repository) == [], "a read does not wait for it"
            database.execute("COMMIT")
            await writing

        assert await descriptions(repository) == ["patient"]


@pytest.mark.parametrize("what", ["removed", "replaced"])
async def test_a_file_that_is_gone_is_not_written_any_more(tmp_path: Path, what: str) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add(repository, "in the file")
        os.rename(file, tmp_path / "moved.db")
        if what == "replaced":
            file.touch()

        with pytest.raises(StoreUnavailable, match="moved, removed or replaced"):
            await add(repository, "into nothing")
        with pytest.raises(StoreUnavailable, match="moved, removed or replaced"):
            await repository.ping()
        assert await descriptions(repository) == ["in the file"]

        os.rename(tmp_path / "moved.db", file)
        await add(repository, "it is back")


async def test_what_another_program_wrote_is_not_written_over(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository)
        with raw(tmp_path / "tasks.db") as database:
            database.execute("INSERT INTO changes (seq, at, task_id, description) VALUES (2, 0, 2, 'of another')")

        with pytest.raises(StoreUnavailable, match="contradicts"):
            await add(repository)

        assert await descriptions(repository) == ["a task", "of another"]


# ---------------------------------------------------------------- values


async def test_a_value_that_cannot_be_stored_fails_alone(tmp_path: Path) -> None:
    unstorable: list[Write] = [
        CreateTask(TaskDraft("\ud800")),
        CreateTask(TaskDraft("label", labels=("\udfff",))),
        CreateTask(TaskDraft("metadata", metadata={"a": HUGE})),
        CreateTask(TaskDraft("priority", priority=HUGE)),
        PutRecord("space", "\ud800", {}),
        UpdateTask(1, {"description": "\ud800"}),
    ]
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository, "first")
        writes = [write for bad in unstorable for write in (CreateTask(TaskDraft("good")), bad)]

        outcomes: list[Any] = await asyncio.gather(
            *(repository.commit((write,), at=NOW) for write in writes), return_exceptions=True
        )

        assert [type(outcome) for outcome in outcomes[1::2]] == [InvalidTask] * len(unstorable)
        assert await descriptions(repository) == ["first", *["good"] * len(unstorable)]
        assert [outcome.results[0].id for outcome in outcomes[::2]] == list(range(2, 2 + len(unstorable)))


async def test_a_value_that_cannot_be_stored_takes_its_whole_commit_with_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        for idempotency_key in (None, IdempotencyKey("", "key", ""), IdempotencyKey("\ud800", "key", "")):
            with pytest.raises(InvalidTask, match="cannot store"):
                await repository.commit(
                    (CreateTask(TaskDraft("good")), CreateTask(TaskDraft("\ud800"))),
                    at=NOW,
                    idempotency_key=idempotency_key,
                )

        assert await descriptions(repository) == []
        assert (await add(repository)).id == 1


@pytest.mark.parametrize("task_id", [HUGE, 2**63, 2**63 - 1, 0, -1, -(2**63), -HUGE])
async def test_any_id_is_handled_by_the_store(tmp_path: Path, task_id: int) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        task = await add(repository)
        failure, found = await asyncio.gather(repository.get(task_id), repository.get(task.id), return_exceptions=True)

        assert isinstance(failure, TaskNotFound)
        assert isinstance(found, Found)
        assert found.task == task
        for write in (UpdateTask(task_id, {"priority": 1}), DeleteTask(task_id)):
            with pytest.raises(TaskNotFound):
                await repository.commit((write,), at=NOW)


async def test_any_query_is_handled_by_the_store(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        task = await add(repository, "nul \0 in it", priority=3)

        for query in (
            TaskQuery(q="\ud800"),
            TaskQuery(labels=("\ud800",)),
            TaskQuery(labels=("a", "\ud800")),
            TaskQuery(priority_min=HUGE),
        ):
            page = await repository.find(query, limit=9)
            assert (list(page.tasks), page.next, page.position.seq) == ([], None, 1)
        assert list((await repository.find(TaskQuery(priority_min=-HUGE), limit=9)).tasks) == [task]
        assert list((await repository.find(TaskQuery(q="\0 IN"), limit=9)).tasks) == [task]
        for after in (Cursor(HUGE, HUGE), Cursor(-HUGE, -HUGE)):
            await repository.find(TaskQuery(sort=SortField.ID), after=after, limit=9)
        with pytest.raises(PositionGone):
            await repository.read_changes(Position(await generation_of(repository), HUGE), limit=9)
        with pytest.raises(PositionGone):
            await repository.read_changes(Position(await generation_of(repository), -HUGE), limit=9)
        assert await repository.record("\ud800", "a") is None
        assert await repository.records("a", after="\ud800", limit=9) == []
