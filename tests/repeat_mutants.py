"""Stores with one fault each in how tasks repeat, and the test of the kit that must fail on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from mutants import ChangesDrafts, ContractViolation

from tasksvc import (
    Change,
    Commit,
    CommitResult,
    Precondition,
    SkipOccurrence,
    StoreEntry,
    UpdateTask,
    WorkspaceFull,
)


class CountsWhatItCreatesItself(ContractViolation):
    caught_by = "test_a_bound_on_tasks_does_not_stop_a_series"

    async def do(self, commit: Commit) -> CommitResult:
        completes = any(isinstance(write, UpdateTask) and write.fields.get("done") for write in commit.writes)
        if completes and commit.tasks_max is not None and len(self._tasks) >= commit.tasks_max:
            raise WorkspaceFull(commit.tasks_max)
        return await super().do(commit)


class IgnoresTheVersionOfASkip(ContractViolation):
    caught_by = "test_a_skip_has_a_precondition"

    async def do(self, commit: Commit) -> CommitResult:
        loose = [w._replace(expected=Precondition()) if isinstance(w, SkipOccurrence) else w for w in commit.writes]
        return await super().do(commit._replace(writes=loose))


class RepeatsNothing(ChangesDrafts):
    caught_by = "test_completing_creates_the_next_task_in_the_same_commit"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"repeat": None}


class LosesTheNextTaskOnReopening(ContractViolation):
    """Forgets of a completed task which one follows, once it is read from the disk."""

    caught_by = "test_a_task_is_reopened_after_the_store_was"

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        super().replay(map(_without_next, entries))


def _without_next(entry: StoreEntry) -> StoreEntry:
    change = entry.entry
    if not isinstance(change, Change) or change.task is None:
        return entry
    return entry._replace(entry=change._replace(task=dataclasses.replace(change.task, next_id=None)))


REPEAT_MUTANTS = [found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)]
