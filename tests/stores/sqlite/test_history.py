"""The changes of one task are found without a look at those of others, whatever became of the file before."""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest
from tasksvc_sqlite.connection import connect
from tasksvc_sqlite.find_sql import term_lookups
from tasksvc_sqlite.history import changes_after, versions_of
from tasksvc_sqlite.rows import Statement
from tasksvc_sqlite.schema import MIGRATIONS, prepare

from stores.sqlite.stores import NOW, add, add_all, opened, raw
from tasksvc import (
    LOG_START,
    RELATED_MAX,
    Change,
    DeleteTask,
    Migrations,
    RestoreTask,
    Task,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Write,
)

UPGRADES = Path(__file__).parents[2] / "upgrades"
BEFORE_LINKS = Migrations({number: script for number, script in MIGRATIONS.scripts.items() if number < 7})
"""The migrations before changes were linked."""
VERSIONS = 10_000

each_workspace = pytest.mark.parametrize("name", ["default", "another"])


async def commit(repository: TaskRepository, *writes: Write) -> Sequence[object]:
    return (await repository.commit(writes, at=NOW)).results


async def logs(repository: TaskRepository) -> dict[str, list[Change]]:
    """Returns all changes that the log of each workspace has."""
    changes: dict[str, list[Change]] = defaultdict(list)
    async for name, entry in repository.dump():
        if isinstance(entry, Change):
            changes[name].append(entry)
    return changes


async def assert_histories(repository: TaskRepository) -> None:
    """Asserts that each task has the changes that the log has of it, and that nothing is wrong."""
    assert await repository.check() == []
    for name, log in (await logs(repository)).items():
        for task_id in {change.task_id for change in log}:
            page = await repository.workspace(name).task_changes(task_id, LOG_START, limit=1_000)
            assert page.changes == [change for change in log if change.task_id == task_id]


async def fill(repository: TaskRepository) -> None:
    """Writes every kind of change of three tasks."""
    await add_all(repository, [TaskDraft("a", priority=number) for number in range(3)])
    await commit(
        repository, UpdateTask(1, {"notes": "b"}), UpdateTask(2, {"done": True}), UpdateTask(1, {"notes": "c"})
    )
    await commit(repository, DeleteTask(2), DeleteTask(3))
    await commit(repository, RestoreTask(2, 1), UpdateTask(2, {"list": "x"}), DeleteTask(2))
    await commit(repository, RestoreTask(2, 3), RestoreTask(1, 1))


# ---------------------------------------------------------------- how they are linked


