"""Does commits; those that wait share a transaction, whichever workspaces they are in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tasksvc import (
    DEFAULT_WORKSPACE,
    Batcher,
    Commit,
    CommitResult,
    Entry,
    Found,
    IdempotencyRecord,
    Ledger,
    Position,
    Reading,
    ReadSet,
    Record,
    StoreClosed,
    Task,
    commit_weight,
    decide_each,
    effective_generation,
    in_turns,
    run_individually,
    settle,
)
from tasksvc.sql import INT64_MAX
from tasksvc_sqlite.cache import Header, StoreCache, TaskKey, task_key
from tasksvc_sqlite.connection import run_to_completion
from tasksvc_sqlite.erase import erase
from tasksvc_sqlite.errors import BIND_ERRORS, CorruptData, unstorable
from tasksvc_sqlite.find_sql import PARENT_TERM, point_lookups, term_lookups
from tasksvc_sqlite.history import versions_of
from tasksvc_sqlite.prune import Pruner
from tasksvc_sqlite.rows import (
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Statement,
    Written,
    change_from_row,
    is_storable,
    load_idempotency_record,
    record_from_row,
    record_statements,
    statements,
    task_from_row,
    workspace_statements,
)
from tasksvc_sqlite.writer import WriteConnection

_HEADER_COLUMNS: Final = """name, key, generation, epoch,
  max(last_id, ifnull((SELECT max(id) FROM versions WHERE workspace = key AND current IS NOT NULL), 0)),
  max(pruned_seq, ifnull((SELECT max(seq) FROM versions WHERE workspace = key AND seq IS NOT NULL), 0)),
  pruned_seq, is_large,
  EXISTS (SELECT 1 FROM workspace_terms WHERE workspace = key AND term >= 'parent_id=' AND term < 'parent_id>')"""


_COUNT_TASKS: Final = Statement("SELECT count(*) FROM tasks")
_COUNT_OF_WORKSPACE: Final = "SELECT count(*) FROM versions WHERE workspace = ? AND current IS NOT NULL"
_ERASED_AT_ONCE: Final = 500
"""The entries of each kind that compact() deletes in one transaction, between which commits have their turn."""
_COMPACT_AGAIN_SECONDS: Final = 0.2
"""Seconds between two attempts to empty SQLite's log, which readers prevent."""


class _WorkspaceCommit(NamedTuple):
    """A commit in the workspace `workspace`."""

    workspace: str
    commit: Commit


class _Part:
    """The commits of a group that are in one workspace."""

    def __init__(self, workspace: str, header: Header) -> None:
        self.workspace, self.header = workspace, header
        self.commits: list[Commit] = []
        self.ledger: Ledger
        self.reading: Reading
        """What they need, as the last transaction left it."""
        self.entries: list[Entry] = []


