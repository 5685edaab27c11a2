"""Stores with one fault each in what they do with workspaces, and the test of the contract kit that must fail on it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any

from mutants import ContractViolation, HealthyStore, SortsFoundTasks
from workspace_copies import WorkspaceCopies

from tasksvc import (
    DEFAULT_WORKSPACE,
    LOG_START,
    STORE,
    Capability,
    ChangedWorkspaces,
    ChangeKind,
    ChangePage,
    Commit,
    CommitResult,
    Cursor,
    DeleteRecord,
    DeleteTask,
    Page,
    Position,
    PositionGone,
    Precondition,
    PrunedWorkspace,
    PutRecord,
    Record,
    Result,
    StoreEntry,
    StoreHeader,
    Task,
    TaskQuery,
    UpdateTask,
    WorkspaceHeader,
    WorkspaceSummary,
    new_generation,
    select,
)

# ---------------------------------------------------------------- names, and workspaces that aren't made


class FoldsNamesOfWorkspaces(ContractViolation):
    caught_by = "test_each_name_is_a_workspace_of_its_own"

    def workspace(self, name: str) -> WorkspaceCopies:
        return super().workspace(name.lower())


class CutsNamesOfWorkspaces(ContractViolation):
    caught_by = "test_each_name_is_a_workspace_of_its_own"

    def workspace(self, name: str) -> WorkspaceCopies:
        return super().workspace(name[:99])


class TakesAnyNameOfAWorkspace(ContractViolation):
    caught_by = "test_another_text_is_refused_as_a_name"

    def workspace(self, name: str) -> WorkspaceCopies:
        return super().workspace(name or "empty")


class HasTwoDefaultWorkspaces(ContractViolation):
    caught_by = "test_the_default_workspace_is_the_one_that_is_opened"

    def workspace(self, name: str) -> WorkspaceCopies:
        return super().workspace("Default" if name == DEFAULT_WORKSPACE else name)


class MakesWorkspacesThatItReads(ContractViolation):
    caught_by = "test_what_was_only_read_is_in_no_dump"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        if not self._ledger.generation:
            self.apply(WorkspaceHeader(new_generation(), self._memory.epoch))
        return await super().find(query, after=after, limit=limit, max_bytes=max_bytes)


class TakesAnyPositionWhereNothingIs(ContractViolation):
    caught_by = "test_a_workspace_that_was_never_written_to_is_empty_at_the_start"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        if not self._ledger.generation:
            return ChangePage((), LOG_START, more=False)
        return await super().read_changes(since, limit=limit, max_bytes=max_bytes)


class MakesAWorkspaceOfNothing(ContractViolation):
    caught_by = "test_a_commit_that_leaves_nothing_makes_no_workspace"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        if not self._ledger.generation:
            self.apply(WorkspaceHeader(new_generation(), self._memory.epoch))
        return committed


class ForgetsItsStart(ContractViolation):
    """Takes the start of the log for a position of before the workspace was made."""

    caught_by = "test_the_first_write_makes_a_workspace"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        if since == LOG_START and self._log and self.workspace_name != DEFAULT_WORKSPACE:
            raise PositionGone("The workspace has a generation.")
        return await super().read_changes(since, limit=limit, max_bytes=max_bytes)


class MakesNoWorkspaceOfAKey(ContractViolation):
    caught_by = "test_a_key_alone_makes_a_workspace"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        if not self._ledger.last_seq and self.workspace_name != DEFAULT_WORKSPACE:
            self._memory.workspaces.pop(self.workspace_name, None)
        return committed


class WaitsForNothingWhereNothingIs(ContractViolation):
    caught_by = "test_a_reader_at_the_start_is_woken_by_the_first_write"

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        if not self._ledger.generation:
            wait = 0
        return await super().changes(since, limit=limit, max_bytes=max_bytes, wait=wait)


class ForgetsWorkspacesOnReopening(ContractViolation):
    caught_by = "test_workspaces_are_kept_over_a_reopening"

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        super().append([[each for each in entries if each.workspace != "b"] for entries in commits])


# ---------------------------------------------------------------- isolation


class SearchesAllWorkspaces(ContractViolation):
    caught_by = "test_what_is_in_one_workspace_is_not_found_in_another"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit, max_bytes=max_bytes)
        if query.q is None:
            return page
        tasks = [task for each in self._memory.workspaces.values() for task in each.tasks.values()]
        return Page(*select(tasks, query, after, limit, max_bytes), page.position)


class CountsAllWorkspaces(ContractViolation):
    caught_by = "test_what_is_in_one_workspace_is_not_found_in_another"

    async def count(self, query: TaskQuery) -> int:
        return sum(query.matches(task) for each in self._memory.workspaces.values() for task in each.tasks.values())


class DeletesInAllWorkspaces(ContractViolation):
    caught_by = "test_writes_reach_tasks_of_their_own_workspace_alone"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        for write in commit.writes:
            if isinstance(write, DeleteTask):
                for each in self._memory.workspaces.values():
                    each.tasks.pop(write.task_id, None)
        return committed


class DeletesTwins(ContractViolation):
    """Deletes with a task those of other workspaces that have its id, if both are done or neither is."""

    caught_by = "test_a_store_behaves_as_its_model"

    async def do(self, commit: Commit) -> CommitResult:
        before = dict(self._tasks)
        committed = await super().do(commit)
        for task_id in before.keys() - self._tasks.keys():
            for each in self._memory.workspaces.values():
                if task_id in each.tasks and each.tasks[task_id].done == before[task_id].done:
                    del each.tasks[task_id]
        return committed


class CountsIdsForAllWorkspaces(ContractViolation):
    caught_by = "test_each_workspace_counts_ids_versions_and_changes_by_itself"

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        super().replay(entries)
        ledgers = [each.ledger for each in self._memory.workspaces.values()]
        for ledger in ledgers:
            ledger.last_id = max(each.last_id for each in ledgers)


class HasOneGeneration(ContractViolation):
    caught_by = "test_a_position_of_one_workspace_is_gone_in_another"

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        super().replay(entries)
        for each in self._memory.workspaces.values():
            each.ledger.generation = self._memory.workspaces[DEFAULT_WORKSPACE].ledger.generation


class HasOneSetOfKeys(ContractViolation):
    caught_by = "test_a_key_of_one_workspace_is_free_in_another"

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        super().replay(entries)
        for each in self._memory.workspaces.values():
            each.ledger.idempotency_records = self._memory.workspaces[DEFAULT_WORKSPACE].idempotency_records


class TakesVersionsOfOtherWorkspaces(ContractViolation):
    caught_by = "test_a_version_of_one_workspace_never_matches_in_another"

    async def do(self, commit: Commit) -> CommitResult:
        loose = [
            w._replace(expected=self._own(w.expected)) if isinstance(w, UpdateTask | DeleteTask) else w
            for w in commit.writes
        ]
        return await super().do(commit._replace(writes=loose))

    def _own(self, expected: Precondition) -> Precondition:
        known = {each.ledger.generation for each in self._memory.workspaces.values()}
        own = {
            version._replace(generation=self._ledger.generation) if version.generation in known else version
            for version in expected.any_of or ()
        }
        return expected if expected.any_of is None else expected._replace(any_of=frozenset(own))


class AnswersForAnotherWorkspace(ContractViolation):
    """Ends a wait at a change of any workspace."""

    caught_by = "test_a_reader_waits_for_changes_of_its_own_workspace"

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        before = self._memory.last_change
        while wait > 0 and self._memory.last_change == before and not (await self.read_changes(since, limit=1)).changes:
            await asyncio.sleep(0.001)
            wait -= 0.001
        return await self.read_changes(since, limit=limit, max_bytes=max_bytes)


class ReadsOnInTheNextWorkspace(ContractViolation):
    caught_by = "test_a_page_of_one_workspace_has_no_task_of_the_next"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit, max_bytes=max_bytes)
        behind = [name for name in sorted(self._memory.workspaces) if name > self.workspace_name]
        if after is None or not behind or query.descending:
            return page
        more = list(self._memory.workspaces[behind[0]].tasks.values())[: limit - len(page.tasks)]
        return page._replace(tasks=[*page.tasks, *more])


class SortsOtherWorkspaces(SortsFoundTasks):
    """Has a fault that the default workspace doesn't show."""

    caught_by = "test_the_list_is_ordered_by_id"

    def order(self, tasks: Sequence[Task], query: TaskQuery) -> Sequence[Task]:
        last = {change.task_id: change.seq for change in self._log}
        return tasks if self.workspace_name == DEFAULT_WORKSPACE else sorted(tasks, key=lambda task: last[task.id])


