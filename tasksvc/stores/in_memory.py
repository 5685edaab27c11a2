"""A repository that holds everything in memory: the model of every other store.

By itself it persists nothing.  A store whose tasks fit in memory overrides `persist()` to append to a
log of its own and `persist_pruned()` to delete from it, and replays that log when it is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from heapq import nsmallest
from itertools import groupby, islice, takewhile
from typing import Any, NamedTuple, cast

from tasksvc.domain.change import LOG_START, Change, Position, new_generation
from tasksvc.domain.errors import NotSupported, StoreClosed, StoreNotEmpty, TaskNotFound
from tasksvc.domain.ledger import Ledger
from tasksvc.domain.query import Cursor, TaskQuery, fitting, select
from tasksvc.domain.reading import RecordName, read_set
from tasksvc.domain.record import Record
from tasksvc.domain.sizes import json_size
from tasksvc.domain.task import Task
from tasksvc.domain.workspace import DEFAULT_WORKSPACE, check_workspace_name, effective_generation
from tasksvc.domain.writes import (
    STORE,
    Commit,
    CommitResult,
    Entry,
    IdempotencyKey,
    IdempotencyRecord,
    StoreEntry,
    StoreHeader,
    WorkspaceHeader,
    Write,
)
from tasksvc.ports.store import (
    Capability,
    ChangedWorkspaces,
    ChangePage,
    Found,
    ListSummary,
    Page,
    TaskRepository,
    WorkspaceSummary,
    count_lists,
    resolve_position,
    summarize_lists,
)
from tasksvc.stores.batcher import Batcher
from tasksvc.stores.broadcast import Broadcasts
from tasksvc.stores.deciding import decide_each
from tasksvc.stores.pruning import prunable
from tasksvc.stores.turns import Turns
from tasksvc.stores.weight import commit_weight

COUNTED_AT_ONCE = 1_000
"""Tasks, or changes, that are examined between two turns of the event loop, in about a millisecond."""


class _WorkspaceCommit(NamedTuple):
    """A commit in the workspace `workspace`."""

    workspace: str
    commit: Commit


class _Restoring(NamedTuple):
    """A call of restore()."""

    entries: Sequence[StoreEntry]


class _Renewal(NamedTuple):
    """A call of renew()."""


class _Pruning(NamedTuple):
    """A call of prune()."""

    log_before: datetime
    max_changes: int
    keys_before: datetime
    limit: int


class _Erasure(NamedTuple):
    """A call of erase()."""

    workspace: str


class _Compaction(NamedTuple):
    """A call of compact()."""


_Call = _WorkspaceCommit | _Restoring | _Renewal | _Pruning | _Erasure | _Compaction


class PrunedWorkspace(NamedTuple):
    """What is deleted of a workspace: by prune() a part of it, or all of it by erase()."""

    workspace: str
    header: WorkspaceHeader | None
    """The header that replaces the present one.  Changes up to its `pruned_seq` are pruned.

    It's None if the workspace isn't made any more.
    """
    keys: Sequence[IdempotencyKey] = ()
    """The idempotency keys that are pruned."""
    erased: bool = False
    """Whether everything that the workspace holds is deleted: its tasks, keys and changes."""


class _Workspace:
    """A workspace in memory; without a header it isn't made."""

    def __init__(self, records: dict[RecordName, Record], epoch: str) -> None:
        self.tasks: dict[int, Task] = {}
        self.idempotency_records: dict[tuple[str, str], IdempotencyRecord] = {}
        self.log: list[Change] = []
        self.open = 0
        """The number of tasks that aren't done."""
        self.ledger = Ledger("", epoch, tasks=self.tasks, idempotency_records=self.idempotency_records, records=records)
        self.made_as = WorkspaceHeader("", epoch)
        """The last header that was applied, of which the generation and its epoch still hold."""

    @property
    def header(self) -> WorkspaceHeader:
        """The header as it is now."""
        last_seq = self.ledger.last_seq
        return self.made_as._replace(
            last_id=self.ledger.last_id, last_seq=last_seq, pruned_seq=last_seq - len(self.log)
        )

    def apply(self, entry: Entry) -> None:
        """Applies one entry of this workspace."""
        if isinstance(entry, Change):
            self._count_open(entry.task_id, entry.task)
            self.log.append(entry)
        elif isinstance(entry, Task):
            self._count_open(entry.id, entry)
        elif isinstance(entry, WorkspaceHeader):
            self.made_as = entry
        self.ledger.apply((entry,))

    async def changes_of(self, task_ids: Iterable[int]) -> dict[int, list[Change]]:
        """Returns the changes of each of some tasks that the log has, in their order."""
        found: dict[int, list[Change]] = {task_id: [] for task_id in task_ids}
        log, turns = list(self.log) if found else [], Turns()
        for start in range(0, len(log), COUNTED_AT_ONCE):
            for change in log[start : start + COUNTED_AT_ONCE]:
                if change.task_id in found:
                    found[change.task_id].append(change)
            await turns.next()
        return found

    def _count_open(self, task_id: int, task: Task | None) -> None:
        """Counts a task that is written, or deleted, before it is."""
        before = self.tasks.get(task_id)
        self.open += (task is not None and not task.done) - (before is not None and not before.done)

    def begin_epoch(self, epoch: str) -> None:
        """Brings the generation up to date with a new epoch of the store."""
        self.ledger.epoch = epoch
        self.ledger.generation = effective_generation(self.made_as.generation, self.made_as.epoch, epoch)

    def prune(self, header: WorkspaceHeader, keys: Iterable[IdempotencyKey]) -> None:
        """Forgets changes up to `header.pruned_seq`, and `keys`."""
        del self.log[: header.pruned_seq - self.header.pruned_seq]
        for key in keys:
            del self.idempotency_records[key.scope, key.value]

    def entries(self, pruned: PrunedWorkspace | None) -> Iterator[Entry]:
        """Yields the entries of a dump, without what is deleted."""
        before = self.header
        _, header, keys, erased = pruned or PrunedWorkspace("", before)
        if header is not None:
            yield header
        if header is None or erased:
            return
        names = {(key.scope, key.value) for key in keys}
        yield from (self.tasks[task_id] for task_id in sorted(self.tasks))
        yield from (self.idempotency_records[name] for name in sorted(self.idempotency_records) if name not in names)
        yield from self.log[header.pruned_seq - before.pruned_seq :]


