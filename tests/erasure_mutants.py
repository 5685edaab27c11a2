"""Stores with one fault each in how they erase workspaces, and the test of the contract kit that must fail on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from mutants import ContractViolation, HealthyStore

from tasksvc import (
    DEFAULT_WORKSPACE,
    ChangedWorkspaces,
    ChangePage,
    Commit,
    CommitResult,
    CreateTask,
    DeleteTask,
    Position,
    PrunedWorkspace,
    StoreEntry,
    StoreNotEmpty,
    StoreUnavailable,
    TaskDraft,
    TaskNotFound,
    UpdateTask,
    WorkspaceHeader,
    new_generation,
)
from tasksvc.stores.broadcast import Broadcasts
from tasksvc.testing.samples import LAST_MOMENT, NOW


class ErasesTasksAlone(ContractViolation):
    caught_by = "test_an_erased_workspace_is_gone_at_once"

    async def erase(self) -> None:
        await self.commit([DeleteTask(task_id) for task_id in self._tasks], at=NOW)


class ErasesTheDefaultWorkspaceForGood(ContractViolation):
    caught_by = "test_an_erased_workspace_is_gone_at_once"

    async def erase(self) -> None:
        await super().erase()
        self._memory.workspaces.pop(self.workspace_name, None)


class RemembersTheErased(ContractViolation):
    """Keeps something of each workspace that is erased, for the next one of its name."""

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self.erased: dict[str, Any] = {}

    async def erase(self) -> None:
        before = self._workspace
        await super().erase()
        self.erased[self.workspace_name] = before

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        for unit in entries:
            super().replay([unit])
            before = self.erased.get(unit.workspace) if "erased" in vars(self) else None
            if before is not None and isinstance(unit.entry, WorkspaceHeader):
                self.give(self._memory.workspaces[unit.workspace], before)

    def give(self, workspace: Any, before: Any) -> None:
        raise NotImplementedError


class KeepsTheKeysOfTheErased(RemembersTheErased):
    caught_by = "test_what_is_written_after_an_erasure_makes_another_workspace"

    async def do(self, commit: Commit) -> CommitResult:
        if commit.idempotency_key is not None and (before := self.erased.get(self.workspace_name)) is not None:
            first = before.idempotency_records.get((commit.idempotency_key.scope, commit.idempotency_key.value))
            if first is not None:
                return CommitResult(first.results, self._ledger.position, replayed=True)
        return await super().do(commit)

    def give(self, workspace: Any, before: Any) -> None:
        pass


class KeepsTheGenerationOfTheErased(RemembersTheErased):
    caught_by = "test_what_is_written_after_an_erasure_makes_another_workspace"

    def give(self, workspace: Any, before: Any) -> None:
        workspace.ledger.generation = before.ledger.generation


class GoesOnWithTheIdsOfTheErased(RemembersTheErased):
    caught_by = "test_what_is_written_after_an_erasure_makes_another_workspace"

    def give(self, workspace: Any, before: Any) -> None:
        workspace.ledger.last_id = before.ledger.last_id


class ForgetsErasedGenerations(RemembersTheErased):
    """Takes a position of an erased workspace where a new one of its name has as many changes."""

    caught_by = "test_a_store_behaves_as_its_model"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        before = self.erased.get(self.workspace_name)
        if before is not None and since.seq > 0 and since.generation == before.ledger.generation:
            since = since._replace(generation=self._ledger.generation)
        return await super().read_changes(since, limit=limit, max_bytes=max_bytes)

    def give(self, workspace: Any, before: Any) -> None:
        pass


class ErasesByPrefix(ContractViolation):
    caught_by = "test_other_workspaces_stay_as_they_are"

    async def erase(self) -> None:
        for name in list(self._memory.workspaces):
            if name.startswith(self.workspace_name) and name != self.workspace_name:
                await HealthyStore.erase(cast(HealthyStore, self.workspace(name)))
        await super().erase()


class ErasesRecords(ContractViolation):
    caught_by = "test_other_workspaces_stay_as_they_are"

    async def erase(self) -> None:
        await super().erase()
        self._memory.records.clear()


class MakesWhatItErases(ContractViolation):
    caught_by = "test_erasing_what_is_not_made_makes_nothing"

    async def erase(self) -> None:
        await super().erase()
        self.apply(WorkspaceHeader(new_generation(), self._memory.epoch))


class ForgetsErasuresOnReopening(ContractViolation):
    caught_by = "test_an_erasure_is_kept_over_a_reopening"

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        await super().persist_pruned([unit for unit in pruned if not unit.erased])


class ShowsWhatIsLeftToPrune(ForgetsErasuresOnReopening):
    caught_by = "test_pruning_what_was_erased_goes_on_after_a_reopening"


class SleepsOverErasures(ContractViolation):
    caught_by = "test_readers_that_wait_are_woken_by_an_erasure"

    async def _erase(self, name: str) -> None:
        waiting, self._memory.waiting = self._memory.waiting, Broadcasts()
        await super()._erase(name)
        self._memory.waiting = waiting


class WakesEverybodyForAnErasure(ContractViolation):
    caught_by = "test_readers_that_wait_are_woken_by_an_erasure"

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        made = len(self._memory.workspaces)
        page = await self.read_changes(since, limit=limit, max_bytes=max_bytes)
        while wait > 0 and not page.changes and len(self._memory.workspaces) >= made:
            await asyncio.sleep(0.001)
            page = await self.read_changes(since, limit=limit, max_bytes=max_bytes)
        return page


class ErasesStepByStep(ContractViolation):
    caught_by = "test_a_reader_beside_an_erasure_sees_all_or_nothing"

    async def erase(self) -> None:
        for task_id in list(self._tasks):
            del self._tasks[task_id]
            await asyncio.sleep(0)
        await super().erase()


class DumpsWhatIsLeft(ContractViolation):
    """Leaves out of a dump what is erased while it is read."""

    caught_by = "test_a_dump_beside_an_erasure_is_one_snapshot"

    async def dump(self) -> AsyncIterator[StoreEntry]:
        made = dict(self._memory.workspaces)
        async for unit in super().dump():
            if self._memory.workspaces.get(unit.workspace) is made.get(unit.workspace):
                yield unit


class ErasesHalfWhenCancelled(ErasesStepByStep):
    caught_by = "test_a_cancelled_erasure_is_whole_or_absent"


class NamesErasedWorkspaces(ContractViolation):
    caught_by = "test_a_follower_meets_what_is_written_after_an_erasure"

    async def erase(self) -> None:
        await super().erase()
        self._memory.changed.setdefault(self.workspace_name, self._memory.last_change)


class NamesNoneThatIsMadeAgain(RemembersTheErased):
    caught_by = "test_a_follower_meets_what_is_written_after_an_erasure"

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        page = await super().changed_workspaces(since, limit=limit)
        return page._replace(names=[name for name in page.names if name not in self.erased])

    def give(self, workspace: Any, before: Any) -> None:
        pass


class TellsTheGenerationOfItsCall(ContractViolation):
    """Gives the position of a commit with the generation that the workspace had when the commit was called."""

    caught_by = "test_commits_beside_an_erasure_come_before_or_after_it"

    async def do(self, commit: Commit) -> CommitResult:
        generation = self._ledger.generation
        committed = await super().do(commit)
        own = committed.position
        return committed._replace(position=own._replace(generation=generation or own.generation))


class CreatesWhatItUpdates(ContractViolation):
    caught_by = "test_updates_beside_an_erasure_are_done_or_find_no_task"

    async def do(self, commit: Commit) -> CommitResult:
        there = [isinstance(write, UpdateTask) and write.task_id in self._tasks for write in commit.writes]
        try:
            return await super().do(commit)
        except TaskNotFound:
            if not any(there):
                raise
            return await super().do(commit._replace(writes=[CreateTask(TaskDraft("x"))], idempotency_key=None))


class HasAlwaysMoreToPrune(RemembersTheErased):
    caught_by = "test_what_erased_workspaces_left_is_pruned_in_short_steps"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        more = await super().prune(log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit)
        return more or bool(self.erased)

    def give(self, workspace: Any, before: Any) -> None:
        pass


class PrunesAllKeysAfterAnErasure(RemembersTheErased):
    caught_by = "test_what_erased_workspaces_left_is_pruned_in_short_steps"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        before = LAST_MOMENT if self.erased else keys_before
        return await super().prune(log_before=log_before, max_changes=max_changes, keys_before=before, limit=limit)

    def give(self, workspace: Any, before: Any) -> None:
        pass


class PrunesByNames(RemembersTheErased):
    """Deletes with what an erased workspace left a new one of its name."""

    caught_by = "test_a_workspace_is_erased_again_while_it_is_pruned"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        for name in self.erased:
            if name != DEFAULT_WORKSPACE:
                self._memory.workspaces.pop(name, None)
        return await super().prune(log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit)

    def give(self, workspace: Any, before: Any) -> None:
        pass


class IsNeverEmptyAgain(RemembersTheErased):
    caught_by = "test_a_store_whose_workspaces_are_erased_is_restored_as_a_new_one"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        if self.erased:
            raise StoreNotEmpty("Something was here.")
        await super().restore(entries)

    def give(self, workspace: Any, before: Any) -> None:
        pass


class ForgetsKeysWhenCompacted(ContractViolation):
    caught_by = "test_compacting_changes_nothing_that_is_read"

    async def compact(self) -> None:
        await super().compact()
        for each in self._memory.workspaces.values():
            each.idempotency_records.clear()


class KeepsAJournal(ContractViolation):
    """Writes to a file beside the store, and deletes nothing of it."""

    caught_by = "test_what_was_erased_is_in_no_file_of_a_compacted_store"
    journal: Path

    @classmethod
    def open(cls, path: str, *, scratch: bool) -> HealthyStore:
        store = super().open(path, scratch=scratch)
        cls.journal = Path(path) / "journal"
        return store

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        super().append(commits)
        with self.journal.open("a") as journal:
            journal.write(f"{commits}\n")


class SaysNothingOfAFailedErasure(ContractViolation):
    caught_by = "test_a_failed_erasure_changes_nothing"

    async def erase(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await super().erase()


class SaysThatNothingWasErased(ContractViolation):
    caught_by = "test_an_erasure_whose_answer_is_lost_is_whole_or_absent"

    def lost(self) -> StoreUnavailable:
        return StoreUnavailable("The driver was cut off.")


ERASURE_MUTANTS = [
    found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)
]
