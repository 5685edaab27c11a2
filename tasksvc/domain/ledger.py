"""The rules of writing, once for every store.

A store gives a ledger the tasks, idempotency keys and records that some writes name.  The ledger decides
what the writes answer and what they change.  The store persists that in one transaction, log and all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, assert_never

from tasksvc.domain.change import Change, ChangeKind, Position, new_generation
from tasksvc.domain.errors import IdempotencyKeyReused
from tasksvc.domain.overlay import Overlay, Table
from tasksvc.domain.reading import KeyName, Reading, RecordName
from tasksvc.domain.record import Record
from tasksvc.domain.relations import Relations
from tasksvc.domain.task import Task, TaskDraft, create_task
from tasksvc.domain.transaction import Transaction, check_room
from tasksvc.domain.workspace import effective_generation
from tasksvc.domain.writes import (
    Commit,
    CommitResult,
    CreateTask,
    Entry,
    IdempotencyKey,
    IdempotencyRecord,
    Result,
    StoreHeader,
    WorkspaceHeader,
    Write,
)


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
        self.relations = Relations()
        """The parents and the uids of the tasks."""
        self.changes: dict[int, list[Change]] = {}
        """For each task that a commit restores, its changes, in their order."""

    @property
    def position(self) -> Position:
        """The position of the last change."""
        return Position(self.generation, self.last_seq)

    def fork(self, records: Table[RecordName, Record] | None = None) -> Ledger:
        """Returns a ledger on top of this one, for decisions that are not yet on disk.

        Its apply() leaves this one as it is.  `records` are those of the fork of another workspace, if there is one,
        since records are the same in all workspaces.
        """
        ledger = Ledger(
            self.generation,
            self.epoch,
            last_id=self.last_id,
            last_seq=self.last_seq,
            task_count=self.task_count,
            tasks=Overlay(self.tasks),
            idempotency_records=Overlay(self.idempotency_records),
            records=Overlay(self.records) if records is None else records,
        )
        ledger.relations = Relations(self.relations)
        return ledger

    def know(self, reading: Reading) -> None:
        """Takes the tasks that were read for some commits, and the changes of those that they restore."""
        for task in reading.tasks.values():
            self._keep(task, None)
        self.changes |= reading.changes

    def decide(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
        by: str | None = None,
    ) -> Decision:
        """Returns what `writes`, all together and in their order, answer and change.  It changes nothing itself.

        Raises the WriteRefused of the first write that breaks a rule, with its index, or
        IdempotencyKeyReused.
        """
        if idempotency_key is not None and (replayed := self.replayed(idempotency_key)) is not None:
            return replayed
        if len(writes) == 1 and type(write := writes[0]) is CreateTask and not _is_related(write.draft):
            # Most of all commits, so without the rest.
            check_room(self.task_count, tasks_max)
            task = create_task(self.last_id + 1, write.draft, at)
            changes = (Change(self.last_seq + 1, ChangeKind.CREATED, at, task.id, task, by),)
            return self.decision((task,), changes, (), at, idempotency_key)
        transaction = self.transaction(Commit(writes, at, idempotency_key, tasks_max, by))
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
                    self.last_seq, kind, _, task_id, task, _ = entry
                    before = None if kind is ChangeKind.CREATED else self.tasks.get(task_id)
                    if task is None:
                        self.tasks.pop(task_id, None)
                        self.relations.replace(before, None)
                        self.task_count -= 1
                    else:
                        if kind is ChangeKind.CREATED:
                            self.task_count += 1
                        self._keep(task, before)
                        self.last_id = max(self.last_id, task_id)
                    if task_id in self.changes:
                        self.changes[task_id].append(entry)
                case Record(namespace, key, _, 0):
                    self.records.pop((namespace, key), None)
                case Record(namespace, key):
                    self.records[namespace, key] = entry
                case IdempotencyRecord(key):
                    self.idempotency_records[key.scope, key.value] = entry
                case Task():
                    self._keep(entry, None)
                case WorkspaceHeader(generation, epoch, last_id, last_seq):
                    self.generation = effective_generation(generation, epoch, self.epoch)
                    self.last_id, self.last_seq = last_id, last_seq
                case StoreHeader():
                    raise RuntimeError("A ledger has one workspace, and was to apply the header of a store.")
                case _:
                    assert_never(entry)

    def _keep(self, task: Task, before: Task | None) -> None:
        self.tasks[task.id] = task
        if before is not None or task.parent_id is not None or task.uid is not None:
            self.relations.replace(before, task)


def _is_related(draft: TaskDraft) -> bool:
    """Returns whether a new task has to be checked against others."""
    return draft.parent_id is not None or draft.uid is not None