class _Memory:
    """All that a store holds."""

    def __init__(self) -> None:
        self.epoch = ""
        self.records: dict[RecordName, Record] = {}
        self.workspaces: dict[str, _Workspace] = {}
        """The workspaces that are made."""
        self.last_change = 0
        """The number of the last change, among those of all workspaces since the store was opened."""
        self.changed: dict[str, int] = {}
        """The number of the last change of each workspace, in the order of these numbers."""
        self.life = new_generation()
        """What distinguishes the tokens of this store from those of others, and of its other lives."""
        self.waiting = Broadcasts()
        """Those who wait for a change, by the name of the workspace."""
        self.closed = False

    def workspace(self, name: str) -> _Workspace:
        """Returns the workspace `name`; an empty one that isn't kept where none is made."""
        return self.workspaces.get(name) or _Workspace(self.records, self.epoch)

    def apply(self, name: str, entry: Entry) -> None:
        """Applies one entry of the workspace `name`, or of the store."""
        if isinstance(entry, StoreHeader):
            self.epoch = entry.epoch
            for workspace in self.workspaces.values():
                workspace.begin_epoch(entry.epoch)
        elif name == STORE:
            self.workspace(DEFAULT_WORKSPACE).ledger.apply((entry,))
        else:
            if name not in self.workspaces:
                if not isinstance(entry, WorkspaceHeader):
                    raise _header_missing(name, entry)
                self.workspaces[name] = _Workspace(self.records, self.epoch)
            workspace = self.workspaces[name]
            workspace.apply(entry)
            if isinstance(entry, Change | WorkspaceHeader):
                self.last_change += 1
                self.changed.pop(name, None)
                self.changed[name] = self.last_change

    def delete(self, pruned: PrunedWorkspace) -> None:
        """Forgets what is deleted of a workspace."""
        name, header, keys, erased = pruned
        if erased:
            del self.workspaces[name]
            self.changed.pop(name, None)
            if header is not None:
                self.apply(name, header)
        elif header is not None:
            self.workspaces[name].prune(header, keys)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but a default workspace in which nothing has ever been."""
        default = self.workspace(DEFAULT_WORKSPACE)
        return not (
            self.records or len(self.workspaces) > 1 or default.idempotency_records or default.header[2:] != (0, 0, 0)
        )


class InMemoryRepository(TaskRepository):
    """A TaskRepository in memory, with every capability."""

    def __init__(self) -> None:
        self._memory = _Memory()
        self.replay((StoreEntry(STORE, StoreHeader(new_generation())),))
        self.replay((StoreEntry(DEFAULT_WORKSPACE, WorkspaceHeader(new_generation(), self._memory.epoch)),))
        self._group: Batcher[_Call, Any] = Batcher(
            self._run, weight=lambda call: commit_weight(call.commit) if isinstance(call, _WorkspaceCommit) else 0
        )

    # ------------------------------------------------------------ for a store that keeps what it holds

    async def persist(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        """Writes the entries of some commits, each commit all or nothing, and returns when they are on disk.

        There is one call of this and persist_pruned() at a time, and no reader sees the entries before it returns.
        Raises a StoreUnavailable.
        """

    async def persist_pruned(self, pruned: Sequence[PrunedWorkspace]) -> None:
        """Deletes changes up to `header.pruned_seq` of each workspace, and its `keys`; all of it where it's `erased`.

        Returns when they are deleted on disk, all of them or nothing.  A store with a row or a file for each entry
        writes each `header` in place of the last one of its workspace and deletes the others.  A store with a log
        writes left_by_pruning() to a new file, and puts that in place of the log.  There is one call of this and
        persist() at a time.  Raises a StoreUnavailable.

        compact() calls it with nothing to delete, so that a store with a log writes all of it to a new file.
        """

    def left_by_pruning(self, pruned: Sequence[PrunedWorkspace]) -> list[StoreEntry]:
        """Returns the entries of a dump without what is deleted, which replay() takes in place of the whole log."""
        memory, by_name = self._memory, {unit.workspace: unit for unit in pruned}
        entries = [StoreEntry(STORE, StoreHeader(memory.epoch))]
        entries += [StoreEntry(STORE, memory.records[name]) for name in sorted(memory.records)]
        for name in sorted(memory.workspaces):
            entries += [StoreEntry(name, entry) for entry in memory.workspaces[name].entries(by_name.get(name))]
        return entries

    def replay(self, entries: Iterable[StoreEntry]) -> None:
        """Applies entries that persist() wrote, in the order in which it wrote them, or those of a dump.

        Raises ValueError where the header of a workspace is missing.
        """
        for name, entry in entries:
            self._memory.apply(name, entry)

    def headers(self) -> list[StoreEntry]:
        """Returns what a new store persists before anything else: its header, and that of the default workspace.

        The headers of workspaces needn't be persisted again with each commit, since replay() takes the numbers of what
        it's given after them.  persist_pruned() gets those that replace them.
        """
        default = self._memory.workspace(DEFAULT_WORKSPACE).header
        return [StoreEntry(STORE, StoreHeader(self._memory.epoch)), StoreEntry(DEFAULT_WORKSPACE, default)]

    # ------------------------------------------------------------ workspaces

    @property
    def _workspace(self) -> _Workspace:
        return self._memory.workspace(self.workspace_name)

    def workspace(self, name: str) -> TaskRepository:
        check_workspace_name(name)
        if name == self.workspace_name:
            return self
        if Capability.WORKSPACES not in self.capabilities:
            return super().workspace(name)
        return _WorkspaceView(self, name)

    async def workspaces(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[WorkspaceSummary]:
        self._check_has(Capability.WORKSPACES)
        made = self._memory.workspaces
        names = sorted(name for name in made if name.startswith(prefix) and name > after)[:limit]
        return [
            WorkspaceSummary(name, len(found.tasks), found.open, found.log[-1].at if found.log else None)
            for name, found in ((name, made[name]) for name in names)
        ]

    async def erase(self) -> None:
        self._check_has(Capability.WORKSPACES)
        await self._group(_Erasure(self.workspace_name))

    async def changed_workspaces(self, since: str, *, limit: int) -> ChangedWorkspaces:
        self._check_has(Capability.WORKSPACES)
        memory = self._memory
        life, _, number = since.partition("-")
        start = int(number) if life == memory.life and number.isdecimal() else 0
        newest_first = list(takewhile(lambda item: item[1] > start, reversed(memory.changed.items())))
        page = newest_first[: -limit - 1 : -1]
        end = page[-1][1] if page else start
        return ChangedWorkspaces([name for name, _ in page], f"{memory.life}-{end}", len(page) < len(newest_first))

    # ------------------------------------------------------------ writing

    async def commit(
        self,
        writes: Sequence[Write],
        *,
        at: datetime,
        idempotency_key: IdempotencyKey | None = None,
        tasks_max: int | None = None,
        by: str | None = None,
    ) -> CommitResult:
        call = _WorkspaceCommit(self.workspace_name, Commit(writes, at, idempotency_key, tasks_max, by))
        return cast(CommitResult, await self._group(call))

    async def _run(self, calls: Sequence[_Call]) -> Sequence[Any]:
        """Does calls in their order, and those commits together that follow each other."""
        outcomes: list[Any] = []
        for kind, part in groupby(calls, type):
            for group in [list(part)] if kind is _WorkspaceCommit else [[call] for call in part]:
                try:
                    outcomes += await self._do(group)
                except Exception as error:  # the calls before them are done
                    outcomes += [error] * len(group)
        return outcomes

    async def _do(self, calls: Sequence[_Call]) -> Sequence[Any]:
        """Does one call, or commits in their order."""
        match calls[0]:
            case _Pruning(log_before, max_changes, keys_before, limit):
                return [await self._prune(log_before, max_changes, keys_before, limit)]
            case _Erasure(workspace):
                await self._erase(workspace)
                return [None]
            case _Compaction():
                await self.persist_pruned(())
                return [None]
            case _Restoring(entries):
                if not self._memory.is_empty:
                    raise StoreNotEmpty("This store holds something already. Restore into a new one.")
                await self._keep([entries])
                return [None]
            case _Renewal():
                await self._keep([[StoreEntry(STORE, StoreHeader(new_generation()))]])
                return [None]
            case _:
                return await self._commit_group(cast("Sequence[_WorkspaceCommit]", calls))

    async def _commit_group(self, commits: Sequence[_WorkspaceCommit]) -> Sequence[CommitResult | Exception]:
        forks: dict[str, Ledger] = {}
        for name, _ in commits:
            if name not in forks:
                records = next(iter(forks.values())).records if forks else None
                workspace = self._memory.workspace(name)
                workspace.ledger.task_count = len(workspace.tasks)
                forks[name] = workspace.ledger.fork(records)
                forks[name].changes = await workspace.changes_of(
                    read_set(commit for other, commit in commits if other == name).versions
                )
        made: list[list[Entry]] = [[] for _ in commits]
        outcomes = await decide_each(
            [(forks[name], entries, commit) for (name, commit), entries in zip(commits, made, strict=True)]
        )
        await self._keep(
            [
                [StoreEntry(STORE if isinstance(entry, Record) else name, entry) for entry in entries]
                for (name, _), entries in zip(commits, made, strict=True)
                if entries
            ]
        )
        return outcomes

    async def _erase(self, name: str) -> None:
        """Deletes a workspace, and wakes those who wait in it."""
        memory = self._memory
        if name not in memory.workspaces:
            return
        header = WorkspaceHeader(new_generation(), memory.epoch) if name == DEFAULT_WORKSPACE else None
        await self._delete([PrunedWorkspace(name, header, erased=True)])
        memory.waiting.notify({name})

    async def _keep(self, commits: Sequence[Sequence[StoreEntry]]) -> None:
        """Persists the entries of commits, and makes them visible."""
        if not commits:
            return
        await self.persist(commits)
        names = {name for entries in commits for name, _ in entries}
        for entries in commits:
            self.replay(entries)
        if STORE in names:  # which may have a new epoch
            self._memory.waiting.notify_all()
        else:
            self._memory.waiting.notify(names)

    # ------------------------------------------------------------ reading

    async def get(self, task_id: int) -> Found:
        self._check_open()
        workspace = self._workspace
        task = workspace.tasks.get(task_id)
        if task is None:
            raise TaskNotFound(task_id)
        return Found(task, workspace.ledger.generation)

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        self._check_open()
        workspace = self._workspace
        return Page(*select(workspace.tasks.values(), query, after, limit, max_bytes), workspace.ledger.position)

    async def count(self, query: TaskQuery) -> int:
        return sum([sum(map(query.matches, tasks)) async for tasks in self._parts()])

    async def lists(self, *, after: str = "", limit: int) -> Sequence[ListSummary]:
        numbers: dict[str, list[int]] = {}
        async for tasks in self._parts():
            count_lists(tasks, numbers)
        return summarize_lists(numbers, after, limit)

    async def _parts(self) -> AsyncIterator[Sequence[Task]]:
        """Yields the tasks as they are now, in parts that hold others up for no more than a moment."""
        self._check_open()
        tasks = list(self._workspace.tasks.values())  # a snapshot, since a task never changes once it is made
        for start in range(0, len(tasks), COUNTED_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            yield tasks[start : start + COUNTED_AT_ONCE]

    async def read_changes(self, since: Position, *, limit: int, max_bytes: int | None = None) -> ChangePage:
        self._check_open()
        workspace = self._workspace
        generation, last_seq = workspace.ledger.position
        pruned_seq = last_seq - len(workspace.log)
        start = resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=pruned_seq)
        changes = workspace.log[start - pruned_seq : start - pruned_seq + limit]
        if max_bytes is not None:
            changes = changes[: fitting((json_size(change.task) for change in changes), max_bytes)]
        end = start + len(changes)
        return ChangePage(changes, Position(generation, end), end < last_seq)

    async def task_changes(
        self, task_id: int, since: Position, *, limit: int, max_bytes: int | None = None
    ) -> ChangePage:
        self._check_open()
        workspace = self._workspace
        generation, last_seq = workspace.ledger.position
        pruned_seq = last_seq - len(workspace.log)
        start = pruned_seq
        if since != LOG_START:
            start = resolve_position(since, generation=generation, last_seq=last_seq, pruned_seq=pruned_seq)
        exists = task_id in workspace.tasks
        changes = (await workspace.changes_of((task_id,)))[task_id]
        if not exists and not changes:
            raise TaskNotFound(task_id)
        left = [change for change in changes if start < change.seq <= last_seq]
        page = left[:limit]
        if max_bytes is not None:
            page = page[: fitting((json_size(change.task) for change in page), max_bytes)]
        more = len(page) < len(left)
        return ChangePage(page, Position(generation, page[-1].seq if more else last_seq), more)

    async def wait_for_change(self, since: Position, *, timeout: float) -> None:
        if since == self._workspace.ledger.position and not self._memory.closed:
            await self._memory.waiting.wait(self.workspace_name, timeout)

    async def record(self, namespace: str, key: str) -> Record | None:
        self._check_has(Capability.RECORDS)
        return self._memory.records.get((namespace, key))

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        self._check_has(Capability.RECORDS)
        records = self._memory.records
        keys = sorted(key for at, key in records if at == namespace and key > after)
        return [records[namespace, key] for key in keys[:limit]]

    # ------------------------------------------------------------ maintenance

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        self._check_has(Capability.PRUNE)
        return bool(await self._group(_Pruning(log_before, max_changes, keys_before, limit)))

    async def _prune(self, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        pruned: list[PrunedWorkspace] = []
        changes_left = keys_left = limit
        more, turns = False, Turns()
        for name, workspace in sorted(self._memory.workspaces.items()):
            await turns.next()
            before = workspace.header
            pruned_seq, more_changes = prunable(
                ((change.seq, change.at) for change in islice(workspace.log, changes_left + 1)),
                last_seq=before.last_seq,
                log_before=log_before,
                max_changes=max_changes,
                limit=changes_left,
            )
            expired = nsmallest(
                keys_left + 1,
                (record for record in workspace.idempotency_records.values() if record.at < keys_before),
                key=lambda record: record.at,
            )
            keys = [record.key for record in expired[:keys_left]]
            if pruned_seq is not None or keys:
                header = before if pruned_seq is None else before._replace(pruned_seq=pruned_seq)
                pruned.append(PrunedWorkspace(name, header, keys))
                changes_left -= header.pruned_seq - before.pruned_seq
                keys_left -= len(keys)
            more = more or more_changes or len(expired) > len(keys)
        if pruned:
            await self._delete(pruned)
        return more

    async def _delete(self, pruned: Sequence[PrunedWorkspace]) -> None:
        """Deletes a part of workspaces, or all of them, on disk and then in memory."""
        await self.persist_pruned(pruned)
        for unit in pruned:
            self._memory.delete(unit)

    async def compact(self) -> None:
        self._check_open()
        await self._group(_Compaction())

    async def dump(self) -> AsyncIterator[StoreEntry]:
        self._check_has(Capability.DUMP)
        for entry in self.left_by_pruning(()):
            yield entry

    async def restore(self, entries: AsyncIterable[StoreEntry]) -> None:
        self._check_has(Capability.DUMP)
        taken = [StoreEntry(STORE, StoreHeader(new_generation()))]
        headers = {STORE}
        async for unit in entries:
            name, entry = unit
            if isinstance(entry, StoreHeader):
                continue
            if isinstance(entry, WorkspaceHeader):
                headers.add(name)
            elif name not in headers:
                raise _header_missing(name, entry)
            taken.append(unit)
        await self._group(_Restoring(taken))

    async def renew(self) -> None:
        self._check_has(Capability.DUMP)
        await self._group(_Renewal())

    async def close(self) -> None:
        await self._group.close()
        self._memory.closed = True
        self._memory.waiting.notify_all()  # so that readers that wait learn of it

    def _check_open(self) -> None:
        if self._memory.closed:
            raise StoreClosed("The store is closed.")

    def _check_has(self, capability: Capability) -> None:
        self._check_open()
        if capability not in self.capabilities:
            raise NotSupported(f"{type(self).__name__} declares {capability.name} absent.")


class _WorkspaceView(InMemoryRepository):
    """A workspace of the store that `root` has open."""

    def __init__(self, root: InMemoryRepository, name: str) -> None:
        self._root, self._memory, self._group, self.workspace_name = root, root._memory, root._group, name
        self.capabilities = root.capabilities  # type: ignore[misc]  # its class may lack some that the root's has

    def workspace(self, name: str) -> TaskRepository:
        return self._root.workspace(name)

    def statistics(self) -> Mapping[str, float]:
        return self._root.statistics()

    async def ping(self) -> None:
        await self._root.ping()

    async def check(self) -> Sequence[str]:
        return await self._root.check()

    async def close(self) -> None:
        await self._root.close()


def _header_missing(name: str, entry: Entry) -> ValueError:
    return ValueError(f"A {type(entry).__name__} of the workspace {name!r} comes before the header of the workspace.")
