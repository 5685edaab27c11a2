"""Deletes old changes and idempotency keys."""

from __future__ import annotations

from datetime import datetime

from tasksvc import prunable
from tasksvc.sql import microseconds
from tasksvc_postgresql.session import Session

_OLDEST_CHANGES = """
    SELECT generation, last_seq, page.*
    FROM store LEFT JOIN (
        SELECT seq, at FROM changes ORDER BY seq LIMIT $1
    ) page ON true
    ORDER BY page.seq
"""
_DELETE_CHANGES = """
    WITH updated AS (
        UPDATE store SET pruned_seq = greatest(pruned_seq, $2) WHERE generation = $1 RETURNING pruned_seq
    )
    DELETE FROM changes USING updated WHERE seq <= updated.pruned_seq
"""
_DELETE_IDEMPOTENCY_KEYS = """
    WITH old AS (
        SELECT scope, value FROM idempotency_keys WHERE at < $1 ORDER BY at, scope, value LIMIT $2 + 1
    ), dropped AS (
        DELETE FROM idempotency_keys WHERE (scope, value) IN (SELECT scope, value FROM old LIMIT $2)
    )
    SELECT count(*) FROM old
"""


async def prune(session: Session, *, log_before: datetime, max_changes: int, keys_before: datetime, limit: int) -> bool:
    """Does TaskRepository.prune(), the log and the keys in a transaction each."""
    oldest = await session.fetch(_OLDEST_CHANGES, limit + 1)
    generation, last_seq = oldest[0][:2]
    pruned_seq, more = prunable(
        ((seq, at) for _, _, seq, at in oldest if seq is not None),
        last_seq=last_seq,
        log_before=microseconds(log_before),
        max_changes=max_changes,
        limit=limit,
    )
    if pruned_seq is not None:
        await session.write_alone(_DELETE_CHANGES, generation, pruned_seq)
    ((expired,),) = await session.write_alone(_DELETE_IDEMPOTENCY_KEYS, microseconds(keys_before), limit)
    return more or int(expired) > limit
