"""The cache of the file is bounded, and never stale."""

from __future__ import annotations

import asyncio
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from heads import generation_of
from patience import FOREVER_SECONDS
from tasksvc_sqlite.cache import PageCache, StoreState, TaskCache, TaskKey, size_of
from tasksvc_sqlite.repository import SQLiteRepository
from tasksvc_sqlite.settings import Settings

from stores.sqlite.stores import NOW, add, add_all, opened, raw
from tasksvc import (
    CreateTask,
    DeleteTask,
    Found,
    Page,
    Position,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    WorkspaceHeader,
)


def task(task_id: int, description: str = "a task", version: int = 1, **fields: Any) -> Task:
    return Task(
        **{
            "id": task_id,
            "description": description,
            "notes": "",
            "done": False,
            "completed_at": None,
            "due_at": None,
            "due_on": None,
            "priority": 0,
            "labels": (),
            "list": "inbox",
            "parent_id": None,
            "position": None,
            "metadata": {},
            "repeat": None,
            "series_id": None,
            "next_id": None,
            "uid": None,
            "created_at": NOW,
            "updated_at": NOW,
            "version": version,
            **fields,
        }
    )


def found(task_id: int, description: str = "a task", version: int = 1, **fields: Any) -> Found:
    return Found(task(task_id, description, version, **fields), "life")


def named(*tasks: Found) -> list[tuple[TaskKey, Found]]:
    """Returns the tasks with their keys in the cache."""
    return [(each.task.id, each) for each in tasks]


def wrote(recent: TaskCache, *written: Found) -> None:
    recent.begin_commit([each.task.id for each in written])
    recent.end_commit(named(*written))


# ---------------------------------------------------------------- tasks


def test_a_task_is_cached_from_its_commit_on() -> None:
    recent = TaskCache()
    recent.begin_commit([1])
    assert recent.get(1) is None

    recent.end_commit(named(found(1)))

    assert recent.get(1) == found(1)


def test_a_task_that_changes_is_not_answered_until_the_commit_has_ended() -> None:
    recent = TaskCache()
    wrote(recent, found(1))

    recent.begin_commit([1])
    assert recent.get(1) is None
    recent.end_commit(named(found(1, version=2)))

    assert recent.get(1) == found(1, version=2)


def test_a_task_whose_commit_failed_is_read_again() -> None:
    recent = TaskCache()
    wrote(recent, found(1))

    recent.begin_commit([1])
    recent.end_commit([])

    assert recent.get(1) is None


def test_a_deleted_task_leaves_the_cache() -> None:
    recent = TaskCache()
    wrote(recent, found(1))

    recent.begin_commit([1])
    recent.end_commit([])

    assert recent.get(1) is None


def test_a_task_that_was_read_is_taken_in() -> None:
    recent = TaskCache()

    recent.begin_read([1, 2])
    recent.end_read(named(found(1)))

    assert recent.get(1) == found(1)
    assert recent.get(2) is None


@pytest.mark.parametrize("order", ["before", "amid", "around"])
def test_a_reading_beside_a_commit_of_its_task_is_not_taken_in(order: str) -> None:
    recent = TaskCache()

    if order != "amid":
        recent.begin_commit([1])
    recent.begin_read([1, 2])
    if order == "amid":
        recent.begin_commit([1])
    if order != "around":
        recent.end_commit([])
    recent.end_read(named(found(1), found(2)))
    if order == "around":
        recent.end_commit([])

    assert recent.get(1) is None
    assert recent.get(2) == found(2), "another task of the same reading is"


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"uid": "\U0001f600" * 250, "position": "z" * 95},
        {"description": "\U0001f600" * 1_000, "notes": "é" * 20_000, "list": "é" * 60},
    ],
)
def test_the_size_of_a_task_is_an_upper_estimate(texts: dict[str, str]) -> None:
    tracemalloc.start()
    try:
        tasks = [
            task(
                1_000 + number,
                version=1_000 + number,
                parent_id=2_000 + number,
                due_at=NOW + timedelta(seconds=number),
                completed_at=NOW + timedelta(seconds=number),
                created_at=NOW + timedelta(seconds=number),
                updated_at=NOW + timedelta(seconds=number),
                **{name: f"{text}{number}" for name, text in texts.items()},
            )
            for number in range(1_000)
        ]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken <= sum(map(size_of, tasks))


