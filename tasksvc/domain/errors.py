"""What can go wrong, in the domain's words.

A message says what happened, to what, and what to do about it.  None holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from tasksvc.domain.record import Record
    from tasksvc.domain.task import Task


class TasksvcError(Exception):
    """Every error that tasksvc raises on purpose."""


# ---------------------------------------------------------------- before a store is open


class InvalidStoreURL(TasksvcError):
    """The text isn't a valid store URL."""


class PluginError(TasksvcError):
    """No adapter could be loaded for the scheme of a store URL, or no plugin of a name."""


class PluginRefused(PluginError):
    """A plugin that extends the service can't be used."""


class StoreRefused(TasksvcError):
    """The adapter was loaded, and will not open this store: in use, too new, not ours, unreadable."""


class StoreInUse(StoreRefused):
    """Another process serves the store, and one at a time may."""


class StoreIsKept(StoreRefused):
    """The store holds kept tasks and was to be opened as a scratch store, which would empty it."""


class SchemaOutdated(StoreRefused):
    """The store's schema is older than this version reads, and a reader migrates nothing."""


class SchemaTooOld(StoreRefused):
    """The store was made before the first release, with a schema that this version neither reads nor migrates."""

    def __init__(self, store: str) -> None:
        """Takes `store`: its path, or its server and schema."""
        super().__init__(
            f"{store} was made before the first release of tasksvc, with a schema that this version cannot read:"
            " export it with the version that made it, and import that export into a new store."
        )


# ---------------------------------------------------------------- before the service takes requests


class NoTokens(TasksvcError):
    """The service asks for tokens, and its store has none."""

    def __init__(self, message: str, *, keeps_tokens: bool) -> None:
        """Takes `keeps_tokens`: whether the store can keep tokens at all."""
        super().__init__(message)
        self.keeps_tokens = keeps_tokens


class AddressUnavailable(TasksvcError):
    """The service can't listen on an address, which another process uses or this machine doesn't have."""

    def __init__(self, host: str, port: int, reason: str, *, index: int) -> None:
        """Takes `index`: which of the service's listeners it was, counted from 0."""
        super().__init__(f"Cannot listen on {host}:{port}: {reason}.")
        self.host, self.port, self.index = host, port, index


# ---------------------------------------------------------------- a write that breaks a rule


class RepositoryError(TasksvcError):
    """What the methods of a TaskRepository raise."""


class WriteRefused(RepositoryError):
    """A write of a commit breaks a rule, so nothing of that commit was done."""

    index: int = 0
    """Which write of the commit it was, counted from 0."""


class UnknownWrite(WriteRefused):
    """A commit holds something that isn't a known kind of write: a mistake of the program that called it."""

    def __init__(self, write: Never) -> None:
        """Takes `write`, which is Never to a type checker, so that it reports a kind of write that is forgotten."""
        super().__init__(f"A write is a {type(write).__name__}, which is no kind of write. Use one of tasksvc.Write.")


class MixedCommit(WriteRefused):
    """A commit holds writes of tasks and writes of records: a mistake of the program that called it."""

    def __init__(self, index: int) -> None:
        """Takes `index`: the first write that is of another sort than those before it."""
        super().__init__("A commit writes tasks or records, and this one was to write both. Make two commits of it.")
        self.index = index


class TaskNotFound(WriteRefused):
    """There is no such task; from get() too."""

    def __init__(self, task_id: int) -> None:
        super().__init__(f"There is no task {task_id}.")
        self.task_id = task_id


class VersionConflict(WriteRefused):
    """The task is not at a version that the caller named."""

    def __init__(self, current: Task, generation: str) -> None:
        """Takes `current`, the task as it is, in a store of `generation`."""
        super().__init__(f"Task {current.id} is at version {current.version}, and the request expects another one.")
        self.current, self.generation = current, generation


class UidTaken(WriteRefused):
    """Another task of the workspace has the uid."""

    def __init__(self, current: Task, generation: str) -> None:
        """Takes `current`, the task that has it, in a store of `generation`."""
        super().__init__(f"Task {current.id} has this uid already. A uid is unique in a workspace.")
        self.current, self.generation = current, generation