class LosesWhatIsWrittenBeside(ContractViolation):
    """Keeps of commits that are done together those of one workspace."""

    caught_by = "test_no_write_of_many_writers_is_lost"

    async def _keep(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await super()._keep([entries for entries in commits if entries[0].workspace == commits[0][0].workspace])


class LosesWritesOfOtherWorkspaces(LosesWhatIsWrittenBeside):
    caught_by = "test_no_write_to_many_workspaces_at_once_is_lost"


class MakesAWorkspaceTwice(ContractViolation):
    """Tells each of the first commits a generation of its own."""

    caught_by = "test_of_many_first_writes_at_once_one_makes_the_workspace"

    async def do(self, commit: Commit) -> CommitResult:
        is_made = bool(self._ledger.generation)
        committed = await super().do(commit)
        if is_made:
            return committed
        return committed._replace(position=committed.position._replace(generation=new_generation()))


class FailsOtherWorkspaces(ContractViolation):
    caught_by = "test_a_refused_commit_fails_none_in_another_workspace"

    async def _commit_group(self, commits: Sequence[Any]) -> Sequence[CommitResult | Exception]:
        outcomes = await super()._commit_group(commits)
        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        return [refused[0]] * len(outcomes) if refused else outcomes


class MakesAWorkspaceFirst(ContractViolation):
    """Makes a workspace in a transaction of its own, and then writes to it."""

    caught_by = "test_a_failed_first_write_makes_no_workspace"

    async def do(self, commit: Commit) -> CommitResult:
        if commit.writes and not self._ledger.generation:
            header = WorkspaceHeader(new_generation(), self._memory.epoch)
            self.driver.disk.append([StoreEntry(self.workspace_name, header)])
            self.apply(header)
            await asyncio.sleep(0)
        return await super().do(commit)


class LeavesAWorkspaceEmpty(MakesAWorkspaceFirst):
    caught_by = "test_a_cancelled_first_write_makes_a_whole_workspace_or_none"


class ClosesNothing(ContractViolation):
    caught_by = "test_closing_a_workspace_closes_the_store"

    async def close(self) -> None:
        if self.workspace_name == DEFAULT_WORKSPACE:
            await super().close()


class HasWorkspacesThatItDeclaresAbsent(ContractViolation):
    caught_by = "test_what_is_declared_absent_says_so"
    capabilities = HealthyStore.capabilities - {Capability.WORKSPACES}


# ---------------------------------------------------------------- records


class KeepsRecordsByWorkspace(ContractViolation):
    caught_by = "test_records_are_the_same_in_all_workspaces"

    async def do(self, commit: Commit) -> CommitResult:
        own = [
            write._replace(namespace=f"{self.workspace_name} {write.namespace}")
            if isinstance(write, PutRecord | DeleteRecord)
            else write
            for write in commit.writes
        ]
        committed = await super().do(commit._replace(writes=own))
        return committed._replace(results=list(map(self._told, committed.results)))

    def _told(self, result: Result) -> Result:
        if not isinstance(result, Record):
            return result
        return result._replace(namespace=result.namespace.removeprefix(f"{self.workspace_name} "))

    async def record(self, namespace: str, key: str) -> Record | None:
        record = await super().record(f"{self.workspace_name} {namespace}", key)
        return record and record._replace(namespace=namespace)


class KeepsKeysOfRecordsForAll(ContractViolation):
    caught_by = "test_the_key_of_a_commit_of_records_is_its_workspaces"

    async def do(self, commit: Commit) -> CommitResult:
        if self.workspace_name != DEFAULT_WORKSPACE and any(isinstance(write, PutRecord) for write in commit.writes):
            return await self.workspace(DEFAULT_WORKSPACE).do(commit)
        return await super().do(commit)


class DecidesForEachWorkspace(ContractViolation):
    """Decides commits of different workspaces at the same time, though they write the same records."""

    caught_by = "test_of_many_workspaces_that_expect_no_record_one_wins"

    async def _commit_group(self, commits: Sequence[Any]) -> Sequence[CommitResult | Exception]:
        names = dict.fromkeys(each.workspace for each in commits)
        found = {
            name: iter(outcomes)
            for name, outcomes in zip(
                names,
                await asyncio.gather(
                    *(
                        HealthyStore._commit_group(self, [each for each in commits if each.workspace == name])
                        for name in names
                    )
                ),
                strict=True,
            )
        }
        return [next(found[each.workspace]) for each in commits]


# ---------------------------------------------------------------- lists of workspaces


class ListsNoEmptyWorkspaces(ContractViolation):
    caught_by = "test_a_new_store_has_the_default_workspace_alone"

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        found = await super().workspaces(prefix=prefix, after=after, limit=limit)
        return [each for each in found if each.tasks]


class ListsWorkspacesByCase(ContractViolation):
    caught_by = "test_workspaces_are_listed_in_code_point_order"

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        found = await super().workspaces(prefix=prefix, after=after, limit=limit)
        return sorted(found, key=lambda each: each.name.lower())


class ListsWorkspacesFromTheStart(ContractViolation):
    caught_by = "test_workspaces_are_listed_in_code_point_order"

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        return await super().workspaces(prefix=prefix, limit=limit)


class TakesAPrefixForAPattern(ContractViolation):
    """Finds names as LIKE does."""

    caught_by = "test_workspaces_are_listed_by_a_prefix"

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        matches = re.compile(re.escape(prefix).replace("_", ".")).match
        found = await super().workspaces(after=after, limit=1_000)
        return [each for each in found if matches(each.name)][:limit]


class CountsDeletedTasks(ContractViolation):
    caught_by = "test_a_summary_tells_tasks_and_the_last_change"

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        found = await super().workspaces(prefix=prefix, after=after, limit=limit)
        return [each._replace(tasks=self._memory.workspaces[each.name].ledger.last_id) for each in found]


class TellsTheLatestTime(ContractViolation):
    caught_by = "test_a_summary_tells_tasks_and_the_last_change"

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        found = await super().workspaces(prefix=prefix, after=after, limit=limit)
        logs = {each.name: self._memory.workspaces[each.name].log for each in found}
        return [
            each._replace(updated_at=max((change.at for change in logs[each.name]), default=None)) for each in found
        ]


class CountsTasksThatWereOpen(ContractViolation):
    """Counts as open what was open when it was created."""

    caught_by = "test_a_summary_tells_how_many_tasks_are_open"

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        found = await super().workspaces(prefix=prefix, after=after, limit=limit)
        return [each._replace(open=self._open_at_first(each.name)) for each in found]

    def _open_at_first(self, name: str) -> int:
        workspace = self._memory.workspaces[name]
        created = [change.task for change in workspace.log if change.kind is ChangeKind.CREATED]
        return sum(task is not None and not task.done and task.id in workspace.tasks for task in created)


class CountsOpenTasksFromZeroAfterReopening(ContractViolation):
    caught_by = "test_summaries_are_kept_over_a_reopening"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        for each in self._memory.workspaces.values():
            each.open = 0


class CountsRestoredTasksTwice(ContractViolation):
    """Counts tasks of a dump, and once more the changes that created them."""

    caught_by = "test_summaries_of_a_restored_store_are_those_of_the_dump"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(entries)
        for each in self._memory.workspaces.values():
            each.open += sum(change.kind is ChangeKind.CREATED for change in each.log)


class GoesOnBehindThePage(ContractViolation):
    caught_by = "test_without_a_token_all_workspaces_count_as_changed"

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        page = await super().changed_workspaces(since, limit=limit)
        return page._replace(next=f"{self._memory.life}-{self._memory.last_change}")


class NamesAllEachTime(ContractViolation):
    caught_by = "test_after_a_token_only_what_changed_is_named"

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        return (await super().changed_workspaces("", limit=1_000))._replace(more=False)


class TakesTokensOfOtherStores(ContractViolation):
    caught_by = "test_a_token_that_is_not_of_this_store_counts_as_none"

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        number = since.partition("-")[2]
        return await super().changed_workspaces(f"{self._memory.life}-{number}" if number else since, limit=limit)


class TakesItsTokenTooLate(ContractViolation):
    caught_by = "test_a_follower_beside_writers_misses_no_change"

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        page = await super().changed_workspaces(since, limit=limit)
        await asyncio.sleep(0.001)
        return page if page.more else page._replace(next=f"{self._memory.life}-{self._memory.last_change}")


class CountsFromTheStartAfterReopening(ContractViolation):
    caught_by = "test_a_follower_misses_no_change_over_reopenings"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self._memory.life = "life"
        self._memory.last_change = 0
        self._memory.changed = dict.fromkeys(self._memory.changed, 0)


class NamesNoneThatWasPruned(ContractViolation):
    caught_by = "test_a_follower_misses_no_change_that_is_pruned"

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        page = await super().changed_workspaces(since, limit=limit)
        return page._replace(names=[name for name in page.names if self._memory.workspaces[name].log])


class NamesNoneThatWasRestored(ContractViolation):
    caught_by = "test_a_follower_misses_no_change_where_the_store_is_restored_or_renewed"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(entries)
        self._memory.changed = dict.fromkeys(self._memory.changed, 0)


class FollowsTheClock(ContractViolation):
    caught_by = "test_a_clock_that_goes_back_hides_no_change"

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        times = {name: each.log[-1].at.isoformat() for name, each in self._memory.workspaces.items() if each.log}
        names = [name for name, at in times.items() if at > since]
        return ChangedWorkspaces(names, max([since, *times.values()]), more=False)


# ---------------------------------------------------------------- whole stores


class DumpsTheDefaultWorkspace(ContractViolation):
    caught_by = "test_a_dump_holds_one_workspace_after_the_other"

    async def dump(self) -> AsyncIterator[StoreEntry]:
        async for unit in super().dump():
            if unit.workspace in (STORE, DEFAULT_WORKSPACE):
                yield unit


class DumpsItsOwnWorkspace(ContractViolation):
    caught_by = "test_a_dump_of_any_workspace_is_that_of_the_store"

    async def dump(self) -> AsyncIterator[StoreEntry]:
        async for unit in super().dump():
            if self.workspace_name == DEFAULT_WORKSPACE or unit.workspace in (STORE, self.workspace_name):
                yield unit


class RestoresTheDefaultWorkspace(ContractViolation):
    caught_by = "test_all_workspaces_are_restored"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(unit async for unit in entries if unit.workspace in (STORE, DEFAULT_WORKSPACE))


class RestoresGenerations(ContractViolation):
    caught_by = "test_a_restored_store_is_restored_once_more"

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        super().replay(entries)
        for each in self._memory.workspaces.values():
            each.ledger.generation = each.made_as.generation


class MakesWorkspacesWithoutHeaders(ContractViolation):
    caught_by = "test_an_entry_without_the_header_of_its_workspace_is_refused"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        taken = [unit async for unit in entries]
        made = {unit.workspace for unit in taken if isinstance(unit.entry, WorkspaceHeader)}
        missing = {unit.workspace for unit in taken} - made - {STORE}
        await super().restore(
            _each([*(StoreEntry(name, WorkspaceHeader(new_generation(), "")) for name in missing), *taken])
        )


class RestoresOverOtherWorkspaces(ContractViolation):
    caught_by = "test_a_store_with_another_workspace_is_not_restored"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        self._memory.workspaces = {DEFAULT_WORKSPACE: self._memory.workspaces[DEFAULT_WORKSPACE]}
        await super().restore(entries)


class DumpsOneWorkspaceAfterTheOther(ContractViolation):
    """Dumps each workspace as it is when its turn comes."""

    caught_by = "test_a_dump_beside_writers_is_one_snapshot_of_all_workspaces"

    async def dump(self) -> AsyncIterator[StoreEntry]:
        for unit in self.left_by_pruning(())[: 1 + len(self._memory.records)]:
            yield unit
        for name in sorted(self._memory.workspaces):
            for entry in list(self._memory.workspaces[name].entries(None)):
                yield StoreEntry(name, entry)
                await asyncio.sleep(0)


class RenewsTheDefaultWorkspace(ContractViolation):
    caught_by = "test_a_renewal_gives_every_workspace_a_new_generation"

    async def renew(self) -> None:
        before = {name: each.ledger.generation for name, each in self._memory.workspaces.items()}
        await super().renew()
        for name, generation in before.items():
            if name != DEFAULT_WORKSPACE:
                self._memory.workspaces[name].ledger.generation = generation


class WaitsOverARenewal(ContractViolation):
    caught_by = "test_a_reader_that_waits_learns_of_a_renewal"

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        await self.wait_for_change(since, timeout=wait)
        await asyncio.sleep(0.02)
        own = since._replace(generation=self._ledger.generation)
        return await self.read_changes(own, limit=limit, max_bytes=max_bytes)


class KeepsTheNewestOfAll(ContractViolation):
    caught_by = "test_each_workspace_keeps_its_newest_changes"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        share = max_changes // len(self._memory.workspaces)
        return await super().prune(log_before=log_before, max_changes=share, keys_before=keys_before, limit=limit)


class PrunesTheDefaultWorkspace(ContractViolation):
    caught_by = "test_old_changes_and_keys_are_pruned_in_every_workspace"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        others = {name: each for name, each in self._memory.workspaces.items() if name != DEFAULT_WORKSPACE}
        for name in others:
            del self._memory.workspaces[name]
        more = await super().prune(log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit)
        self._memory.workspaces.update(others)
        return more


class PrunesAsMuchOfEach(ContractViolation):
    caught_by = "test_pruning_many_workspaces_goes_in_short_steps"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        limit *= len(self._memory.workspaces)
        return await super().prune(log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit)


class ForgetsWhatIsPrunedEmpty(ContractViolation):
    caught_by = "test_a_workspace_that_is_pruned_empty_is_still_made"

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        await super().persist_pruned(pruned)
        left = [unit for entries in self.driver.disk for unit in entries]
        held = {unit.workspace for unit in left if isinstance(unit.entry, Task)} | {STORE, DEFAULT_WORKSPACE}
        self.driver.disk[:] = [[unit for unit in left if unit.workspace in held]]


class RenewsWithEachWorkspace(ContractViolation):
    caught_by = "test_a_store_keeps_its_epoch"

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        super().append(commits)
        if any(isinstance(unit.entry, WorkspaceHeader) for entries in commits for unit in entries):
            self.driver.disk.append([StoreEntry(STORE, StoreHeader(new_generation()))])


async def _each(units: Iterable[StoreEntry]) -> AsyncIterator[StoreEntry]:
    for unit in units:
        yield unit


WORKSPACE_MUTANTS = [
    found
    for found in list(globals().values())
    if isinstance(found, type) and "caught_by" in vars(found) and found.__module__ == __name__
]
