"""The changes of a task are found one through the other, whatever a store was migrated, restored or pruned from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import asyncpg
import pytest
from tasksvc_postgresql.migrating import MIGRATIONS
from tasksvc_postgresql.terms import TASKS_AT_ONCE

from stores.postgresql.repositories import Open
from stores.postgresql.server import with_parameters
from stores.postgresql.test_migrations import upgrade
from tasksvc import (
    LOG_START,
    Change,
    CreateTask,
    DeleteTask,
    Migrations,
    RestoreTask,
    StoreEntry,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
)
from tasksvc.testing.samples import NOW

BEFORE_PARENTS = Migrations({number: script for number, script in MIGRATIONS.scripts.items() if number < 6})
"""The migrations of the version before tasks had parents."""


async def write_some(repository: TaskRepository) -> None:
    """Creates, updates, deletes and restores tasks: task 1 has six changes, and task 2, which is deleted, has two."""
    for write in (
        CreateTask(TaskDraft("x")),
        CreateTask(TaskDraft("y")),
        UpdateTask(1, {"description": "z"}),
        DeleteTask(1),
        DeleteTask(2),
        RestoreTask(1, 1),
    ):
        await repository.commit([write], at=NOW)
    await repository.commit([UpdateTask(1, {"done": True}), UpdateTask(1, {"done": False})], at=NOW, by="ann")


async def history(repository: TaskRepository, task_id: int) -> Sequence[Change]:
    return (await repository.task_changes(task_id, LOG_START, limit=100)).changes


async def logged(repository: TaskRepository, task_id: int) -> list[Change]:
    """Returns the changes of a task as the whole log has them, from where it begins."""
    page = await repository.find(TaskQuery(), limit=1)
    pruned = page.position._replace(seq=page.position.seq - 4)
    changes = (await repository.read_changes(pruned, limit=100)).changes
    return [change for change in changes if change.task_id == task_id]


async def test_a_store_that_is_restored_has_the_history_of_each_task(
    open_store: Open, store_url: str, schema: str
) -> None:
    repository = await open_store(store_url)
    for name in ("default", "w"):
        await write_some(repository.workspace(name))
    copy = await open_store(with_parameters(store_url, schema=f"{schema}_copy"))

    async def entries() -> AsyncIterator[StoreEntry]:
        async for entry in repository.dump():
            yield entry

    await copy.restore(entries())

    for name in ("default", "w"):
        for task_id, count in ((1, 6), (2, 2)):
            found = await history(copy.workspace(name), task_id)
            assert len(found) == count
            assert found == await history(repository.workspace(name), task_id)
    assert await copy.check() == []
    await copy.commit([RestoreTask(2, 1)], at=NOW)
    assert len(await history(copy, 2)) == 3


async def test_the_history_of_a_task_begins_where_the_log_begins(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    await write_some(repository)
    await repository.prune(log_before=NOW - timedelta(days=1), max_changes=4, keys_before=NOW, limit=100)

    found = {task_id: await history(repository, task_id) for task_id in (1, 2)}

    assert [len(changes) for changes in found.values()] == [3, 1]
    assert found == {task_id: await logged(repository, task_id) for task_id in (1, 2)}
    assert await repository.check() == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE {schema}.tasks SET seq = 1 WHERE id = 1",
        "UPDATE {schema}.changes SET previous = 0 WHERE task_id = 1 AND kind = 'deleted'",
        "UPDATE {schema}.changes SET previous = 1 WHERE seq = 8",
    ],
    ids=["the last one", "before the deletion", "the one before"],
)
async def test_a_check_finds_changes_that_are_not_found_through_those_after_them(
    damage: str, open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await write_some(repository)

    await database.execute(damage.format(schema=schema))

    (problem,) = await repository.check()
    assert problem.startswith("Task 1 has changes that aren't found as they should be.")


# ---------------------------------------------------------------- the schema of before

FILL = """
    INSERT INTO {schema}.tasks (
        workspace, id, description, folded, notes, folded_notes, done, priority, labels, list, metadata,
        created_at, updated_at, version
    )
    SELECT key, n, 'x', 'x', '', '', false, 0, '[]', 'inbox',
        CASE n % 2 WHEN 0 THEN '{{}}' ELSE '{{"room":4,"a":{{"b":1.5}}}}' END::json, 0, 0, 2
    FROM {schema}.workspaces CROSS JOIN generate_series(1, {count}) n;
    INSERT INTO {schema}.changes (
        workspace, seq, kind, at, task_id, description, notes, done, priority, labels, list, metadata,
        created_at, updated_at, version
    )
    SELECT workspace, id + add, 'updated', 0, id, 'x', '', false, 0, labels, 'inbox', metadata, 0, 0, version
    FROM {schema}.tasks CROSS JOIN unnest(ARRAY[0, {count}]) AS add;
    UPDATE {schema}.workspaces
    SET last_id = {count}, last_seq = 2 * {count}, task_count = {count}, open_count = {count};
"""
"""Tasks, half of them with metadata, each with two changes."""


async def test_a_migration_finds_the_terms_and_the_histories_of_all_tasks(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    count = 3 * TASKS_AT_ONCE
    await upgrade(store_url, BEFORE_PARENTS)
    await database.execute(f"INSERT INTO {schema}.workspaces (name, generation) VALUES ('w', 'g')")
    await database.execute(FILL.format(schema=schema, count=count))

    repository = await open_store(store_url)

    assert await repository.check() == []
    for name in ("default", "w"):
        workspace = repository.workspace(name)
        assert await workspace.count(TaskQuery(metadata=(("room", 4),))) == count // 2
        assert await workspace.count(TaskQuery(metadata=(("a.b", 1.5),))) == count // 2
        assert [change.seq for change in await history(workspace, 7)] == [7, 7 + count]


WRITTEN_BEFORE = {
    "a task": """
        INSERT INTO {schema}.tasks (
            workspace, id, description, folded, notes, folded_notes, done, priority, labels, list, metadata,
            created_at, updated_at, version
        ) VALUES (0, 1, 'y', 'y', '', '', false, 0, '[]', 'inbox', '{{}}', 0, 0, 2)
        ON CONFLICT (workspace, id) DO UPDATE SET description = excluded.description
    """,
    "a deletion": "INSERT INTO {schema}.changes (workspace, seq, kind, at, task_id) VALUES (0, 2, 'deleted', 0, 1)",
}
"""A part of each write of version 5 of the schema."""


@pytest.mark.parametrize("written", WRITTEN_BEFORE.values(), ids=WRITTEN_BEFORE)
async def test_a_process_that_knows_no_parents_can_write_nothing(
    written: str, open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await repository.commit([CreateTask(TaskDraft("x"))], at=NOW)

    with pytest.raises(asyncpg.NotNullViolationError):
        await database.execute(written.format(schema=schema))

    assert await repository.check() == []
