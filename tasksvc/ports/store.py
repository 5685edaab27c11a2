"""TaskRepository: the contract between the service and a store.

The docstrings are the contract, and `tasksvc.testing` checks it.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple

from tasksvc.domain.change import LOG_START, Change, Position
from tasksvc.domain.errors import NotSupported, PositionGone
from tasksvc.domain.query import Cursor, TaskQuery
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task, Version
from tasksvc.domain.workspace import DEFAULT_WORKSPACE, check_workspace_name
from tasksvc.domain.writes import CommitResult, IdempotencyKey, StoreEntry, Write

_ALL: Final = TaskQuery()
_ALL_DESCENDING: Final = TaskQuery(descending=True)
_LISTED_AT_ONCE: Final = 500
"""The tasks on a page that lists() reads by default."""


class Found(NamedTuple):
    """A task, with the generation of the workspace that it was read from."""

    task: Task
    generation: str
    """The effective generation of the workspace, in the snapshot that the task was read from."""

    @property
    def version(self) -> Version:
        """The version that was read, for a Precondition."""
        return Version(self.generation, self.task.version)


class Page(NamedTuple):
    """A page of a list of tasks, all from one snapshot."""

    tasks: Sequence[Task]
    next: Cursor | None
    """The cursor at which the list goes on; None at its end."""
    position: Position
    """The position of the change log in that snapshot."""


class ChangePage(NamedTuple):
    """A page of the change log."""

    changes: Sequence[Change]
    next: Position
    """The position from which to read on."""
    more: bool
    """Whether the log has more changes after these."""


class ListSummary(NamedTuple):
    """A list of a workspace, and how much is in it."""

    name: str
    open: int
    """The number of its tasks that aren't done."""
    total: int
    """The number of its tasks."""


def count_lists(tasks: Iterable[Task], numbers: dict[str, list[int]]) -> None:
    """Adds `tasks` to `numbers`: by the name of each list, how many of its tasks are open, and how many it has."""
    for task in tasks:
        counted = numbers.setdefault(task.list, [0, 0])
        counted[0] += not task.done
        counted[1] += 1


def summarize_lists(numbers: Mapping[str, Sequence[int]], after: str, limit: int) -> list[ListSummary]:
    """Returns at most `limit` lists of those that count_lists() counted, by name, whose names come after `after`."""
    names = sorted(name for name in numbers if name > after)
    return [ListSummary(name, *numbers[name]) for name in names[:limit]]


class WorkspaceSummary(NamedTuple):
    """A workspace, and how much is in it."""

    name: str
    tasks: int
    """The number of its tasks."""
    open: int
    """The number of its tasks that aren't done."""
    updated_at: datetime | None
    """The time of the newest change in its log; None if no change is left there."""


class ChangedWorkspaces(NamedTuple):
    """Workspaces in which something has changed."""

    names: Sequence[str]
    next: str
    """The token from which to go on."""
    more: bool
    """Whether there are more than these now."""


class Capability(StrEnum):
    """A capability that a store may declare absent.  The contract kit skips the tests of an absent one by name."""

    DURABLE = "durable"
    """The store keeps what it holds when it is closed and opened again."""
    RECORDS = "records"
    """The store has record(), records(), PutRecord and DeleteRecord."""
    PRUNE = "prune"
    """The store has prune(), which deletes what is old."""
    DUMP = "dump"
    """The store has dump(), restore() and renew()."""
    WORKSPACES = "workspaces"
    """The store has workspaces beside the default one."""
    SHARED = "shared"
    """Several processes may have the store open at the same time.  A store that one process serves lacks it."""


class StoreReader(ABC):
    """A store as an operator reads it, completely and without changing it."""

    def dump(self) -> AsyncIterator[StoreEntry]:
        """Yields all that the store holds, of one snapshot.

        The StoreHeader comes first, then records by namespace and key, then one workspace after the other by name.
        Of each the WorkspaceHeader comes first, then tasks by id, idempotency keys by scope and value, and changes by
        number.  Text is ordered by code point.  So equal stores have equal dumps.
        """
        raise NotSupported(f"{type(self).__name__} cannot be dumped.")

    async def check(self) -> Sequence[str]:
        """Returns problems that a dump may not show, such as a damaged index, a sentence each."""
        return ()

    @abstractmethod
    async def close(self) -> None:
        """Lets running commits finish, and releases all resources.

        Later calls raise StoreClosed; a second close does nothing.
        """


