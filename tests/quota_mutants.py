"""Stores with one fault each in how they bound the number of tasks, and the test of the kit that must fail on it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from typing import Any

from mutants import ContractViolation, HealthyStore

from tasksvc import (
    Change,
    ChangeKind,
    Commit,
    CommitResult,
    CreateTask,
    DeleteTask,
    StoreEntry,
    WorkspaceFull,
    Write,
)


class BoundsByItself(ContractViolation):
    """Decides by a count of its own whether there is room, before the commit."""

    async def do(self, commit: Commit) -> CommitResult:
        is_replay = (
            commit.idempotency_key is not None
            and (commit.idempotency_key.scope, commit.idempotency_key.value) in self._idempotency_records
        )
        if commit.tasks_max is not None and not is_replay:
            self.bound(commit.writes, commit.tasks_max)
        return await HealthyStore.do(self, commit._replace(tasks_max=None))

    def counted(self) -> int:
        """Returns the number of tasks."""
        return len(self._tasks)

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        """Raises WorkspaceFull where one of `writes` creates a task too many."""
        count = self.counted()
        for index, write in enumerate(writes):
            if isinstance(write, CreateTask):
                if count >= tasks_max:
                    raise _full(tasks_max, index)
                count += 1
            elif isinstance(write, DeleteTask):
                count -= 1


def _full(tasks_max: int, index: int) -> WorkspaceFull:
    error = WorkspaceFull(tasks_max)
    error.index = index
    return error


class BoundsNothing(BoundsByItself):
    caught_by = "test_a_bound_of_nothing_refuses_the_first_task"

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        """Finds room for everything."""


class TakesOneMore(BoundsByItself):
    caught_by = "test_no_task_is_created_beyond_the_bound"

    def counted(self) -> int:
        return max(0, len(self._tasks) - 1)


class NamesTheLastWrite(BoundsByItself):
    caught_by = "test_a_batch_with_too_many_is_refused_as_a_whole"

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        try:
            super().bound(writes, tasks_max)
        except WorkspaceFull as error:
            error.index = len(writes) - 1
            raise


class MakesRoomAfterwards(BoundsByItself):
    """Looks at the number of tasks after the commit alone."""

    caught_by = "test_a_commit_has_the_room_that_its_deletions_make"

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        super().bound(sorted(writes, key=lambda write: not isinstance(write, DeleteTask)), tasks_max)


class MakesNoRoomInACommit(BoundsByItself):
    caught_by = "test_a_commit_has_the_room_that_its_deletions_make"

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        super().bound([write for write in writes if not isinstance(write, DeleteTask)], tasks_max)


class BoundsReplays(BoundsByItself):
    caught_by = "test_a_repeated_commit_is_replayed_in_a_full_workspace"

    async def do(self, commit: Commit) -> CommitResult:
        if commit.tasks_max is not None:
            self.bound(commit.writes, commit.tasks_max)
        return await HealthyStore.do(self, commit._replace(tasks_max=None))


class RefusesGrowthAlone(BoundsByItself):
    """Lets a commit replace tasks where there are too many."""

    caught_by = "test_under_a_lowered_bound_nothing_is_created_until_there_is_room"

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        super().bound(writes, max(tasks_max, len(self._tasks)))


class CountsWhatIsBounded(BoundsByItself):
    """Counts the tasks that commits with a bound have created."""

    caught_by = "test_the_bound_counts_all_that_is_written_without_one"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self.created: dict[str, int] = {}

    def counted(self) -> int:
        return self.created.get(self.workspace_name, 0)

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        super().bound(writes, tasks_max)
        self.created[self.workspace_name] = self.counted() + sum(isinstance(write, CreateTask) for write in writes)


class CountsOpenTasks(BoundsByItself):
    caught_by = "test_a_store_behaves_as_its_model"

    def counted(self) -> int:
        return sum(not task.done or task.priority > 0 for task in self._tasks.values())


class CountsAttempts(CountsWhatIsBounded):
    caught_by = "test_a_failed_commit_takes_no_room"


class CountsCancelledCommits(CountsWhatIsBounded):
    """Counts a commit twice where it was cancelled and is done all the same."""

    caught_by = "test_a_cancelled_commit_takes_room_if_it_is_done"

    def counted(self) -> int:
        return max(super().counted(), len(self._tasks))


class KeepsTheRoomOfTheErased(CountsWhatIsBounded):
    caught_by = "test_an_erased_workspace_has_room_again"


class BoundsRecords(BoundsByItself):
    caught_by = "test_records_are_written_in_a_full_workspace"

    def bound(self, writes: Sequence[Write], tasks_max: int) -> None:
        if self.counted() >= tasks_max and not any(isinstance(write, DeleteTask) for write in writes):
            raise _full(tasks_max, 0)


class CountsBeforeItsTurn(BoundsByItself):
    caught_by = "test_of_many_at_once_as_many_are_created_as_there_is_room"


class RacesToTheBound(BoundsByItself):
    caught_by = "test_the_bound_holds_among_all_sorts_of_commits_at_once"


class HasOneBoundForAGroup(ContractViolation):
    caught_by = "test_commits_with_other_bounds_at_once_are_each_held_to_their_own"

    async def _commit_group(self, commits: Sequence[Any]) -> Sequence[CommitResult | Exception]:
        bound = max((each.commit.tasks_max or 0 for each in commits), default=0) or None
        return await super()._commit_group(
            [each._replace(commit=each.commit._replace(tasks_max=bound)) for each in commits]
        )


class CountsSinceItWasOpened(BoundsByItself):
    caught_by = "test_the_bound_holds_after_a_reopening"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self.at_first = {name: len(each.tasks) for name, each in self._memory.workspaces.items()}

    def counted(self) -> int:
        return len(self._tasks) - self.at_first.get(self.workspace_name, 0)


class CountsInTheLog(BoundsByItself):
    caught_by = "test_pruning_makes_no_room"

    def counted(self) -> int:
        kinds = [change.kind for change in self._log if isinstance(change, Change)]
        return kinds.count(ChangeKind.CREATED) - kinds.count(ChangeKind.DELETED)


class BoundsNothingThatWasRestored(BoundsByItself):
    caught_by = "test_a_restored_store_counts_what_the_dump_had"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self.restored: dict[str, int] = {}

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(entries)
        self.restored.update({name: len(each.tasks) for name, each in self._memory.workspaces.items()})

    def counted(self) -> int:
        return len(self._tasks) - self.restored.get(self.workspace_name, 0)


class CountsTasksOfAll(BoundsByItself):
    caught_by = "test_each_workspace_has_its_own_room"

    def counted(self) -> int:
        return sum(len(each.tasks) for each in self._memory.workspaces.values())


QUOTA_MUTANTS = [found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)]
