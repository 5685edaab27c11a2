"""A search through all descriptions delays nothing but other searches."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS, until

from stores.sqlite.stores import NOW, add, add_all, opened, url_of
from tasksvc import LOG_START, CreateTask, Overloaded, SortField, StoreClosed, TaskDraft, TaskQuery, TaskRepository
from tasksvc.store_adapters import open_repository


class Gate:
    """Replaces the test of a description, and waits in it while it is closed."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.calls = 0

    def contains(self, text: str, folded: str) -> bool:
        self.calls += 1
        self.reached.set()
        self.open.wait(PATIENCE_SECONDS)
        return folded in text.casefold()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr("tasksvc_sqlite.repository.contains", gate.contains)
    yield gate
    gate.open.set()


async def test_everything_else_goes_on_beside_a_search(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        task = await add(repository, "Straße")
        search = asyncio.ensure_future(repository.find(TaskQuery(q="STRASSE"), limit=9))
        await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)

        async with asyncio.timeout(PATIENCE_SECONDS):
            await add(repository, "written meanwhile")
            assert (await repository.get(task.id)).task == task
            assert len((await repository.find(TaskQuery(), limit=9)).tasks) == 2
            assert len((await repository.read_changes(LOG_START, limit=9)).changes) == 2
            assert await repository.records("space", limit=9) == []
            await repository.ping()
        assert not search.done()
        gate.open.set()

        page = await search
        assert (list(page.tasks), page.position.seq) == ([task], 1), "it sees the snapshot in which it began"


async def test_everything_else_goes_on_beside_a_count(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        task = await add(repository, "Straße")
        counting = asyncio.ensure_future(repository.count(TaskQuery(q="STRASSE")))
        await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)

        async with asyncio.timeout(PATIENCE_SECONDS):
            await add(repository, "Straße, written meanwhile")
            assert (await repository.get(task.id)).task == task
            assert len((await repository.find(TaskQuery(), limit=9)).tasks) == 2
        assert not counting.done()
        gate.open.set()

        assert await counting == 1, "it sees the snapshot in which it began"


async def test_lists_and_counts_that_look_into_no_description_wait_for_no_search(tmp_path: Path, gate: Gate) -> None:
    """These are lists that an index has in order, and those that read every task."""
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository, done=True)
        search = asyncio.ensure_future(repository.find(TaskQuery(q="x"), limit=9))
        await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)

        async with asyncio.timeout(PATIENCE_SECONDS):
            counts = [await repository.count(TaskQuery(done=done)) for done in (True, None)]
            lists = [
                await repository.find(TaskQuery(done=True, sort=sort), limit=9)
                for sort in (SortField.ID, SortField.UPDATED_AT)
            ]
        assert not search.done()
        gate.open.set()
        await search

    assert counts == [1, 1]
    assert [len(page.tasks) for page in lists] == [1, 1]


async def test_the_same_count_asked_for_at_once_is_done_once(tmp_path: Path, gate: Gate) -> None:
    gate.open.set()
    async with opened(tmp_path / "tasks.db") as repository:
        await add_all(repository, [TaskDraft(f"{number}") for number in range(100)])

        counts = await asyncio.gather(*(repository.count(TaskQuery(q="1")) for _ in range(20)))

        assert gate.calls == 100
        assert counts == [19] * 20


async def test_a_count_asked_for_after_a_commit_sees_it_though_the_same_one_runs(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository, "first")
        early = asyncio.ensure_future(repository.count(TaskQuery(q="s")))
        await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)
        await add(repository, "second")
        late = asyncio.ensure_future(repository.count(TaskQuery(q="s")))
        await asyncio.sleep(0.05)
        gate.open.set()

        assert (await early, await late) == (1, 2)


async def test_the_same_search_asked_for_at_once_is_done_once(tmp_path: Path, gate: Gate) -> None:
    gate.open.set()
    async with opened(tmp_path / "tasks.db") as repository:
        await add_all(repository, [TaskDraft(f"{number}") for number in range(100)])

        pages = await asyncio.gather(*(repository.find(TaskQuery(q="none"), limit=9) for _ in range(20)))

        assert gate.calls == 100
        assert all(page is pages[0] for page in pages)


async def test_a_search_asked_for_after_a_commit_sees_it_though_the_same_one_runs(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository, "first")
        early = asyncio.ensure_future(repository.find(TaskQuery(q="s"), limit=9))
        await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)
        await add(repository, "second")
        late = asyncio.ensure_future(repository.find(TaskQuery(q="s"), limit=9))
        await asyncio.sleep(0.05)
        gate.open.set()

        assert [task.description for task in (await early).tasks] == ["first"]
        assert [task.description for task in (await late).tasks] == ["first", "second"]


async def test_too_many_searches_are_refused(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository)
        searches = [asyncio.ensure_future(repository.find(TaskQuery(q=f"{number}"), limit=9)) for number in range(200)]
        await until(lambda: sum(search.done() for search in searches) > 100)
        gate.open.set()
        outcomes = await asyncio.gather(*searches, return_exceptions=True)

        refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert 100 < len(refused) < 200
        assert {type(outcome) for outcome in refused} == {Overloaded}
        assert await repository.get(1), "and nothing else is"


async def test_too_many_counts_are_refused(tmp_path: Path, gate: Gate) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add(repository)
        counts = [asyncio.ensure_future(repository.count(TaskQuery(q=f"{number}"))) for number in range(200)]
        await until(lambda: sum(count.done() for count in counts) > 100)
        gate.open.set()
        outcomes = await asyncio.gather(*counts, return_exceptions=True)

        refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert 100 < len(refused) < 200
        assert {type(outcome) for outcome in refused} == {Overloaded}


class Slow:
    """Replaces the test of a description, so that a search of all takes minutes."""

    def __init__(self) -> None:
        self.calls = 0

    def contains(self, text: str, folded: str) -> bool:
        self.calls += 1
        time.sleep(0.1)
        return False


@pytest.fixture
async def slow_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[TaskRepository, Slow]:
    """A store in which a search takes minutes."""
    slow = Slow()
    monkeypatch.setattr("tasksvc_sqlite.repository.contains", slow.contains)
    repository = await open_repository(url_of(tmp_path / "tasks.db"))
    await repository.commit([CreateTask(TaskDraft("x"))] * 1_000, at=NOW)
    return repository, slow


async def test_close_ends_searches_and_counts(slow_repository: tuple[TaskRepository, Slow]) -> None:
    repository, slow = slow_repository
    searches = [asyncio.ensure_future(repository.find(TaskQuery(q=f"{number}"), limit=9)) for number in range(9)]
    counts = [asyncio.ensure_future(repository.count(TaskQuery(q=f"{number}"))) for number in range(9)]
    await until(lambda: slow.calls)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await repository.close()

    outcomes = await asyncio.gather(*searches, *counts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreClosed}


@pytest.mark.parametrize("turns", range(1, 10))
async def test_close_ends_a_search_that_is_about_to_begin(
    slow_repository: tuple[TaskRepository, Slow], turns: int
) -> None:
    """SQLite's interrupt misses a statement that was sent, and whose thread hasn't begun it."""
    repository, _ = slow_repository
    search = asyncio.ensure_future(repository.find(TaskQuery(q="none"), limit=9))
    for _ in range(turns):
        await asyncio.sleep(0)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await repository.close()

    with pytest.raises(StoreClosed):
        await search