def test_cached_tasks_are_bounded_in_bytes() -> None:
    recent = TaskCache()

    for number in range(1, 100_001):
        wrote(recent, found(number, "x" * 100))

    remembered = [each for number in range(1, 100_001) if (each := recent.get(number)) is not None]
    assert sum(size_of(each.task) for each in remembered) <= 2 * 8 * 2**20
    assert len(remembered) > 5_000
    assert recent.get(100_000) is not None


def test_a_task_that_is_asked_for_stays_while_others_go() -> None:
    recent = TaskCache()
    wrote(recent, found(1))

    for number in range(2, 60_000):
        wrote(recent, found(number))
        assert recent.get(1) is not None

    assert recent.get(2) is None


def test_a_task_that_is_written_again_and_again_drives_no_others_out() -> None:
    recent = TaskCache()
    wrote(recent, found(1))

    for version in range(1, 60_000):
        wrote(recent, found(2, version=version))

    assert recent.get(1) is not None


def test_a_huge_task_is_not_cached() -> None:
    recent = TaskCache()

    wrote(recent, found(1, metadata={"a": ["x" * 16_000]}), found(2, metadata={"a": 1}))

    assert recent.get(1) is None
    assert recent.get(2) is not None


# ---------------------------------------------------------------- pages


def page(*tasks: Task) -> Page:
    return Page(tasks, None, Position("a", 1))


def test_a_page_is_cached_until_the_next_commit() -> None:
    pages = PageCache()
    pages.put("key", page(task(1)), since=pages.epoch)
    assert pages.get("key") == page(task(1))

    pages.begin_commit()
    assert pages.get("key") is None
    pages.end_commit()

    assert pages.get("key") is None


@pytest.mark.parametrize("begun", ["before", "in"])
def test_a_page_that_is_read_during_a_commit_is_not_cached(begun: str) -> None:
    pages = PageCache()

    since = pages.epoch
    pages.begin_commit()
    if begun == "in":
        since = pages.epoch
        pages.put("amid", page(), since=since)
    pages.end_commit()
    pages.put("after", page(), since=since)

    assert pages.get("amid") is None
    assert pages.get("after") is None


def test_pages_are_bounded() -> None:
    pages = PageCache()

    for number in range(100):
        pages.put(number, page(task(1)), since=pages.epoch)
    pages.put("large", page(*[task(1, "x" * 10_000)] * 1_000), since=pages.epoch)

    assert sum(pages.get(number) is not None for number in range(100)) <= 8
    assert pages.get("large") is None


# ---------------------------------------------------------------- in a store


async def test_while_a_commit_waits_for_the_disk_reads_see_what_was_before(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "tasks.db", settings=Settings(busy_timeout=FOREVER_SECONDS)) as repository:
        first = await add(repository, "as it was")
        with raw(tmp_path / "tasks.db") as database:
            database.execute("BEGIN IMMEDIATE")
            writing = asyncio.ensure_future(repository.commit((UpdateTask(first.id, {"description": "new"}),), at=NOW))
            await asyncio.sleep(0.05)

            assert (await repository.get(first.id)).task == first
            assert list((await repository.find(TaskQuery(), limit=9)).tasks) == [first]
            with pytest.raises(TaskNotFound):
                await repository.get(2)
            database.execute("COMMIT")
        await writing

        assert (await repository.get(first.id)).task.description == "new"
        assert [each.description for each in (await repository.find(TaskQuery(), limit=9)).tasks] == ["new"]


