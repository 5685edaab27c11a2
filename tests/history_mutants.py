"""Stores with one fault each in the history of a task and in restored versions, and the test that must fail on it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence

from mutants import ChangesKeys, ContractViolation

from tasksvc import (
    ANY_VERSION,
    DEFAULT_WORKSPACE,
    LOG_START,
    Change,
    ChangeKind,
    ChangePage,
    Commit,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    InMemoryRepository,
    Position,
    RestoreTask,
    StoreEntry,
    Task,
    TaskNotFound,
    UidTaken,
    UpdateTask,
    VersionGone,
    VersionNotFound,
    Write,
)
from tasksvc.domain.task import draft_of

# ---------------------------------------------------------------- the changes of one task


class TellsAllTasks(ContractViolation):
    caught_by = "test_the_changes_of_a_task_are_those_of_the_log"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        return await self.read_changes(since, limit=limit, max_bytes=max_bytes)


class ChangesHistory(ContractViolation):
    """The base of mutants that tell a page of the changes of a task in another way."""

    def start(self, since: Position) -> Position:
        return since

    def told(self, page: ChangePage) -> ChangePage:
        return page

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        page = await super().task_changes(task_id, self.start(since), limit=limit, max_bytes=max_bytes)
        return self.told(page)


class TellsNoDeletion(ChangesHistory):
    caught_by = "test_the_changes_of_a_task_are_those_of_the_log"

    def told(self, page: ChangePage) -> ChangePage:
        return page._replace(changes=[change for change in page.changes if change.task is not None])


class EndsAtTheLastChangeOfTheTask(ChangesHistory):
    caught_by = "test_the_changes_of_a_task_are_those_of_the_log"

    def told(self, page: ChangePage) -> ChangePage:
        last = page.changes[-1].seq if page.changes else page.next.seq
        return page._replace(next=page.next._replace(seq=last))


class BeginsWithTheLastCreation(ChangesHistory):
    caught_by = "test_the_changes_of_a_task_are_those_of_the_log"

    def told(self, page: ChangePage) -> ChangePage:
        begins = [place for place, change in enumerate(page.changes) if change.kind is ChangeKind.CREATED]
        return page._replace(changes=page.changes[begins[-1] if begins else 0 :])


class BeginsAtThePosition(ChangesHistory):
    caught_by = "test_the_changes_of_a_task_go_on_after_a_position"

    def start(self, since: Position) -> Position:
        return since._replace(seq=max(0, since.seq - 1))


class TakesAnyPositionOfATask(ChangesHistory):
    caught_by = "test_a_position_of_another_log_is_gone_for_one_task_too"

    def start(self, since: Position) -> Position:
        head = self._ledger.position
        return head._replace(seq=min(head.seq, since.seq))


class StartsBeforeThePrunedLog(ChangesHistory):
    """Takes the start of the log for the position 0, which is gone when something was pruned."""

    caught_by = "test_the_changes_of_a_task_begin_where_the_log_does"

    def start(self, since: Position) -> Position:
        return self._ledger.position._replace(seq=0) if since == LOG_START else since


class TellsPagesOfAnySize(ContractViolation):
    caught_by = "test_a_page_of_the_changes_of_a_task_ends_before_it_is_too_large"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        return await super().task_changes(task_id, since, limit=limit)


class KnowsNoDeletedTask(ContractViolation):
    caught_by = "test_the_changes_of_a_task_are_those_of_the_log"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        await self.get(task_id)
        return await super().task_changes(task_id, since, limit=limit, max_bytes=max_bytes)


class TellsNothingOfAnyTask(ContractViolation):
    caught_by = "test_a_task_that_never_was_has_no_changes"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        try:
            return await super().task_changes(task_id, since, limit=limit, max_bytes=max_bytes)
        except TaskNotFound:
            return ChangePage([], self._ledger.position, more=False)


class ReadsHistoryOfTheDefaultWorkspace(ContractViolation):
    caught_by = "test_the_changes_of_a_task_are_of_its_own_workspace"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        default = self.workspace(DEFAULT_WORKSPACE)
        return await InMemoryRepository.task_changes(default, task_id, since, limit=limit, max_bytes=max_bytes)


class HasNoHistoryOfBefore(ContractViolation):
    """The base of mutants that link the changes of a task only as they are committed."""

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(entries)
        for workspace in self._memory.workspaces.values():
            vars(workspace)["unlinked"] = workspace.ledger.last_seq

    @property
    def unlinked(self) -> int:
        """The last change that isn't linked to the one before it."""
        return int(vars(self._workspace).get("unlinked", 0))