class VersionNotFound(WriteRefused):
    """The task never had the version that is to be restored."""

    def __init__(self, task_id: int, version: int) -> None:
        super().__init__(f"Task {task_id} never had a version {version}.")


class VersionGone(WriteRefused):
    """The log doesn't have the version that is to be restored any more."""

    def __init__(self, task_id: int, version: int) -> None:
        super().__init__(f"Version {version} of task {task_id} isn't in the log any more, so it can't be restored.")


class TooManyRelated(WriteRefused):
    """A commit would change too many tasks besides those that it names: children of deleted tasks."""

    def __init__(self, limit: int) -> None:
        """Takes `limit`: the tasks that may change so."""
        super().__init__(
            f"More than {limit:,} tasks below this one would change with it. Move or delete some of them first."
        )
        self.limit = limit


class RecordConflict(WriteRefused):
    """The record is not at the version that the caller named; `current` is None where it is absent."""

    def __init__(self, namespace: str, key: str, current: Record | None) -> None:
        state = "does not exist" if current is None else f"is at version {current.version}"
        super().__init__(f"Record {key!r} of {namespace!r} {state}, which is not what was expected.")
        self.current = current


class InvalidTask(WriteRefused):
    """A patch would break a rule that concerns the task and the patch together."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


class CommitTooLarge(InvalidTask):
    """The tasks that a commit patches are, all together, too much for one answer and for the log."""

    def __init__(self, limit: int) -> None:
        """Takes `limit`: the bytes that they may have."""
        super().__init__(
            "patch", f"All tasks changed at once may have {limit:,} bytes of JSON together. Change fewer at once."
        )


class WorkspaceFull(WriteRefused):
    """The workspace has as many tasks as it may have, so no further one is created."""

    def __init__(self, limit: int) -> None:
        """Takes `limit`: the most tasks that the workspace may have."""
        super().__init__(f"The workspace may have {limit:,} tasks, and has no room for another one. Delete some first.")
        self.limit = limit


class IdempotencyKeyReused(RepositoryError):
    """The idempotency key was used before, for a request with another fingerprint."""

    def __init__(self) -> None:
        super().__init__("This idempotency key was used for another request. Send a new key with a new request.")


# ---------------------------------------------------------------- reading the log


class PositionGone(RepositoryError):
    """The position is older than the log, beyond its last change, or of another generation of the store."""


# ---------------------------------------------------------------- the store itself


class InvalidWorkspaceName(RepositoryError):
    """The text can't be the name of a workspace."""

    def __init__(self, name: str, limit: int) -> None:
        """Takes the text, and the most characters that a name may have."""
        super().__init__(
            f"{name[: limit + 1]!r} cannot be the name of a workspace."
            f" A name has 1 to {limit} characters of A-Z, a-z, 0-9, '.', '_', '~' and '-', and isn't '.' or '..'."
        )


class NotSupported(RepositoryError):
    """The store declares that it lacks this capability."""


class BackupsUnsupported(NotSupported):
    """The adapter makes no backups."""


class StoreNotEmpty(RepositoryError):
    """The store isn't empty, as restore() needs it."""


class StoreUnavailable(RepositoryError):
    """The store cannot do this now.  Nothing was written."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        """Takes `retry_after`: seconds after which it is worth trying again."""
        super().__init__(message)
        self.retry_after = retry_after


class FormatTooNew(StoreRefused, StoreUnavailable):
    """What a store holds was written by a later version, in a format that this version doesn't read.

    A store of JSON raises it where it is opened, and another one where it reads the entry.
    """

    def __init__(self, number: int, known: int) -> None:
        """Takes the number of the format, and that of the latest one that this version reads."""
        super().__init__(
            f"The store holds data of format {number}, and this version of tasksvc reads formats up to {known}."
            " Use the version of tasksvc that wrote it, or a later one."
        )


class StoreClosed(StoreUnavailable):
    """The store was closed, or is being closed."""


class Overloaded(StoreUnavailable):
    """Too many calls wait already."""


class StoreFull(StoreUnavailable):
    """There is no room left where the store keeps its data."""


class OutcomeUnknown(StoreUnavailable):
    """The store failed while it wrote: the commit may be there or not.  The same idempotency key makes it safe to
    repeat.
    """