async def test_nobody_who_saw_a_version_sees_an_older_one(tmp_path: Path) -> None:
    """Readers by id, by list and by log run beside writers; a version seen by one of them counts for all."""
    seen: dict[int, int] = {}
    written = False

    def record(*tasks: Task) -> None:
        for each in tasks:
            seen[each.id] = max(seen.get(each.id, 0), each.version)

    async with opened(tmp_path / "tasks.db") as repository:
        await add_all(repository, [TaskDraft("x")] * 20)

        async def write(task_id: int) -> None:
            for number in range(60):
                await repository.commit((UpdateTask(task_id, {"description": f"{number}"}),), at=NOW)

        async def read(way: int) -> None:
            turn = 0
            while not written:
                turn += 1
                before = dict(seen)
                if way == 0:
                    tasks = [(await repository.get(1 + turn % 20)).task]
                elif way == 1:
                    tasks = list((await repository.find(TaskQuery(), limit=20 + turn % 3)).tasks)
                else:
                    since = Position(await generation_of(repository), max(0, sum(before.values()) - 20))
                    changes = (await repository.read_changes(since, limit=100)).changes
                    tasks = [change.task for change in changes if change.task]
                    before = {}  # the log has older versions too
                assert all(each.version >= before.get(each.id, 1) for each in tasks)
                record(*tasks)
                await asyncio.sleep(0)

        readers = [asyncio.ensure_future(read(number % 3)) for number in range(9)]
        await asyncio.gather(*(write(task_id) for task_id in range(1, 21)))
        written = True
        await asyncio.gather(*readers)

    assert len(seen) == 20


async def test_a_restore_is_seen_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "from.db") as source, opened(tmp_path / "to.db") as target:
        await add(source, "restored")
        assert list((await target.find(TaskQuery(), limit=9)).tasks) == []
        generation = await generation_of(target)

        await target.restore(source.dump())

        page = await target.find(TaskQuery(), limit=9)
        assert [each.description for each in page.tasks] == ["restored"]
        assert page.position == Position(await generation_of(target), 1)
        assert await generation_of(target) not in (generation, await generation_of(source))
        assert await target.find(TaskQuery(), limit=9) is page, "and remembered from then on"
        assert (await add(target)).id == 2


async def test_a_read_at_the_end_of_a_restore_is_of_the_new_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "from.db") as source, opened(tmp_path / "to.db") as target:
        await add(source, "restored")
        before = await generation_of(target)
        is_on_disk, may_end = asyncio.Event(), asyncio.Event()
        assert isinstance(target, SQLiteRepository)
        look = target._writer.state

        async def look_later() -> StoreState:
            is_on_disk.set()
            await may_end.wait()
            return await look()

        monkeypatch.setattr(target._writer, "state", look_later)
        restoring = asyncio.ensure_future(target.restore(source.dump()))
        await is_on_disk.wait()

        read = [await target.get(1) for _ in range(2)]
        may_end.set()
        await restoring

        read.append(await target.get(1))
        assert {each.generation for each in read} == {await generation_of(target)} != {before}


async def test_an_answer_from_memory_is_the_answer_from_the_file(tmp_path: Path) -> None:
    draft = TaskDraft(
        "Ünïcode \0 \U0001f4be",
        notes="ü",
        done=True,
        due_at=NOW,
        priority=9,
        labels=("a", "ü"),
        metadata={"a": [1, 1.0, -0.0, "é", None, {"b": []}]},
    )
    async with opened(tmp_path / "tasks.db") as repository:
        made = (
            await repository.commit((CreateTask(draft), CreateTask(TaskDraft("gone")), DeleteTask(2)), at=NOW)
        ).results[0]
        remembered = (await repository.get(1)).task

    async with opened(tmp_path / "tasks.db") as repository:
        read = (await repository.get(1)).task
        assert repr(read) == repr(remembered) == repr(made)
        entries = [entry async for entry in repository.dump()]
        (header,) = [entry for _, entry in entries if isinstance(entry, WorkspaceHeader)]
        assert header[2:] == (2, 3, 0)
