"""What an erased workspace leaves in a file, and when it's gone from there."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from heads import generation_of
from patience import PATIENCE_SECONDS
from tasksvc_sqlite.cache import Place, Recent
from tasksvc_sqlite.connection import ReadConnection
from tasksvc_sqlite.queries import Queries
from tasksvc_sqlite.repository import SQLiteRepository
from tasksvc_sqlite.rows import LARGE_FROM
from tasksvc_sqlite.writer import WriteConnection

from stores.sqlite.stores import NOW, add, add_all, descriptions, mounted, opened, process, raw, url_of
from stores.sqlite.test_put_back import PARTS, copy, head_of, killed_at_the_end
from stores.sqlite.test_workspaces import LATER, various
from tasksvc import (
    LOG_START,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    Position,
    PositionGone,
    StoreClosed,
    StoreFull,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    WorkspaceFull,
)
from tasksvc.ports.store_url import StoreURL
from tasksvc.store_adapters import backup, open_reader

pytestmark = pytest.mark.slow

SECRETS = ("Müllers Scheidung", "label-of-mueller", "metadata-of-mueller", "key-of-mueller", "u_mueller")
"""What no file may have after a compaction."""
TABLES = ("versions", "workspace_terms", "workspace_keys")


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[SQLiteRepository]:
    async with opened(tmp_path / "tasks.db") as repository:
        assert isinstance(repository, SQLiteRepository)
        yield repository


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


async def fill(place: TaskRepository, tasks: int = 20) -> None:
    """Writes all kinds of rows: tasks with labels, in the log or not any more, and idempotency keys."""
    for number in range(tasks):
        draft = TaskDraft(f"{SECRETS[0]} {number}", labels=(SECRETS[1],), metadata={"a": SECRETS[2]})
        key = IdempotencyKey("", f"{SECRETS[3]} {number}", "")
        await place.commit([CreateTask(draft)], at=NOW, idempotency_key=key)
    await place.commit([DeleteTask(1)], at=NOW)


async def prune(repository: TaskRepository, *, limit: int = 1_000) -> bool:
    """Prunes one step of what is due, which is only what erased workspaces have left."""
    return await repository.prune(log_before=NOW, max_changes=10_000, keys_before=NOW, limit=limit)


def left(file: Path) -> dict[str, int]:
    """Returns the number of rows in each table that workspaces share."""
    with raw(file) as database:
        return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def keys(file: Path) -> set[int]:
    """Returns the keys of all workspaces, the erased ones too."""
    with raw(file) as database:
        return {
            key for (key,) in database.execute("SELECT key FROM workspaces UNION SELECT key FROM erased_workspaces")
        }


def found_in(folder: Path) -> set[str]:
    """Returns which of SECRETS are in a file of the folder."""
    contents = [path.read_bytes() for path in folder.iterdir() if path.is_file()]
    return {secret for secret in SECRETS if any(secret.encode() in content for content in contents)}


# ---------------------------------------------------------------- in steps


@pytest.mark.parametrize("log", [0, 10_000])
async def test_what_an_erased_workspace_left_is_deleted_in_steps(
    log: int, file: Path, repository: SQLiteRepository
) -> None:
    await fill(repository.workspace("a"))
    await add(repository.workspace("b"), labels=("b",))
    await repository.prune(log_before=NOW, max_changes=log, keys_before=NOW, limit=1_000)
    before = left(file)

    await repository.workspace("a").erase()
    steps = 0
    more = True
    while more:
        more = await prune(repository, limit=4)
        after = left(file)
        assert all(before[table] - after[table] <= 4 for table in TABLES)
        before, steps = after, steps + 1

    assert before == {"versions": 1, "workspace_terms": 1, "workspace_keys": 0}
    assert steps >= 5
    assert await descriptions(repository.workspace("b")) == ["a task"]
    assert not await repository.check()


async def test_many_small_workspaces_are_deleted_in_few_steps(file: Path, repository: SQLiteRepository) -> None:
    for number in range(40):
        await add(repository.workspace(f"w{number}"))
        await repository.workspace(f"w{number}").erase()

    steps = 1
    while await prune(repository, limit=10):
        steps += 1

    assert left(file)["versions"] == 0
    assert steps <= 5


async def test_a_log_that_was_too_long_when_its_workspace_was_erased_holds_up_no_pruning(
    repository: SQLiteRepository,
) -> None:
    for name in ("a", "b"):
        await add_all(repository.workspace(name), various(20))
    assert await repository.prune(log_before=NOW, max_changes=2, keys_before=NOW, limit=1)

    await repository.workspace("a").erase()
    await repository.workspace("b").erase()
    for _ in range(100):
        if not await repository.prune(log_before=NOW, max_changes=2, keys_before=NOW, limit=10):
            return
    raise AssertionError("there is always more")


async def test_a_workspace_is_named_after_rows_of_erased_ones(repository: SQLiteRepository) -> None:
    place, other = repository.workspace("a"), repository.workspace("b")
    await add(place)
    await add(other)
    token = (await repository.changed_workspaces("", limit=9)).next
    for _ in range(100):
        await add(place)
    await place.erase()
    await add(other)

    names: list[str] = []
    for _ in range(100):
        found, token, more = await repository.changed_workspaces(token, limit=1)
        names += found
        if not more:
            break

    assert names == ["b"]


@pytest.mark.parametrize("writes", [1, 3, 5])
async def test_the_default_workspace_is_named_when_it_was_written_to_after_its_erasure(
    writes: int, repository: SQLiteRepository
) -> None:
    for _ in range(3):
        await add(repository)
    await add(repository.workspace("a"))
    token = (await repository.changed_workspaces("", limit=9)).next

    await repository.erase()
    for _ in range(writes):
        await add(repository)

    changed = await repository.changed_workspaces(token, limit=9)
    assert changed.names == ["default"]
    assert (await repository.changed_workspaces(changed.next, limit=9)).names == []


# ---------------------------------------------------------------- keys, positions and the mark


async def test_keys_are_not_given_again(file: Path) -> None:
    seen: set[int] = set()
    for number in range(6):
        async with opened(file) as repository:
            place = repository.workspace("a")
            await add(place)
            new = keys(file) - seen
            assert len(new) == 1
            seen |= new
            await place.erase()
            if number % 2:
                while await prune(repository):
                    pass


@pytest.mark.parametrize("name", ["a", "default"])
async def test_a_store_is_known_again_after_an_erasure(name: str, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(file) as repository:
        for place in ("default", "a", "b"):
            await add_all(repository.workspace(place), various(5))
        generation = await generation_of(repository.workspace("b"))
        await repository.workspace(name).erase()
    async with opened(file) as repository:
        while await prune(repository):
            pass
        await repository.compact()

    async with killed_at_the_end(file) as repository:
        await repository.workspace(name).erase()
        await add(repository.workspace("b"))
    async with opened(file) as repository:
        kept = await generation_of(repository.workspace("b"))

    assert kept == generation
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("name", ["a", "default"])
async def test_a_kill_before_the_mark_is_written_raises_no_doubt(
    name: str, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with killed_at_the_end(file) as repository:
        for place in ("default", "a"):
            await add_all(repository.workspace(place), various(5))
        mark = Path(f"{file}.lock").read_bytes()
        await repository.workspace(name).erase()
    assert Path(f"{file}.lock").read_bytes() != mark
    Path(f"{file}.lock").write_bytes(mark)

    async with opened(file):
        pass

    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("name", ["a", "default"])
async def test_a_file_of_before_an_erasure_that_was_put_back_is_noticed(
    name: str, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(file) as repository:
        for place in ("default", "a"):
            await add(repository.workspace(place))
    copy(file, tmp_path / "old.db")
    async with opened(file) as repository:
        await repository.workspace(name).erase()

    copy(tmp_path / "old.db", file)
    async with opened(file):
        pass

    (warning,) = [record.getMessage() for record in caplog.records if record.levelno > logging.INFO]
    assert "was served here up to change" in warning


async def test_a_store_with_what_an_erased_workspace_left_is_restored(file: Path, tmp_path: Path) -> None:
    async with opened(tmp_path / "from.db") as source, opened(file) as target:
        await add_all(source.workspace("a"), various(30))
        await fill(target.workspace("a"))
        await fill(target)
        await target.workspace("a").erase()
        await target.erase()

        await target.restore(source.dump())

        assert await descriptions(target.workspace("a")) == await descriptions(source.workspace("a"))
        while await prune(target):
            pass
        assert await descriptions(target.workspace("a")) == await descriptions(source.workspace("a"))
        assert len((await target.workspace("a").read_changes(LOG_START, limit=99)).changes) == 30
        assert await target.check() == []


# ---------------------------------------------------------------- the default workspace


async def test_the_tables_of_the_default_workspace_are_as_before(file: Path, repository: SQLiteRepository) -> None:
    await fill(repository)
    with raw(file) as database:
        schema = set(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))

    await repository.erase()

    with raw(file) as database:
        assert set(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master")) == schema
        for table in ("tasks", "task_terms", "changes", "idempotency_keys"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    assert await repository.check() == []
    await add(repository)
    await repository.commit([DeleteTask(1)], at=NOW)
    await repository.prune(log_before=LATER, max_changes=0, keys_before=NOW, limit=9)
    assert (await add(repository)).id == 2


async def test_sqlite_overwrites_deleted_pages_again_after_the_default_workspace_was_erased(
    repository: SQLiteRepository,
) -> None:
    async with repository._writer as writer:
        await writer.rows("PRAGMA secure_delete = FAST")
    await fill(repository)

    await repository.erase()

    async with repository._writer as writer:
        assert await writer.rows("PRAGMA secure_delete") == [(2,)]


# ---------------------------------------------------------------- reads and commits at the same time


async def test_reads_that_wait_find_nothing_of_a_workspace_that_is_erased_first(
    repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.workspace("a")
    await add_all(place, various(LARGE_FROM + 1))
    end = await head_of(place)
    known = await repository._reads._place("a")
    await place.erase()

    async def as_known(queries: Queries, workspace: str) -> Place | None:
        return known

    monkeypatch.setattr(Queries, "_place", as_known)

    page = await place.find(TaskQuery(), limit=9)
    assert (list(page.tasks), page.next, page.position) == ([], None, LOG_START)
    assert [await place.count(query) for query in (TaskQuery(), TaskQuery(done=True), TaskQuery(labels=("a",)))] == [
        0
    ] * 3
    assert not (await place.read_changes(LOG_START, limit=9)).changes
    with pytest.raises(PositionGone):
        await place.read_changes(Position(end.generation, 0), limit=9)


@pytest.mark.parametrize("end", ["before", "after"])
async def test_what_is_read_during_an_erasure_is_not_remembered(
    end: str, repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.workspace("a")
    await add(place)
    repository._cache.tasks.clear()
    may_end, were_read = asyncio.Event(), asyncio.Event()
    rows = ReadConnection.rows

    async def slow(connection: ReadConnection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        found = await rows(connection, sql, values)
        if found:
            were_read.set()
            await may_end.wait()
        return found

    monkeypatch.setattr(ReadConnection, "rows", slow)
    reading = [asyncio.ensure_future(place.get(1)), asyncio.ensure_future(place.count(TaskQuery()))]
    await were_read.wait()
    await asyncio.sleep(0.05)
    if end == "before":
        may_end.set()
        await asyncio.gather(*reading)
    await place.erase()
    may_end.set()
    await asyncio.gather(*reading)
    monkeypatch.undo()

    with pytest.raises(TaskNotFound):
        await place.get(1)
    assert repository._cache.places.get("a") is None
    assert await place.count(TaskQuery()) == 0
    await add(place, "new")
    assert await descriptions(place) == ["new"]


@pytest.mark.parametrize("name", ["a", "default"])
async def test_what_is_read_while_an_erasure_is_written_is_not_remembered(
    name: str, repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.workspace(name)
    await add(place)
    repository._cache.tasks.clear()
    is_written, may_go_on = asyncio.Event(), asyncio.Event()
    write = WriteConnection.write

    async def write_later(writer: WriteConnection, *arguments: Any, **options: Any) -> None:
        is_written.set()
        await may_go_on.wait()
        await write(writer, *arguments, **options)

    monkeypatch.setattr(WriteConnection, "write", write_later)
    erasing = asyncio.ensure_future(place.erase())
    await is_written.wait()
    found = await place.get(1), await place.count(TaskQuery()), await descriptions(place)
    may_go_on.set()
    await erasing

    assert (found[0].task.id, *found[1:]) == (1, 1, ["a task"])
    with pytest.raises(TaskNotFound):
        await place.get(1)
    assert repository._cache.places.get(name) is None
    assert await descriptions(place) == []


async def test_tasks_of_others_stay_in_memory(repository: SQLiteRepository) -> None:
    for name in ("default", "a", "b"):
        await add(repository.workspace(name))

    await repository.workspace("a").erase()

    assert [repository._cache.tasks.get(key) is None for key in (1, ("a", 1), ("b", 1))] == [False, True, False]
    await repository.erase()
    assert [repository._cache.tasks.get(key) is None for key in (1, ("a", 1), ("b", 1))] == [True, True, False]


@pytest.mark.parametrize("name", ["a", "default"])
async def test_commits_at_the_time_of_an_erasure_are_gone_or_in_the_new_workspace(
    name: str, repository: SQLiteRepository
) -> None:
    place, other = repository.workspace(name), repository.workspace("b")
    randomly = random.Random(1)
    for number in range(10):
        kept: list[tuple[str, str]] = []

        async def create(description: str, kept: list[tuple[str, str]]) -> None:
            await asyncio.sleep(randomly.uniform(0, 0.02))
            made = await place.commit([CreateTask(TaskDraft(description))], at=NOW)
            kept.append((made.position.generation, description))
            await add(other)

        async def erase() -> None:
            await asyncio.sleep(randomly.uniform(0, 0.02))
            await place.erase()

        await asyncio.gather(*(create(f"{number}-{each}", kept) for each in range(20)), erase())

        generation = await generation_of(place)
        assert sorted(await descriptions(place)) == sorted(text for made, text in kept if made == generation)
        assert {change.seq for change in (await place.read_changes(LOG_START, limit=99)).changes} == set(
            range(1, len(await descriptions(place)) + 1)
        )
        await place.erase()
    assert len(await descriptions(other)) == 200


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("name", ["a", "default"])
async def test_whoever_waits_at_a_position_that_is_gone_is_not_kept_waiting(
    name: str, is_known: bool, file: Path
) -> None:
    async with opened(file) as repository:
        place = repository.workspace(name)
        await add(place)
        head = await head_of(place)
        waiting = asyncio.ensure_future(place.wait_for_change(head, timeout=60 * PATIENCE_SECONDS))
        await asyncio.sleep(0)
        await place.erase()
        await asyncio.wait_for(waiting, PATIENCE_SECONDS)
        if is_known:
            await add(place)

        await asyncio.wait_for(place.wait_for_change(head, timeout=60 * PATIENCE_SECONDS), PATIENCE_SECONDS)


# ---------------------------------------------------------------- quotas


@pytest.mark.parametrize("name", ["a", "default"])
async def test_tasks_are_counted_once_for_a_bound(
    name: str, repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.workspace(name)
    await add_all(place, various(5))
    counts: list[str] = []
    rows = WriteConnection.rows

    async def noted(writer: WriteConnection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        counts.extend([sql] * ("count(*)" in sql))
        return await rows(writer, sql, values)

    monkeypatch.setattr(WriteConnection, "rows", noted)
    await add(place)
    assert counts == [], "nobody asks for the number"
    for _ in range(2):
        await place.commit([CreateTask(TaskDraft("x"))], at=NOW, tasks_max=8)
    await place.commit([DeleteTask(1)], at=NOW)
    await add(place)
    with pytest.raises(WorkspaceFull):
        await place.commit([CreateTask(TaskDraft("x"))], at=NOW, tasks_max=8)
    await place.erase()
    await place.commit([CreateTask(TaskDraft("x"))] * 8, at=NOW, tasks_max=8)
    with pytest.raises(WorkspaceFull):
        await place.commit([CreateTask(TaskDraft("x"))], at=NOW, tasks_max=8)

    assert len(counts) == 2, "once more after the erasure"


async def test_the_number_of_tasks_is_right_after_a_failed_write(
    repository: SQLiteRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = repository.workspace("a")
    await place.commit([CreateTask(TaskDraft("x"))], at=NOW, tasks_max=3)

    async def full(writer: WriteConnection, *_: object, **options: object) -> None:
        raise StoreFull("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(WriteConnection, "write", full)
        for writes in ([CreateTask(TaskDraft("x"))] * 2, [DeleteTask(1)]):
            with pytest.raises(StoreFull):
                await place.commit(writes, at=NOW, tasks_max=3)

    await place.commit([CreateTask(TaskDraft("x"))] * 2, at=NOW, tasks_max=3)
    with pytest.raises(WorkspaceFull):
        await place.commit([CreateTask(TaskDraft("x"))], at=NOW, tasks_max=3)


async def test_a_bound_holds_in_workspaces_that_were_forgotten(repository: SQLiteRepository) -> None:
    repository._cache.headers = Recent(size=2)

    async def create(name: str) -> None:
        await repository.workspace(name).commit([CreateTask(TaskDraft("x"))], at=NOW, tasks_max=5)

    names = [f"w{number}" for number in range(12)] * 8
    outcomes = await asyncio.gather(*map(create, names), return_exceptions=True)

    assert sum(isinstance(outcome, WorkspaceFull) for outcome in outcomes) == 12 * 3
    assert {summary.tasks for summary in await repository.workspaces(prefix="w", limit=99)} == {5}


# ---------------------------------------------------------------- bytes


@pytest.mark.parametrize("name", [SECRETS[4], "default"])
async def test_no_byte_of_an_erased_workspace_is_left_after_a_compaction(name: str, file: Path, tmp_path: Path) -> None:
    async with opened(file) as repository:
        await add(repository.workspace("b"), "kept")
        await fill(repository.workspace(name), tasks=200)
        assert found_in(tmp_path) >= set(SECRETS[:4])
        await repository.workspace(name).erase()

        await repository.compact()

        assert found_in(tmp_path) == set(), "while it's served"
        assert await descriptions(repository.workspace("b")) == ["kept"]
        await add(repository.workspace("b"), "written after it")
    assert found_in(tmp_path) == set()
    async with opened(file) as repository:
        assert await descriptions(repository.workspace("b")) == ["kept", "written after it"]
        assert await repository.check() == []


async def test_a_file_is_smaller_after_a_compaction(file: Path, repository: SQLiteRepository) -> None:
    await add_all(repository.workspace("a"), various(3_000))
    await repository.workspace("a").erase()
    await repository.compact()

    assert sum(os.path.getsize(f"{file}{part}") for part in ("", "-wal")) < 200_000
    assert set(left(file).values()) == {0}


async def test_a_compaction_waits_for_those_who_read_what_was_before(
    file: Path, tmp_path: Path, repository: SQLiteRepository
) -> None:
    await fill(repository.workspace("a"))
    with raw(file) as database:
        database.execute("BEGIN")
        before = database.execute("SELECT * FROM versions").fetchall()
        await repository.workspace("a").erase()
        compacting = asyncio.ensure_future(repository.compact())
        await asyncio.sleep(0.5)
        await add(repository.workspace("b"))
        assert not compacting.done()
        assert database.execute("SELECT * FROM versions").fetchall() == before

    await asyncio.wait_for(compacting, PATIENCE_SECONDS)

    assert found_in(tmp_path) == set()


async def test_a_backup_has_nothing_that_an_erased_workspace_left(file: Path, tmp_path: Path) -> None:
    async with opened(file) as repository:
        await fill(repository.workspace("a"), tasks=200)
        await add(repository.workspace("b"), "kept")
        await repository.workspace("a").erase()
        (tmp_path / "saved").mkdir()
        saved = tmp_path / "saved" / "tasks.db"

        await backup(StoreURL(url_of(file)), saved)

    assert found_in(tmp_path / "saved") == set()
    assert set(left(saved).values()) == {0, 1}
    reader = await open_reader(StoreURL(url_of(saved)))
    assert await reader.check() == []
    async with opened(saved) as repository:
        assert await descriptions(repository.workspace("b")) == ["kept"]
        assert not await prune(repository)


async def test_rows_of_a_workspace_that_is_not_there_are_a_problem(file: Path) -> None:
    async with opened(file) as repository:
        await fill(repository.workspace("a"))
        await repository.workspace("a").erase()
        assert await repository.check() == []
        with raw(file) as database:
            database.execute("DELETE FROM erased_workspaces")

        problems = await repository.check()

    assert problems == [
        f"The table {table} has rows of a workspace that isn't there (its key is 1)." for table in sorted(TABLES)
    ]


# ---------------------------------------------------------------- stopped on the way


async def test_a_compaction_ends_when_its_caller_is_cancelled_or_the_store_closed(file: Path) -> None:
    async with opened(file) as repository:
        await add_all(repository.workspace("a"), [TaskDraft("x" * 2_000)] * 5_000)
        with raw(file) as database:  # so that it can't end
            database.execute("BEGIN")
            database.execute("SELECT * FROM store").fetchall()
            await repository.workspace("a").erase()
            compacting = [asyncio.ensure_future(repository.compact()) for _ in range(2)]
            await asyncio.sleep(0.02)
            compacting[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await compacting[0]
            await add(repository.workspace("b"))

            await asyncio.wait_for(repository.close(), PATIENCE_SECONDS)

            with pytest.raises(StoreClosed):
                await compacting[1]

    async with opened(file) as repository:
        assert await descriptions(repository.workspace("b")) == ["a task"]
        assert await repository.check() == []


@pytest.mark.parametrize("end", ["cancel", "close"])
async def test_a_file_that_is_being_rewritten_is_as_before_when_that_is_interrupted(end: str, file: Path) -> None:
    async with opened(file) as repository:
        assert isinstance(repository, SQLiteRepository)
        await add_all(repository.workspace("a"), various(3_000))
        before = await descriptions(repository.workspace("a"))
        is_running = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow() -> int:
            loop.call_soon_threadsafe(is_running.set)
            time.sleep(0.02)
            return 0

        connection = repository._writer._connection
        await connection.set_progress_handler(slow, 10)  # so it would take minutes
        compacting = asyncio.ensure_future(repository.compact())
        await is_running.wait()

        if end == "cancel":
            compacting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await compacting
            await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]  # its stub lacks None
            await add(repository.workspace("b"))
        else:
            await asyncio.wait_for(repository.close(), PATIENCE_SECONDS)
            with pytest.raises(StoreClosed):
                await compacting

    async with opened(file) as repository:
        assert await descriptions(repository.workspace("a")) == before
        assert await repository.check() == []


ERASE = """
import asyncio, sys
from datetime import UTC, datetime
from tasksvc import CreateTask, TaskDraft
from tasksvc.store_adapters import open_repository
NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)

