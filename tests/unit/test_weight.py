"""Heavy commits don't share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasksvc import (
    Batcher,
    Commit,
    CreateTask,
    DeleteMatching,
    DeleteRecord,
    DeleteTask,
    InMemoryRepository,
    PutRecord,
    StoreEntry,
    TaskDraft,
    TaskQuery,
    UpdateTask,
    Write,
    codec,
    commit_weight,
)
from tasksvc.store_adapters import open_repository

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)
MEBIBYTE = 2**20
LARGE = {"m": "x" * 60_000}
PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""


def batch_of(size: int) -> list[CreateTask]:
    """Returns writes of about `size` bytes."""
    return [CreateTask(TaskDraft("x", metadata=LARGE))] * (size // 60_000)


async def test_64_commits_of_8_mebibytes_are_divided_and_single_tasks_share_a_batch() -> None:
    batches: list[int] = []

    async def run(commits: Sequence[Commit]) -> Sequence[int]:
        batches.append(len(commits))
        return range(len(commits))

    commit: Batcher[Commit, int] = Batcher(run, weight=commit_weight)
    large = Commit(batch_of(8 * MEBIBYTE), NOW)
    small = Commit([CreateTask(TaskDraft("x" * 100))], NOW)

    await asyncio.wait_for(asyncio.gather(*map(commit, [large] * 64 + [small] * 64)), PATIENCE)

    assert batches == [1] * 64 + [64]


@pytest.mark.parametrize(
    ("write", "least", "most"),
    [
        (CreateTask(TaskDraft("x")), 500, 2_000),
        (CreateTask(TaskDraft("x" * 8_000)), 8_000, 10_000),
        (CreateTask(TaskDraft("x", notes="x" * 20_000)), 20_000, 22_000),
        (CreateTask(TaskDraft("x", metadata=LARGE)), 60_000, 62_000),
        (CreateTask(TaskDraft("x", metadata=codec.packed(LARGE))), 60_000, 62_000),
        (UpdateTask(1, {"done": True}), 500, 2_000),
        (UpdateTask(1, {"metadata": LARGE}), 60_000, 62_000),
        (UpdateTask(1, {"description": "\ud800", "due_at": NOW}), 500, 2_000),
        (UpdateTask(1, {"metadata": {"a set": {1}}}), 500, 2_000),
        (DeleteTask(1), 500, 2_000),
        (DeleteMatching(range(1_000), TaskQuery()), 500_000, 2_000_000),
        (PutRecord("n", "k", LARGE), 60_000, 62_000),
        (DeleteRecord("n", "k"), 500, 2_000),
        ("no write at all", 500, 2_000),
    ],
)
def test_a_commit_weighs_about_the_bytes_that_it_says(write: Write, least: int, most: int) -> None:
    assert least < commit_weight(Commit([write], NOW)) < most
    assert commit_weight(Commit([write] * 5, NOW)) == 5 * commit_weight(Commit([write], NOW))


class Journal(InMemoryRepository):
    """A store that notes what it is to persist together."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        self.groups.append(len(commits))


async def test_heavy_commits_are_persisted_one_by_one_by_a_store_in_memory() -> None:
    repository = Journal()

    await asyncio.gather(*(repository.commit(batch_of(2 * MEBIBYTE), at=NOW) for _ in range(4)))

    assert repository.groups == [1, 1, 1, 1]


async def test_heavy_commits_have_a_transaction_each_on_sqlite(tmp_path: Path) -> None:
    repository = await open_repository(f"sqlite:///{tmp_path}/tasks.db")

    try:
        await asyncio.gather(*(repository.commit(batch_of(2 * MEBIBYTE), at=NOW) for _ in range(4)))
        groups = repository.statistics()["commit_groups"]
    finally:
        await repository.close()

    assert groups == 4