@each_workspace
async def test_every_change_is_found_from_the_last_one_of_its_task(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await fill(repository.workspace(name))

        await assert_histories(repository)


@pytest.mark.parametrize("store", ["stores_1", "stores_4", "stores_5"])
async def test_a_migration_links_older_changes(tmp_path: Path, store: str) -> None:
    file = shutil.copyfile(UPGRADES / store / "sqlite.db", tmp_path / "tasks.db")

    async with opened(file) as repository:
        await assert_histories(repository)
        for workspace in (repository, repository.workspace("u_42")):
            task = await add(workspace)
            await commit(workspace, UpdateTask(task.id, {"priority": 1}), DeleteTask(task.id))
            for changed in (await workspace.find(TaskQuery(), limit=3)).tasks:
                await commit(workspace, UpdateTask(changed.id, {"notes": "later"}))
        await assert_histories(repository)


@each_workspace
async def test_a_restored_dump_has_its_history_and_goes_on(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path / "tasks.db") as source, opened(tmp_path / "copy.db") as repository:
        await fill(source.workspace(name))

        await repository.restore(source.dump())
        await assert_histories(repository)
        workspace = repository.workspace(name)
        await commit(workspace, UpdateTask(1, {"priority": 9}), DeleteTask(2), RestoreTask(3, 1))
        await commit(workspace, RestoreTask(2, 1), UpdateTask(1, {"priority": 8}))

        await assert_histories(repository)
        assert [change.seq for change in (await workspace.task_changes(3, LOG_START, limit=9)).changes] == [3, 8, 16]


@each_workspace
async def test_a_history_begins_where_the_log_was_pruned(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        workspace = repository.workspace(name)
        await fill(workspace)
        length = len((await logs(repository))[name])

        for left in range(length - 1, -1, -1):
            await repository.prune(log_before=NOW - timedelta(1), max_changes=left, keys_before=NOW, limit=1_000)
            await assert_histories(repository)
        await commit(workspace, UpdateTask(1, {"priority": 9}), DeleteTask(2), UpdateTask(1, {"priority": 8}))

        await assert_histories(repository)


@each_workspace
async def test_a_check_finds_changes_that_are_linked_wrongly(tmp_path: Path, name: str) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await fill(repository.workspace(name))
    table, key, where = (
        ("changes", "task_id", "") if name == "default" else ("versions", "id", " of the workspace another")
    )
    with raw(tmp_path / "tasks.db") as database:
        database.execute(f"UPDATE {table} SET previous = NULL WHERE {key} = 1 AND seq = 4")
        database.execute(f"UPDATE {table} SET previous = 2 WHERE {key} = 3 AND seq = 3")
        if name == "default":
            database.execute("UPDATE tasks SET seq = 1 WHERE id = 2")

    async with opened(tmp_path / "tasks.db") as repository:
        found = await repository.check()

    assert found == [
        f"Change 4{where} doesn't know the change of task 1 before it.",
        f"Change 3{where} doesn't know the change of task 3 before it.",
        *(["Task 2 doesn't know its last change."] if name == "default" else []),
    ]


# ---------------------------------------------------------------- what a lookup costs


@pytest.fixture(scope="module", params=[None, 1], ids=["default", "another"])
def key(request: pytest.FixtureRequest) -> int | None:
    """The key of a workspace; None is that of the default one."""
    workspace: int | None = request.param
    return workspace


def lookups(key: int | None) -> Iterator[Statement]:
    yield changes_after(key, 2, 0, 10)
    yield versions_of(key, 2, {1, 3})
    yield from term_lookups(["parent_id=2", 'uid="x"'], key, RELATED_MAX + 1)


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_lookup_searches_indexes_alone(tmp_path: Path, key: int | None, analyzed: bool) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await fill(repository.workspace("default" if key is None else "another"))
    with raw(tmp_path / "tasks.db") as database:
        if analyzed:
            database.execute("ANALYZE")

        plans = [
            [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)] for sql, values in lookups(key)
        ]

    steps = [step for step in chain(*plans) if step.startswith(("SCAN", "SEARCH"))]
    assert len(steps) > 10
    scans = {step.split()[1] for step in steps if step.startswith("SCAN")}
    assert {name for name in scans if not name.startswith("(subquery")} <= {"chain", "json_each"}
    assert not any("workspace=?)" in step for step in steps), "no index is searched for a workspace alone"


@pytest.mark.parametrize("name", ["default", "another"])
async def test_a_task_of_many_versions_is_restored_with_few_of_them_in_memory(tmp_path: Path, name: str) -> None:
    read = 0

    def count(row: tuple[object, ...]) -> None:
        nonlocal read
        read += len(row) > 9

    async with opened(tmp_path / "tasks.db") as repository:
        workspace = repository.workspace(name)
        await add(workspace, "the first")
        for start in range(0, VERSIONS, 1_000):
            writes = [UpdateTask(1, {"description": str(number)}) for number in range(start, start + 1_000)]
            await commit(workspace, *writes)
        await commit(workspace, DeleteTask(1))
        execute = repository._writer._execute  # type: ignore[attr-defined]

        async def counted(sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
            rows: list[tuple[object, ...]] = await execute(sql, values)
            for row in rows:
                count(row)
            return rows

        repository._writer._execute = counted  # type: ignore[attr-defined]
        first, later = await commit(workspace, RestoreTask(1, 1), RestoreTask(1, 5_000))
        seqs: list[int] = []
        since, more = LOG_START, True
        while more:
            page, since, more = await workspace.task_changes(1, since, limit=1_000)
            seqs += [change.seq for change in page]

    assert isinstance(first, Task)
    assert isinstance(later, Task)
    assert (first.description, first.version) == ("the first", VERSIONS + 2)
    assert (later.description, later.version) == ("4998", VERSIONS + 3)
    assert read == 4, "the versions 1 and 5,000, the last one, and the deletion"
    assert seqs == list(range(1, VERSIONS + 5))


async def test_nobody_looks_for_tasks_below_others_where_no_task_has_a_parent(tmp_path: Path) -> None:
    statements: list[str] = []

    async def looked(repository: TaskRepository, *writes: Write) -> bool:
        statements.clear()
        await commit(repository, *writes)
        return any("term = 'parent_id=" in sql for sql in statements)

    async def traced(repository: TaskRepository) -> None:
        await repository._writer._connection.set_trace_callback(statements.append)  # type: ignore[attr-defined]

    for name in ("default", "another"):
        file = tmp_path / f"{name}.db"
        async with opened(file) as root:
            repository = root.workspace(name)
            await traced(root)
            await add_all(repository, [TaskDraft(str(number)) for number in range(9)])

            assert not await looked(repository, DeleteTask(1))
            assert not await looked(repository, UpdateTask(2, {"done": True}), DeleteTask(2))
            await commit(repository, UpdateTask(3, {"parent_id": 6}))
            assert await looked(repository, DeleteTask(5))
        async with opened(file) as root:
            repository = root.workspace(name)
            await traced(root)
            assert await looked(repository, DeleteTask(6))
            assert (await repository.get(3)).task.parent_id is None
            await repository.erase()
            await add(repository)
            assert not await looked(repository, DeleteTask(1))


# ---------------------------------------------------------------- the terms of metadata


async def test_a_migration_makes_the_terms_of_metadata(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    connection = await connect(str(file))
    await prepare(connection, str(file), scratch=False, migrations=BEFORE_LINKS)
    await connection.close()
    with raw(file) as database:
        insert_older(database, tasks=150)
        database.execute("UPDATE tasks SET metadata = '{broken' WHERE id = 7")

    async with opened(file) as repository:
        for name in ("default", "another"):
            workspace = repository.workspace(name)
            everywhere = 149 if name == "default" else 150
            assert await workspace.count(TaskQuery(metadata=(("a.b", "ü"),))) == everywhere
            found = await workspace.find(TaskQuery(metadata=(("number", 149),)), limit=9)
            assert [task.id for task in found.tasks] == [149]
            assert await workspace.count(TaskQuery(metadata=(("number", 149.0),))) == 0
        assert await repository.check() == []
    with raw(file) as database:
        assert database.execute("SELECT count(*) FROM workspace_terms WHERE workspace = 9").fetchall() == [(0,)]


def insert_older(database: sqlite3.Connection, *, tasks: int) -> None:
    """Inserts tasks with metadata as an earlier version did, in two workspaces, and in one that was erased."""
    database.execute("INSERT INTO workspaces VALUES (1, 'another', 'g', '', 0, 0, 0, NULL, 0)")
    database.execute("INSERT INTO erased_workspaces VALUES (9)")
    for number in range(1, tasks + 1):
        metadata = f'{{"a":{{"b":"ü"}},"number":{number}}}'
        database.execute(
            "INSERT INTO changes (seq, at, task_id, description, metadata) VALUES (?, 5, ?, 'x', ?)",
            (number, number, metadata),
        )
        database.executemany(
            "INSERT INTO versions (workspace, current, seq, at, id, description, metadata, created_at, updated_at)"
            " VALUES (?, 1, ?, 5, ?, 'x', ?, 5, 5)",
            [(key, number, number, metadata) for key in (1, 9)],
        )
