"""Erases workspaces, and deletes what they have left.

A workspace is erased by its row: it gets the name /KEY/NAME, which no workspace can have, and loses its generation.
Since everything is found through that row by its name, all is gone at once for every transaction that begins later, and
one that waits for the row finds that the name is another one.  So nobody writes to what is left, and it is deleted step
by step.  Then the row gets the name //KEY/NAME.  It stays for a while, so that processes that no notification has
reached find the name when they look for changes.
"""

from __future__ import annotations

from typing import Final

from tasksvc import DEFAULT_WORKSPACE, LOG_START, Position, new_generation
from tasksvc_postgresql.locking import LOCK_RECORDS
from tasksvc_postgresql.session import Session

KEPT_SECONDS: Final = 10
"""Seconds for which the name of an erased workspace is kept.  It has to be longer than what is between two looks."""
WORKSPACES_AT_ONCE: Final = 100
"""The most erased workspaces of which something is deleted in one step."""

_ERASE: Final = """
    WITH erased AS (
        UPDATE workspaces SET
            name = '/' || key || '/' || name, generation = '', changed_by = pg_current_xact_id(),
            erased_at = extract(epoch FROM clock_timestamp()) * 1000000
        WHERE name = $1::text AND generation <> ''
        RETURNING key
    ), counted AS (
        UPDATE store SET erasures = erasures + 1 WHERE EXISTS (SELECT FROM erased)
    ), made AS (
        INSERT INTO workspaces (name, generation, epoch)
        SELECT $1, $2::text, store.epoch FROM erased CROSS JOIN store WHERE $2::text <> ''
    )
    SELECT key FROM erased
"""

ERASED: Final = "name >= '/' AND name < '0'"
"""The condition that a row is that of an erased workspace, which the index on names serves."""
_HAS_LEFT_SOMETHING: Final = "name >= '/0' AND name < '/:'"
_HAS_LEFT_NOTHING: Final = "name >= '//' AND name < '/0'"

_ARE_THERE: Final = f"SELECT EXISTS (SELECT FROM workspaces WHERE {ERASED})"
_LOCK: Final = f"SELECT key FROM workspaces WHERE {_HAS_LEFT_SOMETHING} ORDER BY name LIMIT $1 FOR UPDATE"


def _delete(table: str, order: str) -> str:
    """Returns the statement that deletes at most $2 rows of the workspaces $1 from a table.

    They are found in the order of the primary key, whose index has them together.
    """
    return f"""
        DELETE FROM {table} WHERE ctid = ANY(ARRAY(
            SELECT entry.ctid FROM unnest($1::bigint[]) AS key CROSS JOIN LATERAL (
                SELECT ctid FROM {table} WHERE workspace = key ORDER BY {order} LIMIT $2
            ) AS entry LIMIT $2
        ))
    """


_PRIMARY_KEYS: Final = {
    "tasks": "id",
    "task_terms": "term, task_id",
    "changes": "seq",
    "idempotency_keys": "scope, value",
}
"""For each table with rows of workspaces, the columns of its primary key after the one with the workspace."""
DELETIONS: Final = [_delete(table, order) for table, order in _PRIMARY_KEYS.items()]
_NOTHING_LEFT: Final = " AND ".join(f"NOT EXISTS (SELECT FROM {name} WHERE workspace = key)" for name in _PRIMARY_KEYS)
_MARK_AS_EMPTY: Final = f"UPDATE workspaces SET name = '/' || name WHERE key = ANY($1::bigint[]) AND {_NOTHING_LEFT}"
_DELETE_ROWS: Final = f"""
    DELETE FROM workspaces WHERE {_HAS_LEFT_NOTHING}
    AND erased_at <= (extract(epoch FROM clock_timestamp()) - $1::float) * 1000000
"""
_IS_MORE: Final = f"SELECT EXISTS (SELECT FROM workspaces WHERE {_HAS_LEFT_SOMETHING})"


def name_before(name: str) -> str:
    """Returns the name that an erased workspace had, given the one that it has; "" for one that isn't erased."""
    return name.lstrip("/").partition("/")[2]


async def erase(session: Session, name: str) -> Position | None:
    """Erases a workspace, and returns its position after that; None if it isn't made.

    The default one is made again in the same transaction.
    """
    generation = new_generation() if name == DEFAULT_WORKSPACE else ""
    await session.begin(LOCK_RECORDS)
    erased = await session.fetch(_ERASE, name, generation)
    await session.commit()
    if not erased:
        return None
    return Position(generation, 0) if generation else LOG_START


async def delete_left(session: Session, *, limit: int, kept_seconds: float = KEPT_SECONDS) -> bool:
    """Deletes at most `limit` entries of each kind that erased workspaces have left, and returns whether more are left.

    The names of those that have left nothing else are deleted `kept_seconds` after the erasure.  Several processes may
    do this at the same time: they take turns at a workspace.
    """
    ((are_there,),) = await session.fetch(_ARE_THERE)
    if not are_there:
        return False
    await session.begin()
    keys = [key for (key,) in await session.fetch(_LOCK, min(limit, WORKSPACES_AT_ONCE))]
    if keys:
        for statement in DELETIONS:
            await session.fetch(statement, keys, limit)
        await session.fetch(_MARK_AS_EMPTY, keys)
    await session.fetch(_DELETE_ROWS, kept_seconds)
    ((more,),) = await session.fetch(_IS_MORE)
    await session.commit()
    return bool(more)
