"""The command tasksvc check: it finds faults, and nothing in an intact store."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from service_process import RunningService, run_here, run_tasksvc

from maintenance.conftest import KINDS, NewURL, Open
from maintenance.contents import contents, fill, fill_workspaces
from tasksvc import (
    DEFAULT_WORKSPACE,
    STORE,
    Change,
    ChangeKind,
    CreateTask,
    Entry,
    IdempotencyRecord,
    Record,
    StoreEntry,
    StoreHeader,
    StoreRefused,
    Task,
    TaskDraft,
    UpdateTask,
    WorkspaceHeader,
)
from tasksvc.application.consistency import inconsistencies
from tasksvc.application.transfer import check
from tasksvc.domain.task import create_task
from tasksvc.store_adapters import open_reader, open_repository
from tasksvc.testing.samples import NOW


async def problems_of(url: str) -> list[str]:
    """Returns what is wrong with a store."""
    reader = await open_reader(url)
    try:
        return [problem async for problem in check(reader)]
    finally:
        await reader.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_intact_store_has_no_problems(kind: str, new_url: NewURL, open_store: Open) -> None:
    store = await open_store(new_url(kind))
    empty = [problem async for problem in check(store)]
    await fill(store)
    filled = [problem async for problem in check(store)]

    assert (empty, filled) == ([], [])


# ---------------------------------------------------------------- faults that a dump shows

GHOST = create_task(32, TaskDraft("gone"), NOW)

Tampering = Callable[[list[StoreEntry]], object]


def first(entries: Sequence[StoreEntry], kind: type[Entry], n: int = 0) -> int:
    """Returns the index of the entry number `n` of that kind."""
    return [index for index, (_, entry) in enumerate(entries) if isinstance(entry, kind)][n]


def replace(kind: type[Entry], n: int = 0, /, **fields: Any) -> Tampering:
    def tamper(entries: list[StoreEntry]) -> None:
        at = first(entries, kind, n)
        name, entry = entries[at]
        other = dataclasses.replace(entry, **fields) if isinstance(entry, Task) else entry._replace(**fields)
        entries[at] = StoreEntry(name, other)

    return tamper


def remove(kind: type[Entry], n: int = 0) -> Tampering:
    return lambda entries: entries.pop(first(entries, kind, n))


def double(kind: type[Entry], n: int = 0) -> Tampering:
    return lambda entries: entries.insert(first(entries, kind, n), entries[first(entries, kind, n)])


def swap(kind: type[Entry], other: type[Entry]) -> Tampering:
    def tamper(entries: list[StoreEntry]) -> None:
        one, two = first(entries, kind), first(entries, other, 1)
        entries[one], entries[two] = entries[two], entries[one]

    return tamper


def revise(n: int, **fields: Any) -> Tampering:
    """Changes the task of a change."""

    def tamper(entries: list[StoreEntry]) -> None:
        at = first(entries, Change, n)
        name, change = entries[at]
        assert isinstance(change, Change)
        assert change.task is not None
        entries[at] = StoreEntry(name, change._replace(task=dataclasses.replace(change.task, **fields)))

    return tamper


def both(one: Tampering, other: Tampering) -> Tampering:
    return lambda entries: (one(entries), other(entries))


def swap_workspaces(entries: list[StoreEntry]) -> None:
    entries.sort(key=lambda unit: (unit.workspace != STORE, unit.workspace == DEFAULT_WORKSPACE))


def double_workspace(entries: list[StoreEntry]) -> None:
    entries += [unit for unit in entries if unit.workspace == "a.b~c"]


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (list.clear, "There is nothing, not even a header."),
        (remove(StoreHeader), "The header of the store is missing."),
        (double(StoreHeader), "A StoreHeader comes after the header of the store."),
        (swap(Record, Task), "A Task of the workspace 'default' comes before the header of the workspace."),
        (swap(Record, Task), "A Record comes after the header of a workspace."),
        (remove(WorkspaceHeader), "A Task of the workspace 'default' comes before the header of the workspace."),
        (double(WorkspaceHeader), "A WorkspaceHeader comes after a WorkspaceHeader."),
        (swap(Task, Change), "A Task comes after a Change."),
        (replace(WorkspaceHeader, last_id=31), "Change 35 is of task 32, which was never there: the highest id is 31."),
        (replace(WorkspaceHeader, last_id=20), "Task 21 has an id that was never given: the highest is 20."),
        (replace(WorkspaceHeader, last_seq=37), "The log ends with 36, and its header says 37."),
        (replace(WorkspaceHeader, pruned_seq=9), "The log has 11 after 9."),
        (double(Task, 4), "Task 6 is there twice, or out of order."),
        (swap(Task, Task), "Task 1 is there twice, or out of order."),
        (replace(Task, version=0), "Task 1 is at version 0."),
        (replace(Task, 5, completed_at=None), "Task 7 is done, and its time of completion says otherwise."),
        (replace(Task, updated_at=NOW - timedelta(1)), "Task 1 was updated before it was created."),
        (replace(Task, 20, description="else"), "Task 22 is not what its newest change in the log made of it."),
        (remove(Task, 20), "Task 22 is not there, and the log does not say that it was deleted."),
        (replace(Record, version=0), "The record 'x' of 'b' is at version 0."),
        (double(Record), "The record 'x' of 'b' is there twice, or out of order."),
        (swap(Record, Record), "The record 'x' of 'b' is there twice, or out of order."),
        (
            double(IdempotencyRecord),
            "The idempotency key used at 2026-11-24 15:00:00.123456+00:00 is there twice, or out of order.",
        ),
        (remove(Change, 3), "The log has 15 after 13."),
        (remove(Change, -1), "The log ends with 35, and its header says 36."),
        (double(Change, 3), "The log has 14 after 14."),
        (replace(Change, 3, task=None), "Change 14 does not fit its task: it is created, of task 14."),
        (replace(Change, -1, kind=ChangeKind.UPDATED), "Change 36 does not fit its task: it is updated, of task 32."),
        (replace(Change, 3, task_id=15), "Change 14 does not fit its task: it is created, of task 15."),
        (revise(3, version=0), "Change 14 brings task 14 from version 0 to 0."),
        (replace(Task, 4, parent_id=32), "Task 6 has the parent 32, which is not there."),
        (both(replace(Task, 4, uid="x"), replace(Task, 5, uid="x")), "Several tasks have the same uid."),
        (
            lambda entries: entries.insert(first(entries, IdempotencyRecord), StoreEntry(DEFAULT_WORKSPACE, GHOST)),
            "Task 32 is there, and the log says that it was deleted.",
        ),
    ],
)
async def test_what_contradicts_itself_is_found(tamper: Tampering, problem: str, open_store: Open) -> None:
    store = await open_store("memory://")
    await fill(store)
    entries = await contents(store)
    tamper(entries)

    found = [problem async for problem in inconsistencies(stream(entries))]

    assert problem in found


@pytest.mark.parametrize(
    ("tamper", "problem"),
    [
        (remove(Task, -1), "Workspace 'u_42': Task 4 is not there, and the log does not say that it was deleted."),
        (remove(Change, -2), "Workspace 'u_42': The log has 7 after 5."),
        (replace(WorkspaceHeader, 2, last_seq=9), "Workspace 'u_42': The log ends with 7, and its header says 9."),
        (remove(WorkspaceHeader, 2), "A Task of the workspace 'u_42' comes before the header of the workspace."),
        (swap_workspaces, "The workspace 'default' is there twice, or out of order."),
        (double_workspace, "The workspace 'a.b~c' is there twice, or out of order."),
    ],
)
async def test_what_contradicts_itself_in_a_workspace_is_found_and_the_workspace_named(
    tamper: Tampering, problem: str, open_store: Open
) -> None:
    store = await open_store("memory://")
    await fill_workspaces(store)
    entries = await contents(store)
    assert [problem async for problem in inconsistencies(stream(entries))] == []
    tamper(entries)

    found = [problem async for problem in inconsistencies(stream(entries))]

    assert problem in found


async def test_a_jump_of_versions_is_found(open_store: Open) -> None:
    store = await open_store("memory://")
    for fields in ({"description": "a"}, {"description": "b"}):
        await store.commit([CreateTask(TaskDraft("x")), UpdateTask(1, fields)], at=NOW)
    entries = await contents(store)
    revise(3, version=9)(entries)

    found = [problem async for problem in inconsistencies(stream(entries))]

    assert "Change 4 brings task 1 from version 2 to 9." in found


async def test_a_task_that_a_whole_log_does_not_know_is_found(open_store: Open) -> None:
    store = await open_store("memory://")
    await store.commit([CreateTask(TaskDraft("x"))], at=NOW)
    entries = await contents(store)
    replace(WorkspaceHeader, last_seq=0)(entries)
    remove(Change)(entries)

    found = [problem async for problem in inconsistencies(stream(entries))]

    assert found == ["Task 1 is there, and the log, which is whole, has no change of it."]


async def stream(entries: Sequence[StoreEntry]) -> AsyncIterator[StoreEntry]:
    for entry in entries:
        yield entry


# ---------------------------------------------------------------- SQLite


@pytest.fixture
async def file(new_url: NewURL) -> Path:
    """The file of an SQLite store that is filled and closed."""
    url = new_url("sqlite")
    repository = await open_repository(url)
    await fill(repository)
    await repository.close()
    return Path(url.removeprefix("sqlite:///"))


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM changes WHERE seq = 20", "The log has 21 after 19."),
        (
            "UPDATE tasks SET description = 'else' WHERE id = 22",
            "Task 22 is not what its newest change in the log made of it.",
        ),
        ("DELETE FROM store", "The header of the store is missing."),
        ("DELETE FROM task_terms WHERE task_id = 31", 'Task 31 is not found by label="home", as it should be.'),
        ("INSERT INTO task_terms VALUES ('x', 1)", "Task 1 is found by x, which it doesn't have."),
        ("DROP TRIGGER change_updated", "The trigger change_updated is missing, or not as it was made."),
        ("DROP INDEX tasks_by_done", "The index tasks_by_done is missing, or not as it was made."),
        ("CREATE TABLE other (x)", "The table other is not ours, or not as it was made."),
        ("UPDATE tasks SET metadata = '{' WHERE id = 20", "The rest cannot be read: Task 20 is damaged"),
        (
            "UPDATE tasks SET description = CAST(x'ff' AS TEXT) WHERE id = 20",
            "The rest cannot be read: {file} cannot be",
        ),
    ],
)
async def test_a_file_that_somebody_has_written_to_is_found_out(damage: str, problem: str, file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute(damage)
    connection.commit()
    connection.close()

    found = await problems_of(f"sqlite:///{file}")

    assert any(line.startswith(problem.format(file=file)) for line in found), found


def test_a_page_of_zeros_is_found_wherever_it_is(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("VACUUM")  # a migration may have left a page that nothing is read from
    whole = file.read_bytes()

    missed = []
    for place in range(0, len(whole), 4_096):
        file.write_bytes(whole[:place] + bytes(4_096) + whole[place + 4_096 :])
        try:
            if not asyncio.run(problems_of(f"sqlite:///{file}")):
                missed.append(place)
        except StoreRefused:  # the file is not even opened
            continue

    assert missed == []


def test_a_flipped_bit_in_the_text_of_a_task_is_found_by_its_copy_in_the_log(file: Path) -> None:
    whole = file.read_bytes()
    place = whole.index("задача".encode())
    file.write_bytes(whole[:place] + bytes([whole[place], whole[place + 1] ^ 1]) + whole[place + 2 :])

    found = asyncio.run(problems_of(f"sqlite:///{file}"))

    assert any("is not what its newest change in the log made of it." in problem for problem in found), found


# ---------------------------------------------------------------- PostgreSQL


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM changes WHERE seq = 20", "The log has 21 after 19."),
        (
            "UPDATE tasks SET description = 'else' WHERE id = 22",
            "Task 22 is not what its newest change in the log made of it.",
        ),
        ("DELETE FROM tasks WHERE id = 22", "Task 22 is not there, and the log does not say that it was deleted."),
    ],
)
async def test_a_schema_that_somebody_has_written_to_is_found_out(
    damage: str, problem: str, server_url: str, new_url: NewURL, open_store: Open
) -> None:
    url = new_url("postgresql")
    await fill(await open_store(url))
    connection = await asyncpg.connect(server_url)
    await connection.execute(f"SET search_path = {url.rpartition('schema=')[2]}; {damage}")
    await connection.close()

    assert problem in await problems_of(url)


# ---------------------------------------------------------------- the command


@pytest.mark.postgresql
@pytest.mark.parametrize("command", [("check",), ("export", "export.jsonl"), ("copy", "{url}", "sqlite:///copy.db")])
def test_a_mistyped_schema_is_reported_and_not_created(command: Sequence[str], new_url: NewURL, tmp_path: Path) -> None:
    url = new_url("postgresql")
    words = [word.format(url=url) for word in command]

    done = run_tasksvc(*words, folder=tmp_path, environment={} if url in words else {"TASKSVC_STORE": url})
    again = run_tasksvc("check", "--store", url, folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"tasksvc: There is no store in the schema {url.rpartition('=')[2]} of postgresql://")
    assert again.stderr == done.stderr, "it is not there now either"
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_that_all_is_well_while_the_store_is_served(file: Path, tmp_path: Path) -> None:
    with RunningService("--store", f"sqlite:///{file}", folder=tmp_path) as service:
        done = run_here("check", folder=tmp_path, environment={"TASKSVC_STORE": f"sqlite:///{file}"})
        service.stop()

    assert (done.returncode, done.stdout, done.stderr) == (0, f"sqlite:///{file} is in order.\n", "")


def test_the_command_prints_a_line_for_each_problem(file: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE tasks SET priority = 8 WHERE id IN (22, 23)")
    connection.commit()
    connection.close()

    done = run_here("check", "--store", f"sqlite:///{file}", folder=tmp_path)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "Task 22 is not what its newest change in the log made of it.",
        "Task 23 is not what its newest change in the log made of it.",
    ]
    assert done.stderr == f"tasksvc: sqlite:///{file} has 2 problems. Restore it from a backup.\n"


def test_the_command_does_not_print_thousands_of_lines(file: Path, tmp_path: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute(
        "WITH RECURSIVE n(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM n WHERE n < 599)"
        " INSERT INTO records SELECT 'x', n, '{}', 0 FROM n"
    )
    connection.commit()
    connection.close()

    done = run_here("check", "--store", f"sqlite:///{file}", folder=tmp_path)

    assert len(done.stdout.splitlines()) == 101
    assert done.stdout.splitlines()[-1] == "... and 400 more."
    assert "has 500 problems" in done.stderr
