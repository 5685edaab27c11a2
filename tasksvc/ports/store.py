"""TaskRepository: the contract between the service and a store.

The docstrings are the contract, and `tasksvc.testing` checks it.  Four rules hold for all methods:

* A write is atomic whatever cancels it: completely there or not at all, and never in another's
  transaction.  When it returns it is on disk (a scratch store is exempt).
* A read sees every write that was acknowledged before the read was called.
* A read that is cancelled ends in the store too, soon: what it held there is free for others.
* What goes wrong in the store comes out as a StoreUnavailable or one of its kinds, never as an
  error of the driver.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, NamedTuple

from tasksvc.domain.change import LOG_START, Change, Position
from tasksvc.domain.errors import NotSupported, PositionGone
from tasksvc.domain.query import Cursor, TaskQuery
from tasksvc.domain.record import Record
from tasksvc.domain.task import Task, Version
from tasksvc.domain.writes import CommitResult, Entry, IdempotencyKey, Write

_ALL: Final = TaskQuery()
_ALL_DESCENDING: Final = TaskQuery(descending=True)


class Found(NamedTuple):
    """A task, and the store that it was read from."""

    task: Task
    generation: str
    """Of the store, in the snapshot that the task was read from."""

    @property
    def version(self) -> Version:
        """The version that was read, for an Expected."""
        return Version(self.generation, self.task.version)


class Page(NamedTuple):
    """Some tasks of a list, of one snapshot."""

    tasks: Sequence[Task]
    next: Cursor | None
    """Where the list goes on; None at its end."""
    position: Position
    """Of the log, in that snapshot."""


class ChangePage(NamedTuple):
    """Some entries of the change log."""

    changes: Sequence[Change]
    next: Position
    """Where to read on."""
    more: bool
    """There are more by now."""


class Capability(StrEnum):
    """What a store may declare as absent.  The contract kit then skips just the tests of that, by name."""

    DURABLE = "durable"
    """Keeps what it holds over close and reopen."""
    RECORDS = "records"
    """The store has record(), records(), PutRecord and DeleteRecord."""
    PRUNE = "prune"
    """The store has prune(), which deletes what is old."""
    DUMP = "dump"
    """The store has dump(), restore() and renew()."""


class StoreReader(ABC):
    """What an operator reads of a store: all of it."""

    def dump(self) -> AsyncIterator[Entry]:
        """All that the store holds, of one snapshot.

        The header comes first, then tasks by id, records by namespace and key, idempotency keys by scope and
        value, and changes by number; text is ordered by code point.  So equal stores have equal dumps.
        """
        raise NotSupported(f"{type(self).__name__} cannot be dumped.")

    async def check(self) -> Sequence[str]:
        """What is wrong underneath, where a dump may not show it, such as a damaged index: a sentence each."""
        return ()

    @abstractmethod
    async def close(self) -> None:
        """Lets running commits finish and frees everything.

        Calls after it raise StoreClosed; a second close does nothing.
        """


class TaskRepository(StoreReader):
    """A store of tasks, opened by the hook `tasksvc_open_store` of an adapter.

    An adapter implements commit(), get(), find(), count(), read_changes() and close(); the rest is declared
    absent in `capabilities`, or implemented too.  All times are aware datetimes in UTC.

    A store has a generation: 1 to 32 characters of [0-9a-z], random, renewed whenever it is emptied
    or restored, and by renew().  Another process may do that at any time, so the generation is never given apart:
    it comes with what was read or written, out of the same snapshot or transaction.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)

    # ------------------------------------------------------------ writing

    @abstractmethod
    async def commit(
        self, writes: Sequence[Write], *, at: datetime, idempotency_key: IdempotencyKey | None = None
    ) -> CommitResult:
        """Does all of `writes`, in their order, in one transaction; or none of them.

        `at` is the time of the commit, for what it makes.  Ids count up from 1 and are never given
        twice, whatever is deleted, closed or pruned in between.  With a `idempotency_key` key the results
        are stored in the same transaction, and a second commit under the key answers them and does
        nothing; where twins race, one waits for the other.  `Ledger.decide()` has all the rules.

        An `expected` is decided in that transaction, against the generation that the store has there.

        Raises the WriteRefused of the first write that breaks a rule, with its index,
        IdempotencyKeyReused, StoreUnavailable, StoreFull, OutcomeUnknown.  Cancelled: all or nothing.
        """

    # ------------------------------------------------------------ reading

    @abstractmethod
    async def get(self, task_id: int) -> Found:
        """The task as it is.  Raises TaskNotFound, for any integer at all."""

    @abstractmethod
    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        """At most `limit` (1 to 1,000) tasks of `query` after the place `after`, as `select()` defines them.

        With `max_bytes` the page ends before the task with which its tasks would come to more, each counted as
        `json_size()` says; but it has at least one task, if there is any.  A store fetches little more than it gives.
        """

    def needs_scan(self, query: TaskQuery) -> bool:
        """Whether find() may have to look at many more tasks than it gives, as no index has just these in their order.

        The service lets its callers take turns at such searches, as at count().  The answer must cost hardly anything.
        By default it's True for whatever isn't the list of all tasks by id.
        """
        return query != _ALL and query != _ALL_DESCENDING

    @abstractmethod
    async def count(self, query: TaskQuery) -> int:
        """How many tasks `query` matches in one snapshot, however many there are; its order has no meaning.

        It may have to look at every task of the store.  Meanwhile it must hold up neither the event
        loop nor other calls.
        """

    @abstractmethod
    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        """Changes after `since`, in order, at most `limit`; it may give fewer, but none only at the head.

        With `max_bytes` the page ends before the change with which the tasks in it would come to more, each counted
        as `json_size()` says; but it has at least one change, if there is any.

        The log is numbered 1, 2, 3, ... without gaps in the order in which commits become visible:
        who has seen N never later finds a change below N.  LOG_START stands for the start.

        Raises PositionGone where `since` is of another generation, older than what is left after
        prune(), or beyond the head.
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
        """Returns when there may be a change after `since`, or after `timeout` seconds.  A better store wakes."""
        await asyncio.sleep(min(timeout, 0.05))

    # ------------------------------------------------------------ records

    async def record(self, namespace: str, key: str) -> Record | None:
        """The record of that name."""
        raise NotSupported(f"{type(self).__name__} keeps no records.")

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        """At most `limit` records of `namespace` whose key sorts after `after` by code point, in that order."""
        raise NotSupported(f"{type(self).__name__} keeps no records.")

    # ------------------------------------------------------------ keeping house

    async def prune(self, *, log_before: datetime, log_keep: int, keys_before: datetime, limit: int) -> bool:
        """Drops what is old, in one short step of at most `limit` entries of each kind; True if more is due.

        Of the log: from its start, what is older than `log_before` or beyond the newest `log_keep`.
        Of the idempotency keys: those of commits before `keys_before`.  The number of the last change and
        the highest id that was given stay known.
        """
        raise NotSupported(f"{type(self).__name__} does not prune.")

    async def restore(self, entries: AsyncIterable[Entry]) -> None:
        """Fills an empty store with a dump, all or nothing, and gives it a new generation.

        Ids, versions, times, idempotency keys and the numbers of the log are as in the dump.  Raises
        StoreNotEmpty.
        """
        raise NotSupported(f"{type(self).__name__} cannot be restored.")

    async def renew(self) -> None:
        """Gives the store a new generation, and changes nothing else.

        For a store that was put back as it was earlier, where the adapter can't notice that by itself.
        Positions and versions that were given before are of another generation from then on.
        """
        raise NotSupported(f"{type(self).__name__} cannot be given a new generation.")

    def statistics(self) -> Mapping[str, float]:
        """Returns metrics for operators, by name in [a-z_]; it may be empty."""
        return {}

    async def ping(self) -> None:
        """Returns if the store can serve now, and raises a StoreUnavailable that says why if not."""
        await self.find(TaskQuery(), limit=1)


def resolve_position(since: Position, *, generation: str, last_seq: int, pruned_seq: int) -> int:
    """Returns the number in `since`, or raises PositionGone, as read_changes() must.

    The store is of `generation`, and its log holds the changes after `pruned_seq` up to `last_seq`.
    """
    if since != LOG_START and since.generation != generation:
        raise PositionGone(
            "This position belongs to another generation of the store. Read the list again and go on from there."
        )
    if since.seq > last_seq:
        raise PositionGone(f"This position lies beyond the last change, whose number is {last_seq}.")
    if since.seq < pruned_seq:
        raise PositionGone(f"The log was pruned up to change {pruned_seq}. Read the list again and go on from there.")
    return since.seq
