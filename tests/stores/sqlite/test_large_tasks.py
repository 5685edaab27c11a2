"""Large tasks are read only as far as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tasksvc_sqlite import queries

from stores.sqlite.stores import add_all, opened
from tasksvc import LOG_START, TaskDraft, TaskQuery, json_size

TASKS = 40
MAX_BYTES = 100_000


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Any]]:
    """Returns the rows of tasks and changes that were fetched."""
    rows: list[Sequence[Any]] = []

    def noting(size: Callable[[Sequence[Any]], int]) -> Callable[[Sequence[Any]], int]:
        def noted(row: Sequence[Any]) -> int:
            rows.append(row)
            return size(row)

        return noted

    for name in ("size_of_task", "size_of_change"):
        monkeypatch.setattr(queries, name, noting(getattr(queries, name)))
    return rows


@pytest.mark.parametrize("query", [TaskQuery(), TaskQuery(q="x"), TaskQuery(done=False, descending=True)])
async def test_a_page_fetches_one_task_more_than_it_has(
    tmp_path: Path, fetched: list[Sequence[Any]], query: TaskQuery
) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add_all(repository, [TaskDraft("x" * 9_000, labels=("é" * 90,), metadata={"a": "語" * 300})] * TASKS)

        page = await repository.find(query, limit=TASKS, max_bytes=MAX_BYTES)

    assert 1 < len(page.tasks) < TASKS
    assert sum(map(json_size, page.tasks)) <= MAX_BYTES
    assert len(fetched) == len(page.tasks) + 1


async def test_a_page_of_the_log_fetches_one_change_more_than_it_has(
    tmp_path: Path, fetched: list[Sequence[Any]]
) -> None:
    async with opened(tmp_path / "tasks.db") as repository:
        await add_all(repository, [TaskDraft("x" * 9_000)] * TASKS)

        page = await repository.read_changes(LOG_START, limit=TASKS, max_bytes=MAX_BYTES)

    assert 1 < len(page.changes) < TASKS
    assert page.more
    assert len(fetched) == len(page.changes) + 1
