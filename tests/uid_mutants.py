"""Stores with one fault each in uids and in times of the past, and the test of the kit that must fail on it."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from mutants import ChangesDrafts, ChangesTheLog, ContractViolation
from relation_mutants import FindsOtherTasks, KnowsNothingOfBefore, ReadsForCommits

from tasksvc import (
    Change,
    Commit,
    CommitResult,
    CreateTask,
    InvalidTask,
    SortField,
    Task,
    TaskQuery,
    UidTaken,
    UpdateTask,
)

# ---------------------------------------------------------------- uids


class FoldsUids(ChangesDrafts):
    caught_by = "test_a_task_is_found_by_its_uid"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"uid": fields["uid"] and fields["uid"].casefold()}


class NormalisesUids(ChangesDrafts):
    caught_by = "test_a_task_is_found_by_its_uid"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"uid": fields["uid"] and unicodedata.normalize("NFC", fields["uid"])}


class StripsUids(ChangesDrafts):
    caught_by = "test_a_task_is_found_by_its_uid"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"uid": fields["uid"] and fields["uid"].strip()}


class CutsUids(ChangesDrafts):
    caught_by = "test_a_task_is_found_by_its_uid"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"uid": fields["uid"] and fields["uid"].encode()[:255].decode(errors="ignore")}


class RefusesUidsItself(ContractViolation):
    """The base of mutants that refuse a uid that one of some tasks has."""

    def holders(self) -> Iterable[Task]:
        return self._tasks.values()

    async def do(self, commit: Commit) -> CommitResult:
        uids = {write.draft.uid for write in commit.writes if isinstance(write, CreateTask)} - {None}
        for holder in self.holders():
            if holder.uid in uids:
                raise UidTaken(holder, self._ledger.generation)
        return await super().do(commit)


class RefusesItsOwnUid(RefusesUidsItself):
    """Looks for the holder of a uid before it looks for the idempotency key."""

    caught_by = "test_a_repeated_creation_with_a_uid_is_replayed"


class KeepsUidsOfDeletedTasks(RefusesUidsItself):
    caught_by = "test_the_uid_of_a_deleted_task_is_free"

    def holders(self) -> Iterable[Task]:
        return [change.task for change in self._log if change.task is not None]


class HasUidsOfAllWorkspaces(RefusesUidsItself):
    caught_by = "test_each_workspace_has_its_own_uids"

    def holders(self) -> Iterable[Task]:
        return [task for workspace in self._memory.workspaces.values() for task in workspace.tasks.values()]


class GivesAUidTwice(ReadsForCommits):
    caught_by = "test_a_uid_is_given_to_one_task"

    def found(self, term: str, ids: Sequence[int], turn: int) -> Sequence[int]:
        return () if term.startswith("uid=") else ids


class ChecksUidsTooEarly(RefusesUidsItself, GivesAUidTwice):
    """Looks for the holder of a uid before it waits for its turn."""

    caught_by = "test_of_many_commits_at_once_one_gets_a_uid"

    async def _commit_group(self, units: Sequence[Any]) -> Sequence[CommitResult | Exception]:
        return [outcome for unit in units for outcome in await super(ChecksUidsTooEarly, self)._commit_group([unit])]


class NamesNoGenerationOfAHolder(ContractViolation):
    caught_by = "test_a_uid_is_given_to_one_task"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except UidTaken as error:
            error.generation = ""
            raise


class LosesTheUidInAPatch(ContractViolation):
    caught_by = "test_a_patch_keeps_the_uid"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        for write in commit.writes:
            if isinstance(write, UpdateTask):
                self._tasks[write.task_id].uid = None
        return committed


class KnowsNoUidsOfBefore(KnowsNothingOfBefore):
    caught_by = "test_uids_are_known_after_a_reopening"


class GivesTheUidToTheNextTask(ContractViolation):
    caught_by = "test_the_next_task_of_a_series_has_no_uid"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        for result in committed.results:
            if isinstance(result, Task) and result.next_id in self._tasks:
                self._tasks[result.next_id].uid = result.uid
        return committed


# ---------------------------------------------------------------- times of the past


class LosesCreatedAt(ChangesDrafts):
    caught_by = "test_a_draft_says_when_the_task_was_created_and_completed"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"created_at": None}


class LosesCompletedAt(ChangesDrafts):
    caught_by = "test_a_draft_says_when_the_task_was_created_and_completed"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"completed_at": None}


class CutsTimesOfThePast(ChangesDrafts):
    caught_by = "test_a_draft_says_when_the_task_was_created_and_completed"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        completed = fields["completed_at"]
        return {"completed_at": completed and completed.replace(microsecond=0)}


class DatesNewTasksBack(ContractViolation):
    """Takes the time at which a new task was created for that of its last change."""

    caught_by = "test_a_draft_says_when_the_task_was_created_and_completed"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        for write, result in zip(commit.writes, committed.results, strict=True):
            if isinstance(write, CreateTask) and isinstance(result, Task):
                result.updated_at = result.created_at
        return committed


class LogsNewTasksBack(ChangesTheLog):
    caught_by = "test_a_draft_says_when_the_task_was_created_and_completed"

    def change(self, changes: Sequence[Change]) -> Sequence[Change]:
        return [_dated_back(change) for change in changes]


class TakesTheFuture(ContractViolation):
    """Leaves out a time instead of refusing it."""

    caught_by = "test_times_that_do_not_fit_a_new_task_are_refused"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except InvalidTask as error:
            write = commit.writes[error.index]
            if not isinstance(write, CreateTask) or error.field not in ("created_at", "completed_at"):
                raise
            writes = [
                *commit.writes[: error.index],
                CreateTask(write.draft._replace(created_at=None, completed_at=None)),
            ]
            return await super().do(commit._replace(writes=writes))


class SortsByTheTimeOfTheCommit(FindsOtherTasks):
    caught_by = "test_tasks_of_the_past_are_sorted_and_filtered_by_their_times"

    def change(self, query: TaskQuery) -> TaskQuery:
        return dataclasses.replace(
            query, sort=SortField.UPDATED_AT if query.sort is SortField.CREATED_AT else query.sort
        )


class FindsByTheTimeOfTheCommit(FindsOtherTasks):
    caught_by = "test_tasks_of_the_past_are_sorted_and_filtered_by_their_times"

    def change(self, query: TaskQuery) -> TaskQuery:
        return dataclasses.replace(query, created_after=None, updated_after=query.created_after)


class CreatesAPatchedTaskAgain(ContractViolation):
    caught_by = "test_a_task_of_the_past_is_completed_and_reopened_as_others_are"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        for write, result in zip(commit.writes, committed.results, strict=True):
            if isinstance(write, UpdateTask) and isinstance(result, Task):
                result.created_at = commit.at
        return committed


class KeepsTheTimeOfTheDraft(ContractViolation):
    """Completes a task again at the time at which it was completed first."""

    caught_by = "test_a_task_of_the_past_is_completed_and_reopened_as_others_are"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        first = {change.task_id: change.task.completed_at for change in reversed(self._log) if change.task is not None}
        for result in committed.results:
            if isinstance(result, Task) and result.done and first.get(result.id) is not None:
                result.completed_at = first[result.id]
        return committed


def _dated_back(change: Change) -> Change:
    return change if change.task is None else change._replace(at=change.task.created_at)


UID_MUTANTS = [found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)]