class TellsNoHistoryOfBefore(HasNoHistoryOfBefore):
    caught_by = "test_a_restored_store_has_the_changes_of_its_tasks"

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        page = await super().task_changes(task_id, since, limit=limit, max_bytes=max_bytes)
        return page._replace(changes=[change for change in page.changes if change.seq > self.unlinked])


class RestoresNothingOfBefore(HasNoHistoryOfBefore):
    caught_by = "test_a_restored_store_has_the_versions_of_its_tasks"

    async def do(self, commit: Commit) -> CommitResult:
        for write in commit.writes:
            if isinstance(write, RestoreTask) and self.unlinked:
                raise VersionGone(write.task_id, write.version)
        return await super().do(commit)


# ---------------------------------------------------------------- who made a change


class ForgetsCallers(ContractViolation):
    caught_by = "test_each_change_has_the_name_of_its_caller"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await super().persist([list(map(_without_caller, entries)) for entries in commits])


class CutsCallers(ContractViolation):
    caught_by = "test_each_change_has_the_name_of_its_caller"

    async def do(self, commit: Commit) -> CommitResult:
        return await super().do(commit._replace(by=commit.by and commit.by.encode()[:255].decode(errors="ignore")))


class TakesNobodyForACaller(ContractViolation):
    caught_by = "test_each_change_has_the_name_of_its_caller"

    async def do(self, commit: Commit) -> CommitResult:
        return await super().do(commit._replace(by=commit.by or None))


class DumpsNoCallers(ContractViolation):
    caught_by = "test_a_restored_store_has_the_names_of_callers"

    async def dump(self) -> AsyncIterator[StoreEntry]:
        async for unit in super().dump():
            yield _without_caller(unit)


class LogsReplays(ContractViolation):
    """Tells the log of a commit that is replayed."""

    caught_by = "test_a_replayed_commit_keeps_the_name_of_its_first_caller"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        if committed.replayed:
            self._log[-1] = self._log[-1]._replace(by=commit.by)
        return committed


def _without_caller(unit: StoreEntry) -> StoreEntry:
    return unit._replace(entry=unit.entry._replace(by=None)) if isinstance(unit.entry, Change) else unit


# ---------------------------------------------------------------- restored versions


class RestoresByOtherWrites(ContractViolation):
    """The base of mutants that do something else where a version is to be restored."""

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        raise NotImplementedError

    async def do(self, commit: Commit) -> CommitResult:
        writes: list[Write] = []
        for write in commit.writes:
            writes += self.replaced(write) if isinstance(write, RestoreTask) else [write]
        committed = await super().do(commit._replace(writes=writes))
        return committed._replace(results=committed.results[: len(commit.writes)])

    def version(self, write: RestoreTask) -> Task | None:
        """Returns the version that is to be restored, if the log has it."""
        for change in self._log:
            if change.task_id == write.task_id and change.task is not None and change.task.version == write.version:
                return change.task
        return None


class RestoresUnderANewId(RestoresByOtherWrites):
    caught_by = "test_a_deleted_task_comes_back_under_its_id"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        version = self.version(write)
        return [write] if version is None or write.task_id in self._tasks else [CreateTask(draft_of(version))]


class RestoresWhatExists(RestoresByOtherWrites):
    caught_by = "test_a_deleted_task_comes_back_under_its_id"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        return [write] if write.task_id in self._tasks else [UpdateTask(write.task_id, {})]


class MergesMetadata(RestoresByOtherWrites):
    """Patches the present version with the fields of the earlier one."""

    caught_by = "test_a_task_gets_the_fields_of_an_earlier_version"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        version = self.version(write)
        if version is None or write.task_id not in self._tasks:
            return [write]
        return [UpdateTask(write.task_id, {"description": version.description, "priority": version.priority})]


