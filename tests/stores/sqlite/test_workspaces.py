"""Workspaces in a file: their indexes, their caches, their log of changes, and what becomes of them in a file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from heads import generation_of
from patience import PATIENCE_SECONDS
from tasksvc_sqlite.cache import Place, Recent, StoreCache, StoreState
from tasksvc_sqlite.find_sql import contains, count, page
from tasksvc_sqlite.repository import SQLiteRepository
from tasksvc_sqlite.rows import LARGE_FROM, Statement
from tasksvc_sqlite.writer import WriteConnection

from stores.sqlite.stores import NOW, add, add_all, opened, raw, url_of
from stores.sqlite.test_put_back import copy
from tasksvc import (
    LOG_START,
    CreateTask,
    DeleteTask,
    Position,
    PositionGone,
    SortField,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    select,
)
from tasksvc.ports.store_url import StoreURL
from tasksvc.store_adapters import backup, open_reader

LATER = NOW + timedelta(1)
QUERIES = [
    TaskQuery(sort=sort, descending=descending, **conditions)
    for sort in SortField
    for descending in (False, True)
    for conditions in (
        {},
        {"done": True},
        {"priority_min": 2},
        {"due_after": NOW},
        {"labels": ("a",)},
        {"labels": ("a", "b")},
        {"q": "task 1"},
    )
]


def various(count: int) -> list[TaskDraft]:
    """Returns drafts with all kinds of values."""
    return [
        TaskDraft(
            f"task {number}",
            done=number % 3 == 0,
            due_at=NOW + timedelta(days=number % 7) if number % 2 else None,
            priority=number % 5,
            labels=(("a",), ("a", "b"), ())[number % 3],
        )
        for number in range(count)
    ]


async def tasks_of(repository: TaskRepository) -> list[Any]:
    return list((await repository.find(TaskQuery(), limit=1_000)).tasks)


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[SQLiteRepository]:
    async with opened(tmp_path / "tasks.db") as repository:
        assert isinstance(repository, SQLiteRepository)
        yield repository


# ---------------------------------------------------------------- small and large


async def test_lists_are_the_same_before_and_after_a_workspace_grows_large(
    tmp_path: Path, repository: SQLiteRepository
) -> None:
    place = repository.workspace("a")
    await add_all(place, various(40))
    await place.commit([UpdateTask(7, {"priority": 4, "done": True}), DeleteTask(8)], at=LATER)
    tasks = await tasks_of(place)
    small = [list((await place.find(query, limit=50)).tasks) for query in QUERIES]

    gone = [CreateTask(TaskDraft("gone"))] * 500
    while (await place.commit(gone, at=NOW)).position.seq < LARGE_FROM + 500:
        pass
    extra = [task.id for task in await tasks_of(place) if task.id > 40]
    while extra:
        await place.commit([DeleteTask(task_id) for task_id in extra], at=NOW)
        extra = [task.id for task in await tasks_of(place) if task.id > 40]

    assert [list((await place.find(query, limit=50)).tasks) for query in QUERIES] == small
    assert small == [select(tasks, query, None, 50)[0] for query in QUERIES]
    with raw(tmp_path / "tasks.db") as database:
        current = database.execute("SELECT DISTINCT current FROM versions WHERE current IS NOT NULL").fetchall()
    assert current == [(2,)], "all tasks are in all indexes now"
    assert [await place.count(query) for query in QUERIES] == [len(found) for found in small]


async def test_scans_of_a_small_workspace_need_no_turn(repository: SQLiteRepository) -> None:
    by_priority = TaskQuery(done=True, sort=SortField.PRIORITY)
    small, large = repository.workspace("small"), repository.workspace("large")
    await add_all(small, various(10))
    await add_all(large, various(LARGE_FROM + 1))
    assert small.needs_scan(by_priority), "it's not known to be small until it was read"

    for place in (small, large):
        await place.find(by_priority, limit=1)

    assert not small.needs_scan(by_priority)
    assert small.needs_scan(TaskQuery(q="x"))
    assert large.needs_scan(by_priority)
    assert not large.needs_scan(TaskQuery(done=True))


async def test_a_workspace_that_grows_large_while_it_is_known_is_scanned_in_turns(
    repository: SQLiteRepository,
) -> None:
    place, by_priority = repository.workspace("a"), TaskQuery(done=True, sort=SortField.PRIORITY)
    await add_all(place, various(10))
    await place.find(by_priority, limit=1)

    await add_all(place, various(LARGE_FROM))

    assert place.needs_scan(by_priority)


async def test_a_new_task_is_one_statement_in_a_large_workspace_too(
    repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.workspace("a")
    await add_all(place, various(LARGE_FROM + 1))
    written: list[int] = []
    write = WriteConnection.write

    async def counted(writer: WriteConnection, statements: Sequence[Statement], **options: Any) -> None:
        written.append(len(statements))
        await write(writer, statements, **options)

    monkeypatch.setattr(WriteConnection, "write", counted)
    await add(place)

    assert written == [1], "the workspace is known to be large"


# ---------------------------------------------------------------- the log of all


async def test_a_workspace_is_named_once_reads_show_its_change(
    repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.workspace("a")
    await add(place)
    token = (await repository.changed_workspaces("", limit=9)).next
    head = (await place.find(TaskQuery(), limit=1)).position
    is_on_disk, may_end = asyncio.Event(), asyncio.Event()
    write = WriteConnection.write

    async def end_later(writer: WriteConnection, statements: Sequence[Statement], **options: Any) -> None:
        await write(writer, statements, **options)
        is_on_disk.set()
        await may_end.wait()

    monkeypatch.setattr(WriteConnection, "write", end_later)
    writing = asyncio.ensure_future(add(place))
    await is_on_disk.wait()

    amid = await repository.changed_workspaces(token, limit=9)
    shown = await place.read_changes(head, limit=9)
    may_end.set()
    await writing
    after = await repository.changed_workspaces(amid.next, limit=9)

    assert (amid.names, list(shown.changes)) == ([], [])
    assert after.names == ["a"]


async def test_numbers_of_changes_are_never_given_twice(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        for name in ("a", "b"):
            await add(repository.workspace(name))
        token = (await repository.changed_workspaces("", limit=9)).next
        await repository.workspace("b").commit([DeleteTask(1)], at=NOW)
        await repository.prune(log_before=LATER, max_changes=0, keys_before=NOW, limit=99)

    async with opened(tmp_path / "tasks.db") as repository:
        assert (await repository.changed_workspaces(token, limit=9)).names == ["b"]
        token = (await repository.changed_workspaces(token, limit=9)).next
        await add(repository.workspace("c"))
        assert (await repository.changed_workspaces(token, limit=9)).names == ["c"]


async def test_what_changed_is_found_without_looking_at_all_workspaces(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        for start in range(0, 500, 50):
            await asyncio.gather(*(add(repository.workspace(f"w{number}")) for number in range(start, start + 50)))
        assert isinstance(repository, SQLiteRepository)
        token, more = "", True
        while more:
            _, token, more = await repository.changed_workspaces(token, limit=100)
        await add(repository.workspace("w7"))
        steps = await steps_of(repository, lambda: repository.changed_workspaces(token, limit=100))
        of_all = await steps_of(repository, lambda: repository.changed_workspaces("", limit=1_000))

    assert steps * 20 < of_all


async def steps_of(repository: SQLiteRepository, call: Any) -> int:
    """Returns how many times ten instructions SQLite takes for reads by number and name."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection = repository._reads.quick._connection
    await connection.set_progress_handler(step, 10)
    await call()
    await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]  # its stub lacks None
    return steps


