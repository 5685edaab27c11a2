"""Stores with one fault each, and the test of the contract kit that must fail on it."""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import importlib
import json
import os
import unicodedata
from collections.abc import AsyncIterable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, cast

from workspace_copies import WorkspaceCopies

from tasksvc import (
    DEFAULT_WORKSPACE,
    STORE,
    Change,
    ChangePage,
    Commit,
    CommitResult,
    CreateTask,
    Cursor,
    DeleteMatching,
    DeleteRecord,
    DeleteTask,
    Entry,
    Found,
    IdempotencyKey,
    IdempotencyRecord,
    InMemoryRepository,
    Ledger,
    OutcomeUnknown,
    Page,
    Position,
    Precondition,
    PrunedWorkspace,
    PutRecord,
    Record,
    RepositoryError,
    SortField,
    StoreEntry,
    StoreHeader,
    StoreInUse,
    StoreReader,
    StoreRefused,
    StoreUnavailable,
    StoreURL,
    Task,
    TaskNotFound,
    TaskQuery,
    TaskRepository,
    UnknownWrite,
    UpdateTask,
    VersionConflict,
    WorkspaceHeader,
    Write,
    WriteRefused,
    codec,
    fitting,
    hookimpl,
    json_size,
)
from tasksvc.stores.in_memory import _Restoring

DISKS: dict[str, list[list[StoreEntry]]] = {}
"""What was persisted, by the path in the URL of the store."""
MAGIC = b"broken "
"""What the file of a backup begins with, before the name of its class."""
TIME_LIMIT = 0.05
"""Seconds after which a call of a store that hangs gives up."""
OTHERS = (
    "workspace_mutants", "erasure_mutants", "quota_mutants", "repeat_mutants", "history_mutants", "relation_mutants",
    "uid_mutants", "list_mutants", "metadata_mutants", "restoring_mutants",
)  # fmt: skip
"""The modules with further stores, which import this one."""
_opened: type[HealthyStore]
"""The class of the store that was opened last, whose hooks the adapter has."""


class Driver:
    """What a store and the repositories of its workspaces share: the disk, and the faults that a test causes."""

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        self.disk = disk
        self.fails = self.loses_answers = self.hangs = self.is_cut_off = self.is_stopped = False
        self.lock: int | None = None


class HealthyStore(WorkspaceCopies):
    """Keeps its contents in a list, over close and reopen. No test of the kit may fail on it."""

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__()
        self.driver = Driver(disk)
        if not disk:
            disk.append(self.headers())
        for entries in disk:
            self.replay(entries)

    def apply(self, *entries: Entry) -> None:
        """Applies entries of this workspace in memory alone."""
        self.replay(StoreEntry(self.workspace_name, entry) for entry in entries)

    @property
    def _tasks(self) -> dict[int, Task]:
        return self._workspace.tasks

    @property
    def _log(self) -> list[Change]:
        return self._workspace.log

    @property
    def _idempotency_records(self) -> dict[tuple[str, str], IdempotencyRecord]:
        return self._workspace.idempotency_records

    @property
    def _ledger(self) -> Ledger:
        return self._workspace.ledger

    @classmethod
    def open(cls, path: str, *, scratch: bool) -> HealthyStore:
        if scratch and path in DISKS:
            raise StoreRefused(f"{path} holds tasks that are kept.")
        if scratch:
            return cls([])
        lock = cls.locked(path)
        store = cls(DISKS.setdefault(path, []))
        store.driver.lock = lock
        return store

    @staticmethod
    def locked(path: str) -> int | None:
        """Locks a store against other processes."""
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StoreInUse(f"{path} is in use.") from None
        return lock

    async def close(self) -> None:
        await super().close()
        if self.driver.lock is not None:
            os.close(self.driver.lock)
            self.driver.lock = None

    @classmethod
    def read(cls, path: str) -> StoreReader:
        if path not in DISKS:
            raise StoreRefused(f"There is no store in {path}.")
        reader = InMemoryRepository()
        for entries in DISKS[path]:
            reader.replay(entries)
        return reader

    @classmethod
    def backup(cls, path: str, file: Path) -> None:
        if path not in DISKS:
            raise StoreRefused(f"There is no store in {path}.")
        file.write_bytes(MAGIC + cls.__name__.encode())
        DISKS[str(file)] = [*DISKS[path], [StoreEntry(STORE, StoreHeader("anew"))]]

    @staticmethod
    def is_backup(head: bytes) -> bool:
        return head.startswith(MAGIC)

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await asyncio.sleep(0)
        await self.reach()
        if self.driver.fails:
            raise StoreUnavailable("The driver fails.")
        if self.driver.is_stopped:
            raise StoreUnavailable("The outcome of a commit is unknown. Open the store again.")
        self.append(commits)
        if self.driver.loses_answers:
            self.driver.is_stopped = True  # since the memory may not be what is on the disk
            raise self.lost()

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        self.driver.disk.extend(list(entries) for entries in commits)

    def lost(self) -> StoreUnavailable:
        """Returns the error of a commit whose answer was lost."""
        return OutcomeUnknown("The driver was cut off.")

    async def reach(self) -> None:
        """Makes each call wait for the store, if it hangs, and connects again where the connection broke."""
        self.driver.is_cut_off = False
        if self.driver.hangs:
            await asyncio.sleep(TIME_LIMIT)
            raise StoreUnavailable("The store doesn't answer.")

    async def get(self, task_id: int) -> Found:
        await self.reach()
        return await super().get(task_id)

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        await self.reach()
        return await super().find(query, after=after, limit=limit, max_bytes=max_bytes)

    async def count(self, query: TaskQuery) -> int:
        await self.reach()
        return await super().count(query)

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        await self.reach()
        return await super().read_changes(since, limit=limit, max_bytes=max_bytes)

    async def record(self, namespace: str, key: str) -> Record | None:
        await self.reach()
        return await super().record(namespace, key)

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        await self.reach()
        return await super().records(namespace, after=after, limit=limit)

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        await asyncio.sleep(0)
        if self.driver.fails:
            raise StoreUnavailable("The driver fails.")
        self.driver.disk[:] = [self.left_by_pruning(pruned)]
        if self.driver.loses_answers:
            self.driver.is_stopped = True
            raise self.lost()


