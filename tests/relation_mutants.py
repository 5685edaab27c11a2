"""Stores with one fault each in parents, children and updates by a query, and the test that must fail on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from mutants import ChangesTheLog, ContractViolation

from tasksvc import (
    ANY_VERSION,
    RELATED_MAX,
    Change,
    ChangeKind,
    Commit,
    CommitResult,
    CreateTask,
    DeleteMatching,
    DeleteResult,
    DeleteTask,
    InvalidTask,
    Reading,
    StoreEntry,
    Task,
    TaskQuery,
    TooManyRelated,
    UpdateMatching,
    UpdateResult,
    UpdateTask,
    WorkspaceFull,
    Write,
    read_set,
    terms_of,
)
from tasksvc.domain.relations import Relations

# ---------------------------------------------------------------- what is read for a commit


class KnownTasks:
    """Those tasks of a workspace that were read for some commits, or are written by them."""

    def __init__(self, tasks: dict[int, Task], known: set[int]) -> None:
        self.tasks, self.known = tasks, known

    def get(self, task_id: int, /) -> Task | None:
        return self.tasks.get(task_id) if task_id in self.known else None

    def __setitem__(self, task_id: int, task: Task, /) -> None:
        self.known.add(task_id)
        self.tasks[task_id] = task

    def pop(self, task_id: int, default: None, /) -> None:
        self.tasks.pop(task_id, default)


class ReadsForCommits(ContractViolation):
    """The base of mutants that know for commits what they read, as a store in a database does."""

    def found(self, term: str, ids: Sequence[int], turn: int) -> Sequence[int]:
        """Returns the tasks that are found by a term, in the round `turn`, instead of `ids`."""
        return ids

    async def _commit_group(self, units: Sequence[Any]) -> Sequence[CommitResult | Exception]:
        read = [
            self._read(name, [commit for other, commit in units if other == name]) for name in {n for n, _ in units}
        ]
        try:
            return await super()._commit_group(units)
        finally:
            for workspace in read:
                workspace.ledger.tasks = workspace.tasks

    def _read(self, name: str, commits: Sequence[Commit]) -> Any:
        """Lets the ledger of a workspace know the tasks that are read, and nothing else."""
        workspace = self._memory.workspace(name)
        reading, turn = Reading(commits), 0
        while names := reading.next():
            by_term: dict[str, list[int]] = {term: [] for term in names.terms}
            for task in workspace.tasks.values() if by_term else ():
                for term in by_term.keys() & set(terms_of(task)):
                    by_term[term].append(task.id)
            found = {task_id for term, ids in by_term.items() for task_id in self.found(term, ids, turn)}
            reading.add(tasks=[workspace.tasks[each] for each in found | names.task_ids if each in workspace.tasks])
            turn += 1
        workspace.ledger.tasks = KnownTasks(workspace.tasks, set(reading.tasks))
        workspace.ledger.relations = Relations()
        for task in reading.tasks.values():
            workspace.ledger.relations.replace(None, task)
        return workspace


class FindsNoChildren(ReadsForCommits):
    caught_by = "test_children_of_a_deleted_task_have_no_parent"

    def found(self, term: str, ids: Sequence[int], turn: int) -> Sequence[int]:
        return () if term.startswith("parent_id=") else ids


class FindsTheFirstChild(ReadsForCommits):
    caught_by = "test_children_of_a_deleted_task_have_no_parent"

    def found(self, term: str, ids: Sequence[int], turn: int) -> Sequence[int]:
        return ids[:1]


class FindsNoGrandchildren(ReadsForCommits):
    caught_by = "test_a_task_is_deleted_with_all_below_it"

    def found(self, term: str, ids: Sequence[int], turn: int) -> Sequence[int]:
        return ids if turn == 0 else ()


class FindsNoChildrenOfTheNextTask(FindsNoGrandchildren):
    caught_by = "test_a_next_task_with_children_stays_when_the_one_before_is_reopened"


class FindsAThousandChildren(ReadsForCommits):
    caught_by = "test_a_commit_changes_at_most_a_thousand_others"

    def found(self, term: str, ids: Sequence[int], turn: int) -> Sequence[int]:
        return ids[:RELATED_MAX]


class FindsNineHundredChildren(ReadsForCommits):
    caught_by = "test_a_thousand_tasks_are_deleted_with_their_parent"

    def found(self, term: str, ids: Sequence[int], turn: int) -> Sequence[int]:
        return ids[:900]


class KnowsWhatIsNamed(ReadsForCommits):
    """The base of mutants that know the tasks that the writes name, and none of those above them."""

    def _read(self, name: str, commits: Sequence[Commit]) -> Any:
        workspace = super()._read(name, commits)
        workspace.ledger.tasks.known &= read_set(commits).task_ids
        return workspace


class KnowsNoTasksAbove(KnowsWhatIsNamed):
    caught_by = "test_tasks_have_at_most_eight_levels"


class KnowsNothingOfBefore(ContractViolation):
    """The base of mutants that note parents and uids only as tasks are written."""

    def __init__(self, disk: list[list[StoreEntry]]) -> None:
        super().__init__(disk)
        for workspace in self._memory.workspaces.values():
            workspace.ledger.relations = Relations()


class KnowsNoParentsOfBefore(KnowsNothingOfBefore):
    caught_by = "test_parents_are_known_after_a_reopening"


# ---------------------------------------------------------------- which parents there may be


class IgnoresAParent(ContractViolation):
    """The base of mutants that leave out a parent instead of refusing it."""

    refusal: ClassVar[str]

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except InvalidTask as error:
            if error.field != "parent_id" or self.refusal not in str(error):
                raise
            writes = list(commit.writes)
            writes[error.index] = _without_parent(writes[error.index])
        return await self.do(commit._replace(writes=writes))


class TakesParentsThatDoNotExist(IgnoresAParent):
    caught_by = "test_a_parent_that_does_not_exist_is_refused"
    refusal = "no task"


class TakesParentsThatAreDeletedBefore(IgnoresAParent):
    caught_by = "test_a_commit_sees_the_parents_that_it_makes"
    refusal = "no task"


class TakesCycles(IgnoresAParent):
    caught_by = "test_a_task_is_not_below_itself"
    refusal = "below itself"


class TakesNineLevels(IgnoresAParent):
    caught_by = "test_tasks_have_at_most_eight_levels"
    refusal = "levels deep"


class TakesSevenLevels(ContractViolation):
    caught_by = "test_tasks_have_at_most_eight_levels"

    async def do(self, commit: Commit) -> CommitResult:
        for write in commit.writes:
            if isinstance(write, UpdateTask) and self._levels(write.fields.get("parent_id")) >= 6:
                raise InvalidTask("parent_id", "Tasks may be at most 7 levels deep.")
        return await super().do(commit)

    def _levels(self, task_id: int | None) -> int:
        task = self._tasks.get(task_id or 0)
        return 0 if task is None else 1 + self._levels(task.parent_id)


class ChecksCyclesTooEarly(ContractViolation):
    """Looks for a cycle before it waits for its turn."""

    caught_by = "test_moves_at_once_make_no_circle"

    async def do(self, commit: Commit) -> CommitResult:
        above = {task.id: task.parent_id for task in self._tasks.values()}
        try:
            return await super().do(commit)
        except InvalidTask:
            write = commit.writes[0]
            if not isinstance(write, UpdateTask) or _is_below(write.fields.get("parent_id"), write.task_id, above):
                raise
            old = self._tasks[write.task_id]
            task = dataclasses.replace(old, parent_id=write.fields["parent_id"], version=old.version + 1)
            self.apply(Change(self._ledger.last_seq + 1, ChangeKind.UPDATED, commit.at, task.id, task, commit.by))
            return CommitResult([task], self._ledger.position)


class ChecksParentsTooEarly(ContractViolation):
    """Looks for the parent of a new task before it waits for its turn."""

    caught_by = "test_a_deletion_and_a_new_child_at_once_leave_no_child_of_nothing"

    async def do(self, commit: Commit) -> CommitResult:
        existed = set(self._tasks)
        try:
            return await super().do(commit)
        except InvalidTask:
            write = commit.writes[0]
            if not isinstance(write, CreateTask) or write.draft.parent_id not in existed:
                raise
            committed = await super().do(commit._replace(writes=[_without_parent(write)]))
            task = committed.results[0]
            assert isinstance(task, Task)
            self._tasks[task.id].parent_id = write.draft.parent_id
            return committed


class LosesTheParentInAPatch(ContractViolation):
    caught_by = "test_a_task_has_a_parent_that_exists"

    async def do(self, commit: Commit) -> CommitResult:
        writes = [_without_parent(write) if isinstance(write, UpdateTask) else write for write in commit.writes]
        return await super().do(commit._replace(writes=writes))


class KeepsTheParentForNull(ContractViolation):
    caught_by = "test_a_task_has_a_parent_that_exists"

    async def do(self, commit: Commit) -> CommitResult:
        kept = [
            _without_parent(write) if isinstance(write, UpdateTask) and not write.fields.get("parent_id") else write
            for write in commit.writes
        ]
        return await super().do(commit._replace(writes=kept))


class WritesNoParents(ContractViolation):
    caught_by = "test_parents_are_known_after_a_reopening"

    def append(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        super().append([list(map(self._orphaned, entries)) for entries in commits])

    @staticmethod
    def _orphaned(unit: StoreEntry) -> StoreEntry:
        change = unit.entry
        if not isinstance(change, Change) or change.task is None:
            return unit
        return unit._replace(entry=change._replace(task=dataclasses.replace(change.task, parent_id=None)))


class CompletesChildren(ContractViolation):
    caught_by = "test_completing_a_parent_completes_no_child"

    async def do(self, commit: Commit) -> CommitResult:
        done = {write.task_id for write in commit.writes if isinstance(write, UpdateTask) and write.fields.get("done")}
        more = [UpdateTask(task.id, {"done": True}) for task in self._tasks.values() if task.parent_id in done]
        committed = await super().do(commit._replace(writes=[*commit.writes, *more]))
        return committed._replace(results=committed.results[: len(commit.writes)])


class MovesTheNextTaskUp(ContractViolation):
    caught_by = "test_the_next_task_of_a_series_has_the_same_parent"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        for result in committed.results:
            if isinstance(result, Task) and result.next_id in self._tasks:
                self._tasks[result.next_id].parent_id = None
        return committed


# ---------------------------------------------------------------- finding


class FindsOtherTasks(ContractViolation):
    """The base of mutants that find tasks by another query."""

    def change(self, query: TaskQuery) -> TaskQuery:
        raise NotImplementedError

    async def find(self, query: TaskQuery, **options: Any) -> Any:
        return await super().find(self.change(query), **options)

    async def count(self, query: TaskQuery) -> int:
        return await super().count(self.change(query))


class FindsTasksOfAnyParent(FindsOtherTasks):
    caught_by = "test_filter_by_parent"

    def change(self, query: TaskQuery) -> TaskQuery:
        return dataclasses.replace(query, parent_id=None)


class FindsTasksWithParentsToo(FindsOtherTasks):
    caught_by = "test_filter_by_parent"

    def change(self, query: TaskQuery) -> TaskQuery:
        return dataclasses.replace(query, without_parent=False)


class CutsTheIdOfAParent(FindsOtherTasks):
    """Looks for the id of a parent as a column of 64 bits has it."""

    caught_by = "test_filter_by_parent"

    def change(self, query: TaskQuery) -> TaskQuery:
        parent_id = query.parent_id
        return dataclasses.replace(query, parent_id=parent_id and (parent_id % 2**64 or None))


# ---------------------------------------------------------------- deleting


class ChangesDeletions(ContractViolation):
    """The base of mutants that delete in another way."""

    def replaced(self, write: DeleteTask) -> Sequence[Write]:
        raise NotImplementedError

    async def do(self, commit: Commit) -> CommitResult:
        writes: list[Write] = []
        for write in commit.writes:
            writes += self.replaced(write) if isinstance(write, DeleteTask) else [write]
        committed = await super().do(commit._replace(writes=writes))
        return committed._replace(results=committed.results[len(writes) - len(commit.writes) :])

    def below(self, task_id: int) -> list[int]:
        """Returns the tasks below a task, the deepest last."""
        children = [task.id for task in self._tasks.values() if task.parent_id == task_id]
        return children + [found for child in children for found in self.below(child)]


class DeletesChildrenUnasked(ChangesDeletions):
    caught_by = "test_children_of_a_deleted_task_have_no_parent"

    def replaced(self, write: DeleteTask) -> Sequence[Write]:
        return [write._replace(children=True)]


class KeepsChildren(ChangesDeletions):
    caught_by = "test_a_task_is_deleted_with_all_below_it"

    def replaced(self, write: DeleteTask) -> Sequence[Write]:
        return [write._replace(children=False)]


class DeletesParentsFirst(ChangesDeletions):
    caught_by = "test_a_task_is_deleted_with_all_below_it"

    def replaced(self, write: DeleteTask) -> Sequence[Write]:
        below = self.below(write.task_id) if write.children else []
        return [write._replace(children=False), *map(DeleteTask, below)]


class DeletesWhatWasBelowBefore(ChangesDeletions):
    """Finds what is below a task as it is before the commit."""

    caught_by = "test_a_batch_deletes_what_it_has_put_below_a_task"

    def replaced(self, write: DeleteTask) -> Sequence[Write]:
        below = self.below(write.task_id)[::-1] if write.children else []
        return [*map(DeleteTask, below), write._replace(children=False)]


class IgnoresTheVersionOfATaskWithChildren(ChangesDeletions):
    caught_by = "test_a_deletion_with_children_has_a_precondition"

    def replaced(self, write: DeleteTask) -> Sequence[Write]:
        return [write._replace(expected=ANY_VERSION) if write.children else write]


class LogsNoChildThatLosesItsParent(ChangesTheLog):
    """Sets the parent to null as ON DELETE SET NULL does."""

    caught_by = "test_children_of_a_deleted_task_have_no_parent"

    def change(self, changes: Sequence[Change]) -> Sequence[Change]:
        return [
            change
            for change in changes
            if change.kind is not ChangeKind.UPDATED or change.task is None or change.task.parent_id is not None
        ]


class DeletesMatchingInTheirOrder(ContractViolation):
    caught_by = "test_a_deletion_by_a_query_takes_children_before_their_parents"

    async def do(self, commit: Commit) -> CommitResult:
        writes = [part for write in commit.writes for part in _parts(write, DeleteMatching)]
        committed = await super().do(commit._replace(writes=writes))
        if len(writes) == len(commit.writes):
            return committed
        tasks = sum(result.tasks for result in committed.results if isinstance(result, DeleteResult))
        return committed._replace(results=(DeleteResult(tasks, more=False),))


class SaysThatAllWereDeleted(ContractViolation):
    caught_by = "test_a_deletion_by_a_query_stops_before_it_changes_too_many_others"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        return committed._replace(
            results=[r._replace(more=False) if isinstance(r, DeleteResult) else r for r in committed.results]
        )


class DeletesNothingInsteadOfTooMuch(ContractViolation):
    caught_by = "test_a_deletion_by_a_query_that_can_delete_none_is_refused"

    async def do(self, commit: Commit) -> CommitResult:
        try:
            return await super().do(commit)
        except TooManyRelated:
            return CommitResult([DeleteResult(0, more=True)], self._ledger.position)


class KeepsNoKeysOfDeletionsWithChildren(ContractViolation):
    caught_by = "test_a_repeated_deletion_with_children_is_replayed"

    async def do(self, commit: Commit) -> CommitResult:
        deletes = any(isinstance(write, DeleteTask) and write.children for write in commit.writes)
        return await super().do(commit._replace(idempotency_key=None) if deletes else commit)


class CountsDeletedTasksForRoom(ContractViolation):
    """Looks for room before the commit has deleted anything."""

    caught_by = "test_a_deletion_with_children_makes_room"

    async def do(self, commit: Commit) -> CommitResult:
        new = sum(isinstance(write, CreateTask) for write in commit.writes)
        if new and commit.tasks_max is not None and len(self._tasks) + new > commit.tasks_max:
            raise WorkspaceFull(commit.tasks_max)
        return await super().do(commit)


# ---------------------------------------------------------------- updating by a query


class ChangesUpdatesByQuery(ContractViolation):
    """The base of mutants that update by a query in another way."""

    def change(self, write: UpdateMatching) -> UpdateMatching:
        return write

    def told(self, result: UpdateResult) -> UpdateResult:
        return result

    async def do(self, commit: Commit) -> CommitResult:
        writes = [self.change(write) if isinstance(write, UpdateMatching) else write for write in commit.writes]
        committed = await super().do(commit._replace(writes=writes))
        results = [self.told(result) if isinstance(result, UpdateResult) else result for result in committed.results]
        return committed._replace(results=tuple(results))


class UpdatesWhatDoesNotMatch(ChangesUpdatesByQuery):
    caught_by = "test_an_update_by_a_query_changes_what_matches"

    def change(self, write: UpdateMatching) -> UpdateMatching:
        return write._replace(query=TaskQuery())


class UpdatesTheFirstMatch(ChangesUpdatesByQuery):
    caught_by = "test_an_update_by_a_query_changes_what_matches"

    def change(self, write: UpdateMatching) -> UpdateMatching:
        return write._replace(task_ids=write.task_ids[:1])


class UpdatesOneField(ChangesUpdatesByQuery):
    caught_by = "test_an_update_by_a_query_changes_what_matches"

    def change(self, write: UpdateMatching) -> UpdateMatching:
        return write._replace(fields=dict(list(write.fields.items())[:1]))


class ForgetsThatThereIsMore(ChangesUpdatesByQuery):
    caught_by = "test_an_update_by_a_query_changes_what_matches"

    def told(self, result: UpdateResult) -> UpdateResult:
        return result._replace(more=False)


class CountsWhatItLeavesAsItIs(ContractViolation):
    caught_by = "test_an_update_by_a_query_counts_no_task_that_it_leaves_as_it_is"

    async def do(self, commit: Commit) -> CommitResult:
        committed = await super().do(commit)
        results = [
            result._replace(tasks=len(write.task_ids))
            if isinstance(write, UpdateMatching) and isinstance(result, UpdateResult)
            else result
            for write, result in zip(commit.writes, committed.results, strict=True)
        ]
        return committed._replace(results=tuple(results))


class UpdatesMatchingOneByOne(ContractViolation):
    caught_by = "test_an_update_by_a_query_is_done_for_all_or_for_none"

    async def do(self, commit: Commit) -> CommitResult:
        parts = [part for write in commit.writes for part in _parts(write, UpdateMatching)]
        if len(parts) == len(commit.writes):
            return await super().do(commit)
        for part in parts:
            committed = await super().do(commit._replace(writes=[part]))
        return committed


def _is_below(task_id: int | None, top: int, above: dict[int, int | None]) -> bool:
    """Returns whether a task is the task `top` or below it."""
    while task_id is not None and task_id != top:
        task_id = above.get(task_id)
    return task_id is not None


def _without_parent(write: Write) -> Write:
    """Returns a write of one or more tasks that names no parent."""
    if isinstance(write, CreateTask):
        return CreateTask(write.draft._replace(parent_id=None))
    assert isinstance(write, UpdateTask | UpdateMatching)
    return write._replace(fields={name: value for name, value in write.fields.items() if name != "parent_id"})


def _parts(write: Write, kind: type[DeleteMatching | UpdateMatching]) -> list[Write]:
    """Returns a write by a query of the kind as one for each of its tasks, and any other as it is."""
    if isinstance(write, kind):
        return [write._replace(task_ids=[task_id]) for task_id in write.task_ids]
    return [write]


RELATION_MUTANTS = [
    found for found in list(globals().values()) if isinstance(found, type) and "caught_by" in vars(found)
]
