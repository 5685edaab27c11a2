"""Damage in a row is reported only to callers that need the row."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient

from stores.sqlite.stores import NOW, add, opened, raw, url_of
from tasksvc import (
    CreateTask,
    Cursor,
    DeleteTask,
    Found,
    IdempotencyKey,
    InvalidTask,
    OutcomeUnknown,
    PutRecord,
    StoreUnavailable,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Write,
    codec,
)
from tasksvc.api.app import create_app

DAMAGES = (
    "metadata = '{broken'",
    "labels = '5'",
    "due_at = 'soon'",
    "due_at = 9223372036854775807",
    "description = CAST(x'ff' AS TEXT)",
)


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """The file of a closed store with five tasks."""
    path = tmp_path / "tasks.db"
    async with opened(path) as repository:
        for number in range(1, 6):
            await add(repository, f"{number}", metadata={"a": number}, labels=("x",))
    return path


def damage(file: Path, how: str, table: str = "tasks WHERE id = 3") -> None:
    name, _, where = table.partition(" ")
    with raw(file) as database:
        database.execute(f"UPDATE {name} SET {how} {where}")


async def outcomes(*calls: Awaitable[Any]) -> Sequence[Any]:
    """Returns the outcomes of calls that are made at once, so that they are read together."""
    return await asyncio.gather(*calls, return_exceptions=True)


def assert_is_told(failure: Any, what: str) -> None:
    assert isinstance(failure, StoreUnavailable)
    assert not isinstance(failure, OutcomeUnknown)
    assert what in str(failure)
    assert "backup" in str(failure)


@pytest.mark.parametrize("how", DAMAGES)
async def test_a_damaged_task_fails_only_the_calls_that_read_it(file: Path, how: str) -> None:
    damage(file, how)
    async with opened(file) as repository:
        found = await outcomes(*(repository.get(task_id) for task_id in (1, 2, 3, 4, 3, 5)))

        assert [each.task.id for each in found if isinstance(each, Found)] == [1, 2, 4, 5]
        for failure in (found[2], found[4]):
            assert_is_told(failure, "cannot be read")


@pytest.mark.parametrize("how", DAMAGES)
async def test_a_damaged_task_fails_only_the_calls_that_write_it(file: Path, how: str) -> None:
    damage(file, how)
    async with opened(file) as repository:
        writes: list[Write] = [
            UpdateTask(2, {"priority": 1}),
            UpdateTask(3, {"priority": 1}),
            DeleteTask(3),
            DeleteTask(4),
        ]
        patched, *failures, removed = await outcomes(*(repository.commit((write,), at=NOW) for write in writes))

        assert patched.results[0].priority == 1
        assert removed.results == (None,)
        for failure in failures:
            assert_is_told(failure, "cannot be read")
        with pytest.raises(StoreUnavailable):
            await repository.commit((UpdateTask(1, {"priority": 1}), DeleteTask(3)), at=NOW)
        assert (await repository.get(1)).task.priority == 0


async def test_a_value_that_cannot_be_stored_is_distinguished_from_one_that_cannot_be_read(file: Path) -> None:
    damage(file, DAMAGES[0])
    async with opened(file) as repository:
        unread, unstorable, stored = await outcomes(
            *(
                repository.commit((write,), at=NOW)
                for write in (
                    UpdateTask(3, {"priority": 1}),
                    UpdateTask(1, {"description": "\ud800"}),
                    UpdateTask(2, {"priority": 1}),
                )
            )
        )

        assert_is_told(unread, "Task 3 is damaged")
        assert isinstance(unstorable, InvalidTask)
        assert stored.results[0].version == 2


async def test_a_page_without_the_damaged_task_is_read(file: Path) -> None:
    damage(file, DAMAGES[0])
    async with opened(file) as repository:
        before, across, after = await outcomes(
            repository.find(TaskQuery(), limit=2),
            repository.find(TaskQuery(), limit=3),
            repository.find(TaskQuery(), after=Cursor(3, 3), limit=9),
        )

        assert [task.id for task in (*before.tasks, *after.tasks)] == [1, 2, 4, 5]
        assert_is_told(across, "Task 3 is damaged")


async def test_damage_beside_the_tasks_is_reported_too(file: Path) -> None:
    async def write(repository: TaskRepository) -> None:
        await repository.commit(
            (PutRecord("space", "name", {"a": 1}),), at=NOW, idempotency_key=IdempotencyKey("", "key", "")
        )

    async with opened(file) as repository:
        await write(repository)
        start = (await repository.find(TaskQuery(), limit=1)).position._replace(seq=0)
    damage(file, "value = '{'", "records")
    damage(file, "results = '[7]'", "idempotency_keys")
    damage(file, "kind = 'x'", "changes WHERE seq = 2")

    async with opened(file) as repository:
        record, records, again, changes = await outcomes(
            repository.record("space", "name"),
            repository.records("space", limit=9),
            write(repository),
            repository.read_changes(start, limit=9),
        )

        for failure, what in (
            (record, "The record 'name' of 'space'"),
            (records, "The record 'name' of 'space'"),
            (again, "An idempotency key"),
            (changes, "Change 2"),
        ):
            assert_is_told(failure, f"{what} is damaged")
        assert len((await repository.read_changes(start._replace(seq=2), limit=9)).changes) == 3


async def test_a_key_that_a_later_version_kept_fails_its_own_commit_alone(tmp_path: Path) -> None:
    file, key = tmp_path / "tasks.db", IdempotencyKey("", "key", "")
    async with opened(file) as repository:
        await repository.commit((CreateTask(TaskDraft("a")),), at=NOW, idempotency_key=key)
    damage(file, """results = '{"format":99,"results":[]}'""", "idempotency_keys")

    async with opened(file) as repository:
        again, other = await outcomes(
            repository.commit((CreateTask(TaskDraft("a")),), at=NOW, idempotency_key=key),
            repository.commit((CreateTask(TaskDraft("b")),), at=NOW),
        )

        assert isinstance(again, StoreUnavailable)
        assert f"holds data of format 99, and this version of tasksvc reads formats up to {codec.FORMAT}" in str(again)
        assert [task.description for task in (await repository.find(TaskQuery(), limit=9)).tasks] == ["a", "b"]
        assert other.position.seq == 2


async def test_a_client_gets_503_for_a_damaged_task(file: Path, aiohttp_client: AiohttpClient) -> None:
    damage(file, DAMAGES[0])
    client = await aiohttp_client(create_app(url_of(file)))

    answers = [
        await client.get("/tasks/3"),
        await client.patch("/tasks/3", json={"done": True}),
        await client.delete("/tasks/3"),
        await client.get("/tasks/2"),
    ]

    assert [answer.status for answer in answers] == [503, 503, 503, 200]
    assert "Task 3 is damaged" in (await answers[1].json())["detail"]