class CountedStore(HealthyStore):
    """Knows how many stores are open, and how many were at once."""

    now: ClassVar[set[CountedStore]] = set()
    most: ClassVar[int] = 0

    @classmethod
    def open(cls, path: str, *, scratch: bool) -> HealthyStore:
        store = super().open(path, scratch=scratch)
        assert isinstance(store, CountedStore)
        cls.now.add(store)
        CountedStore.most = max(cls.most, len(cls.now))
        return store

    async def close(self) -> None:
        await super().close()
        self.now.discard(self)


class ContractViolation(HealthyStore):
    caught_by: ClassVar[str]


# ---------------------------------------------------------------- ids, writes, batches


class LosesAWrite(ContractViolation):
    caught_by = "test_no_write_of_many_writers_is_lost"

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        super().replay(entries)
        self._tasks.pop(77, None)


class LosesWritesOnReopening(ContractViolation):
    caught_by = "test_everything_is_there_after_a_reopening"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        """Acknowledges without writing anything."""


class LosesAFieldOfAPlainTask(ContractViolation):
    """Writes less of a task that seems to have a description alone, and forgot one of the fields."""

    caught_by = "test_each_field_alone_is_kept"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await super().persist([list(map(self._shortened, entries)) for entries in commits])

    @staticmethod
    def _shortened(unit: StoreEntry) -> StoreEntry:
        change = unit.entry
        if not isinstance(change, Change) or (task := change.task) is None:
            return unit
        if task.done or task.due_at or task.labels or task.metadata:
            return unit
        return unit._replace(entry=change._replace(task=dataclasses.replace(task, priority=0)))


class ReusesTheHighestId(ContractViolation):
    caught_by = "test_the_highest_id_is_not_given_again"

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        super().replay(entries)
        self._ledger.last_id = max(self._tasks, default=0)


class ReusesAnIdAfterReopening(ContractViolation):
    caught_by = "test_ids_versions_and_numbers_go_on_after_a_reopening"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self._ledger.last_id = max(self._tasks, default=0)


class SwallowsAnError(ContractViolation):
    caught_by = "test_writes_to_a_task_that_is_not_there_are_refused"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except TaskNotFound:
            return CommitResult([None] * len(commit.writes), self._ledger.position)


class TakesAnythingForAWrite(ContractViolation):
    caught_by = "test_a_write_of_no_known_kind_is_refused"

    async def do(self, commit: Commit) -> CommitResult:
        known = [
            write
            for write in commit.writes
            if isinstance(write, CreateTask | UpdateTask | DeleteTask | PutRecord | DeleteRecord)
        ]
        return await super().do(commit._replace(writes=known))


class FailsAGroupForOneWrite(ContractViolation):
    caught_by = "test_a_write_of_no_known_kind_fails_no_commit_beside_it"

    async def _commit_group(self, units: Sequence[Any]) -> Sequence[CommitResult | Exception]:
        outcomes = await super()._commit_group(units)
        unknown = [outcome for outcome in outcomes if isinstance(outcome, UnknownWrite)]
        return [unknown[0]] * len(outcomes) if unknown else outcomes


class NamesNoIndex(ContractViolation):
    caught_by = "test_a_refused_write_undoes_its_whole_commit"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except WriteRefused as error:
            error.index = 0
            raise


class CommitsOneByOne(ContractViolation):
    """The base of mutants whose batches aren't atomic."""

    async def do(self, commit: Commit) -> CommitResult:
        results: list[Any] = []
        for index, write in enumerate(commit.writes):
            try:
                results += (await super().do(Commit([write], commit.at, by=commit.by))).results
            except WriteRefused as error:
                error.index = index
                raise
        return CommitResult(results, self._ledger.position)


class KeepsHalfABatch(CommitsOneByOne):
    caught_by = "test_a_refused_write_undoes_its_whole_commit"


class KeepsHalfOfWhatIsCancelled(CommitsOneByOne):
    caught_by = "test_a_cancelled_batch_is_whole_or_absent"


class LogsAfterwards(ContractViolation):
    """Lets the caller write the change log after the task."""

    caught_by = "test_a_cancelled_add_is_whole_or_absent"

    async def do(self, commit: Commit) -> CommitResult:
        decision = self._ledger.decide(commit.writes, at=commit.at, idempotency_key=commit.idempotency_key)
        self._ledger.apply(decision.entries())
        await asyncio.sleep(0)
        self._log.extend(decision.changes)
        return decision.committed


class PassesItsTransactionOn(ContractViolation):
    """Leaves what a cancelled commit had written in an open transaction, which the next commit commits."""

    caught_by = "test_a_cancelled_commit_has_no_part_in_the_next"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self.pending: list[Write] = []

    async def do(self, commit: Commit) -> CommitResult:
        self.pending += commit.writes
        await asyncio.sleep(0)
        taken, self.pending = self.pending, []
        committed = await super().do(commit._replace(writes=taken))
        return committed._replace(results=committed.results[-len(commit.writes) :])


class RemembersAfterwards(ContractViolation):
    """Lets the caller write idempotency keys after the task."""

    caught_by = "test_a_cancelled_commit_is_safe_to_repeat_with_its_key"

    async def do(self, commit: Commit) -> CommitResult:
        if (
            commit.idempotency_key is None
            or (commit.idempotency_key.scope, commit.idempotency_key.value) in self._idempotency_records
        ):
            return await super().do(commit)
        committed = await super().do(commit._replace(idempotency_key=None))
        self.apply(*[IdempotencyRecord(commit.idempotency_key, commit.at, committed.results)])
        return committed


