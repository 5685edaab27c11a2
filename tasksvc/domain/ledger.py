"""The rules of writing, once for every store.

A store gives a ledger the tasks, idempotency keys and records that some writes name.  The ledger decides
what the writes answer and what they change.  The store persists that in one transaction, log and all.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar, assert_never

from tasksvc.domain import codec
from tasksvc.domain.change import Change, ChangeKind, Position
from tasksvc.domain.errors import (
    CommitTooLarge,
    IdempotencyKeyReused,
    RecordConflict,
    TaskNotFound,
    UnknownWrite,
    VersionConflict,
    WriteRefused,
)
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task, Version, new_task, revised
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
    StoreHeader,
    UpdateTask,
    Write,
)

PATCHED_MAX = 8 * 2**20
"""Bytes of JSON of all tasks that one commit patches.  A patch of a few bytes can be of a task of many."""
FEW = 64
"""The most writes whose tasks can't exceed that together."""

KeyName = tuple[str, str]
"""Scope and value of an idempotency key."""
RecordName = tuple[str, str]
"""Namespace and key of a record."""


class ReadSet(NamedTuple):
    """What a ledger must know to decide some commits."""

    task_ids: set[int]
    idempotency_keys: set[KeyName]
    records: set[RecordName]


def read_set(commits: Iterable[Commit]) -> ReadSet:
    """The tasks, idempotency keys and records that `commits` name."""
    names = ReadSet(set(), set(), set())
    for writes, _, idempotency_key in commits:
        if idempotency_key is not None:
            names.idempotency_keys.add((idempotency_key.scope, idempotency_key.value))
        for write in writes:
            match write:
                case UpdateTask(task_id) | DeleteTask(task_id):
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


class Decision(NamedTuple):
    """What one commit answers, and what it changes."""

    committed: CommitResult
    changes: Sequence[Change] = ()
    records: Sequence[Record] = ()
    """As it leaves each record that it writes; version 0 for one that it drops."""
    idempotency_record: IdempotencyRecord | None = None

    def entries(self) -> list[Entry]:
        """All that is to be persisted, together or not at all; empty where nothing is."""
        kept = () if self.idempotency_record is None else (self.idempotency_record,)
        return [*self.changes, *self.records, *kept]


Key = TypeVar("Key")
Value = TypeVar("Value")
KeyIn = TypeVar("KeyIn", contravariant=True)


class Table(Protocol[KeyIn, Value]):
    """As much of a dict as a ledger needs."""

    def get(self, key: KeyIn, /) -> Value | None: ...

    def __setitem__(self, key: KeyIn, value: Value, /) -> None: ...

    def pop(self, key: KeyIn, default: None, /) -> object: ...


class _Draft(Generic[Key, Value]):
    """A table over another: what is written or removed stays here, the rest is looked up below."""

    def __init__(self, below: Table[Key, Value]) -> None:
        self._below = below
        self.written: dict[Key, Value | None] = {}

    def get(self, key: Key, /) -> Value | None:
        return self.written[key] if key in self.written else self._below.get(key)

    def __setitem__(self, key: Key, value: Value, /) -> None:
        self.written[key] = value

    def pop(self, key: Key, default: None, /) -> None:
        self.written[key] = None


class Ledger:
    """The state of a store, as far as it matters for what is to be decided."""

    def __init__(
        self,
        generation: str,
        *,
        last_id: int = 0,
        last_seq: int = 0,
        tasks: Table[int, Task] | None = None,
        idempotency_records: Table[KeyName, IdempotencyRecord] | None = None,
        records: Table[RecordName, Record] | None = None,
    ) -> None:
        self.generation, self.last_id, self.last_seq = generation, last_id, last_seq
        self.tasks: Table[int, Task] = {} if tasks is None else tasks
        self.idempotency_records: Table[KeyName, IdempotencyRecord] = (
            {} if idempotency_records is None else idempotency_records
        )
        self.records: Table[RecordName, Record] = {} if records is None else records

    @property
    def position(self) -> Position:
        """The head of the change log."""
        return Position(self.generation, self.last_seq)

    def draft(self) -> Ledger:
        """A ledger on top of this one, for decisions that are not yet on disk.

        apply() to it leaves this one as it is.
        """
        return Ledger(
            self.generation,
            last_id=self.last_id,
            last_seq=self.last_seq,
            tasks=_Draft(self.tasks),
            idempotency_records=_Draft(self.idempotency_records),
            records=_Draft(self.records),
        )

    def decide(
        self, writes: Sequence[Write], *, at: datetime, idempotency_key: IdempotencyKey | None = None
    ) -> Decision:
        """What `writes`, all together and in their order, answer and change.  Changes nothing itself.

        Raises the WriteRefused of the first write that breaks a rule, with its index, or
        IdempotencyKeyReused.
        """
        if idempotency_key is not None and (replayed := self._replayed(idempotency_key)) is not None:
            return replayed
        if len(writes) == 1 and type(write := writes[0]) is CreateTask:  # most of all commits, so without the rest
            task = new_task(self.last_id + 1, write.draft, at)
            changes = (Change(self.last_seq + 1, ChangeKind.CREATED, at, task.id, task),)
            return self._decision((task,), changes, (), at, idempotency_key)
        steps = self.steps(writes, at=at, idempotency_key=idempotency_key)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                decision: Decision = end.value
                return decision

    def steps(
        self, writes: Sequence[Write], *, at: datetime, idempotency_key: IdempotencyKey | None = None
    ) -> Generator[None, None, Decision]:
        """As decide(), in steps of one write: a commit of many may take a second."""
        if idempotency_key is not None and (replayed := self._replayed(idempotency_key)) is not None:
            return replayed
        deciding = _Deciding(self, at, many=len(writes) > FEW)
        for index, write in enumerate(writes):
            deciding.add(index, write)
            yield
        return self._decision(tuple(deciding.results), deciding.changes, deciding.records(), at, idempotency_key)

    def _replayed(self, idempotency_key: IdempotencyKey) -> Decision | None:
        first = self.idempotency_records.get((idempotency_key.scope, idempotency_key.value))
        if first is None:
            return None
        if first.key.fingerprint != idempotency_key.fingerprint:
            raise IdempotencyKeyReused
        return Decision(CommitResult(first.results, self.position, replayed=True))

    def _decision(
        self,
        results: Sequence[Result],
        changes: Sequence[Change],
        records: Sequence[Record],
        at: datetime,
        idempotency_key: IdempotencyKey | None,
    ) -> Decision:
        return Decision(
            CommitResult(results, Position(self.generation, self.last_seq + len(changes))),
            changes,
            records,
            None if idempotency_key is None else IdempotencyRecord(idempotency_key, at, results),
        )

    def apply(self, entries: Iterable[Entry]) -> None:
        """Makes the state what the entries of a decision, or of a dump, say."""
        for entry in entries:
            match entry:
                case Change():
                    self.last_seq, _, _, task_id, task = entry
                    if task is None:
                        self.tasks.pop(task_id, None)
                    else:
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
                case StoreHeader():
                    self.generation, self.last_id, self.last_seq = entry.generation, entry.last_id, entry.last_seq
                case _:
                    assert_never(entry)


