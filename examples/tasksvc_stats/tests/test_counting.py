"""Counts are right whatever is given twice, pruned, renewed or erased."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tasksvc_stats.counting import DailyCounts, problems_of

from tasksvc import (
    LOG_START,
    Change,
    CreateTask,
    InMemoryRepository,
    Position,
    Record,
    RecordConflict,
    TaskDraft,
    UpdateTask,
)
from tasksvc.plugin import Records

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
async def store() -> AsyncIterator[InMemoryRepository]:
    store = InMemoryRepository()
    yield store
    await store.close()


@pytest.fixture
def counts(store: InMemoryRepository) -> DailyCounts:
    return DailyCounts(Records(lambda: store, "plugin:stats"), days=2)


async def logged(store: InMemoryRepository) -> tuple[list[Change], Position]:
    page = await store.read_changes(LOG_START, limit=100)
    return list(page.changes), page.next


async def numbers(counts: DailyCounts, today: datetime = TUESDAY) -> list[tuple[int, int]]:
    return [(day["created"], day["completed"]) for day in await counts.last_days("default", today.date())]


async def test_what_was_created_and_completed_is_counted_by_day(store: InMemoryRepository, counts: DailyCounts) -> None:
    await store.commit([CreateTask(TaskDraft("a")), CreateTask(TaskDraft("b", done=True))], at=MONDAY)
    await store.commit([UpdateTask(1, {"done": True}), UpdateTask(1, {"priority": 2})], at=TUESDAY)
    await store.commit([UpdateTask(2, {"notes": "It was done before."})], at=TUESDAY)

    await counts.add("default", *await logged(store))

    assert await counts.last_days("default", TUESDAY.date()) == [
        {"day": "2026-11-23", "created": 2, "completed": 1},
        {"day": "2026-11-24", "created": 0, "completed": 1},
    ]


async def test_changes_that_are_given_again_are_counted_once(store: InMemoryRepository, counts: DailyCounts) -> None:
    await store.commit([CreateTask(TaskDraft("a"))], at=MONDAY)
    first, then = await logged(store)
    await counts.add("default", first, then)
    await store.commit([CreateTask(TaskDraft("b"))], at=TUESDAY)

    await counts.add("default", *await logged(store))
    await counts.add("default", *await logged(store))
    await counts.add("default", first, then)

    assert await numbers(counts) == [(1, 0), (1, 0)]
    assert counts.counted == 2


async def test_days_that_are_too_old_are_dropped(store: InMemoryRepository, counts: DailyCounts) -> None:
    for day in range(5):
        await store.commit([CreateTask(TaskDraft("a"))], at=MONDAY + timedelta(day))

    await counts.add("default", *await logged(store))

    record = await store.record("plugin:stats", "days:default")
    assert record is not None
    assert list(record.value["days"]) == ["2026-11-26", "2026-11-27"]


async def test_of_two_processes_that_count_at_once_one_fails(store: InMemoryRepository) -> None:
    class Slow(Records):
        async def get(self, key: str) -> Record | None:
            found = await super().get(key)
            await other.add("default", *await logged(store))
            return found

    await store.commit([CreateTask(TaskDraft("a"))], at=MONDAY)
    other = DailyCounts(Records(lambda: store, "plugin:stats"), days=2)

    with pytest.raises(RecordConflict):
        await DailyCounts(Slow(lambda: store, "plugin:stats"), days=2).add("default", *await logged(store))

    assert await numbers(other) == [(1, 0), (0, 0)]


async def test_a_log_of_another_generation_is_counted_from_its_beginning(
    store: InMemoryRepository, counts: DailyCounts
) -> None:
    await store.commit([CreateTask(TaskDraft("a"))], at=MONDAY)
    await counts.add("default", *await logged(store))
    await store.renew()

    await counts.add("default", *await logged(store))

    assert await numbers(counts) == [(1, 0), (0, 0)]


@pytest.mark.parametrize(("start", "left"), [(LOG_START, 0), (Position("0123456789abcdef", 7), 1)])
async def test_the_counts_of_a_workspace_go_with_it_and_stay_when_it_is_pruned(
    start: Position, left: int, store: InMemoryRepository, counts: DailyCounts
) -> None:
    await store.commit([CreateTask(TaskDraft("a"))], at=MONDAY)
    await counts.add("default", *await logged(store))

    await counts.forget("default", LOG_START, start)

    assert await numbers(counts) == [(left, 0), (0, 0)]


@pytest.mark.parametrize(
    ("key", "days", "problems"),
    [
        ("days:default", {"2026-11-23": {"created": 1, "completed": 0}}, []),
        ("days:default", {"2026-11-23": {"created": -1, "completed": 0}}, ["days:default counts -1, which can't be."]),
        ("place:daily:0", {}, []),
    ],
)
def test_counts_below_zero_are_a_problem(key: str, days: dict[str, Any], problems: list[str]) -> None:
    assert problems_of(Record("plugin:stats", key, {"days": days})) == problems


async def test_a_day_on_which_nothing_happened_has_zeros(counts: DailyCounts) -> None:
    assert await counts.last_days("nowhere", date(2026, 3, 1)) == [
        {"day": "2026-02-28", "created": 0, "completed": 0},
        {"day": "2026-03-01", "created": 0, "completed": 0},
    ]