class MixesCommits(CommitsOneByOne):
    caught_by = "test_commits_do_not_mix"


class FailsItsNeighbours(ContractViolation):
    caught_by = "test_a_refused_commit_fails_alone"

    async def _commit_group(self, units: Sequence[Any]) -> Sequence[CommitResult | Exception]:
        for name, commit in units:
            try:
                self._memory.workspace(name).ledger.decide(
                    commit.writes, at=commit.at, idempotency_key=commit.idempotency_key
                )
            except RepositoryError as error:
                return [error] * len(units)
        return await super()._commit_group(units)


class MakesAVersionOfNothing(ContractViolation):
    caught_by = "test_a_patch_that_changes_nothing_creates_no_version_and_no_change"

    async def do(self, commit: Commit) -> CommitResult:
        extra = [UpdateTask(w.task_id, {"metadata": {"x": 1}}) for w in commit.writes if isinstance(w, UpdateTask)]
        return await super().do(commit._replace(writes=[*extra, *commit.writes]))


class LetsTimeGoBack(ContractViolation):
    caught_by = "test_updated_at_never_goes_back"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        late = [dataclasses.replace(r, updated_at=commit.at) if isinstance(r, Task) else r for r in committed.results]
        return committed._replace(results=late)


class IgnoresExpectedVersions(ContractViolation):
    caught_by = "test_of_many_with_one_expected_version_one_wins"

    async def do(self, commit: Commit) -> CommitResult:
        loose = [
            w._replace(expected=Precondition()) if isinstance(w, UpdateTask | DeleteTask) else w for w in commit.writes
        ]
        return await super().do(commit._replace(writes=loose))


class TakesVersionsOfAnyGeneration(ContractViolation):
    caught_by = "test_a_version_of_another_generation_never_matches"

    async def do(self, commit: Commit) -> CommitResult:
        loose = [
            w._replace(expected=self._own(w.expected)) if isinstance(w, UpdateTask | DeleteTask) else w
            for w in commit.writes
        ]
        return await super().do(commit._replace(writes=loose))

    def _own(self, expected: Precondition) -> Precondition:
        own = {version._replace(generation=self._ledger.generation) for version in expected.any_of or ()}
        return expected if expected.any_of is None else expected._replace(any_of=frozenset(own))


class NamesNoGenerationInAConflict(ContractViolation):
    caught_by = "test_an_unexpected_version_refuses_the_write"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except VersionConflict as error:
            error.generation = ""
            raise


class LosesFieldsInARace(ContractViolation):
    """Reads the task, pauses, and writes all of its fields."""

    caught_by = "test_writers_of_different_fields_of_one_task_lose_nothing"

    async def do(self, commit: Commit) -> CommitResult:
        whole: list[Write] = []
        for write in commit.writes:
            if isinstance(write, UpdateTask):
                old = (await self.get(write.task_id)).task
                await asyncio.sleep(0)
                fields = {"description": old.description, "done": old.done, "priority": old.priority, **write.fields}
                whole.append(write._replace(fields=fields))
            else:
                whole.append(write)
        return await super().do(commit._replace(writes=whole))


# ---------------------------------------------------------------- values


class ChangesDrafts(ContractViolation):
    """The base of mutants that store something else than they were given."""

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    async def do(self, commit: Commit) -> CommitResult:
        changed: list[Write] = []
        for write in commit.writes:
            if isinstance(write, CreateTask):
                changed.append(CreateTask(write.draft._replace(**self.change(write.draft._asdict()))))
            else:
                changed.append(write)
        return await super().do(commit._replace(writes=changed))


class LosesALabel(ChangesDrafts):
    caught_by = "test_the_most_labels_are_kept"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"labels": fields["labels"][:49]}


class SortsLabelsByCase(ChangesDrafts):
    caught_by = "test_labels_that_differ_in_case_or_accent_stay_apart"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"labels": tuple(sorted(fields["labels"], key=str.lower))}


class NormalisesText(ChangesDrafts):
    caught_by = "test_normal_forms_stay_apart"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"description": unicodedata.normalize("NFC", fields["description"])}


class CutsText(ChangesDrafts):
    caught_by = "test_the_longest_description_is_kept"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"description": fields["description"].encode()[:32_768].decode(errors="ignore")}


class TakesNumbersForFloats(ChangesDrafts):
    caught_by = "test_numbers_in_metadata_keep_kind_and_value"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": json.loads(json.dumps(fields["metadata"]), parse_int=float)}


class SortsNamesInMetadata(ChangesDrafts):
    caught_by = "test_metadata_keeps_its_order_and_its_nulls"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"metadata": json.loads(json.dumps(fields["metadata"], sort_keys=True))}


