"""Deletes old changes and idempotency keys, and what erased workspaces have left."""

from __future__ import annotations

from datetime import datetime

from tasksvc import prunable
from tasksvc.sql import microseconds
from tasksvc_postgresql.erasing import delete_left
from tasksvc_postgresql.locking import lock
from tasksvc_postgresql.rows import transpose
from tasksvc_postgresql.session import Session

WORKSPACES_AT_ONCE = 100
"""The most workspaces whose logs are pruned in one step."""

_OLDEST_CHANGES = """
    WITH due AS (
        SELECT key, name, generation, last_seq FROM workspaces
        WHERE (oldest_at < $1 OR last_seq - pruned_seq > $2) AND generation <> ''
        ORDER BY oldest_at, key LIMIT $3 + 1
    )
    SELECT store.epoch, due.*, seq, at
    FROM due CROSS JOIN store CROSS JOIN LATERAL (
        SELECT seq, at FROM changes WHERE workspace = key
        ORDER BY seq LIMIT $4 / least((SELECT count(*) FROM due), $3) + 1
    ) page
    ORDER BY key, seq
"""
"""The rows of workspaces are read without the help of an index, which each commit would have to keep."""
_DELETE_CHANGES = """
    WITH given AS (
        SELECT * FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS given (workspace, generation, seq)
    ), updated AS (
        UPDATE workspaces SET
            pruned_seq = greatest(pruned_seq, seq),
            oldest_at = (
                SELECT at FROM changes
                WHERE changes.workspace = key AND changes.seq > greatest(pruned_seq, given.seq)
                ORDER BY changes.seq LIMIT 1
            )
        FROM given CROSS JOIN store
        WHERE key = workspace AND workspaces.generation = given.generation AND store.epoch = $1
        RETURNING key, pruned_seq
    )
    DELETE FROM changes USING updated WHERE workspace = key AND seq <= updated.pruned_seq
"""
_DELETE_IDEMPOTENCY_KEYS = """
    WITH old AS (
        SELECT workspace, scope, value FROM idempotency_keys WHERE at < $1
        ORDER BY at, workspace, scope, value LIMIT $2 + 1
    ), dropped AS (
        DELETE FROM idempotency_keys
        WHERE (workspace, scope, value) IN (SELECT workspace, scope, value FROM old LIMIT $2)
    )
    SELECT count(*) FROM old
"""


async def prune(session: Session, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
    """Does TaskRepository.prune(): the logs, the keys, and what erased workspaces have left, in a transaction each."""
    more = await _prune_logs(session, microseconds(log_before), max_changes, limit)
    ((expired,),) = await session.write_alone(_DELETE_IDEMPOTENCY_KEYS, microseconds(keys_before), limit)
    is_left = await delete_left(session, limit=limit)
    return more or int(expired) > limit or is_left


async def _prune_logs(session: Session, log_before: int, max_changes: int, limit: int) -> bool:
    """Prunes the logs of some workspaces that are due, each by its share of `limit`."""
    at_once = min(WORKSPACES_AT_ONCE, limit)
    oldest = await session.fetch(_OLDEST_CHANGES, log_before, max_changes, at_once, limit)
    logs: dict[int, list[tuple[int, int]]] = {}
    for _, key, *_, seq, at in oldest:
        logs.setdefault(key, []).append((seq, at))
    due = []
    chosen = list(dict.fromkeys(row[1:5] for row in oldest))[:at_once]
    more = len(logs) > at_once
    for key, name, generation, last_seq in chosen:
        pruned_seq, has_more = prunable(
            logs[key], last_seq=last_seq, log_before=log_before, max_changes=max_changes, limit=limit // len(chosen)
        )
        more = more or has_more
        if pruned_seq is not None:
            due.append((name, key, generation, pruned_seq))
    if due:
        names, *columns = transpose(due, 4)
        # In two steps, so that the second one sees all that was committed before the locks.
        await session.begin(lock(names))
        await session.fetch(_DELETE_CHANGES, oldest[0][0], *columns)
        await session.commit()
    return more
