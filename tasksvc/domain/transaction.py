"""One commit, decided write by write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tasksvc.domain.change import Change, ChangeKind
from tasksvc.domain.errors import (
    CommitTooLarge,
    InvalidTask,
    MixedCommit,
    RecordConflict,
    TaskNotFound,
    TooManyRelated,
    UidTaken,
    UnknownWrite,
    VersionConflict,
    VersionGone,
    VersionNotFound,
    WorkspaceFull,
    WriteRefused,
)
from tasksvc.domain.json_text import dumps, packed
from tasksvc.domain.overlay import Overlay
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.reading import RecordName
from tasksvc.domain.record import Record
from tasksvc.domain.relations import PARENTS_MAX, RELATED_MAX, Relations, uid_term
from tasksvc.domain.task import (
    Task,
    Version,
    apply_patch,
    create_task,
    is_same_but_for_version,
    next_task,
    restore_version,
    skip_occurrence,
)
from tasksvc.domain.writes import (
    Commit,
    CreateTask,
    DeleteMatching,
    DeleteRecord,
    DeleteResult,
    DeleteTask,
    Precondition,
    PutRecord,
    RestoreTask,
    Result,
    SkipOccurrence,
    UpdateMatching,
    UpdateResult,
    UpdateTask,
    Write,
)

if TYPE_CHECKING:
    from tasksvc.domain.ledger import Decision, Ledger

COMMIT_BYTES_MAX: Final = 8 * 2**20
"""The limit on the JSON bytes of all tasks that one commit updates: a patch of a few bytes can rewrite a large task."""
SIZE_CHECK_FROM: Final = 64
"""The most updates whose tasks can't exceed COMMIT_BYTES_MAX together, so that their sizes aren't summed."""


def check_room(task_count: int, tasks_max: int | None) -> None:
    """Raises WorkspaceFull where a workspace has as many tasks as it may have."""
    if tasks_max is not None and task_count >= tasks_max:
        raise WorkspaceFull(tasks_max)


class Transaction:
    """One commit, which is decided while this is iterated over: in each step one write, which sees those before it.

    A step raises as Ledger.decide() does.
    """

    decision: Decision
    """The decision, which is there when the iteration has ended."""

    def __init__(self, ledger: Ledger, commit: Commit) -> None:
        self._ledger, self._commit, self._at = ledger, commit, commit.at
        self._checks_size = len(commit.writes) > SIZE_CHECK_FROM or any(
            isinstance(write, UpdateMatching | DeleteMatching | DeleteTask) for write in commit.writes
        )
        """Whether the JSON of updated tasks is summed, and their metadata packed, since it could be too large."""
        self._generation, self._last_id, self._last_seq = ledger.generation, ledger.last_id, ledger.last_seq
        self._task_count = ledger.task_count
        self._tasks: Overlay[int, Task] = Overlay(ledger.tasks)
        self._relations = Relations(ledger.relations)
        self._records: Overlay[RecordName, Record] = Overlay(ledger.records)
        self._updated_bytes = 0
        self._related = 0
        """The tasks that were changed besides those that the writes name."""
        self._changes: list[Change] = []

    def __iter__(self) -> Iterator[None]:
        writes, at, idempotency_key, *_ = self._commit
        if idempotency_key is not None and (replayed := self._ledger.replayed(idempotency_key)) is not None:
            self.decision = replayed
            return
        results: list[Result] = []
        writes_records = bool(writes) and isinstance(writes[0], PutRecord | DeleteRecord)
        for index, write in enumerate(writes):
            if isinstance(write, PutRecord | DeleteRecord) is not writes_records:
                raise MixedCommit(index)
            try:
                results.append(self._apply(write))
            except WriteRefused as error:
                error.index = index
                raise
            yield
        records = [record or Record(*name, {}, 0) for name, record in self._records.written.items()]
        self.decision = self._ledger.decision(tuple(results), self._changes, records, at, idempotency_key)

    def _apply(self, write: Write) -> Result:
        match write:
            case CreateTask(draft):
                self._count_new()
                new = create_task(self._last_id + 1, draft, self._at)
                self._check_uid(new)
                self._check_parent(new)
                self._last_id += 1
                self._log(ChangeKind.CREATED, new)
                return new
            case UpdateTask(task_id, fields, expected):
                return self._update(self._expected_task(task_id, expected), fields)
            case SkipOccurrence(task_id, expected):
                task = skip_occurrence(self._expected_task(task_id, expected), self._at)
                self._log(ChangeKind.UPDATED, task)
                return task
            case RestoreTask(task_id, version, expected):
                return self._restore(task_id, version, expected)
            case DeleteTask(task_id, expected, children):
                task = self._expected_task(task_id, expected)
                self._delete_all([task, *self._below(task_id)] if children else [task])
                return None
            case UpdateMatching(task_ids, query, fields, more):
                return UpdateResult(sum(self._update_matching(task_id, query, fields) for task_id in task_ids), more)
            case DeleteMatching(task_ids, query, more):
                matching = [task for task in self._existing(task_ids) if query.matches(task)]
                doomed = self._deletable(matching)
                self._delete_all(doomed)
                return DeleteResult(len(doomed), more or len(doomed) < len(matching))
            case PutRecord(namespace, key, value, expected_version):
                current = self._expect_record(namespace, key, expected_version)
                record = Record(namespace, key, value, 1 if current is None else current.version + 1)
                self._records[namespace, key] = record
                return record
            case DeleteRecord(namespace, key, expected_version):
                if self._expect_record(namespace, key, expected_version) is not None:
                    self._records.pop((namespace, key), None)
                return None
            case _:
                raise UnknownWrite(write)

    # ------------------------------------------------------------ creating and updating

    def _count_new(self) -> None:
        check_room(self._task_count, self._commit.tasks_max)
        self._task_count += 1

    def _update(self, old: Task, fields: dict[str, Any]) -> Task:
        task = apply_patch(old, fields, self._at)
        if task is not old:
            if self._checks_size:
                task.metadata = packed(task.metadata)  # nobody has seen it yet
            if task.parent_id != old.parent_id:
                self._check_parent(task)
            if task.done is old.done:
                self._log(ChangeKind.UPDATED, task)
            elif task.done:
                self._complete(task)
            else:
                self._reopen(task, repeats=fields.get("repeat") is not None)
        self._check_size(task)
        return task

    def _update_matching(self, task_id: int, query: TaskQuery, fields: dict[str, Any]) -> bool:
        """Updates a task that exists and matches, and returns whether it has changed."""
        task = self._tasks.get(task_id)
        return task is not None and query.matches(task) and self._update(task, fields) is not task

    def _check_uid(self, task: Task) -> None:
        """Raises UidTaken if another task has the uid of a new one."""
        if task.uid is not None:
            for holder in self._existing(self._relations.having(uid_term(task.uid))):
                raise UidTaken(holder, self._generation)

    def _check_parent(self, task: Task) -> None:
        """Raises InvalidTask, or TooManyRelated, if a task can't have the parent that it has."""
        if (parent_id := task.parent_id) is None:
            return
        above: list[int] = []
        while parent_id is not None and len(above) <= PARENTS_MAX:
            if (parent := self._tasks.get(parent_id)) is None:
                raise InvalidTask("parent_id", f"There is no task {parent_id}.")
            above.append(parent_id)
            parent_id = parent.parent_id
        if task.id in above:
            raise InvalidTask("parent_id", "A task can't be below itself.")
        if len(above) + len(self._levels_below(task.id)) > PARENTS_MAX:
            raise InvalidTask("parent_id", f"Tasks may be at most {PARENTS_MAX + 1} levels deep.")

    def _levels_below(self, task_id: int) -> list[list[int]]:
        """Returns the ids of the tasks below a task, level by level.  Raises TooManyRelated."""
        levels: list[list[int]] = []
        level, found = self._relations.children(task_id), 0
        while level:
            levels.append(level)
            found += len(level)
            if found > RELATED_MAX:
                raise TooManyRelated(RELATED_MAX)
            level = [child for parent in level for child in self._relations.children(parent)]
        return levels

    # ------------------------------------------------------------ series

    def _complete(self, task: Task, kind: ChangeKind = ChangeKind.UPDATED) -> None:
        """Logs a task that was completed, and after it the next one of its series, whatever the workspace may hold."""
        following = next_task(task, self._last_id + 1)
        if following is None:
            self._log(kind, task)
            return
        self._check_size(following)
        self._last_id += 1
        self._task_count += 1
        task.next_id = following.id
        self._log(kind, task)
        self._log(ChangeKind.CREATED, following)

    def _reopen(self, task: Task, kind: ChangeKind = ChangeKind.UPDATED, *, repeats: bool) -> None:
        """Logs a task that is open again.  The next one of its series is deleted if nobody has changed it.

        Otherwise that one goes on with the series, so this one repeats only if `repeats` says that it is to.
        """
        following = None if task.next_id is None else self._tasks.get(task.next_id)
        is_untouched = following is not None and following.version == 1 and not self._relations.children(following.id)
        if is_untouched:
            task.next_id = None
        elif task.next_id is not None and not repeats:
            task.repeat = None
        self._log(kind, task)
        if following is not None and is_untouched:
            self._delete(following, task.updated_at)

    # ------------------------------------------------------------ restoring

    def _restore(self, task_id: int, number: int, expected: Precondition) -> Task:
        present = self._tasks.get(task_id)
        if present is not None:
            self._expect(present, expected)
        elif task_id > self._last_id or task_id < 1 or not expected.allows_absence:
            raise TaskNotFound(task_id)
        changes = [*self._ledger.changes.get(task_id, ()), *(one for one in self._changes if one.task_id == task_id)]
        versions = {change.task.version: change.task for change in changes if change.task is not None}
        if present is not None:
            versions[present.version] = present
        last = versions[max(versions)] if versions else None
        if last is None or (number not in versions and number < last.version):
            raise VersionGone(task_id, number)
        if number not in versions:
            raise VersionNotFound(task_id, number)
        at = self._at if present is not None else max(self._at, changes[-1].at)
        task = restore_version(versions[number], last, at)
        if present is None or task.parent_id != last.parent_id:
            task.parent_id = self._possible_parent(task)
        if present is not None and is_same_but_for_version(task, present):
            return present
        self._log_restored(task, last, is_deleted=present is None)
        self._check_size(task)
        return task

    def _possible_parent(self, task: Task) -> int | None:
        """Returns the parent of a task that is restored, or None if it can't be the parent now."""
        try:
            self._check_parent(task)
        except InvalidTask:
            return None
        return task.parent_id

    def _log_restored(self, task: Task, last: Task, *, is_deleted: bool) -> None:
        """Logs a task that has the fields of an earlier version than `last`, and what becomes of its series."""
        if is_deleted:
            self._count_new()
            self._check_uid(task)
        kind = ChangeKind.CREATED if is_deleted else ChangeKind.UPDATED
        if not task.done:
            task.next_id = last.next_id if self._exists(last.next_id) else None
            self._reopen(task, kind, repeats=False)
        elif last.done or self._exists(last.next_id) or self._exists(task.next_id):
            task.next_id = task.next_id if self._exists(task.next_id) else last.next_id
            self._log(kind, task)
        else:
            task.next_id = None
            self._complete(task, kind)

    def _exists(self, task_id: int | None) -> bool:
        return task_id is not None and self._tasks.get(task_id) is not None

    # ------------------------------------------------------------ deleting

    def _deletable(self, matching: Sequence[Task]) -> Sequence[Task]:
        """Returns the first ones of some tasks whose deletion changes few enough others.

        Raises TooManyRelated if the first one alone changes too many.
        """
        while matching:
            ids = {task.id for task in matching}
            others = sum(child not in ids for task_id in ids for child in self._relations.children(task_id))
            if self._related + others <= RELATED_MAX:
                break
            if len(matching) == 1:
                raise TooManyRelated(RELATED_MAX)
            matching = matching[: len(matching) // 2]
        return matching

    def _below(self, task_id: int) -> list[Task]:
        """Returns the tasks below a task, which are to be deleted with it.  Raises TooManyRelated."""
        below = [found for level in self._levels_below(task_id) for found in self._existing(level)]
        self._count_related(len(below))
        return below

    def _delete_all(self, doomed: Sequence[Task]) -> None:
        """Deletes tasks, those that are below others before these.  Their other children have no parent any more."""
        for task in _bottom_up(doomed):
            for child in self._existing(self._relations.children(task.id)):
                self._count_related(1)
                left = apply_patch(child, {"parent_id": None}, self._at)
                self._log(ChangeKind.UPDATED, left)
                self._check_size(left)
            self._delete(task, self._at)

    def _count_related(self, number: int) -> None:
        self._related += number
        if self._related > RELATED_MAX:
            raise TooManyRelated(RELATED_MAX)

    # ------------------------------------------------------------ checks, and the log

    def _existing(self, task_ids: Iterable[int]) -> list[Task]:
        """Returns those of some tasks that exist, each once."""
        return [task for task_id in dict.fromkeys(task_ids) if (task := self._tasks.get(task_id)) is not None]

    def _check_size(self, task: Task) -> None:
        """Adds the size of a task that the commit leaves, if it could be too large.  Raises CommitTooLarge."""
        if self._checks_size:
            self._updated_bytes += len(dumps(task))
            if self._updated_bytes > COMMIT_BYTES_MAX:
                raise CommitTooLarge(COMMIT_BYTES_MAX)

    def _expected_task(self, task_id: int, expected: Precondition) -> Task:
        """Returns a task at a version that the caller accepts.  Raises TaskNotFound, VersionConflict."""
        task = self._tasks.get(task_id)
        if task is None:
            raise TaskNotFound(task_id)
        self._expect(task, expected)
        return task

    def _expect(self, task: Task, expected: Precondition) -> None:
        """Raises VersionConflict unless the caller accepts the version of a task."""
        if not expected.allows(Version(self._generation, task.version)):
            raise VersionConflict(task, self._generation)

    def _expect_record(self, namespace: str, key: str, expected: int | None) -> Record | None:
        current = self._records.get((namespace, key))
        if expected is not None and expected != (0 if current is None else current.version):
            raise RecordConflict(namespace, key, current)
        return current

    def _delete(self, task: Task, at: datetime) -> None:
        self._task_count -= 1
        self._append(ChangeKind.DELETED, max(at, task.updated_at), task.id, task, None)

    def _log(self, kind: ChangeKind, task: Task) -> None:
        before = None if kind is ChangeKind.CREATED else self._tasks.get(task.id)
        self._append(kind, task.updated_at, task.id, before, task)

    def _append(self, kind: ChangeKind, at: datetime, task_id: int, before: Task | None, after: Task | None) -> None:
        self._last_seq += 1
        self._tasks.written[task_id] = after
        self._relations.replace(before, after)
        self._changes.append(Change(self._last_seq, kind, at, task_id, after, self._commit.by))


def _bottom_up(tasks: Sequence[Task]) -> Sequence[Task]:
    """Returns tasks with those that are below others before these, and otherwise in their order."""
    by_id = {task.id: task for task in tasks}
    if not any(task.parent_id in by_id for task in tasks):
        return tasks

    def depth(task: Task) -> int:
        found = 0
        while task.parent_id in by_id:
            task, found = by_id[task.parent_id], found + 1
        return found

    return sorted(tasks, key=depth, reverse=True)