class CutsTimes(ChangesDrafts):
    caught_by = "test_times_are_kept_to_the_microsecond"

    def change(self, fields: dict[str, Any]) -> dict[str, Any]:
        due = fields["due_at"]
        return {"due_at": due and due.replace(microsecond=due.microsecond // 1_000 * 1_000)}


# ---------------------------------------------------------------- reading


class ReadsWhatIsStale(ContractViolation):
    caught_by = "test_a_read_sees_every_write_acknowledged_before_it"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self._known: dict[int, Found] = {}

    async def get(self, task_id: int) -> Found:
        return self._known.setdefault(task_id, await super().get(task_id))


class KeepsTheGenerationThatItWasOpenedWith(ContractViolation):
    caught_by = "test_what_is_read_after_a_restore_is_of_the_new_generation"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self._born = self._ledger.generation

    async def get(self, task_id: int) -> Found:
        return (await super().get(task_id))._replace(generation=self._born)


class LearnsOfItsGenerationLate(ContractViolation):
    caught_by = "test_a_read_beside_a_restore_does_not_mix_generations"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self._known = self._ledger.generation

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await super().restore(entries)
        await asyncio.sleep(0)
        self._known = self._ledger.generation

    async def get(self, task_id: int) -> Found:
        return (await super().get(task_id))._replace(generation=self._known)


class HasAnotherGenerationInGet(ContractViolation):
    caught_by = "test_all_that_is_read_and_written_is_of_the_generation_of_the_store"

    async def get(self, task_id: int) -> Found:
        return (await super().get(task_id))._replace(generation="another")


class FailsOnHugeIds(ContractViolation):
    caught_by = "test_get_of_any_other_integer_finds_nothing"

    async def get(self, task_id: int) -> Found:
        task_id.to_bytes(8, signed=True)
        return await super().get(task_id)


class SortsFoundTasks(ContractViolation):
    """The base of mutants that return a page in another order."""

    def order(self, tasks: Sequence[Task], query: TaskQuery) -> Sequence[Task]:
        raise NotImplementedError

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit, max_bytes=max_bytes)
        return page._replace(tasks=self.order(page.tasks, query))


class ListsByTheLastChange(SortsFoundTasks):
    caught_by = "test_the_list_is_ordered_by_id"

    def order(self, tasks: Sequence[Task], query: TaskQuery) -> Sequence[Task]:
        last = {change.task_id: change.seq for change in self._log}
        return sorted(tasks, key=lambda task: last[task.id])


class ListsNullsFirst(SortsFoundTasks):
    caught_by = "test_tasks_without_a_value_come_last_both_ways"

    def order(self, tasks: Sequence[Task], query: TaskQuery) -> Sequence[Task]:
        return sorted(tasks, key=lambda task: query.value_of(task) is not None)


class BreaksTiesUpwards(SortsFoundTasks):
    caught_by = "test_ties_are_broken_by_id_in_the_direction_of_the_sort"

    def order(self, tasks: Sequence[Task], query: TaskQuery) -> Sequence[Task]:
        if query.sort is not SortField.PRIORITY:
            return tasks
        return sorted(tasks, key=lambda task: (-task.priority if query.descending else task.priority, task.id))


class RepeatsATask(ContractViolation):
    """Returns a cursor that points before the last task, so that it is repeated."""

    caught_by = "test_every_order_is_walked_without_gap_or_repeat"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit, max_bytes=max_bytes)
        if page.next is None or limit == 1:
            return page
        return page._replace(next=query.cursor(page.tasks[-2]))


class SkipsByCount(ContractViolation):
    """Cuts pages by the number of tasks before them, as OFFSET does."""

    caught_by = "test_a_walk_meets_what_stays_once_while_others_write"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        start = 0 if after is None else after.id
        page = await super().find(query, limit=start + limit, max_bytes=max_bytes)
        return page._replace(tasks=page.tasks[start:], next=page.next and Cursor(None, start + limit))


class BoundsNoBytes(ContractViolation):
    caught_by = "test_a_page_with_a_bound_in_bytes_ends_before_the_task_that_would_pass_it"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        return await super().find(query, after=after, limit=limit)


class CountsCharactersForBytes(ContractViolation):
    caught_by = "test_a_page_with_a_bound_in_bytes_ends_before_the_task_that_would_pass_it"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit)
        if max_bytes is None or not page.tasks:
            return page
        count = fitting((len(codec.dumps(task)) for task in page.tasks), max_bytes)
        return page._replace(tasks=page.tasks[:count], next=query.cursor(page.tasks[count - 1]))


class EndsWhereTheBytesEnd(ContractViolation):
    """Takes a page with fewer tasks than the limit as the last one."""

    caught_by = "test_a_page_with_a_bound_in_bytes_ends_before_the_task_that_would_pass_it"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit, max_bytes=max_bytes)
        return page if len(page.tasks) == limit else page._replace(next=None)


class GoesOnThoughTheBytesJustFit(ContractViolation):
    caught_by = "test_a_page_whose_bytes_just_fit_is_the_last"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        return await super().find(query, after=after, limit=limit, max_bytes=max_bytes and max_bytes - 1)


class SearchesInLowerCase(ContractViolation):
    caught_by = "test_search_folds_case_as_python_does"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(dataclasses.replace(query, q=None), after=after, limit=limit, max_bytes=max_bytes)
        needle = (query.q or "").lower()
        return page._replace(tasks=[task for task in page.tasks if needle in task.description.lower()])


class SearchesWithWildcards(ContractViolation):
    caught_by = "test_search_takes_every_character_literally"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        q = None if query.q is None else query.q.strip("%_")
        return await super().find(dataclasses.replace(query, q=q), after=after, limit=limit, max_bytes=max_bytes)


class TellsALaterPosition(ContractViolation):
    caught_by = "test_pages_beside_writers_are_snapshots"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit, max_bytes=max_bytes)
        for _ in range(5):
            await asyncio.sleep(0)
        return page._replace(position=self._ledger.position)


class FinishesWhatNobodyWaitsFor(ContractViolation):
    """Runs searches in turn, and a cancelled one keeps its place."""

    caught_by = "test_cancelled_searches_leave_the_store_to_others"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        waiting = vars(self).setdefault("waiting", set())
        if len(waiting) > 64:
            raise StoreUnavailable("Too many searches wait.")
        search = asyncio.ensure_future(self._search(query, after, limit))
        waiting.add(search)
        search.add_done_callback(waiting.discard)
        return await asyncio.shield(search)

    async def _search(self, query: TaskQuery, after: Cursor | None, limit: int) -> Page:
        async with vars(self).setdefault("lane", asyncio.Lock()):
            await asyncio.sleep(0.001)
            return await super().find(query, after=after, limit=limit)


class CountsAPage(ContractViolation):
    caught_by = "test_a_count_goes_beyond_a_page"

    async def count(self, query: TaskQuery) -> int:
        return len((await self.find(query, limit=1_000)).tasks)