# ---------------------------------------------------------------- waiting


async def test_only_those_who_wait_for_the_workspace_are_woken(repository: SQLiteRepository) -> None:
    places = [repository.workspace(name) for name in ("a", "b")]
    for place in places:
        await add(place)
    heads = [(await place.find(TaskQuery(), limit=1)).position for place in places]
    waiting = [
        asyncio.ensure_future(place.wait_for_change(head, timeout=PATIENCE_SECONDS))
        for place, head in zip([*places, repository], [*heads, LOG_START], strict=True)
    ]
    await asyncio.sleep(0)

    await add(places[0])
    await asyncio.wait_for(waiting[0], PATIENCE_SECONDS)
    await add(places[0])

    assert [future.done() for future in waiting] == [True, False, False]
    for future in waiting:
        future.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_whoever_waits_for_a_workspace_that_nobody_wrote_to_since_the_start_is_woken(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository.workspace("a"))
        head = (await repository.workspace("a").find(TaskQuery(), limit=1)).position

    async with opened(tmp_path / "tasks.db") as repository:
        place = repository.workspace("a")
        waiting = asyncio.ensure_future(place.wait_for_change(head, timeout=60 * PATIENCE_SECONDS))
        behind = asyncio.ensure_future(place.wait_for_change(Position(head.generation, 0), timeout=60))
        await asyncio.wait_for(behind, PATIENCE_SECONDS)
        await add(place)

        await asyncio.wait_for(waiting, PATIENCE_SECONDS)


# ---------------------------------------------------------------- pruning


async def test_a_log_that_became_too_long_while_nobody_looked_is_pruned(tmp_path: Path) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        for number in range(30):
            await add(repository.workspace(f"w{number % 3}"))

    async with opened(tmp_path / "tasks.db") as repository:
        await prune_all(repository, max_changes=4)
        assert await logs(repository) == {"w0": 4, "w1": 4, "w2": 4}
        for _ in range(5):
            await add(repository.workspace("w1"))
        await prune_all(repository, max_changes=4)
        assert await logs(repository) == {"w0": 4, "w1": 4, "w2": 4}
        await prune_all(repository, max_changes=2)
        assert await logs(repository) == {"w0": 2, "w1": 2, "w2": 2}
        assert [len(await tasks_of(repository.workspace(f"w{number}"))) for number in range(3)] == [10, 15, 10]


