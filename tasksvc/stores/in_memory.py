"""A repository that holds everything in memory: the model of every other store.

By itself it persists nothing.  A store whose tasks fit in memory overrides `persist()` to append to a
log of its own and `persist_pruned()` to shorten it, and replays that log when it is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from datetime import datetime
from heapq import nsmallest
from itertools import groupby, islice
from typing import Any, Final, Literal, NamedTuple, cast

from tasksvc.domain.change import Change, Position, new_generation
from tasksvc.domain.errors import NotSupported, StoreClosed, StoreNotEmpty, TaskNotFound
from tasksvc.domain.ledger import Ledger
from tasksvc.domain.query import Cursor, TaskQuery, fitting, select
from tasksvc.domain.record import Record
from tasksvc.domain.sizes import json_size
from tasksvc.domain.task import Task
from tasksvc.domain.writes import Commit, CommitResult, Entry, IdempotencyKey, IdempotencyRecord, StoreHeader, Write
from tasksvc.ports.store import Capability, ChangePage, Found, Page, TaskRepository, resolve_position
from tasksvc.stores.batcher import Batcher
from tasksvc.stores.broadcast import Broadcast
from tasksvc.stores.deciding import decide
from tasksvc.stores.pruning import prunable
from tasksvc.stores.turns import Turns
from tasksvc.stores.weight import commit_weight

COUNTED_AT_ONCE = 1_000
"""The number of tasks that count() examines between two turns of the event loop, in about a millisecond."""

_RENEWAL: Final = "renewal"
_Writing = Commit | list[Entry] | Literal["renewal"]
"""A commit, the entries of a dump that is restored, or a renewal of the generation."""


class _Pruning(NamedTuple):
    """A call of prune()."""

    log_before: datetime
    max_changes: int
    keys_before: datetime
    limit: int


class InMemoryRepository(TaskRepository):
    """A TaskRepository in memory, with every capability."""

    def __init__(self) -> None:
        self._tasks: dict[int, Task] = {}
        self._idempotency_records: dict[tuple[str, str], IdempotencyRecord] = {}
        self._records: dict[tuple[str, str], Record] = {}
        self._ledger = Ledger(
            new_generation(), tasks=self._tasks, idempotency_records=self._idempotency_records, records=self._records
        )
        self._log: list[Change] = []
        self._changed = Broadcast()
        self._group: Batcher[_Writing | _Pruning, Any] = Batcher(
            self._run, weight=lambda unit: commit_weight(unit) if isinstance(unit, Commit) else 0
        )
        self._closed = False

    # ------------------------------------------------------------ for a store that keeps what it holds

    async def persist(self, commits: Sequence[Sequence[Entry]]) -> None:
        """Writes the entries of some commits, each commit all or nothing, and returns when they are on disk.

        There is one call of this and persist_pruned() at a time, and no reader sees the entries before it returns.
        Raises a StoreUnavailable.
        """

    async def persist_pruned(self, header: StoreHeader, keys: Sequence[IdempotencyKey]) -> None:
        """Deletes what is pruned: the changes up to `header.pruned_seq`, and these idempotency keys.

        Returns when they are deleted on disk, all of them or nothing.  A store with a row or a file for each entry
        writes `header` in place of the last one and deletes the others.  A store with a log writes
        left_by_pruning() to a new file, and puts that in place of the log.  There is one call of this and persist()
        at a time.  Raises a StoreUnavailable.
        """

    def left_by_pruning(self, header: StoreHeader, keys: Sequence[IdempotencyKey]) -> list[Entry]:
        """Returns the entries of a dump without what is pruned, which replay() takes in place of the whole log."""
        pruned = header.pruned_seq - self.header.pruned_seq
        names = {(key.scope, key.value) for key in keys}
        idempotency_records = (
            self._idempotency_records[name] for name in sorted(self._idempotency_records) if name not in names
        )
        tasks = (self._tasks[task_id] for task_id in sorted(self._tasks))
        records = (self._records[name] for name in sorted(self._records))
        return [header, *tasks, *records, *idempotency_records, *self._log[pruned:]]

    def replay(self, entries: Iterable[Entry]) -> None:
        """Applies entries that persist() wrote, in the order in which it wrote them, or those of a dump."""
        for entry in entries:
            self._ledger.apply((entry,))
            if isinstance(entry, Change):
                self._log.append(entry)

    @property
    def header(self) -> StoreHeader:
        """The header, which a new store persists before anything else.

        It needn't be persisted again with each commit, since replay() takes the numbers of what it's given after the
        header.  persist_pruned() gets the one that replaces it.
        """
        ledger = self._ledger
        return StoreHeader(ledger.generation, ledger.last_id, ledger.last_seq, ledger.last_seq - len(self._log))

    # ------------------------------------------------------------ the port

    async def commit(
        self, writes: Sequence[Write], *, at: datetime, idempotency_key: IdempotencyKey | None = None
    ) -> CommitResult:
        return cast(CommitResult, await self._group(Commit(writes, at, idempotency_key)))

    async def _run(self, units: Sequence[_Writing | _Pruning]) -> Sequence[Any]:
        """Does units in their order, and those together that follow each other and aren't prunings."""
        outcomes: list[Any] = []
        for prunes, part in groupby(units, lambda unit: isinstance(unit, _Pruning)):
            group: list[Any] = list(part)
            try:
                outcomes += [await self._prune(*unit) for unit in group] if prunes else await self._commit_group(group)
            except Exception as error:  # the units before them are done
                outcomes += [error] * len(group)
        return outcomes

    async def _commit_group(self, units: Sequence[_Writing]) -> Sequence[CommitResult | Exception]:
        """Does commits, restores of dumps, and renewals of the generation, in their order."""
        outcomes: list[CommitResult | Exception] = []
        made: list[list[Entry]] = []
        ledger, turns = self._ledger.fork(), Turns()
        for unit in units:
            try:
                if isinstance(unit, Commit):
                    decision = await decide(ledger, unit, turns)
                    committed, entries = decision.committed, decision.entries()
                elif unit == _RENEWAL:
                    header = StoreHeader(new_generation(), ledger.last_id, ledger.last_seq, self.header.pruned_seq)
                    committed, entries = CommitResult((), self._ledger.position), [header]
                else:
                    if made or self.header[1:] != (0, 0, 0) or self._records or self._idempotency_records:
                        raise StoreNotEmpty("This store holds something already. Restore into a new one.")
                    committed, entries = CommitResult((), self._ledger.position), unit
            except Exception as error:  # whatever it is, it is this unit's alone
                outcomes.append(error)
            else:
                ledger.apply(entries)
                outcomes.append(committed)
                if entries:
                    made.append(entries)
        if made:
            await self.persist(made)
            for entries in made:
                self.replay(entries)
            self._changed.notify()
        return outcomes

    async def get(self, task_id: int) -> Found:
        self._check_open()
        task = self._tasks.get(task_id)
        if task is None:
            raise TaskNotFound(task_id)
        return Found(task, self._ledger.generation)

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        self._check_open()
        return Page(*select(self._tasks.values(), query, after, limit, max_bytes), self._ledger.position)

    async def count(self, query: TaskQuery) -> int:
        self._check_open()
        tasks = list(self._tasks.values())  # a snapshot, since a task never changes once it is made
        found = 0
        for start in range(0, len(tasks), COUNTED_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            found += sum(map(query.matches, tasks[start : start + COUNTED_AT_ONCE]))
        return found

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        self._check_open()
        generation, _, last_seq, pruned_seq = self.header
        start = resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=pruned_seq)
        changes = self._log[start - pruned_seq : start - pruned_seq + limit]
        if max_bytes is not None:
            changes = changes[: fitting((json_size(change.task) for change in changes), max_bytes)]
        end = start + len(changes)
        return ChangePage(changes, Position(generation, end), end < last_seq)

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        if since == self._ledger.position:
            await self._changed.wait(timeout)

    async def record(self, namespace: str, key: str) -> Record | None:
        self._check_has(Capability.RECORDS)
        return self._records.get((namespace, key))

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        self._check_has(Capability.RECORDS)
        keys = sorted(key for at, key in self._records if at == namespace and key > after)
        return [self._records[namespace, key] for key in keys[:limit]]

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        self._check_has(Capability.PRUNE)
        return bool(await self._group(_Pruning(log_before, max_changes, keys_before, limit)))

    async def _prune(self, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        before = self.header
        pruned_seq, more = prunable(
            ((change.seq, change.at) for change in islice(self._log, limit + 1)),
            last_seq=before.last_seq,
            log_before=log_before,
            max_changes=max_changes,
            limit=limit,
        )
        expired = nsmallest(
            limit + 1,
            (record for record in self._idempotency_records.values() if record.at < keys_before),
            key=lambda record: record.at,
        )
        keys = [record.key for record in expired[:limit]]
        if pruned_seq is not None or keys:
            header = before if pruned_seq is None else before._replace(pruned_seq=pruned_seq)
            await self.persist_pruned(header, keys)
            del self._log[: header.pruned_seq - before.pruned_seq]
            for key in keys:
                del self._idempotency_records[key.scope, key.value]
        return more or len(expired) > limit

    async def dump(self) -> AsyncIterator[Entry]:
        self._check_has(Capability.DUMP)
        for entry in self.left_by_pruning(self.header, ()):
            yield entry

    async def restore(self, entries: AsyncIterable[Entry]) -> None:
        self._check_has(Capability.DUMP)
        generation = new_generation()
        taken = [
            entry._replace(generation=generation) if isinstance(entry, StoreHeader) else entry
            async for entry in entries
        ]
        await self._group(taken)

    async def renew(self) -> None:
        self._check_has(Capability.DUMP)
        await self._group(_RENEWAL)

    async def close(self) -> None:
        await self._group.close()
        self._closed = True
        self._changed.notify()  # so that readers that wait learn of it

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("The store is closed.")

    def _check_has(self, capability: Capability) -> None:
        self._check_open()
        if capability not in self.capabilities:
            raise NotSupported(f"{type(self).__name__} declares {capability.name} absent.")