class CountsWhatItRemembers(ContractViolation):
    """Caches the count of tasks until the next creation."""

    caught_by = "test_a_count_sees_every_write_acknowledged_before_it"

    async def count(self, query: TaskQuery) -> int:
        counted = vars(self).setdefault("counted", {})
        key = (query, self._ledger.last_id)
        if key not in counted:
            counted[key] = await super().count(query)
        return int(counted[key])


class CountsWithoutTheSearch(ContractViolation):
    caught_by = "test_every_count_is_the_length_of_its_list"

    async def count(self, query: TaskQuery) -> int:
        return await super().count(dataclasses.replace(query, q=None))


class PassesOverThePriority(ContractViolation):
    """Ignores a filter that it doesn't know yet."""

    caught_by = "test_filter_by_priority"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        return await super().find(
            dataclasses.replace(query, priority=None), after=after, limit=limit, max_bytes=max_bytes
        )


# ---------------------------------------------------------------- the log


class ChangesTheLog(ContractViolation):
    """The base of mutants whose change log differs from what happened."""

    def change(self, changes: Sequence[Change]) -> Sequence[Change]:
        raise NotImplementedError

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        page = await super().read_changes(since, limit=limit, max_bytes=max_bytes)
        return page._replace(changes=self.change(page.changes))


class ForgetsTombstones(ChangesTheLog):
    caught_by = "test_the_log_lists_all_changes_in_order"

    def change(self, changes: Sequence[Change]) -> Sequence[Change]:
        return [change for change in changes if change.task is not None]


class TellsThePresent(ChangesTheLog):
    caught_by = "test_a_change_carries_the_task_as_it_was_then"

    def change(self, changes: Sequence[Change]) -> Sequence[Change]:
        return [change._replace(task=self._tasks.get(change.task_id, change.task)) for change in changes]


class LeavesGapsInTheLog(ContractViolation):
    """Uses up a number for a refused commit, as a sequence of a database does."""

    caught_by = "test_what_changes_nothing_is_not_in_the_log"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except RepositoryError:
            self._ledger.last_seq += 1
            raise


class TakesAnyPosition(ContractViolation):
    caught_by = "test_a_position_that_is_not_of_this_log_is_gone"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        return await super().read_changes(
            since._replace(generation=self._ledger.generation), limit=limit, max_bytes=max_bytes
        )


class MissesAChange(ContractViolation):
    """Continues from the end of its log, whatever it has returned before."""

    caught_by = "test_a_reader_of_the_log_sees_every_change_once_and_in_order"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        page = await super().read_changes(since, limit=limit, max_bytes=max_bytes)
        await asyncio.sleep(0)
        return page._replace(next=self._ledger.position)


class DoesNotWait(ContractViolation):
    caught_by = "test_a_waiting_reader_is_woken_by_a_change"

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        return await self.read_changes(since, limit=limit, max_bytes=max_bytes)


class IsEveryStore(ContractViolation):
    caught_by = "test_a_generation_is_random_and_short"

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        self._ledger.generation = "0"


class BoundsNoBytesOfTheLog(ContractViolation):
    caught_by = "test_a_page_of_the_log_with_a_bound_in_bytes_ends_before_the_change_that_would_pass_it"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        return await super().read_changes(since, limit=limit)


class GivesNoChangeThatIsTooLarge(ContractViolation):
    caught_by = "test_a_page_of_the_log_with_a_bound_in_bytes_ends_before_the_change_that_would_pass_it"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        page = await super().read_changes(since, limit=limit, max_bytes=max_bytes)
        if max_bytes is not None and page.changes and json_size(page.changes[0].task) > max_bytes:
            return ChangePage((), since, more=True)
        return page


class StandsStill(ContractViolation):
    caught_by = "test_pages_of_the_log_join_up"

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        page = await super().read_changes(since, limit=limit, max_bytes=max_bytes)
        return page._replace(next=Position(self._ledger.generation, since.seq))


# ---------------------------------------------------------------- idempotency keys and records


class IgnoresRetryKeys(ContractViolation):
    caught_by = "test_identical_requests_with_one_key_at_once_create_one_task"

    async def do(self, commit: Commit) -> CommitResult:
        return await super().do(commit._replace(idempotency_key=None))


class ChangesKeys(ContractViolation):
    """The base of mutants that keep another idempotency key than they are given."""

    def change_key(self, key: IdempotencyKey) -> IdempotencyKey:
        return key

    async def do(self, commit: Commit) -> CommitResult:
        return await super().do(
            commit._replace(idempotency_key=commit.idempotency_key and self.change_key(commit.idempotency_key))
        )


class MixesScopes(ChangesKeys):
    caught_by = "test_the_keys_of_different_scopes_never_meet"

    def change_key(self, key: IdempotencyKey) -> IdempotencyKey:
        return key._replace(scope="")


class IgnoresFingerprints(ChangesKeys):
    caught_by = "test_another_request_under_a_used_key_is_refused"

    def change_key(self, key: IdempotencyKey) -> IdempotencyKey:
        return key._replace(fingerprint="")


class RemembersRefusedCommits(ContractViolation):
    caught_by = "test_a_refused_commit_does_not_use_up_its_key"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except RepositoryError:
            if commit.idempotency_key is not None:
                self.apply(*[IdempotencyRecord(commit.idempotency_key, commit.at, ())])
            raise


class ReplaysThePresent(ContractViolation):
    caught_by = "test_a_replay_after_the_task_was_changed_has_the_first_results"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        if not committed.replayed:
            return committed
        now = [
            self._tasks.get(result.id, result) if isinstance(result, Task) else result for result in committed.results
        ]
        return committed._replace(results=now)


