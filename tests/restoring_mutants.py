"""More stores with one fault each in restored versions and in the changes of one task, and the test that catches it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from history_mutants import ChangesHistory, RestoresByOtherWrites
from mutants import ChangesTheLog, ContractViolation
from relation_mutants import KnowsWhatIsNamed, ReadsForCommits

from tasksvc import (
    LOG_START,
    Change,
    ChangeKind,
    ChangePage,
    Commit,
    CommitResult,
    CreateTask,
    DeleteTask,
    InvalidTask,
    Position,
    RestoreTask,
    Task,
    TaskNotFound,
    UpdateTask,
    VersionGone,
    Write,
)
from tasksvc.domain.task import draft_of

# ---------------------------------------------------------------- what a restored task has


class RestoresTheVersionBefore(RestoresByOtherWrites):
    caught_by = "test_a_chain_of_versions_comes_back"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        return [write._replace(version=max(1, write.version - 1))]


class ChangesRestoredTasks(ContractViolation):
    """The base of mutants that restore other values than those of the version."""

    def values(self, task: Task, at: Any) -> dict[str, Any]:
        raise NotImplementedError

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        results = list(committed.results)
        for index, (write, result) in enumerate(zip(commit.writes, committed.results, strict=True)):
            if isinstance(write, RestoreTask) and isinstance(result, Task) and result.id in self._tasks:
                task = dataclasses.replace(result, **self.values(result, commit.at))
                results[index] = self._tasks[task.id] = task
        return committed._replace(results=tuple(results))


class ReusesAVersion(ChangesRestoredTasks):
    caught_by = "test_a_deleted_task_comes_back_under_its_id"

    def values(self, task: Task, at: Any) -> dict[str, Any]:
        return {"version": task.version - 1}


class BeginsVersionsAgain(ChangesRestoredTasks):
    caught_by = "test_a_deleted_task_comes_back_under_its_id"

    def values(self, task: Task, at: Any) -> dict[str, Any]:
        return {"version": 1}


class RestoresNoUid(ChangesRestoredTasks):
    caught_by = "test_a_deleted_task_comes_back_under_its_id"

    def values(self, task: Task, at: Any) -> dict[str, Any]:
        return {"uid": None}


class CreatesARestoredTaskNow(ChangesRestoredTasks):
    caught_by = "test_a_deleted_task_comes_back_under_its_id"

    def values(self, task: Task, at: Any) -> dict[str, Any]:
        return {"created_at": at}


class RestoresTheTimeOfTheVersion(ChangesRestoredTasks):
    caught_by = "test_a_task_gets_the_fields_of_an_earlier_version"

    def values(self, task: Task, at: Any) -> dict[str, Any]:
        return {"updated_at": task.created_at}


class LetsTheClockGoBackForDeletedTasks(ChangesRestoredTasks):
    caught_by = "test_the_clock_does_not_go_back_for_a_deleted_task"

    def values(self, task: Task, at: Any) -> dict[str, Any]:
        return {"updated_at": at}


class KnowsNoParentOfAVersion(KnowsWhatIsNamed):
    """Takes the parent of a restored version for gone, since the write doesn't name it."""

    caught_by = "test_a_parent_that_is_gone_is_no_parent_of_a_restored_task"

    def _read(self, name: str, commits: Sequence[Commit]) -> Any:
        restores = any(isinstance(write, RestoreTask) for commit in commits for write in commit.writes)
        return super()._read(name, commits) if restores else ReadsForCommits._read(self, name, commits)


class RefusesARestoredCycle(RestoresByOtherWrites):
    caught_by = "test_a_restored_parent_makes_no_cycle"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        version = self.version(write)
        parent = None if version is None else self._tasks.get(version.parent_id or 0)
        if parent is not None and parent.parent_id == write.task_id:
            raise InvalidTask("parent_id", "A task can't be below itself.")
        return [write]


class CountsAVersionForAParentThatIsGone(RestoresByOtherWrites):
    caught_by = "test_a_parent_that_is_gone_is_left_out_once"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        version = self.version(write)
        if version is None or version.parent_id is None or version.parent_id in self._tasks:
            return [write]
        return [UpdateTask(write.task_id, {"priority": 1}), write]


