"""The writes of a commit, their results, and the entries of a dump."""

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
    """The accepted versions; None accepts every one.  A version of another generation never matches."""
    none_of: Set[Version] = frozenset()
    exists: bool | None = None
    """Whether the task must exist, or must not; None for both.  Only a deleted task that is restored may not exist."""

    def allows(self, version: Version) -> bool:
        """Whether a task at `version` may be written."""
        return (
            self.exists is not False and (self.any_of is None or version in self.any_of) and version not in self.none_of
        )

    @property
    def allows_absence(self) -> bool:
        """Whether a task may be written that doesn't exist."""
        return self.exists is not True and self.any_of is None


ANY_VERSION: Final = Precondition()
"""Accepts every version of a task that exists."""


class CreateTask(NamedTuple):
    """Creates a task.  Its result is the task."""

    draft: TaskDraft


class UpdateTask(NamedTuple):
    """Applies a merge patch, as apply_patch() does.  Its result is the task as it then is.

    Raises TaskNotFound, VersionConflict, InvalidTask.
    """

    task_id: int
    fields: dict[str, Any]
    expected: Precondition = ANY_VERSION


class SkipOccurrence(NamedTuple):
    """Moves a task that repeats to its next occurrence.  Its result is the task as it then is.

    Raises TaskNotFound, VersionConflict, InvalidTask.
    """

    task_id: int
    expected: Precondition = ANY_VERSION


class RestoreTask(NamedTuple):
    """Brings back a version of a task that the log still has.  Its result is the task as it then is.

    A task that was deleted comes back under its id.  One that wasn't gets the fields of that version.  In both cases it
    has a new version.  `parent_id` becomes None if there is no such task any more, or if it can't be the parent.

    Raises TaskNotFound if the id was never given, VersionGone, VersionNotFound, VersionConflict, UidTaken,
    WorkspaceFull.  A deleted task has no version that `expected` could accept.
    """

    task_id: int
    version: int
    expected: Precondition = ANY_VERSION


class DeleteTask(NamedTuple):
    """Deletes a task.  Its result is None.  Raises TaskNotFound, VersionConflict, TooManyRelated.

    Its children have no parent any more; with `children` they are deleted too, with all that is below them.
    """

    task_id: int
    expected: Precondition = ANY_VERSION
    children: bool = False


class DeleteMatching(NamedTuple):
    """Deletes those of some tasks that match a query.  Its result is a DeleteResult.

    `task_ids` are the tasks that matched when they were searched.  A task that is gone, or no longer
    matches, is left alone.  Children of the others have no parent any more.  Where too many tasks would change by that,
    fewer are deleted, and the result says that there are more.  Raises TooManyRelated if it could delete none.
    """

    task_ids: Sequence[int]
    query: TaskQuery
    more: bool = False
    """Whether more tasks matched than `task_ids` names, for the result to say."""


class UpdateMatching(NamedTuple):
    """Applies a merge patch to those of some tasks that match a query.  Its result is an UpdateResult.

    `task_ids` are the tasks that matched when they were searched.  A task that is gone, or no longer matches, is left
    alone.  Raises InvalidTask.
    """

    task_ids: Sequence[int]
    query: TaskQuery
    fields: dict[str, Any]
    more: bool = False
    """Whether more tasks matched than `task_ids` names, for the result to say."""


class UpdateResult(NamedTuple):
    """The result of an UpdateMatching."""

    tasks: int
    """The number of tasks that it changed."""
    more: bool
    """Whether more tasks matched than it was given."""


class DeleteResult(NamedTuple):
    """The result of a DeleteMatching."""

    tasks: int
    """The number of tasks that it deleted."""
    more: bool
    """Whether more tasks match."""


class PutRecord(NamedTuple):
    """Creates or replaces a record.  Its result is the record.  Raises RecordConflict.

    `expected` is the present version of the record, 0 if it must not exist, or None for any version.
    """

    namespace: str
    key: str
    value: JSONObject
    expected: int | None = None


class DeleteRecord(NamedTuple):
    """Deletes a record, if it exists.  Its result is None.  Raises RecordConflict."""

    namespace: str
    key: str
    expected: int | None = None


Write = (
    CreateTask
    | UpdateTask
    | SkipOccurrence
    | RestoreTask
    | DeleteTask
    | UpdateMatching
    | DeleteMatching
    | PutRecord
    | DeleteRecord
)
Result = Task | Record | UpdateResult | DeleteResult | None


class IdempotencyKey(NamedTuple):
    """Makes a commit safe to repeat: with the same key and fingerprint it is done once."""

    scope: str
    """The owner of the key.  Equal keys in different scopes are different keys."""
    value: str
    fingerprint: str
    """A hash of the whole request.  The same key with another fingerprint is an error."""


class Commit(NamedTuple):
    """The arguments of one TaskRepository.commit(), as a Batcher queues them."""

    writes: Sequence[Write]
    at: datetime
    idempotency_key: IdempotencyKey | None = None
    tasks_max: int | None = None
    """The most tasks that the workspace may have after a write that creates one; None for any number."""
    by: str | None = None
    """The name of the caller, for the changes; None if it isn't known."""


class CommitResult(NamedTuple):
    """The result of a commit."""

    results: Sequence[Result]
    """One result for each write, in their order."""
    position: Position
    """The position of the change log after the commit."""
    replayed: bool = False
    """Whether the idempotency key had been used before: then these are the results of that first commit."""


class IdempotencyRecord(NamedTuple):
    """An idempotency key that was used, with the results of its commit."""

    key: IdempotencyKey
    at: datetime
    results: Sequence[Result]


class StoreHeader(NamedTuple):
    """What a store holds for all its workspaces, which comes first in a dump."""

    epoch: str
    """Random text, renewed whenever the store is restored, and by renew(); "" in a store that never was."""


class WorkspaceHeader(NamedTuple):
    """The numbers and the generation of a workspace, which come before its other entries in a dump.

    `generation` is the one that the workspace was given in `epoch` of the store: effective_generation() makes of both
    what positions and versions carry.  `last_id` is the highest task id that was ever given and `last_seq` the number
    of the last change, or 0.  Changes up to `pruned_seq` have been pruned.
    """

    generation: str
    epoch: str
    last_id: int = 0
    last_seq: int = 0
    pruned_seq: int = 0


Entry = StoreHeader | WorkspaceHeader | Task | Record | IdempotencyRecord | Change
"""One item of a dump, without the workspace that it belongs to."""

STORE: Final = ""
"""Stands for the name of a workspace with entries that belong to the whole store: the StoreHeader, and records."""


class StoreEntry(NamedTuple):
    """One item of a dump."""

    workspace: str
    """The name of the workspace that it belongs to, or STORE."""
    entry: Entry
