"""Deletes what is old."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from tasksvc import prunable
from tasksvc.sql import Row, microseconds
from tasksvc_sqlite.cache import StoreCache
from tasksvc_sqlite.connection import run_to_completion
from tasksvc_sqlite.erase import HAS_ERASED, deletions
from tasksvc_sqlite.find_sql import point_lookups
from tasksvc_sqlite.rows import Statement
from tasksvc_sqlite.writer import WriteConnection

_LOOKED_AT: Final = 1_000
"""The most workspaces, or changes, that one step looks at to find logs that are too long."""

_LENGTH: Final = """key, name,
  ifnull((SELECT max(seq) FROM versions WHERE workspace = key AND seq IS NOT NULL), pruned_seq), pruned_seq"""
"""The columns of a workspace that say how long its log is: the numbers of its last change, and of the last pruned."""
_OLDEST: Final = "SELECT seq, at, number FROM versions WHERE workspace = ? AND seq IS NOT NULL ORDER BY seq LIMIT ?"
_KEYS: Final = """
SELECT 'idempotency_keys', rowid, at FROM (SELECT rowid, at FROM idempotency_keys WHERE at < ? ORDER BY at LIMIT ?)
UNION ALL
SELECT 'workspace_keys', rowid, at FROM (SELECT rowid, at FROM workspace_keys WHERE at < ? ORDER BY at LIMIT ?)
ORDER BY 3 LIMIT ?"""


class Pruner:
    """Prunes all workspaces in steps of bounded size, without looking at each of them.

    How old the log of a workspace is stands in an index.  A log can only have become too long where changes were
    added, so after one look at all workspaces only those with later changes are looked at.
    """

    def __init__(self, writer: WriteConnection, cache: StoreCache) -> None:
        self._writer, self._cache = writer, cache
        self._max_changes = -1  # no bound, so the first step starts
        self._start(self._max_changes)

    def _start(self, max_changes: int) -> None:
        """Prepares to look at all workspaces for logs with more than `max_changes`."""
        self._max_changes = max_changes
        self._too_long: list[int] = []
        """The keys of workspaces that were found, and aren't pruned yet."""
        self._seen_key: int | None = 0
        """The last key that was looked at; None after all have been."""
        self._seen_position = self._cache.position
        """The last change that was looked at."""
        self._epoch = self._cache.epoch

    async def prune(self, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
        """Does one step in the turn of the writer, and returns whether more is due."""
        step = _Step(microseconds(log_before), max_changes, limit)
        oldest = await self._writer.rows("SELECT seq, at FROM changes ORDER BY seq LIMIT ?", (limit + 1,))
        pruned_seq = step.take(oldest, self._cache.default.last_seq)
        if pruned_seq is not None:
            step.to_do.append(Statement("DELETE FROM changes WHERE seq <= ?", (pruned_seq,)))
            step.to_do.append(Statement("UPDATE store SET pruned_seq = ?", (pruned_seq,)))
        pruned: dict[str, int] = {}
        done: set[int] = set()
        for key, name, last_seq, _ in await self._due(step):
            oldest = await self._writer.rows(_OLDEST, (key, step.left + 1))
            before = step.left
            pruned_seq = step.take([row[:2] for row in oldest], last_seq)
            if pruned_seq is not None:
                taken = before - step.left
                pruned[name] = pruned_seq
                step.to_do += _deletions(key, oldest[:taken], oldest[taken:])
            if step.more:
                break
            done.add(key)
        at = microseconds(keys_before)
        expired = await self._writer.rows(_KEYS, (at, limit + 1, at, limit + 1, limit + 1))
        step.to_do += [Statement(f"DELETE FROM {table} WHERE rowid = ?", (row,)) for table, row, _ in expired[:limit]]
        has_erased = await self._has_erased()
        if has_erased:
            step.to_do += deletions(versions=step.left, keys=max(0, limit - len(expired)), others=limit)
        if step.to_do:
            await run_to_completion(self._writer.write(step.to_do))
        if has_erased:
            has_erased = await self._has_more_erased()
        self._too_long = [key for key in self._too_long if key not in done]
        for name, seq in pruned.items():
            if (header := self._cache.headers.get(name)) is not None:
                header.pruned_seq = seq
        return step.more or self._is_to_go_on or len(expired) > limit or has_erased

    async def prune_erased(self, *, limit: int) -> bool:
        """Deletes at most `limit` entries of each kind that erased workspaces left, and returns whether more are left.

        It takes the turn of the writer.
        """
        if not await self._has_erased():
            return False
        await run_to_completion(self._writer.write(deletions(versions=limit, keys=limit, others=limit)))
        return await self._has_more_erased()

    async def _has_more_erased(self) -> bool:
        """Returns whether more of what erased workspaces left is there, after a step that deleted some of it."""
        await run_to_completion(self._writer.checkpoint())  # by itself SQLite would do it for thousands of pages
        return await self._has_erased()

    async def _has_erased(self) -> bool:
        ((has_erased,),) = await self._writer.rows(HAS_ERASED)
        return bool(has_erased)

    # ------------------------------------------------------------ which workspaces

    @property
    def _is_to_go_on(self) -> bool:
        """Whether there may be further logs that are too long."""
        return bool(self._too_long) or self._seen_key is not None or self._seen_position < self._cache.position

    async def _due(self, step: _Step) -> Sequence[Row]:
        """Returns rows of _LENGTH of workspaces of which something is due."""
        await self._find_too_long(step.max_changes)
        old = await self._writer.rows(
            f"SELECT {_LENGTH} FROM workspaces WHERE oldest_at < ? ORDER BY oldest_at LIMIT ?",
            (step.log_before, step.left + 1),
        )
        too_long = await self._lengths(self._too_long)
        self._too_long = [row[0] for row in too_long]  # without those that were erased since
        known = {row[0] for row in old}
        return old + [row for row in too_long if row[0] not in known]

    async def _find_too_long(self, max_changes: int) -> None:
        """Looks for logs with more than `max_changes`, unless some that were found are still to be pruned."""
        position = self._cache.position
        if max_changes != self._max_changes or self._epoch != self._cache.epoch:
            self._start(max_changes)
        if position <= max_changes:  # all of them together
            self._seen_key, self._seen_position = None, position
        if self._too_long:
            return
        found: dict[int, None] = {}
        left = _LOOKED_AT
        while left > 0 and (self._seen_key is not None or self._seen_position < position):
            if self._seen_key is not None:
                rows = await self._writer.rows(
                    f"SELECT {_LENGTH} FROM workspaces WHERE key > ? ORDER BY key LIMIT ?", (self._seen_key, left)
                )
                self._seen_key = rows[-1][0] if len(rows) == left else None
                left -= len(rows)
            else:
                changes = await self._writer.rows(
                    "SELECT number, workspace FROM versions WHERE number > ? ORDER BY number LIMIT ?",
                    (self._seen_position, left),
                )
                self._seen_position = changes[-1][0] if len(changes) == left else position
                left -= len(changes)
                rows = await self._lengths(dict.fromkeys(key for _, key in changes))
            found.update((key, None) for key, _, last_seq, pruned_seq in rows if last_seq - pruned_seq > max_changes)
        self._too_long = list(found)

    async def _lengths(self, keys: Iterable[int]) -> list[Row]:
        """Returns the rows of _LENGTH of workspaces with these keys."""
        lookups = point_lookups(_LENGTH, "workspaces", ("key",), [(key,) for key in keys])
        return [row for statement in lookups for row in await self._writer.rows(*statement)]


class _Step:
    """What one step of pruning may take, and what it does."""

    def __init__(self, log_before: int, max_changes: int, limit: int) -> None:
        self.log_before, self.max_changes = log_before, max_changes
        self.left = limit
        """The changes that may still be deleted."""
        self.more = False
        """Whether more changes are due than that."""
        self.to_do: list[Statement] = []

    def take(self, oldest: Sequence[Row], last_seq: int) -> int | None:
        """Returns the newest of the `oldest` changes of a log that is deleted with all before it, or None."""
        pruned_seq, more = prunable(
            ((seq, at) for seq, at in oldest),
            last_seq=last_seq,
            log_before=self.log_before,
            max_changes=self.max_changes,
            limit=self.left,
        )
        self.more = self.more or more
        if pruned_seq is not None:
            self.left -= sum(seq <= pruned_seq for seq, _ in oldest)
        return pruned_seq


def _deletions(key: int, deleted: Sequence[Row], kept: Sequence[Row]) -> list[Statement]:
    """Returns the statements that take changes from the log of a workspace, whose first other ones are `kept`.

    A row that is still a task stays, outside the log.
    """
    seq, _, _ = deleted[-1]
    oldest_at = kept[0][1] if kept else None
    position = max(position for _, _, position in deleted)
    return [
        Statement("DELETE FROM versions WHERE workspace = ? AND seq <= ? AND current IS NULL", (key, seq)),
        Statement("UPDATE versions SET seq = NULL WHERE workspace = ? AND seq <= ?", (key, seq)),
        Statement(
            "UPDATE workspaces SET pruned_seq = ?, oldest_at = ?, pruned_position = max(pruned_position, ?)"
            " WHERE key = ?",
            (seq, oldest_at, position, key),
        ),
    ]