# ---------------------------------------------------------------- series


class MakesASecondNextTask(RestoresByOtherWrites):
    caught_by = "test_restoring_a_version_that_is_done_makes_no_second_next_task"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        version = self.version(write)
        if version is None or not version.done:
            return [write]
        return [write, CreateTask(draft_of(version)._replace(done=False, completed_at=None))]


class MakesASecondNextTaskOfADeletedOne(MakesASecondNextTask):
    caught_by = "test_a_deleted_task_of_a_series_comes_back_without_another_one"


class DeletesANextTaskThatWasChanged(RestoresByOtherWrites):
    caught_by = "test_restoring_an_open_version_leaves_a_next_task_that_was_changed"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        present = self._tasks.get(write.task_id)
        return [write] if present is None or present.next_id is None else [write, DeleteTask(present.next_id)]


# ---------------------------------------------------------------- how far the changes of a task are followed


class FollowsAHundredChanges(ContractViolation):
    caught_by = "test_a_task_of_three_hundred_versions_has_all_its_changes"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        seqs = [change.seq for change in self._log if change.task_id == task_id]
        start = self._ledger.position._replace(seq=seqs[-101]) if since == LOG_START and len(seqs) > 100 else since
        return await super().task_changes(task_id, start, limit=limit, max_bytes=max_bytes)


class RestoresTheLastHundredVersions(RestoresByOtherWrites):
    caught_by = "test_a_task_of_three_hundred_versions_has_all_its_changes"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        present = self._tasks.get(write.task_id)
        if present is not None and write.version < present.version - 100:
            raise VersionGone(write.task_id, write.version)
        return [write]


class KnowsNoTaskWithoutChanges(ContractViolation):
    caught_by = "test_a_task_without_a_change_in_the_log_has_none"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        if not any(change.task_id == task_id for change in self._log):
            raise TaskNotFound(task_id)
        return await super().task_changes(task_id, since, limit=limit, max_bytes=max_bytes)


class NeedsTheFirstVersion(RestoresByOtherWrites):
    """Restores nothing of a task whose creation was pruned."""

    caught_by = "test_a_task_whose_log_was_pruned_goes_on_with_its_version"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        if not any(change.task_id == write.task_id and change.kind is ChangeKind.CREATED for change in self._log):
            raise VersionGone(write.task_id, write.version)
        return [write]


class IgnoresThePosition(ChangesHistory):
    caught_by = "test_the_changes_of_a_task_go_on_after_a_position"

    def start(self, since: Position) -> Position:
        return LOG_START


class EndsAfterAPage(ChangesHistory):
    caught_by = "test_the_changes_of_a_task_are_those_of_the_log"

    def told(self, page: ChangePage) -> ChangePage:
        return page._replace(next=self._ledger.position, more=False)


class RepeatsTheLastChange(ChangesHistory):
    caught_by = "test_the_changes_of_a_task_are_those_of_the_log"

    def told(self, page: ChangePage) -> ChangePage:
        return page._replace(next=page.next._replace(seq=page.next.seq - 1)) if page.more else page


# ---------------------------------------------------------------- the log


class NamesNoCallerOfWhatItChangesBesides(ChangesTheLog):
    caught_by = "test_all_changes_of_a_commit_are_of_its_caller"

    def change(self, changes: Sequence[Change]) -> Sequence[Change]:
        return [change._replace(by=None) if change.kind is ChangeKind.UPDATED else change for change in changes]


class LogsARestorationAsItSeemed(ContractViolation):
    """Logs whether a task is created or updated by what was there before it waited for its turn."""

    caught_by = "test_restorations_and_deletions_at_once_leave_a_log_that_holds"

    async def do(self, commit: Commit) -> CommitResult:
        existed = set(self._tasks)
        before = self._ledger.last_seq
        committed = await super().do(commit)
        for place in range(before, len(self._log)):
            change = self._log[place]
            if change.kind is ChangeKind.CREATED and change.task_id in existed:
                self._log[place] = change._replace(kind=ChangeKind.UPDATED)
        return committed


RESTORING_MUTANTS = [
    found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)
]