class ForgetsKeysOnReopening(ContractViolation):
    caught_by = "test_a_key_is_kept_over_a_reopening"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        await super().persist(
            [[each for each in entries if not isinstance(each.entry, IdempotencyRecord)] for entries in commits]
        )


class ListsRecordsFromTheStart(ContractViolation):
    caught_by = "test_records_are_listed_page_by_page"

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        return await super().records(namespace, limit=limit)


class IgnoresRecordVersions(ContractViolation):
    caught_by = "test_of_many_that_expect_no_record_one_wins"

    async def do(self, commit: Commit) -> CommitResult:
        loose = [write._replace(expected=None) if isinstance(write, PutRecord) else write for write in commit.writes]
        return await super().do(commit._replace(writes=loose))


class ListsRecordsByUTF16(ContractViolation):
    caught_by = "test_records_are_listed_by_name_in_code_point_order"

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        found = await super().records(namespace, after=after, limit=limit)
        return sorted(found, key=lambda record: record.key.encode("utf-16-be"))


# ---------------------------------------------------------------- maintenance, closing


class PrunesHoles(ContractViolation):
    caught_by = "test_the_log_is_pruned_from_its_start_alone"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        self._log[:] = [change for change in self._log if change.at >= log_before]
        return False


class PrunesTheHead(ContractViolation):
    caught_by = "test_pruning_forgets_neither_the_head_nor_the_highest_id"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        more = await super().prune(log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit)
        self._ledger.last_seq = max((change.seq for change in self._log), default=0)
        return more


class PrunesAllAtOnce(ContractViolation):
    caught_by = "test_pruning_goes_in_short_steps"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        return await super().prune(log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=10**9)


class PrunesInMemoryAlone(ContractViolation):
    caught_by = "test_what_was_pruned_stays_so_over_a_reopening"

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        """Leaves the disk as it is."""


class PrunesKeysWithTheLog(ContractViolation):
    caught_by = "test_a_key_is_forgotten_by_its_age_alone"

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        return await super().prune(log_before=log_before, max_changes=max_changes, keys_before=log_before, limit=limit)


class RestoresItsGeneration(ContractViolation):
    caught_by = "test_a_restored_store_has_a_new_generation"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        await self._group(_Restoring([entry async for entry in entries]))


class RenewsNothing(ContractViolation):
    caught_by = "test_a_renewed_store_has_a_new_generation_and_holds_the_same"

    async def renew(self) -> None:
        pass


class RenewsInMemoryAlone(ContractViolation):
    caught_by = "test_a_renewed_store_is_kept_over_a_reopening"

    async def renew(self) -> None:
        self.replay([StoreEntry(STORE, StoreHeader("another"))])


class RestoresInTurns(ContractViolation):
    caught_by = "test_a_cancelled_restore_is_whole_or_absent"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        for entry in [entry async for entry in entries]:
            self.replay([entry])
            await asyncio.sleep(0)


class RestoresOverWhatIsThere(ContractViolation):
    caught_by = "test_a_store_that_holds_something_is_not_restored"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        self.replay([entry async for entry in entries])


class DumpsNoHighestId(ContractViolation):
    caught_by = "test_a_pruned_store_is_restored_as_such"

    async def dump(self) -> Any:
        async for name, entry in super().dump():
            yield StoreEntry(name, entry._replace(last_id=0) if isinstance(entry, WorkspaceHeader) else entry)


class DumpsKeysAsTheyCame(ContractViolation):
    caught_by = "test_a_dump_holds_everything_in_its_order"

    async def dump(self) -> Any:
        async for unit in super().dump():
            if not isinstance(unit.entry, IdempotencyRecord | Change):
                yield unit
        for key in self._idempotency_records.values():
            yield StoreEntry(DEFAULT_WORKSPACE, key)
        for change in self._log:
            yield StoreEntry(DEFAULT_WORKSPACE, change)


class RestoresHalf(ContractViolation):
    caught_by = "test_a_dump_that_breaks_half_way_leaves_the_store_empty"

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        async for entry in entries:
            self.replay([entry])


class DumpsAMovingStore(ContractViolation):
    caught_by = "test_a_dump_is_one_snapshot"

    async def dump(self) -> Any:
        for unit in self.headers():
            yield unit
        held: list[Iterable[Entry]] = [self._tasks.values(), self._idempotency_records.values(), self._log]
        for entries in held:
            for entry in list(entries):
                yield StoreEntry(DEFAULT_WORKSPACE, entry)
                await asyncio.sleep(0)


class LeaksADriverError(ContractViolation):
    caught_by = "test_a_failing_driver_comes_out_as_store_unavailable"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        if self.driver.fails:
            raise OSError("No space left on device")
        await super().persist(commits)


class ShowsWhatIsNotOnDisk(ContractViolation):
    caught_by = "test_a_failing_driver_comes_out_as_store_unavailable"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        for entries in commits:
            self.replay(entries)
        await super().persist(commits)


class SaysThatNothingWasWritten(ContractViolation):
    """Writes, and then raises an error that says that nothing was written."""

    caught_by = "test_a_failed_commit_is_whole_or_absent_after_a_reopening"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        self.driver.disk.extend(list(entries) for entries in commits)
        if self.driver.fails:
            raise StoreUnavailable("The driver fails.")


class BacksUpUnderItsOwnGeneration(ContractViolation):
    caught_by = "test_a_backup_is_a_separate_store_with_the_same_contents"

    @classmethod
    def backup(cls, path: str, file: Path) -> None:
        super().backup(path, file)
        DISKS[str(file)] = list(DISKS[path])


class BacksUpNoRecords(ContractViolation):
    caught_by = "test_a_backup_is_a_separate_store_with_the_same_contents"

    @classmethod
    def backup(cls, path: str, file: Path) -> None:
        super().backup(path, file)
        DISKS[str(file)] = [
            [each for each in entries if type(each.entry) is not Record] for entries in DISKS[str(file)]
        ]