class MakesAVersionOfTheSame(RestoresByOtherWrites):
    caught_by = "test_restoring_what_is_there_changes_nothing"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        return [write, UpdateTask(write.task_id, {"notes": "restored"}), UpdateTask(write.task_id, {"notes": None})]


class RestoresNothingOfBeforeADeletion(RestoresByOtherWrites):
    caught_by = "test_a_chain_of_versions_comes_back"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        created = [
            change.task.version
            for change in self._log
            if change.task_id == write.task_id and change.kind is ChangeKind.CREATED and change.task is not None
        ]
        if created and write.version < created[-1]:
            raise VersionGone(write.task_id, write.version)
        return [write]


class RestoresWhatWasCommitted(RestoresByOtherWrites):
    caught_by = "test_a_batch_restores_what_it_changed_and_deleted"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        if self._log and self.version(write) is not None:
            return [write]
        raise TaskNotFound(write.task_id)


class RestoresNoParent(RestoresByOtherWrites):
    caught_by = "test_a_parent_that_is_gone_is_no_parent_of_a_restored_task"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        return [UpdateTask(write.task_id, {"parent_id": None})] if write.task_id in self._tasks else [write]


class RestoresFromTheLogAlone(RestoresByOtherWrites):
    caught_by = "test_an_existing_task_has_its_present_version_without_a_log"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        if self.version(write) is None:
            raise VersionGone(write.task_id, write.version)
        return [write]


class TakesTheUidFromItsHolder(RestoresByOtherWrites):
    caught_by = "test_a_uid_that_another_has_by_now_is_taken"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except UidTaken as error:
            return await super().do(commit._replace(writes=[DeleteTask(error.current.id), *commit.writes]))

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        return [write]


class IgnoresTheVersionOfARestoration(RestoresByOtherWrites):
    caught_by = "test_a_restoration_has_a_precondition"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        return [write._replace(expected=ANY_VERSION)]


class CreatesARestoredTaskTwice(RestoresByOtherWrites):
    """Counts a version for each restoration of a task that was deleted when the log began."""

    caught_by = "test_restorations_of_a_deleted_task_at_once_create_it_once"

    def replaced(self, write: RestoreTask) -> Sequence[Write]:
        return [write] if write.task_id in self._tasks else [write, UpdateTask(write.task_id, {"priority": 1})]


class RestoresWithoutABound(ContractViolation):
    caught_by = "test_a_deleted_task_needs_room"

    async def do(self, commit: Commit) -> CommitResult:
        restores = any(isinstance(write, RestoreTask) for write in commit.writes)
        return await super().do(commit._replace(tasks_max=None) if restores else commit)


class TakesWhatIsGoneForUnknown(ContractViolation):
    caught_by = "test_what_the_log_has_not_any_more_is_not_restored"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except VersionGone as error:
            write = commit.writes[error.index]
            assert isinstance(write, RestoreTask)
            raise VersionNotFound(write.task_id, write.version) from None


class TakesWhatIsUnknownForGone(ContractViolation):
    caught_by = "test_what_never_was_is_not_restored"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except VersionNotFound as error:
            write = commit.writes[error.index]
            assert isinstance(write, RestoreTask)
            raise VersionGone(write.task_id, write.version) from None


class TellsNoNextTask(ContractViolation):
    """Leaves out of a restored task which one follows it."""

    caught_by = "test_a_restored_version_that_is_open_reopens_a_series"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        for write, result in zip(commit.writes, committed.results, strict=True):
            if isinstance(write, RestoreTask) and isinstance(result, Task):
                self._tasks[result.id].next_id = None
        return committed


class RestoresAgainUnderAKey(ChangesKeys):
    caught_by = "test_a_repeated_restoration_is_done_once"

    def change_key(self, key: IdempotencyKey) -> IdempotencyKey:
        return key._replace(value=f"{key.value} {self._ledger.last_seq}")


HISTORY_MUTANTS = [
    found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)
]
