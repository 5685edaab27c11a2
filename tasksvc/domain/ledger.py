"""The rules of writing, once for every store.

A store gives a ledger the tasks, idempotency keys and records that some writes name.  The ledger decides
what the writes answer and what they change.  The store persists that in one transaction, log and all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar, assert_never

from tasksvc.domain.change import Change, ChangeKind, Position, new_generation
from tasksvc.domain.errors import (
    CommitTooLarge,
    IdempotencyKeyReused,
    MixedCommit,
    RecordConflict,
    TaskNotFound,
    UnknownWrite,
    VersionConflict,
    WorkspaceFull,
    WriteRefused,
)
from tasksvc.domain.json_text import dumps, packed
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task, Version, apply_patch, create_task, next_task, skip_occurrence
from tasksvc.domain.workspace import effective_generation
from tasksvc.domain.writes import (
    Commit,
    CommitResult,
    CreateTask,
    DeleteMatching,
    DeleteRecord,
    DeleteResult,
    DeleteTask,
    Entry,
    IdempotencyKey,
    IdempotencyRecord,
    Precondition,
    PutRecord,
    Result,
    SkipOccurrence,
    StoreHeader,
    UpdateTask,
    WorkspaceHeader,
    Write,
)

COMMIT_BYTES_MAX = 8 * 2**20
"""The limit on the JSON bytes of all tasks that one commit updates: a patch of a few bytes can rewrite a large task."""
SIZE_CHECK_FROM = 64
"""The most updates whose tasks can't exceed COMMIT_BYTES_MAX together, so that their sizes aren't summed."""

KeyName = tuple[str, str]
"""The scope and the value of an idempotency key."""
RecordName = tuple[str, str]
"""The namespace and the key of a record."""


class ReadSet(NamedTuple):
    """The names of what a ledger must know to decide some commits."""

    task_ids: set[int]
    idempotency_keys: set[KeyName]
    records: set[RecordName]


def read_set(commits: Iterable[Commit]) -> ReadSet:
    """Returns the tasks, idempotency keys and records that `commits` name."""
    names = ReadSet(set(), set(), set())
    for writes, _, idempotency_key, _ in commits:
        if idempotency_key is not None:
            names.idempotency_keys.add((idempotency_key.scope, idempotency_key.value))
        for write in writes:
            match write:
                case UpdateTask(task_id) | SkipOccurrence(task_id) | DeleteTask(task_id):
                    names.task_ids.add(task_id)
                case DeleteMatching(task_ids):
                    names.task_ids.update(task_ids)
                case PutRecord(namespace, key) | DeleteRecord(namespace, key):
                    names.records.add((namespace, key))
                case CreateTask():
                    pass
                case _:
                    if TYPE_CHECKING:
                        assert_never(write)  # decide() refuses it, and so fails no other commit
    return names


def further(commits: Iterable[Commit], tasks: Iterable[Task]) -> set[int]:
    """Returns the ids of tasks that `commits` need besides those that they name, given `tasks` that are known.

    A store reads these too, and asks again with all that it has read, until no id is new.
    """
    completed = {task.id: task.next_id for task in tasks if task.next_id is not None}
    if not completed:
        return set()
    return {
        completed[write.task_id]
        for writes, *_ in commits
        for write in writes
        if isinstance(write, UpdateTask) and write.task_id in completed
    }


class Decision(NamedTuple):
    """The answer to one commit, and what it changes."""

    committed: CommitResult
    changes: Sequence[Change] = ()
    records: Sequence[Record] = ()
    """Each record that the commit writes, as it leaves it; a deleted one has version 0."""
    idempotency_record: IdempotencyRecord | None = None
    header: WorkspaceHeader | None = None
    """The header of the workspace, if the commit makes it."""

    def entries(self) -> list[Entry]:
        """Returns what must be persisted, all together or not at all; empty if there is nothing to persist."""
        made = () if self.header is None else (self.header,)
        kept = () if self.idempotency_record is None else (self.idempotency_record,)
        return [*made, *self.changes, *self.records, *kept]


Key = TypeVar("Key")
Value = TypeVar("Value")
KeyIn = TypeVar("KeyIn", contravariant=True)


class Table(Protocol[KeyIn, Value]):
    """The methods of a dict that a ledger needs."""

    def get(self, key: KeyIn, /) -> Value | None: ...

    def __setitem__(self, key: KeyIn, value: Value, /) -> None: ...

    def pop(self, key: KeyIn, default: None, /) -> object: ...


class _Overlay(Generic[Key, Value]):
    """A table over another one: it keeps what is written or deleted, and looks up everything else below."""

    def __init__(self, below: Table[Key, Value]) -> None:
        self._below = below
        self.written: dict[Key, Value | None] = {}

    def get(self, key: Key, /) -> Value | None:
        return self.written[key] if key in self.written else self._below.get(key)

    def __setitem__(self, key: Key, value: Value, /) -> None:
        self.written[key] = value

    def pop(self, key: Key, default: None, /) -> None:
        self.written[key] = None


def _check_room(task_count: int, tasks_max: int | None) -> None:
    """Raises WorkspaceFull where a workspace has as many tasks as it may have."""
    if tasks_max is not None and task_count >= tasks_max:
        raise WorkspaceFull(tasks_max)


class Ledger:
    """The state of a workspace, as far as it matters for the commits to decide (the decider pattern).

    `generation` is the effective one, in the epoch `epoch` of the store.  Without one the workspace isn't made, and the
    first commit with something to persist makes it.  `last_id` (the highest id that was ever given) and `last_seq` (the
    number of the last change) are those of the workspace's header.  `task_count` is the number of its tasks, which
    matters only where a commit has a `tasks_max`.  apply() brings all of them up to date.
    """

    def __init__(
        self,
        generation: str,
        epoch: str = "",
        *,
        last_id: int = 0,
        last_seq: int = 0,
        task_count: int = 0,
        tasks: Table[int, Task] | None = None,
        idempotency_records: Table[KeyName, IdempotencyRecord] | None = None,
        records: Table[RecordName, Record] | None = None,
    ) -> None:
        self.generation, self.epoch = generation, epoch
        self.last_id, self.last_seq, self.task_count = last_id, last_seq, task_count
        self.tasks: Table[int, Task] = {} if tasks is None else tasks
        self.idempotency_records: Table[KeyName, IdempotencyRecord] = (
            {} if idempotency_records is None else idempotency_records
        )
        self.records: Table[RecordName, Record] = {} if records is None else records

    @property
    def position(self) -> Position:
        """The position of the last change."""
        return Position(self.generation, self.last_seq)

    def fork(self, records: Table[RecordName, Record] | None = None) -> Ledger:
        """Returns a ledger on top of this one, for decisions that are not yet on disk.

        Its apply() leaves this one as it is.  `records` are those of the fork of another workspace, if there is one,
        since records are the same in all workspaces.
        """
        return Ledger(
            self.generation,
            self.epoch,
            last_id=self.last_id,
            last_seq=self.last_seq,
            task_count=self.task_count,
            tasks=_Overlay(self.tasks),
            idempotency_records=_Overlay(self.idempotency_records),
            records=_Overlay(self.records) if records is None else records,
        )

    def decide(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
    ) -> Decision:
        """Returns what `writes`, all together and in their order, answer and change.  It changes nothing itself.

        Raises the WriteRefused of the first write that breaks a rule, with its index, or
        IdempotencyKeyReused.
        """
        if idempotency_key is not None and (replayed := self.replayed(idempotency_key)) is not None:
            return replayed
        if len(writes) == 1 and type(write := writes[0]) is CreateTask:  # most of all commits, so without the rest
            _check_room(self.task_count, tasks_max)
            task = create_task(self.last_id + 1, write.draft, at)
            changes = (Change(self.last_seq + 1, ChangeKind.CREATED, at, task.id, task),)
            return self.decision((task,), changes, (), at, idempotency_key)
        transaction = self.transaction(Commit(writes, at, idempotency_key, tasks_max))
        for _ in transaction:
            pass
        return transaction.decision

    def transaction(self, commit: Commit) -> Transaction:
        """Returns what decides a commit as decide() does, one write at a time: one of many may take a second."""
        return Transaction(self, commit)

    def replayed(self, idempotency_key: IdempotencyKey) -> Decision | None:
        """Returns the results of the first commit under the key, or None.  Raises IdempotencyKeyReused."""
        first = self.idempotency_records.get((idempotency_key.scope, idempotency_key.value))
        if first is None:
            return None
        if first.key.fingerprint != idempotency_key.fingerprint:
            raise IdempotencyKeyReused
        return Decision(CommitResult(first.results, self.position, replayed=True))

    def decision(
        self,
        results: Sequence[Result],
        changes: Sequence[Change],
        records: Sequence[Record],
        at: datetime,
        idempotency_key: IdempotencyKey | None,
    ) -> Decision:
        """Returns the decision on a commit that has these results, and changes and records to persist."""
        generation, header = self.generation, None
        if not generation and (changes or idempotency_key is not None):
            generation = new_generation()
            header = WorkspaceHeader(generation, self.epoch)
        return Decision(
            CommitResult(results, Position(generation, self.last_seq + len(changes))),
            changes,
            records,
            None if idempotency_key is None else IdempotencyRecord(idempotency_key, at, results),
            header,
        )

    def apply(self, entries: Iterable[Entry]) -> None:
        """Brings the state up to date with the entries of a decision, or of the workspace in a dump."""
        for entry in entries:
            match entry:
                case Change():
                    self.last_seq, kind, _, task_id, task = entry
                    if task is None:
                        self.tasks.pop(task_id, None)
                        self.task_count -= 1
                    else:
                        if kind is ChangeKind.CREATED:
                            self.task_count += 1
                        self.tasks[task_id] = task
                        self.last_id = max(self.last_id, task_id)
                case Record(namespace, key, _, 0):
                    self.records.pop((namespace, key), None)
                case Record(namespace, key):
                    self.records[namespace, key] = entry
                case IdempotencyRecord(key):
                    self.idempotency_records[key.scope, key.value] = entry
                case Task():
                    self.tasks[entry.id] = entry
                case WorkspaceHeader(generation, epoch, last_id, last_seq):
                    self.generation = effective_generation(generation, epoch, self.epoch)
                    self.last_id, self.last_seq = last_id, last_seq
                case StoreHeader():
                    raise RuntimeError("A ledger has one workspace, and was to apply the header of a store.")
                case _:
                    assert_never(entry)


class Transaction:
    """One commit, which is decided while this is iterated over: in each step one write, which sees those before it.

    A step raises as Ledger.decide() does.
    """

    decision: Decision
    """The decision, which is there when the iteration has ended."""

    def __init__(self, ledger: Ledger, commit: Commit) -> None:
        self._ledger, self._commit, self._at = ledger, commit, commit.at
        self._checks_size = len(commit.writes) > SIZE_CHECK_FROM
        """Whether the JSON of updated tasks is summed, and their metadata packed, since it could be too large."""
        self._generation, self._last_id, self._last_seq = ledger.generation, ledger.last_id, ledger.last_seq
        self._task_count = ledger.task_count
        self._tasks: _Overlay[int, Task] = _Overlay(ledger.tasks)
        self._records: _Overlay[RecordName, Record] = _Overlay(ledger.records)
        self._updated_bytes = 0
        self._changes: list[Change] = []

    def __iter__(self) -> Iterator[None]:
        writes, at, idempotency_key, _ = self._commit
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
                _check_room(self._task_count, self._commit.tasks_max)
                self._task_count += 1
                self._last_id += 1
                new = create_task(self._last_id, draft, self._at)
                self._log(ChangeKind.CREATED, self._at, new.id, new)
                return new
            case UpdateTask(task_id, fields, expected):
                old = self._expected_task(task_id, expected)
                task = apply_patch(old, fields, self._at)
                if task is not old:
                    if self._checks_size:
                        task.metadata = packed(task.metadata)  # nobody has seen it yet
                    if task.done is old.done:
                        self._log(ChangeKind.UPDATED, task.updated_at, task_id, task)
                    elif task.done:
                        self._complete(task)
                    else:
                        self._reopen(task, repeats=fields.get("repeat") is not None)
                self._check_size(task)
                return task
            case SkipOccurrence(task_id, expected):
                old = self._expected_task(task_id, expected)
                task = skip_occurrence(old, self._at)
                self._log(ChangeKind.UPDATED, task.updated_at, task_id, task)
                return task
            case DeleteTask(task_id, expected):
                old = self._expected_task(task_id, expected)
                self._delete(old, self._at)
                return None
            case DeleteMatching(task_ids, query, more):
                deleted = 0
                for task_id in task_ids:
                    found = self._tasks.get(task_id)
                    if found is not None and query.matches(found):
                        self._delete(found, self._at)
                        deleted += 1
                return DeleteResult(deleted, more)
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

    def _complete(self, task: Task) -> None:
        """Logs a task that was completed, and after it the next one of its series, whatever the workspace may hold."""
        following = next_task(task, self._last_id + 1)
        if following is None:
            self._log(ChangeKind.UPDATED, task.updated_at, task.id, task)
            return
        self._check_size(following)
        self._last_id += 1
        self._task_count += 1
        task.next_id = following.id
        self._log(ChangeKind.UPDATED, task.updated_at, task.id, task)
        self._log(ChangeKind.CREATED, following.updated_at, following.id, following)

    def _reopen(self, task: Task, *, repeats: bool) -> None:
        """Logs a task that was reopened.  The next one of its series is deleted if nobody has changed it.

        Otherwise that one goes on with the series, so this one repeats only if `repeats` says that it is to.
        """
        following = None if task.next_id is None else self._tasks.get(task.next_id)
        is_untouched = following is not None and following.version == 1
        if is_untouched:
            task.next_id = None
        elif task.next_id is not None and not repeats:
            task.repeat = None
        self._log(ChangeKind.UPDATED, task.updated_at, task.id, task)
        if following is not None and is_untouched:
            self._delete(following, task.updated_at)

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
        if not expected.allows(Version(self._generation, task.version)):
            raise VersionConflict(task, self._generation)
        return task

    def _expect_record(self, namespace: str, key: str, expected: int | None) -> Record | None:
        current = self._records.get((namespace, key))
        if expected is not None and expected != (0 if current is None else current.version):
            raise RecordConflict(namespace, key, current)
        return current

    def _delete(self, task: Task, at: datetime) -> None:
        self._task_count -= 1
        self._log(ChangeKind.DELETED, max(at, task.updated_at), task.id, None)

    def _log(self, kind: ChangeKind, at: datetime, task_id: int, task: Task | None) -> None:
        self._last_seq += 1
        self._tasks.written[task_id] = task
        self._changes.append(Change(self._last_seq, kind, at, task_id, task))
