"""Deciding commits on the event loop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from datetime import UTC, datetime
from typing import Any

import pytest

from tasksvc import (
    Change,
    CommitResult,
    Entry,
    Ledger,
    Position,
    PutRecord,
    Record,
    RecordConflict,
    Task,
    TaskDraft,
    TaskNotFound,
    UpdateTask,
    codec,
    decide_all,
    decide_each,
    load_results,
)
from tasksvc.domain.task import create_task
from tasksvc.domain.writes import Commit, CreateTask, DeleteResult, DeleteTask, IdempotencyKey, Result
from tasksvc.stores.turns import Turns

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)


def ledger() -> Ledger:
    task = create_task(1, TaskDraft("x", metadata={"m": [{}] * 3}), NOW)
    return Ledger("g", last_id=1, last_seq=1, tasks={1: task})


async def test_commits_are_decided_as_one_by_one() -> None:
    patches = [UpdateTask(1, {"metadata": {str(number): number}}) for number in range(100)]
    commits = [
        Commit([CreateTask(TaskDraft("a"))], NOW),
        Commit(patches, NOW, IdempotencyKey("", "k", "f")),
        Commit([CreateTask(TaskDraft("b")), DeleteTask(99)], NOW),
        Commit(patches, NOW, IdempotencyKey("", "k", "f")),
        Commit([DeleteTask(1), DeleteTask(2)], NOW),
    ]
    together, alone = ledger(), ledger()

    decided = await decide_all(together, commits)

    outcomes: list[Any] = []
    for commit in commits:
        try:
            decision = alone.decide(*commit[:1], at=commit.at, idempotency_key=commit.idempotency_key)
        except TaskNotFound as error:
            outcomes.append(error.index)
        else:
            alone.apply(decision.entries())
            outcomes.append(decision.committed)
    told = [outcome.index if isinstance(outcome, TaskNotFound) else outcome for outcome in decided.outcomes]
    assert told == outcomes
    assert together.position == alone.position
    assert len(decided.entries) == 1 + 101 + 2


async def test_commits_in_several_workspaces_see_the_records_of_those_before() -> None:
    records: dict[tuple[str, str], Record] = {}
    one, other = (Ledger(name, records=records) for name in ("one", "other"))
    ones: list[Entry] = []
    others: list[Entry] = []

    outcomes = await decide_each(
        [
            (one, ones, Commit([CreateTask(TaskDraft("a"))], NOW)),
            (other, others, Commit([PutRecord("s", "k", {}, expected=0)], NOW)),
            (one, ones, Commit([PutRecord("s", "k", {}, expected=0)], NOW)),
            (other, others, Commit([CreateTask(TaskDraft("b"))], NOW)),
        ]
    )

    assert [type(outcome) for outcome in outcomes] == [CommitResult, CommitResult, RecordConflict, CommitResult]
    assert [[type(entry) for entry in entries] for entries in (ones, others)] == [[Change], [Record, Change]]
    assert (one.position, other.position) == (Position("one", 1), Position("other", 1))


@pytest.mark.parametrize("operations", [1, 3])
async def test_a_commit_that_is_refused_is_freed_without_the_garbage_collector(operations: int) -> None:
    gc.disable()
    try:
        (refused,) = (await decide_all(ledger(), [Commit([DeleteTask(99)] * operations, NOW)])).outcomes
        assert isinstance(refused, TaskNotFound)
        kept = weakref.ref(refused)

        del refused

        assert kept() is None
    finally:
        gc.enable()


async def test_others_have_their_turn_meanwhile() -> None:
    turns_of_others = 0

    async def others() -> None:
        nonlocal turns_of_others
        while True:
            await asyncio.sleep(0)
            turns_of_others += 1

    patches = [UpdateTask(1, {"metadata": {str(number): number}}) for number in range(100)]
    counting = asyncio.create_task(others())
    await decide_all(ledger(), [Commit(patches, NOW)], Turns(0.0))
    counting.cancel()

    assert turns_of_others >= 99


async def test_the_result_of_many_patches_is_kept_as_text() -> None:
    patches = [UpdateTask(1, {"metadata": {str(number): number}}) for number in range(100)]

    decided = await decide_all(ledger(), [Commit(patches, NOW)])

    (committed,) = decided.outcomes
    assert not isinstance(committed, Exception)
    last = committed.results[-1]
    assert isinstance(last, Task)
    assert last.metadata == {"m": [{}] * 3, **{str(number): number for number in range(100)}}
    assert not any(isinstance(result.metadata, dict) for result in committed.results if isinstance(result, Task))


@pytest.mark.parametrize("large", [0, 10**6])
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("as_bytes", [False, True])
async def test_results_are_loaded_as_they_were_kept(large: int, count: int, as_bytes: bool) -> None:
    task = create_task(1, TaskDraft("],é", metadata={"m": [{}, 1.0, "]"]}, labels=("a",)), NOW)
    kept: list[Result] = [task, None, DeleteResult(3, more=True), Record("s", "n", {"a": [1]}, 2)]
    data = codec.dump_results(kept * count)

    loaded = await load_results(data if as_bytes else data.decode(), large=large)

    assert list(loaded) == kept * count


@pytest.mark.parametrize("text", ["", "[", "[null", "[null,", '[{"task":{}}]', "[7]", "[null null]"])
async def test_damaged_results_are_an_error(text: str) -> None:
    with pytest.raises((ValueError, LookupError, AttributeError)):
        await load_results(text, large=0)
