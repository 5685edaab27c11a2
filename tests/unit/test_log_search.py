"""Positions in a log that are found by time, with few reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import LOG_START, ChangePage, CreateTask, InMemoryRepository, Position, TaskDraft, TaskRepository
from tasksvc.application.log_search import end_of_log, find_position

START = datetime(2026, 11, 24, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Counting(InMemoryRepository):
    """A store that counts the reads of its log."""

    reads = 0

    async def read_changes(self, since: Position, **more: Any) -> ChangePage:
        self.reads += 1
        return await super().read_changes(since, **more)


async def log_of(store: TaskRepository, count: int) -> Position:
    """Makes as many changes, a second apart, and returns the end of the log."""
    for number in range(count):
        await store.commit([CreateTask(TaskDraft("x"))], at=START + number * SECOND)
    return await end_of_log(store)


async def prune(store: TaskRepository, left: int) -> None:
    await store.prune(log_before=START - SECOND, max_changes=left, keys_before=START, limit=10_000)


async def test_a_workspace_that_is_not_made_has_the_start_of_a_log() -> None:
    store = InMemoryRepository().workspace("a")

    assert await find_position(store, None) == (LOG_START, False)
    assert await find_position(store, START) == (LOG_START, False)


@given(st.integers(0, 12), st.integers(0, 12), st.none() | st.integers(-1, 13))
async def test_the_first_change_that_is_left_and_not_earlier(count: int, left: int, second: int | None) -> None:
    store = InMemoryRepository()
    generation, seq = await log_of(store, count)
    await prune(store, left)

    found = await find_position(store, None if second is None else START + second * SECOND)

    pruned = max(count - left, 0)
    wanted = max(pruned, min(max(second or 0, 0), count))
    assert found.position == Position(generation, wanted)
    assert found.after_pruned == (wanted == pruned > 0)
    assert seq == count


@pytest.mark.parametrize("left", [3_000, 1_000])
async def test_a_log_of_many_changes_is_read_few_times(left: int) -> None:
    store = Counting()
    generation, _ = await log_of(store, 3_000)
    await prune(store, left)

    found = await find_position(store, START + 2_500 * SECOND)

    assert found == (Position(generation, 2_500), False)
    assert store.reads <= 12