class _Deciding:
    """One commit being decided: each write sees those before it."""

    def __init__(self, ledger: Ledger, at: datetime, *, many: bool) -> None:
        """`many`: there are more than FEW writes, so what they patch is counted and takes little memory."""
        self._at, self._many = at, many
        self._generation, self._last_id, self._last_seq = ledger.generation, ledger.last_id, ledger.last_seq
        self._tasks: _Draft[int, Task] = _Draft(ledger.tasks)
        self._records: _Draft[RecordName, Record] = _Draft(ledger.records)
        self._patched = 0
        """Bytes of JSON."""
        self.results: list[Result] = []
        self.changes: list[Change] = []

    def add(self, index: int, write: Write) -> None:
        """Decides the write that has this index.  Raises WriteRefused."""
        try:
            result = self._one(write)
            if self._many and isinstance(write, UpdateTask):
                self._patched += len(codec.dumps(result))
                if self._patched > PATCHED_MAX:
                    raise CommitTooLarge(PATCHED_MAX)
            self.results.append(result)
        except WriteRefused as error:
            error.index = index
            raise

    def records(self) -> Sequence[Record]:
        """As they are then; version 0 for one that is dropped."""
        return [record or Record(*name, {}, 0) for name, record in self._records.written.items()]

    def _one(self, write: Write) -> Result:
        match write:
            case CreateTask(draft):
                self._last_id += 1
                new = new_task(self._last_id, draft, self._at)
                self._log(ChangeKind.CREATED, self._at, new.id, new)
                return new
            case UpdateTask(task_id, fields, expected):
                old = self._tasks.get(task_id)
                if old is None:
                    raise TaskNotFound(task_id)
                self._expect(old, expected)
                task = revised(old, fields, self._at)
                if task is not old:
                    if self._many:
                        task.metadata = codec.packed(task.metadata)  # nobody has seen it yet
                    self._log(ChangeKind.UPDATED, task.updated_at, task_id, task)
                return task
            case DeleteTask(task_id, expected):
                old = self._tasks.get(task_id)
                if old is None:
                    raise TaskNotFound(task_id)
                self._expect(old, expected)
                self._remove(old)
                return None
            case DeleteMatching(task_ids, query, more):
                removed = 0
                for task_id in task_ids:
                    old = self._tasks.get(task_id)
                    if old is not None and query.matches(old):
                        self._remove(old)
                        removed += 1
                return DeleteResult(removed, more)
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

    def _expect(self, task: Task, expected: Precondition) -> None:
        if not expected.allows(Version(self._generation, task.version)):
            raise VersionConflict(task, self._generation)

    def _expect_record(self, namespace: str, key: str, expected: int | None) -> Record | None:
        current = self._records.get((namespace, key))
        if expected is not None and expected != (0 if current is None else current.version):
            raise RecordConflict(namespace, key, current)
        return current

    def _remove(self, task: Task) -> None:
        self._log(ChangeKind.DELETED, max(self._at, task.updated_at), task.id, None)

    def _log(self, kind: ChangeKind, at: datetime, task_id: int, task: Task | None) -> None:
        self._last_seq += 1
        self._tasks.written[task_id] = task
        self.changes.append(Change(self._last_seq, kind, at, task_id, task))
