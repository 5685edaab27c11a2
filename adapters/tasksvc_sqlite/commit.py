"""Does commits, and deletes what is old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tasksvc import (
    Batcher,
    Commit,
    CommitResult,
    Entry,
    IdempotencyKey,
    Ledger,
    Settled,
    Task,
    Write,
    commit_weight,
    decide_all,
    in_turns,
    prunable,
    read_set,
    run_individually,
    settle,
)
from tasksvc.sql import INT64_MAX, microseconds
from tasksvc_sqlite.cache import StoreCache
from tasksvc_sqlite.connection import run_to_completion
from tasksvc_sqlite.errors import BIND_ERRORS, CorruptData, unstorable
from tasksvc_sqlite.find_sql import point_lookups
from tasksvc_sqlite.rows import (
    IDEMPOTENCY_RECORD_COLUMNS,
    RECORD_COLUMNS,
    TASK_COLUMNS,
    Statement,
    load_idempotency_record,
    record_from_row,
    statements,
    task_from_row,
)
from tasksvc_sqlite.writer import WriteConnection


class Committer:
    """Does commits that wait in one transaction, in which each one succeeds or fails alone."""

    def __init__(self, writer: WriteConnection, cache: StoreCache) -> None:
        self._writer, self._cache = writer, cache
        self._group: Batcher[Commit, CommitResult] = Batcher(self._commit_group, weight=commit_weight)
        self._count = self._groups = 0

    async def commit(
        self, writes: Sequence[Write], *, at: datetime, idempotency_key: IdempotencyKey | None
    ) -> CommitResult:
        """Does what TaskRepository.commit() promises."""
        return await self._group(Commit(writes, at, idempotency_key))

    async def close(self) -> None:
        """Returns when all commits that wait are done."""
        await self._group.close()

    def statistics(self) -> dict[str, float]:
        """Returns the numbers of commits, of the batches that they were in, and of commits that wait."""
        return {"commits": self._count, "commit_groups": self._groups, "commits_waiting": self._group.queued}

    async def _commit_group(self, commits: Sequence[Commit]) -> Sequence[CommitResult | Exception]:
        try:
            async with self._writer:
                return await self._commit_together(commits)
        except BIND_ERRORS as error:
            if len(commits) == 1:
                raise unstorable(error) from error
        except CorruptData:  # what one of them names
            if len(commits) == 1:
                raise
        return await run_individually(self._commit_group, commits)

    async def _commit_together(self, commits: Sequence[Commit]) -> Sequence[CommitResult | Exception]:
        self._count += len(commits)
        self._groups += 1
        ledger, before = await self._ledger_for(commits)
        outcomes, entries = await decide_all(ledger, commits)
        if entries:
            await self._persist(settle(entries, before), ledger)
        return outcomes

    async def _ledger_for(self, commits: Sequence[Commit]) -> tuple[Ledger, dict[int, Task]]:
        """Returns a ledger that knows all that `commits` name, as the last transaction left it, and the tasks in it."""
        task_ids, idempotency_keys, record_names = read_set(commits)
        found: list[Entry] = []
        missing: list[tuple[int]] = []
        for task_id in task_ids:
            if (known := self._cache.tasks.get(task_id)) is not None:
                found.append(known.task)
            elif 0 < task_id <= INT64_MAX:
                missing.append((task_id,))
        for statement in point_lookups(TASK_COLUMNS, "tasks", ("id",), missing):
            found += await in_turns(task_from_row, await self._writer.rows(*statement))
        for statement in point_lookups(
            IDEMPOTENCY_RECORD_COLUMNS, "idempotency_keys", ("scope", "value"), list(idempotency_keys)
        ):
            found += [await load_idempotency_record(row) for row in await self._writer.rows(*statement)]
        for statement in point_lookups(RECORD_COLUMNS, "records", ("namespace", "key"), list(record_names)):
            found += map(record_from_row, await self._writer.rows(*statement))
        cache = self._cache
        ledger = Ledger(cache.generation, last_id=cache.last_id, last_seq=cache.last_seq)
        ledger.apply(found)
        return ledger, {entry.id: entry for entry in found if isinstance(entry, Task)}

    async def _persist(self, settled: Settled, ledger: Ledger) -> None:
        to_do = statements(settled)
        changed = {change.task_id: change.task for change in settled.changes}
        self._cache.begin_commit(changed)
        try:
            await self._writer.write(to_do, head=ledger.position if changed else None)
        except BaseException:
            self._cache.abort_commit()
            raise
        self._cache.end_commit(ledger, changed)

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        """Does what TaskRepository.prune() promises."""
        async with self._writer:
            oldest = await self._writer.rows("SELECT seq, at FROM changes ORDER BY seq LIMIT ?", (limit + 1,))
            pruned_seq, more = prunable(
                ((seq, at) for seq, at in oldest),
                last_seq=self._cache.last_seq,
                log_before=microseconds(log_before),
                max_changes=max_changes,
                limit=limit,
            )
            expired = await self._writer.rows(
                "SELECT rowid FROM idempotency_keys WHERE at < ? ORDER BY at LIMIT ?",
                (microseconds(keys_before), limit + 1),
            )
            to_do = [Statement("DELETE FROM idempotency_keys WHERE rowid = ?", row) for row in expired[:limit]]
            if pruned_seq is not None:
                to_do.append(Statement("DELETE FROM changes WHERE seq <= ?", (pruned_seq,)))
                to_do.append(Statement("UPDATE store SET pruned_seq = ?", (pruned_seq,)))
            if to_do:
                await run_to_completion(self._writer.write(to_do))
        return more or len(expired) > limit