class Committer:
    """Does commits that wait in one transaction, in which each one succeeds or fails alone."""

    def __init__(self, writer: WriteConnection, cache: StoreCache) -> None:
        self._writer, self._cache = writer, cache
        self._pruner = Pruner(writer, cache)
        self._group: Batcher[_WorkspaceCommit, CommitResult] = Batcher(
            self._commit_group, weight=lambda item: commit_weight(item.commit)
        )
        self._count = self._groups = 0
        self._compacting: set[asyncio.Task[None]] = set()

    async def commit(self, workspace: str, commit: Commit) -> CommitResult:
        """Does what TaskRepository.commit() promises of the workspace."""
        return await self._group(_WorkspaceCommit(workspace, commit))

    async def close(self) -> None:
        """Returns when all commits that wait are done; what compacts the file breaks off."""
        for compacting in self._compacting:
            compacting.cancel()
        await self._group.close()

    def statistics(self) -> dict[str, float]:
        """Returns the numbers of commits, of the batches that they were in, and of commits that wait."""
        return {"commits": self._count, "commit_groups": self._groups, "commits_waiting": self._group.queued}

    async def _commit_group(self, group: Sequence[_WorkspaceCommit]) -> Sequence[CommitResult | Exception]:
        try:
            async with self._writer:
                return await self._commit_together(group)
        except BIND_ERRORS as error:
            if len(group) == 1:
                raise unstorable(error) from error
        except CorruptData:  # what one of them names
            if len(group) == 1:
                raise
        return await run_individually(self._commit_group, group)

    async def _commit_together(self, group: Sequence[_WorkspaceCommit]) -> Sequence[CommitResult | Exception]:
        self._count += len(group)
        self._groups += 1
        parts = await self._parts(group)
        await self._prepare(parts.values())
        outcomes = await decide_each(
            [((part := parts[workspace]).ledger, part.entries, commit) for workspace, commit in group]
        )
        if written := [part for part in parts.values() if part.entries]:
            await self._persist(written)
        return outcomes

    # ------------------------------------------------------------ what they need

    async def _parts(self, group: Sequence[_WorkspaceCommit]) -> dict[str, _Part]:
        """Returns the group by workspace."""
        headers = await self._headers({item.workspace for item in group})
        parts = {workspace: _Part(workspace, header) for workspace, header in headers.items()}
        for workspace, commit in group:
            parts[workspace].commits.append(commit)
        return parts

    async def _headers(self, workspaces: set[str]) -> dict[str, Header]:
        """Returns the headers of workspaces; one that isn't made has no generation."""
        found: dict[str, Header] = {}
        missing: list[tuple[str]] = []
        for workspace in workspaces:
            if (header := self._cache.header(workspace)) is not None:
                found[workspace] = header
            else:
                missing.append((workspace,))
                found[workspace] = Header(0, "", 0, 0, 0)
        for statement in point_lookups(_HEADER_COLUMNS, "workspaces", ("name",), missing):
            for name, key, generation, epoch, *numbers, is_large, has_parents in await self._writer.rows(*statement):
                effective = effective_generation(generation, epoch, self._cache.epoch)
                found[name] = Header(key, effective, *numbers, is_large=bool(is_large), has_parents=bool(has_parents))
                self._cache.headers.put(name, found[name])
        return found

    async def _prepare(self, parts: Iterable[_Part]) -> None:
        """Makes the ledgers, which know all that the commits name, as the last transaction left it."""
        records: dict[tuple[str, str], Record] = {}  # the same in all workspaces
        record_names: set[tuple[str, str]] = set()
        for part in parts:
            header, part.reading = part.header, Reading(part.commits)
            if header.task_count is None and any(commit.tasks_max is not None for commit in part.commits):
                header.task_count = await self._count_tasks(part)
            part.ledger = Ledger(
                header.generation,
                self._cache.epoch,
                last_id=header.last_id,
                last_seq=header.last_seq,
                task_count=header.task_count or 0,
                records=records,
            )
            while (names := part.reading.next()) is not None:
                await self._read(part, names)
                if names.idempotency_keys:
                    part.ledger.apply(await self._idempotency_records(part, names.idempotency_keys))
                record_names |= names.records
            part.ledger.know(part.reading)
        for statement in point_lookups(RECORD_COLUMNS, "records", ("namespace", "key"), list(record_names)):
            for record in map(record_from_row, await self._writer.rows(*statement)):
                records[record.namespace, record.key] = record

    async def _count_tasks(self, part: _Part) -> int:
        """Returns the number of tasks in a workspace, which an index has."""
        of_workspace = Statement(_COUNT_OF_WORKSPACE, (part.header.key,))
        ((tasks,),) = await self._writer.rows(*(_COUNT_TASKS if part.workspace == DEFAULT_WORKSPACE else of_workspace))
        return int(tasks)

    async def _read(self, part: _Part, names: ReadSet) -> None:
        """Reads tasks, and changes of tasks, for the decisions on the commits of a part."""
        if names.task_ids:
            part.reading.add(tasks=await self._tasks(part, names.task_ids))
        key = None if part.workspace == DEFAULT_WORKSPACE else part.header.key
        has_parents = part.header.has_parents
        terms = [
            term for term in names.terms if (has_parents or not term.startswith(PARENT_TERM)) and is_storable(term)
        ]
        for statement in term_lookups(terms, key, part.reading.term_limit):
            part.reading.add(tasks=await in_turns(task_from_row, await self._writer.rows(*statement)))
        for task_id, numbers in names.versions.items():
            if 0 < task_id <= INT64_MAX:
                rows = await self._writer.rows(*versions_of(key, task_id, numbers))
                part.reading.add(changes=await in_turns(change_from_row, rows))

    async def _tasks(self, part: _Part, task_ids: Iterable[int]) -> list[Task]:
        workspace = part.workspace
        found: list[Task] = []
        missing: list[int] = []
        for task_id in task_ids:
            if (known := self._cache.tasks.get(task_key(workspace, task_id))) is not None:
                found.append(known.task)
            elif 0 < task_id <= INT64_MAX:
                missing.append(task_id)
        if workspace == DEFAULT_WORKSPACE:
            lookups = point_lookups(TASK_COLUMNS, "tasks", ("id",), [(task_id,) for task_id in missing])
        else:
            keys = [(part.header.key, task_id) for task_id in missing]
            lookups = point_lookups(TASK_COLUMNS, "versions", ("workspace", "id"), keys, "current IS NOT NULL")
        for statement in lookups:
            found += await in_turns(task_from_row, await self._writer.rows(*statement))
        return found

    async def _idempotency_records(self, part: _Part, names: Iterable[tuple[str, str]]) -> list[IdempotencyRecord]:
        columns = IDEMPOTENCY_RECORD_COLUMNS
        if part.workspace == DEFAULT_WORKSPACE:
            lookups = point_lookups(columns, "idempotency_keys", ("scope", "value"), list(names))
        else:
            keys = [(part.header.key, *name) for name in names]
            lookups = point_lookups(columns, "workspace_keys", ("workspace", "scope", "value"), keys)
        return [
            await load_idempotency_record(row) for statement in lookups for row in await self._writer.rows(*statement)
        ]

    # ------------------------------------------------------------ what they leave

    async def _persist(self, parts: Sequence[_Part]) -> None:
        cache = self._cache
        to_do: list[Statement] = []
        others: list[Written] = []
        changed: dict[TaskKey, Found | None] = {}
        last_seq, last_key, position = cache.default.last_seq, cache.last_key, cache.position
        for part in parts:
            workspace, header, ledger = part.workspace, part.header, part.ledger
            settled = settle(part.entries, part.reading.tasks)
            header.has_parents |= any(term.startswith(PARENT_TERM) for term, _ in settled.new_terms)
            if workspace == DEFAULT_WORKSPACE:
                to_do += statements(settled)
                last_seq = ledger.last_seq
            else:
                if settled.header is not None:
                    header.key = last_key = last_key + 1
                others.append(Written(workspace, header, settled, ledger.last_id))
                if settled.records or settled.deleted_records:
                    to_do += record_statements(settled)
                position += len(settled.changes)
            generation, is_default = ledger.generation, workspace == DEFAULT_WORKSPACE
            for _, _, _, task_id, task, _ in settled.changes:
                found = None if task is None else Found(task, generation)
                changed[task_id if is_default else (workspace, task_id)] = found
        if others:
            to_do += workspace_statements(others, cache.position)
        cache.begin_commit(changed)
        try:
            await self._writer.write(to_do, head=Position(cache.life, last_seq + position) if changed else None)
        except BaseException:
            cache.abort_commit()
            raise
        cache.last_key, cache.position = last_key, position
        for part in parts:
            header, ledger = part.header, part.ledger
            header.last_id, header.last_seq = ledger.last_id, ledger.last_seq
            if header.task_count is not None:
                header.task_count = ledger.task_count
        for written in others:
            self._note(written)
        cache.end_commit(
            [(key, found) for key, found in changed.items() if found is not None], [part.workspace for part in parts]
        )

    def _note(self, written: Written) -> None:
        """Notes what has become of a workspace beside its numbers."""
        workspace, header, settled, _ = written
        if settled.header is not None:
            header.generation = settled.header.generation
            self._cache.headers.put(workspace, header)
        if written.grows_large:
            header.is_large = True
            if (place := self._cache.places.get(workspace)) is not None:
                self._cache.places.put(workspace, place._replace(is_large=True))

    # ------------------------------------------------------------ maintenance

    async def erase(self, workspace: str) -> None:
        """Does what TaskRepository.erase() promises of the workspace."""
        async with self._writer:
            header = (await self._headers({workspace}))[workspace]
            if header.generation:
                await run_to_completion(erase(self._writer, self._cache, workspace, header))

    async def compact(self) -> None:
        """Does what TaskRepository.compact() promises."""
        self._compacting.add(compacting := asyncio.ensure_future(self._compact()))
        try:
            await compacting
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or not task.cancelling():  # close() did it
                raise StoreClosed("The store is closed.") from None
            raise
        finally:
            self._compacting.discard(compacting)

    async def _compact(self) -> None:
        more = True
        while more:
            async with self._writer:
                more = await self._pruner.prune_erased(limit=_ERASED_AT_ONCE)
        async with self._writer:
            await run_to_completion(self._writer.empty_log())  # which makes room for the file that is written
            await self._writer.vacuum()
        while True:
            async with self._writer:
                if await run_to_completion(self._writer.empty_log()):
                    return
            await asyncio.sleep(_COMPACT_AGAIN_SECONDS)

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        """Does what TaskRepository.prune() promises."""
        async with self._writer:
            return await self._pruner.prune(
                log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit
            )