async def main():
    repository = await open_repository(sys.argv[1])
    for name in ("default", "a"):
        await repository.workspace(name).erase()
    print("erased", flush=True)
    if sys.argv[2] == "compact":
        while True:
            await repository.compact()
    while True:
        await repository.prune(log_before=NOW, max_changes=10_000, keys_before=NOW, limit=2)

asyncio.run(main())
"""


@contextmanager
def closed_copy(file: Path, folder: Path) -> Iterator[Path]:
    """Copies a store with its mark to a file in a new folder."""
    folder.mkdir()
    for part in (*PARTS, ".lock"):
        if Path(f"{file}{part}").exists():
            shutil.copy(f"{file}{part}", folder)
    yield folder / file.name


@pytest.mark.parametrize("work", ["prune", "compact"])
async def test_what_a_killed_process_left_is_deleted_by_the_next_one(
    work: str, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(file) as repository:
        await fill(repository, tasks=500)
        await fill(repository.workspace("a"), tasks=500)
        await fill(repository.workspace("b"), tasks=5)
        generation = await generation_of(repository.workspace("b"))
    randomly = random.Random(work)

    for number in range(6):
        with closed_copy(file, tmp_path / str(number)) as killed:
            with process(ERASE, url_of(killed), work) as eraser:
                assert eraser.stdout is not None
                assert eraser.stdout.readline() == "erased\n"
                await asyncio.sleep(randomly.uniform(0, 0.2))
                os.kill(eraser.pid, signal.SIGKILL)

            async with opened(killed) as repository:
                assert [each.name for each in await repository.workspaces(limit=9)] == ["b", "default"]
                assert await generation_of(repository.workspace("b")) == generation
                assert await repository.check() == []
                assert len(await descriptions(repository.workspace("b"))) == 4
                await repository.workspace("b").erase()
                await repository.compact()
                assert await repository.check() == []
            assert found_in(tmp_path / str(number)) == set()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("name", ["a", "default"])
async def test_on_a_full_disk_a_workspace_stays_until_there_is_room(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "size=4m"):
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(2_000_000))
        async with opened(folder / "tasks.db") as repository:
            place = repository.workspace(name)
            await fill_up(place)
            kept = await descriptions(place)
            assert len(kept) > 40

            for call in (place.erase, repository.compact):
                with pytest.raises(StoreFull):
                    await call()
                assert await descriptions(place) == kept
                assert await place.count(TaskQuery()) == len(kept)
            await repository.ping()

            ballast.unlink()
            await place.erase()
            while await prune(repository, limit=10):
                pass
            await repository.compact()
            assert await descriptions(place) == []
            assert (await add(place)).id == 1
            assert await repository.check() == []


async def fill_up(place: TaskRepository) -> None:
    """Creates tasks, and smaller ones at last, until there is room for none."""
    for size in (9_000, 10):
        for _ in range(10_000):
            try:
                await add(place, "x" * size)
            except StoreFull:
                break