class TaskRepository(StoreReader):
    """A workspace of a store; the default one is opened by the hook `tasksvc_open_store` of an adapter.

    Each workspace has tasks, ids, a change log and idempotency keys of its own.  Nothing that is done in one can be
    seen in another.  Records are those of the store, whichever workspace is asked, and the methods for maintenance
    concern the whole store.

    An adapter implements commit(), get(), find(), count(), read_changes(), task_changes() and close(); the rest is
    declared absent in `capabilities`, or implemented too.  All times are aware datetimes in UTC.  Five rules hold for
    all methods:

    * A write is atomic wherever its caller is cancelled: all of it or nothing, and never in the transaction of
      another call.  When it returns, it is on disk (a scratch store is exempt).
    * A read sees every write that was acknowledged before the read was called.
    * A read that is cancelled ends in the store too, soon: what it held there is free for others.
    * An error of the store is raised as a StoreUnavailable or one of its subclasses, never as an error of the driver.
    * A call of a store that doesn't answer ends with a StoreUnavailable, after a time limit of the adapter's.

    A workspace has a generation: 1 to 32 characters of [0-9a-z], random, and another one whenever the store is emptied
    or restored, and by renew().  Another process may do that at any time, so the generation is never given apart:
    it comes with what was read or written, out of the same snapshot or transaction.

    The first commit that leaves a task or an idempotency key makes a workspace, with a generation; the default one is
    made with the store.  One that isn't made is empty, and its position is LOG_START, which stays valid.
    """

    workspace_name: str = DEFAULT_WORKSPACE
    """The name of the workspace."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability) - {Capability.SHARED}
    """What the store can do: all but SHARED.  A subclass takes some away, or adds SHARED to those of its base class."""

    # ------------------------------------------------------------ workspaces

    def workspace(self, name: str) -> TaskRepository:
        """Returns the repository of the workspace `name` of the same store.

        It costs hardly anything, makes nothing, and looks nothing up.  Raises InvalidWorkspaceName.
        """
        check_workspace_name(name)
        if name == self.workspace_name:
            return self
        raise NotSupported(f"{type(self).__name__} has no workspaces beside the default one.")

    async def erase(self) -> None:
        """Erases this workspace: its tasks, log and idempotency keys, and its name.

        For every reader it is gone at once, and all of it: it isn't made any more, positions in it are gone, and what
        is written to it later makes a new one, of another generation.  The default workspace is as in a new store.  One
        that isn't made stays so.  A commit at the same time comes before that, or after it.  Those who wait for a
        change in it are woken.

        What it held may still take room in the store: prune() deletes that, and compact() overwrites it.
        """
        raise NotSupported(f"{type(self).__name__} has no workspaces beside the default one.")

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        """Returns at most `limit` workspaces of the store, by name in the order of code points.

        They are made, their names begin with `prefix`, and come after `after`.
        """
        raise NotSupported(f"{type(self).__name__} has no workspaces beside the default one.")

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        """Returns at most `limit` workspaces whose logs have changes that were committed after `since`.

        `since` is "" or a token that an earlier call returned as `next`: up to 500 printable ASCII characters.
        With "" it's all workspaces that are made, and so it is with a text that isn't a token of this life of the
        store.  Called again and again with the tokens it returns, it names every workspace with a change at least
        once after that change, whatever is pruned, closed, killed or committed at once by several processes; it may
        name one again without a change.  What it costs depends on how much has changed, not on how many workspaces
        there are.
        """
        raise NotSupported(f"{type(self).__name__} has no workspaces beside the default one.")

    # ------------------------------------------------------------ writing

    @abstractmethod
    async def commit(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
        by: str | None = None,
    ) -> CommitResult:
        """Does all of `writes`, in their order, in one transaction; or none of them.

        They write tasks or records, never both.
        `at` is the time of the commit, for what it makes.  Ids count up from 1 and are never given
        twice, whatever is deleted, closed or pruned in between.  With an `idempotency_key` the results
        are stored in the same transaction, and a second commit under the key answers them and does
        nothing; where twins race, one waits for the other.  With `tasks_max` no task is created in a workspace that has
        as many already, as it is in that transaction.  `by` is the name of the caller, which each change keeps.
        `Ledger.decide()` has all the rules, and Reading says what it must know for them.

        An `expected` is decided in that transaction, against the generation that the store has there.

        Raises the WriteRefused of the first write that breaks a rule, with its index,
        IdempotencyKeyReused, StoreUnavailable, StoreFull, OutcomeUnknown.  Cancelled: all or nothing.
        """

    # ------------------------------------------------------------ reading

    @abstractmethod
    async def get(self, task_id: int) -> Found:
        """Returns the task.  Raises TaskNotFound if there is none, for any integer at all."""

    @abstractmethod
    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        """Returns at most `limit` (1 to 1,000) tasks of `query` after `after`, as `select()` defines them.

        With `max_bytes` the page ends before the task with which its tasks would come to more, each counted as
        `json_size()` says; but it has at least one task, if there is any.  A store fetches little more than it gives.
        """

    def needs_scan(self, query: TaskQuery) -> bool:
        """Returns whether find() may have to look at many more tasks than it returns, since no index has them in order.

        The service lets its callers take turns at such searches, as at count().  The answer must cost hardly anything.
        By default it's True for whatever isn't the list of all tasks by id.
        """
        return query != _ALL and query != _ALL_DESCENDING

    @abstractmethod
    async def count(self, query: TaskQuery) -> int:
        """Returns the number of tasks that `query` matches in one snapshot; its order has no meaning.

        It may have to look at every task of the store.  Meanwhile it must hold up neither the event
        loop nor other calls.
        """

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        """Returns at most `limit` lists that have a task, by name in the order of code points.

        Their names come after `after`.  Like count(), it may have to look at every task, and must hold up nothing
        meanwhile.  By default it reads all tasks with find(), page by page.
        """
        numbers: dict[str, list[int]] = {}
        cursor: Cursor | None = None
        while True:
            page = await self.find(_ALL, after=cursor, limit=_LISTED_AT_ONCE)
            count_lists(page.tasks, numbers)
            if (cursor := page.next) is None:
                return summarize_lists(numbers, after, limit)

    @abstractmethod
    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        """Returns at most `limit` changes after `since`, in order, and no changes only at the end of the log.

        With `max_bytes` the page ends before the change with which the tasks in it would come to more, each counted
        as `json_size()` says; but it has at least one change, if there is any.

        The log is numbered 1, 2, 3, ... without gaps in the order in which commits become visible:
        a reader that has seen change N never finds one below N later.  LOG_START is the start of every log.

        Raises PositionGone where `since` is of another generation, older than what is left after
        prune(), or beyond the last change.
        """

    @abstractmethod
    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        """Returns what read_changes() does, of the changes of one task alone, which may be deleted.

        LOG_START is where the log begins now, whatever was pruned before.  After the last of them, `next` is the end
        of the log.  Raises PositionGone as read_changes() does, and TaskNotFound if there is no such task and the log
        has no change of it.
        """

    async def changes(
        self, since: Position, *, limit: int, max_bytes: int | None = None, wait: float = 0
    ) -> ChangePage:
        """Returns what read_changes() does, after waiting up to `wait` seconds for the first change."""
        end = time.monotonic() + wait
        while True:
            page = await self.read_changes(since, limit=limit, max_bytes=max_bytes)
            left = end - time.monotonic()
            if page.changes or left <= 0:
                return page
            await self.wait_for_change(page.next, timeout=left)

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        """Returns when there may be a change after `since`, or after `timeout` seconds.

        By default it returns every 50 ms.  Override it if the store can notify.
        """
        await asyncio.sleep(min(timeout, 0.05))

    # ------------------------------------------------------------ records

    async def record(self, namespace: str, key: str) -> Record | None:
        """Returns the record with that key, or None."""
        raise NotSupported(f"{type(self).__name__} keeps no records.")

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        """Returns at most `limit` records of `namespace` whose keys sort after `after` by code point, in that order."""
        raise NotSupported(f"{type(self).__name__} keeps no records.")

    # ------------------------------------------------------------ maintenance

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        """Deletes what is old in all workspaces, at most `limit` entries of each kind, and returns whether more is due.

        In each workspace these are changes older than `log_before` or not among the newest `max_changes`, from the
        start of the log, and idempotency keys of commits before `keys_before`.  The number of the last change and the
        highest id that was given stay known.  What erased workspaces have left is due at any time.
        """
        raise NotSupported(f"{type(self).__name__} does not prune.")

    async def compact(self) -> None:
        """Rewrites what the store has on disk without what was deleted, such as what erased workspaces have left.

        It may take long and hold up other calls.  By default it does nothing, for a store that keeps nothing deleted.
        """

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        """Fills an empty store with a dump, all or nothing, and gives it a new epoch.

        Ids, versions, times, idempotency keys and the numbers of the log are as in the dump, and so is each
        WorkspaceHeader.  A Change is written to the log alone, since tasks come as such.  `entries` can be read once;
        what belongs to a workspace comes after its header.  Raises StoreNotEmpty if there is a task, a record, an
        idempotency key, a change or a workspace beside the default one, or if an id or a number of a change was ever
        given; and ValueError if the header of a workspace is missing.
        """
        raise NotSupported(f"{type(self).__name__} cannot be restored.")

    async def renew(self) -> None:
        """Gives the store a new epoch, and so each workspace a new generation, and changes nothing else.

        For a store that was put back as it was earlier, where the adapter can't notice that by itself.
        Positions and versions that were given before are of another generation from then on.
        """
        raise NotSupported(f"{type(self).__name__} cannot be given a new generation.")

    def statistics(self) -> Mapping[str, float]:
        """Returns metrics for operators, by name in [a-z_]; it may be empty."""
        return {}

    async def ping(self) -> None:
        """Returns if the store can serve now.  Otherwise it raises a StoreUnavailable that says why."""
        await self.find(TaskQuery(), limit=1)


def resolve_position(since: Position, *, generation: str, last_seq: int, pruned_seq: int) -> int:
    """Returns the number in `since`, or raises PositionGone, as read_changes() must.

    The workspace is of `generation`, and its log holds the changes after `pruned_seq` up to `last_seq`.
    """
    if since != LOG_START and since.generation != generation:
        raise PositionGone(
            "This position belongs to another generation of the store, or to another workspace."
            " Read the list again and go on from there."
        )
    if since.seq > last_seq:
        raise PositionGone(f"This position lies beyond the last change, whose number is {last_seq}.")
    if since.seq < pruned_seq:
        raise PositionGone(f"The log was pruned up to change {pruned_seq}. Read the list again and go on from there.")
    return since.seq
