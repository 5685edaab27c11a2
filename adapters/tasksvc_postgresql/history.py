"""Finds versions of tasks in the log, from the last change of a task backwards.

A task has the number of its last change, and a change that of the one before it of the same task.  The last change of a
deleted task is its deletion, which an index finds.  Where changes are pruned, there is none of the next number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tasksvc import Change, sql
from tasksvc.sql import change_from_row, clamp_int64
from tasksvc_postgresql.rows import transpose
from tasksvc_postgresql.session import Session

_LAST: Final = """
    LATERAL (SELECT coalesce(
        (SELECT seq FROM tasks WHERE workspace = workspaces.key AND id = wanted.task_id),
        (
            SELECT seq FROM changes WHERE workspace = workspaces.key AND task_id = wanted.task_id AND kind = 'deleted'
            ORDER BY seq DESC LIMIT 1
        )
    ) AS seq) AS last
"""
"""What is joined for the number of the last change of the task that `wanted` names, or null."""


def _change(key: str, seq: str) -> str:
    """Returns what is joined for the change of the number `seq` in the workspace `key`."""
    return f"""
        LATERAL (
            SELECT seq, previous, version FROM changes WHERE workspace = {key} AND changes.seq = {seq} LIMIT 1
        ) AS one
    """


VERSIONS: Final = f"""
    WITH RECURSIVE wanted AS (
        SELECT name, task_id, array_agg(version) AS versions, min(version) AS lowest
        FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS given (name, task_id, version) GROUP BY name, task_id
    ), chain AS (
        SELECT name, versions, lowest, key, one.*, 1 AS step
        FROM wanted JOIN workspaces USING (name) CROSS JOIN {_LAST} CROSS JOIN {_change("workspaces.key", "last.seq")}
        UNION ALL
        SELECT name, versions, lowest, key, one.*, step + 1
        FROM chain CROSS JOIN {_change("chain.key", "chain.previous")}
        WHERE chain.version > lowest OR chain.version IS NULL
    )
    SELECT name, {", ".join(f"changes.{column}" for column in sql.CHANGE_COLUMNS)}
    FROM chain JOIN changes ON workspace = key AND changes.seq = chain.seq
    WHERE step <= 2 OR chain.version = ANY(versions) ORDER BY name, changes.seq
"""
"""The changes that Reading asks for, of tasks and versions that $2 and $3 name in the workspaces $1.

A deletion has no version, so the last change that isn't a deletion is among the last two.
"""


async def read_versions(session: Session, wanted: Iterable[tuple[str, int, int]]) -> dict[str, list[Change]]:
    """Returns changes by workspace, those of each task in their order, that left versions of tasks, or came last.

    `wanted` has names of workspaces, ids of tasks, and numbers of versions.
    """
    rows = [
        (name, task_id, clamp_int64(version)) for name, task_id, version in wanted if clamp_int64(task_id) == task_id
    ]
    found: dict[str, list[Change]] = {}
    for name, *row in await session.fetch(VERSIONS, *transpose(rows, 3)):
        found.setdefault(name, []).append(change_from_row(row))
    return found
