"""Erases workspaces at once, and what they have left step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tasksvc import DEFAULT_WORKSPACE, Position, new_generation
from tasksvc_sqlite.cache import Header, StoreCache
from tasksvc_sqlite.rows import Statement
from tasksvc_sqlite.writer import WriteConnection

HAS_ERASED: Final = "SELECT EXISTS (SELECT 1 FROM erased_workspaces)"
"""The statement for whether erased workspaces have left anything."""
LEFT_IN: Final = ("versions", "workspace_terms", "workspace_keys")
"""The tables in which they leave rows."""

_KEYS: Final = "(SELECT key FROM erased_workspaces ORDER BY key LIMIT ?)"
_DELETE_VERSIONS: Final = f"""
DELETE FROM versions WHERE number IN (
  SELECT number FROM (
    SELECT number FROM {_KEYS} CROSS JOIN versions INDEXED BY versions_by_seq
      ON workspace = key AND seq IS NOT NULL LIMIT ?
  ) UNION SELECT number FROM (
    SELECT number FROM {_KEYS} CROSS JOIN versions INDEXED BY versions_by_id
      ON workspace = key AND current IS NOT NULL LIMIT ?
  ) LIMIT ?
)"""
_DELETE_TERMS: Final = f"""
DELETE FROM workspace_terms WHERE (workspace, term, task_id) IN (
  SELECT workspace, term, task_id FROM {_KEYS} CROSS JOIN workspace_terms ON workspace = key LIMIT ?
)"""
_DELETE_KEYS: Final = f"""
DELETE FROM workspace_keys WHERE rowid IN (
  SELECT rows.rowid FROM {_KEYS} CROSS JOIN workspace_keys AS rows ON rows.workspace = key LIMIT ?
)"""
_DELETE_ERASED: Final = f"""
DELETE FROM erased_workspaces WHERE key IN {_KEYS}
  AND NOT EXISTS (SELECT 1 FROM versions WHERE workspace = key AND seq IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM versions WHERE workspace = key AND current IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM workspace_terms WHERE workspace = key)
  AND NOT EXISTS (SELECT 1 FROM workspace_keys WHERE workspace = key)"""

_OF_DEFAULT: Final = ("tasks", "task_terms", "changes", "idempotency_keys")
"""The tables of the default workspace."""
_DELETE_TRIGGERS: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'tasks'"
"""The statement for the triggers of tasks, all of which are for their deletion."""
_RENEW_DEFAULT: Final = """
UPDATE store SET last_id = 0, pruned_seq = 0, generation = ?, default_generation = ?, default_epoch = epoch,
  last_position = ?"""


def deletions(*, versions: int, keys: int, others: int) -> list[Statement]:
    """Returns the statements that delete some of what erased workspaces have left.

    The numbers are the most rows of `versions`, of `workspace_keys`, and of each other table.
    """
    return [
        Statement(_DELETE_VERSIONS, (others, versions, others, versions, versions)),
        Statement(_DELETE_TERMS, (others, others)),
        Statement(_DELETE_KEYS, (others, keys)),
        Statement(_DELETE_ERASED, (others,)),
    ]


async def erase(writer: WriteConnection, cache: StoreCache, workspace: str, header: Header) -> None:
    """Erases a workspace in one short transaction, in the turn of the writer.  Raises as WriteConnection.write()."""
    cache.begin_erasure(workspace)
    try:
        if workspace == DEFAULT_WORKSPACE:
            await _erase_default(writer, cache)
        else:
            await _erase_other(writer, cache, header)
    finally:
        cache.end_erasure(workspace)


async def _erase_other(writer: WriteConnection, cache: StoreCache, header: Header) -> None:
    position = cache.position + 1  # so that the mark tells a file of before from one of after it
    statements = [
        Statement("INSERT INTO erased_workspaces VALUES (?)", (header.key,)),
        Statement("DELETE FROM workspaces WHERE key = ?", (header.key,)),
        Statement("UPDATE store SET last_position = ?, last_key = ?", (position, cache.last_key)),
    ]
    await writer.write(statements, head=Position(cache.life, cache.default.last_seq + position))
    cache.position = position


async def _erase_default(writer: WriteConnection, cache: StoreCache) -> None:
    """Empties the tables of the default workspace.

    Without triggers SQLite deletes all rows of a table page by page, some hundred times faster than row by row.
    """
    generation = new_generation()
    position = cache.position + cache.default.last_seq + 1  # so the number in the mark doesn't go back
    triggers = await writer.rows(_DELETE_TRIGGERS)
    statements: Sequence[Statement] = [
        *(Statement(f"DROP TRIGGER {name}") for name, _ in triggers),
        *(Statement(f"DELETE FROM {table}") for table in _OF_DEFAULT),
        *(Statement(made) for _, made in triggers),
        Statement(_RENEW_DEFAULT, (generation, generation, position)),
    ]
    async with writer.without_zeros():
        await writer.write(statements, head=Position(cache.life, position))
    cache.position = position
    cache.default = Header(0, generation, 0, 0, 0)
