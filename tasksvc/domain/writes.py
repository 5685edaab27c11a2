"""What a commit asks of a store, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any, Final, NamedTuple

from tasksvc.domain.change import Change, Position
from tasksvc.domain.json_object import JSONObject
from tasksvc.domain.query import TaskQuery
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task, TaskDraft, Version


class Precondition(NamedTuple):
    """Which versions the caller accepts, as If-Match and If-None-Match say it (RFC 9110, section 13.1)."""

    any_of: Set[Version] | None = None
    """One of these; None accepts every version.  A version of another generation never matches."""
    none_of: Set[Version] = frozenset()

    def allows(self, version: Version) -> bool:
        """Whether a task at `version` may be written."""
        return (self.any_of is None or version in self.any_of) and version not in self.none_of


ANY_VERSION: Final = Precondition()
"""Accepts every version of a task that is there."""


class CreateTask(NamedTuple):
    """Makes a new task.  Its result is the task."""

    draft: TaskDraft


class UpdateTask(NamedTuple):
    """Applies a merge patch, as domain.revised() does.  Its result is the task as it then is.

    Raises TaskNotFound, VersionConflict, InvalidTask.
    """

    task_id: int
    fields: dict[str, Any]
    expected: Precondition = ANY_VERSION


class DeleteTask(NamedTuple):
    """Deletes a task.  Its result is None.  Raises TaskNotFound, VersionConflict."""

    task_id: int
    expected: Precondition = ANY_VERSION


class DeleteMatching(NamedTuple):
    """Removes those of some tasks that match a query.  Its result is a Removed.

    `task_ids` are the tasks that matched when they were looked for.  One that is gone, or doesn't
    match any more, is left alone.
    """

    task_ids: Sequence[int]
    query: TaskQuery
    more: bool = False
    """Whether more tasks matched than `task_ids` names, for the result to say."""


class DeleteResult(NamedTuple):
    """What a DeleteMatching did."""

    tasks: int
    """How many tasks it removed."""
    more: bool
    """Whether there were more that matched."""


class PutRecord(NamedTuple):
    """Makes or replaces a record.  Its result is the record.  Raises RecordConflict.

    `expected` is its present version, 0 for a record that must not exist, None for whatever.
    """

    namespace: str
    key: str
    value: JSONObject
    expected: int | None = None


class DeleteRecord(NamedTuple):
    """Removes a record, if it is there.  Its result is None.  Raises RecordConflict."""

    namespace: str
    key: str
    expected: int | None = None


Write = CreateTask | UpdateTask | DeleteTask | DeleteMatching | PutRecord | DeleteRecord
Result = Task | Record | DeleteResult | None


class IdempotencyKey(NamedTuple):
    """Makes a commit safe to repeat: with the same key and fingerprint it is done once."""

    scope: str
    """Whose key it is; keys of different scopes never meet."""
    value: str
    fingerprint: str
    """Of the whole request.  The same key with another fingerprint is an error."""


class Commit(NamedTuple):
    """The arguments of one TaskRepository.commit(), as a group commit queues them."""

    writes: Sequence[Write]
    at: datetime
    idempotency_key: IdempotencyKey | None = None


class CommitResult(NamedTuple):
    """What a commit did."""

    results: Sequence[Result]
    """One for each write, in their order."""
    position: Position
    """Of the log, after it."""
    replayed: bool = False
    """The idempotency key had been used: these are the results of that first time."""


class IdempotencyRecord(NamedTuple):
    """An idempotency key that was used, with what its commit did."""

    key: IdempotencyKey
    at: datetime
    results: Sequence[Result]


class StoreHeader(NamedTuple):
    """What a store knows beside its entries; the first thing in a dump."""

    generation: str
    last_id: int
    """The highest task id that was ever given."""
    last_seq: int
    """The number of the last change, or 0."""
    pruned_seq: int
    """Changes up to this number have been pruned."""


Entry = StoreHeader | Task | Record | IdempotencyRecord | Change
"""One item of a dump."""