class DoesNotKnowItsBackups(ContractViolation):
    caught_by = "test_a_backup_is_recognized_and_no_other_file_is"

    @staticmethod
    def is_backup(head: bytes) -> bool:
        return False


class TakesEveryFileForABackup(ContractViolation):
    caught_by = "test_a_backup_is_recognized_and_no_other_file_is"

    @staticmethod
    def is_backup(head: bytes) -> bool:
        return True


class LetsOthersRead(ContractViolation):
    caught_by = "test_files_are_private_whatever_the_umask_is"

    @classmethod
    def open(cls, path: str, *, scratch: bool) -> HealthyStore:
        (Path(path) / "tasks").write_text("secret")
        return super().open(path, scratch=scratch)


class EmptiesWhatIsKept(ContractViolation):
    caught_by = "test_a_durable_store_is_never_opened_as_scratch"

    @classmethod
    def open(cls, path: str, *, scratch: bool) -> HealthyStore:
        if scratch:
            DISKS.pop(path, None)
        return super().open(path, scratch=scratch)


class KeepsWhatIsScratch(ContractViolation):
    caught_by = "test_a_scratch_store_starts_empty"

    @classmethod
    def open(cls, path: str, *, scratch: bool) -> HealthyStore:
        return super().open(path, scratch=False)


class AnswersAfterItsEnd(ContractViolation):
    caught_by = "test_after_close_every_call_raises"

    def _check_open(self) -> None:
        """Allows calls on a closed store."""


class DropsWhatWaits(ContractViolation):
    caught_by = "test_close_lets_running_commits_finish_or_fail_cleanly"

    async def close(self) -> None:
        for _, future in self._group._queue:
            future.set_exception(ConnectionResetError())
        await super().close()


class TakesWhatDoesNotMatch(ContractViolation):
    caught_by = "test_a_store_behaves_as_its_model"

    async def do(self, commit: Commit) -> CommitResult:
        loose = [w._replace(query=TaskQuery()) if isinstance(w, DeleteMatching) else w for w in commit.writes]
        return await super().do(commit._replace(writes=loose))


# ---------------------------------------------------------------- limits


class CutsScopes(ChangesKeys):
    caught_by = "test_the_longest_idempotency_keys_are_kept_apart"

    def change_key(self, key: IdempotencyKey) -> IdempotencyKey:
        return key._replace(scope=key.scope[:32])


class CutsKeys(ChangesKeys):
    caught_by = "test_the_longest_idempotency_keys_are_kept_apart"

    def change_key(self, key: IdempotencyKey) -> IdempotencyKey:
        return key._replace(value=key.value.encode()[:255].decode(errors="ignore"))


class CutsFingerprints(ChangesKeys):
    caught_by = "test_the_longest_idempotency_keys_are_kept_apart"

    def change_key(self, key: IdempotencyKey) -> IdempotencyKey:
        return key._replace(fingerprint=key.fingerprint[:32])


class CutsNamesOfRecords(ContractViolation):
    caught_by = "test_the_longest_names_of_records_are_kept_apart"

    async def do(self, commit: Commit) -> CommitResult:
        cut = [write._replace(key=write.key[:40]) if isinstance(write, PutRecord) else write for write in commit.writes]
        return await super().do(commit._replace(writes=cut))


class HasSmallColumns(ContractViolation):
    """Takes values of records of at most 65,535 bytes."""

    caught_by = "test_the_largest_record_is_kept"

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        for entries in commits:
            if any(isinstance(each.entry, Record) and len(codec.dumps(each.entry.value)) >= 2**16 for each in entries):
                raise StoreUnavailable("Data too long for column 'value'.")
        super().append(commits)


class SendsOneStatement(ContractViolation):
    """Sends all entries of a commit in one statement to a server that takes 16 MiB, where each quote is escaped."""

    caught_by = "test_the_largest_commits_are_kept"

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        for entries in commits:
            if sum(len(json.dumps(codec.dumps(codec.entry_to_json(each)).decode())) for each in entries) > 2**24:
                raise StoreUnavailable("Got a packet bigger than 'max_allowed_packet' bytes.")
        super().append(commits)


class TakesSomeWrites(ContractViolation):
    """Takes no more writes than a statement may have parameters."""

    caught_by = "test_a_commit_of_the_most_writes_is_kept"

    async def do(self, commit: Commit) -> CommitResult:
        if len(commit.writes) > 999:
            raise StoreUnavailable("too many SQL variables")
        return await super().do(commit)


# ---------------------------------------------------------------- snapshots


class TakesThePositionFromMemory(ContractViolation):
    caught_by = "test_a_page_has_the_position_of_its_own_snapshot"

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        page = await super().find(query, after=after, limit=limit, max_bytes=max_bytes)
        await asyncio.sleep(0)
        return page._replace(position=self._ledger.position)


# ---------------------------------------------------------------- the way to the store


class SaysThatALostCommitIsAbsent(ContractViolation):
    caught_by = "test_a_commit_whose_answer_is_lost_is_of_unknown_outcome"

    def lost(self) -> StoreUnavailable:
        return StoreUnavailable("The driver was cut off. Nothing was written.")


class SaysThatALostRecordIsAbsent(SaysThatALostCommitIsAbsent):
    caught_by = "test_a_record_whose_answer_is_lost_is_of_unknown_outcome"


class SaysThatALostRestoreIsAbsent(SaysThatALostCommitIsAbsent):
    caught_by = "test_a_restore_whose_answer_is_lost_is_whole_or_absent"


class ForgetsTheKeyOfALostCommit(ContractViolation):
    caught_by = "test_a_commit_whose_answer_is_lost_is_repeated_with_its_key"

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        if self.driver.loses_answers:
            commits = [
                [each for each in entries if not isinstance(each.entry, IdempotencyRecord)] for entries in commits
            ]
        super().append(commits)