async def prune_all(repository: TaskRepository, *, max_changes: int) -> None:
    """Prunes in steps, none of which deletes more than two changes."""
    before = sum((await logs(repository)).values())
    while await repository.prune(log_before=NOW, max_changes=max_changes, keys_before=NOW, limit=2):
        after = sum((await logs(repository)).values())
        assert before - after <= 2
        before = after


async def logs(repository: TaskRepository) -> dict[str, int]:
    """Returns the length of the log of each workspace beside the default one."""
    lengths = {}
    for summary in await repository.workspaces(limit=99):
        if summary.name != "default":
            place = repository.workspace(summary.name)
            end = (await place.find(TaskQuery(), limit=1)).position
            lengths[summary.name] = end.seq - await start_of(place, end)
    return lengths


async def start_of(place: TaskRepository, end: Position) -> int:
    """Returns the number up to which the log of a workspace was pruned."""
    for seq in range(end.seq + 1):
        try:
            await place.read_changes(Position(end.generation, seq), limit=1)
        except PositionGone:
            continue
        return seq
    raise AssertionError("the end of the log can always be read from")


async def test_pruning_where_nothing_is_due_looks_at_no_workspace_twice(
    repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in range(0, 300, 50):
        await asyncio.gather(*(add(repository.workspace(f"w{number}")) for number in range(start, start + 50)))
    fetched = 0
    rows = WriteConnection.rows

    async def counted(writer: WriteConnection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        nonlocal fetched
        found = await rows(writer, sql, values)
        fetched += len(found)
        return found

    monkeypatch.setattr(WriteConnection, "rows", counted)
    while await repository.prune(log_before=NOW, max_changes=100, keys_before=NOW, limit=10):
        pass
    first, fetched = fetched, 0
    await add(repository.workspace("w7"))
    fetched = 0
    assert not await repository.prune(log_before=NOW, max_changes=100, keys_before=NOW, limit=10)

    assert first >= 300
    assert fetched < 10


async def test_a_log_that_was_emptied_grows_old_again(repository: SQLiteRepository) -> None:
    place = repository.workspace("a")
    for at in (NOW, LATER):
        await place.commit([CreateTask(TaskDraft("x"))], at=at)
        await repository.prune(log_before=at + timedelta(1), max_changes=1_000, keys_before=NOW, limit=9)

        end = (await place.find(TaskQuery(), limit=1)).position
        assert await start_of(place, end) == end.seq, "all changes are older than that"


async def test_a_task_outlives_its_change_in_the_log(repository: SQLiteRepository) -> None:
    place = repository.workspace("a")
    await add_all(place, various(5))
    await repository.prune(log_before=LATER, max_changes=0, keys_before=NOW, limit=99)
    before = await tasks_of(place)

    await place.commit([UpdateTask(1, {"description": "new"}), DeleteTask(2)], at=LATER)
    await repository.prune(log_before=LATER + timedelta(1), max_changes=0, keys_before=NOW, limit=99)
    after = await tasks_of(place)

    assert [task.id for task in before] == [1, 2, 3, 4, 5]
    assert [(task.id, task.description) for task in after][:2] == [(1, "new"), (3, "task 2")]
    assert (await add(place)).id == 6


# ---------------------------------------------------------------- in a file


async def test_a_file_that_was_put_back_is_noticed_by_a_change_of_any_workspace(tmp_path: Path) -> None:
    file, old = tmp_path / "tasks.db", tmp_path / "old.db"
    async with opened(file) as repository:
        await add(repository)
        await add(repository.workspace("a"))
    copy(file, old)
    async with opened(file) as repository:
        await add(repository.workspace("a"))
        before = [await generation_of(repository.workspace(name)) for name in ("default", "a")]

    copy(old, file)

    async with opened(file) as repository:
        after = [await generation_of(repository.workspace(name)) for name in ("default", "a")]
    assert {*before}.isdisjoint(after)


async def test_a_store_that_is_served_again_keeps_all_generations(tmp_path: Path) -> None:
    seen = set()
    for _ in range(3):
        async with opened(tmp_path / "tasks.db") as repository:
            for name in ("a", "b"):
                await add(repository.workspace(name))
            await repository.prune(log_before=LATER, max_changes=0, keys_before=NOW, limit=99)
            seen.add(tuple([await generation_of(repository.workspace(name)) for name in ("default", "a", "b")]))

    assert len(seen) == 1


async def test_a_task_in_memory_is_of_the_new_generation_after_a_renewal(repository: SQLiteRepository) -> None:
    places = [repository, repository.workspace("a")]
    for place in places:
        await add(place)
    before = {(await place.get(1)).generation for place in places}

    await repository.renew()

    found = [await place.get(1) for place in places]
    assert [each.generation for each in found] == [await generation_of(place) for place in places]
    assert before.isdisjoint(each.generation for each in found)


async def test_a_backup_has_other_generations_and_no_other_difference(tmp_path: Path) -> None:
    file, saved = tmp_path / "tasks.db", tmp_path / "saved.db"
    async with opened(file) as repository:
        await add_all(repository.workspace("a"), various(5))
        before = await generation_of(repository.workspace("a"))
        saved.touch()
        await backup(StoreURL(url_of(file)), saved)

        async with opened(saved) as other:
            assert await tasks_of(other.workspace("a")) == await tasks_of(repository.workspace("a"))
            assert await generation_of(other.workspace("a")) != before


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM workspace_terms WHERE task_id = 1", "Task 1 of the workspace a is not found by label="),
        ("INSERT INTO workspace_terms VALUES (1, 'label=\"z\"', 2)", "Task 2 of the workspace a is found by label="),
    ],
)
async def test_a_check_names_the_workspace(damage: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(file) as repository:
        await add_all(repository.workspace("a"), various(3))
    with raw(file) as database:
        database.execute(damage)

    reader = await open_reader(StoreURL(url_of(file)))

    (found,) = await reader.check()
    assert found.startswith(problem)


async def test_commits_to_several_workspaces_share_a_transaction_and_fail_alone(repository: SQLiteRepository) -> None:
    places = [repository.workspace(name) for name in ("a", "b", "default", "a")]
    drafts = [TaskDraft("x"), TaskDraft("\ud800"), TaskDraft("y"), TaskDraft("z")]

    made = await asyncio.gather(
        *(place.commit([CreateTask(draft)], at=NOW) for place, draft in zip(places, drafts, strict=True)),
        return_exceptions=True,
    )

    assert [isinstance(result, Exception) for result in made] == [False, True, False, False]
    kept = [[task.description for task in await tasks_of(place)] for place in places]
    assert kept == [["x", "z"], [], ["y"], ["x", "z"]]
    together = [place.commit([CreateTask(TaskDraft("w"))], at=NOW) for place in places]
    groups = repository.statistics()["commit_groups"]
    await asyncio.gather(*together)
    assert repository.statistics()["commit_groups"] == groups + 1


# ---------------------------------------------------------------- caches


def test_what_is_known_of_workspaces_is_bounded() -> None:
    recent: Recent[int, int] = Recent(size=10)

    for number in range(1_000):
        recent.put(number, number)
        assert recent.get(0) == 0, "one that is asked for stays"

    assert sum(recent.get(number) is not None for number in range(1_000)) <= 20


async def test_workspaces_that_are_forgotten_go_on_where_they_were(
    repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository._cache.headers = Recent(size=2)
    repository._cache.places = Recent(size=2)
    names = [f"w{number}" for number in range(12)]

    for _ in range(3):
        for name in names:
            await add(repository.workspace(name))
            await asyncio.gather(*(add(repository.workspace(other)) for other in names))

    for name in names:
        page = await repository.workspace(name).find(TaskQuery(), limit=99)
        assert [task.id for task in page.tasks] == list(range(1, 40))
        assert page.position.seq == 39
        changes = (await repository.workspace(name).read_changes(LOG_START, limit=99)).changes
        assert [change.seq for change in changes] == list(range(1, 40))


def test_a_mark_grows_with_each_change_of_any_workspace() -> None:
    state = StoreState("e", "l", "g", last_id=3, last_seq=5, position=7, last_key=2, has_parents=False)

    assert state.mark == Position("l", 12)
    assert StoreCache(state).default.position == Position("g", 5)


def test_each_query_of_a_workspace_uses_its_indexes(tmp_path: Path) -> None:
    """Neither a small nor a large workspace is found by a walk through the rows of others."""

    async def fill() -> None:
        async with opened(tmp_path / "tasks.db") as repository:
            await add_all(repository.workspace("a"), various(50))

    asyncio.run(fill())
    with raw(tmp_path / "tasks.db") as database:
        database.create_function("contains", 2, contains, deterministic=True)
        for query in QUERIES:
            for is_large in (False, True):
                place = Place(1, "g", "e", is_large)
                for statement in (page(query, None, 20, place), count(query, place)):
                    assert statement is not None
                    plan = plan_of(database, statement)
                    assert not any(step.startswith(("SCAN versions", "SCAN workspace_terms")) for step in plan), plan


def plan_of(database: sqlite3.Connection, statement: Statement) -> list[str]:
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.values)]