class WritesHalfOfLostCommits(ContractViolation):
    caught_by = "test_commits_at_once_whose_answers_are_lost_are_whole_and_done_once"

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        super().append([entries[:1] for entries in commits] if self.driver.loses_answers else commits)


class GivesUpOnABrokenConnection(ContractViolation):
    caught_by = "test_connections_that_broke_are_replaced_for_reads"

    async def reach(self) -> None:
        if self.driver.is_cut_off:
            self.driver.is_cut_off = False
            raise StoreUnavailable("server closed the connection unexpectedly")
        await super().reach()


class FearsForCommitsOnABrokenConnection(ContractViolation):
    caught_by = "test_connections_that_broke_are_replaced_for_writes"

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        if self.driver.is_cut_off:
            self.driver.is_cut_off = False
            raise OutcomeUnknown("server closed the connection unexpectedly")
        await super().persist(commits)


class HearsNothingOnABrokenConnection(ContractViolation):
    caught_by = "test_a_reader_that_waits_is_woken_though_connections_broke"

    is_deaf = False

    async def reach(self) -> None:
        self.is_deaf |= self.driver.is_cut_off
        await super().reach()

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        end = asyncio.get_running_loop().time() + timeout
        while (self.is_deaf or self._ledger.position == since) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)


class WaitsForEver(ContractViolation):
    """The base of mutants without a time limit."""

    async def reach(self) -> None:
        if self.driver.hangs:
            await asyncio.Event().wait()
        await super().reach()


class ReadsForEver(WaitsForEver):
    caught_by = "test_reads_of_a_store_that_hangs_end_by_themselves"


class WritesForEver(WaitsForEver):
    caught_by = "test_writes_to_a_store_that_hangs_end_by_themselves"


# ---------------------------------------------------------------- processes and readers


class LocksNothing(ContractViolation):
    caught_by = "test_a_store_that_is_not_shared_is_opened_by_one_process"

    @staticmethod
    def locked(path: str) -> int | None:
        return None


class ReadsNoKeys(ContractViolation):
    caught_by = "test_a_reader_gives_what_the_store_holds_while_it_is_served"

    @classmethod
    def read(cls, path: str) -> StoreReader:
        reader = cast(InMemoryRepository, super().read(path))
        reader._memory.workspaces[DEFAULT_WORKSPACE].idempotency_records.clear()
        return reader


class MovingReader(InMemoryRepository):
    """Reads tasks, records and keys when it is opened, and the log when it is dumped."""

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__()
        self.disk = disk
        for entries in disk:
            self.replay(entries)

    async def dump(self) -> Any:
        async for unit in super().dump():
            if not isinstance(unit.entry, Change):
                yield unit
        for entries in list(self.disk):
            for unit in entries:
                if isinstance(unit.entry, Change):
                    yield unit


class ReadsAMovingStore(ContractViolation):
    caught_by = "test_a_reader_beside_writers_sees_one_moment"

    @classmethod
    def read(cls, path: str) -> StoreReader:
        return MovingReader(DISKS[path])


class RenewsWhatItReads(ContractViolation):
    caught_by = "test_a_reader_changes_nothing"

    @classmethod
    def read(cls, path: str) -> StoreReader:
        DISKS[path].append([StoreEntry(STORE, StoreHeader("renewed"))])
        return super().read(path)


class MakesWhatItReads(ContractViolation):
    caught_by = "test_a_reader_of_no_store_is_refused_and_makes_none"

    @classmethod
    def read(cls, path: str) -> StoreReader:
        DISKS.setdefault(path, [])
        return super().read(path)


class BacksUpALogWithAGap(ContractViolation):
    caught_by = "test_a_backup_beside_writers_is_of_one_moment"

    @classmethod
    def backup(cls, path: str, file: Path) -> None:
        super().backup(path, file)
        DISKS[str(file)] = [
            [each for each in entries if getattr(each.entry, "seq", 0) != 7] for entries in DISKS[str(file)]
        ]


class BacksUpToWhereItWas(ContractViolation):
    """Lets the backup and the store be one."""

    caught_by = "test_a_backup_is_opened_and_served"

    @classmethod
    def backup(cls, path: str, file: Path) -> None:
        super().backup(path, file)
        DISKS[str(file)] = DISKS[path]


class BacksUpNothing(ContractViolation):
    caught_by = "test_no_store_is_not_backed_up"

    @classmethod
    def backup(cls, path: str, file: Path) -> None:
        DISKS.setdefault(path, [])
        super().backup(path, file)


MUTANTS = [found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)]


def install(site: Path) -> None:
    """Installs this module as the adapter of broken: stores for a Python that finds the folder `site`."""
    metadata = site / "mutants-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mutants\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tasksvc.stores]\nbroken = mutants\n")


def _class_and_path(url: StoreURL) -> tuple[type[HealthyStore], str]:
    """Splits broken://NameOfTheClass/folder, or broken:////file for a backup."""
    path = url.path if url.netloc else url.path.removeprefix("/")
    name = url.netloc or Path(path).read_bytes().removeprefix(MAGIC).decode()
    others = map(importlib.import_module, OTHERS)
    return globals().get(name) or next(vars(other)[name] for other in others if name in vars(other)), path


PORT = 3


@hookimpl
async def tasksvc_open_store(url: StoreURL, scratch: bool) -> TaskRepository:
    global _opened
    _opened, path = _class_and_path(url)
    return _opened.open(path, scratch=scratch)


@hookimpl
async def tasksvc_open_reader(url: StoreURL) -> StoreReader:
    store, path = _class_and_path(url)
    return store.read(path)


@hookimpl
async def tasksvc_backup(url: StoreURL, file: Path) -> None:
    store, path = _class_and_path(url)
    store.backup(path, file)


@hookimpl
def tasksvc_recognize_backup(head: bytes) -> bool:
    return _opened.is_backup(head)
