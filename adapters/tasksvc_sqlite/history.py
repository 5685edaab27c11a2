"""Finds the changes of one task, each of which knows the one before it of the same task."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final, NamedTuple

from tasksvc.sql import clamp_int64
from tasksvc_sqlite.rows import CHANGE_VALUES, VERSION_CHANGE_COLUMNS, Statement

LINKING: Final = (
    Statement("""
UPDATE changes SET previous = linked.previous FROM (
  SELECT seq, lag(seq) OVER (PARTITION BY task_id ORDER BY seq) AS previous FROM changes
) AS linked WHERE linked.seq = changes.seq AND linked.previous IS NOT NULL"""),
    Statement("""
UPDATE tasks SET seq = linked.seq FROM (SELECT task_id, max(seq) AS seq FROM changes GROUP BY task_id) AS linked
WHERE linked.task_id = tasks.id"""),
    # A task that isn't in the log itself knows which change of it came last.
    Statement("""
UPDATE versions SET previous = linked.previous FROM (
  SELECT number, lag(number) OVER (PARTITION BY workspace, id ORDER BY seq IS NULL, seq) AS previous FROM versions
) AS linked WHERE linked.number = versions.number AND linked.previous IS NOT NULL"""),
)
"""The statements that link all changes, where no trigger did."""

UNLINKED: Final = """
SELECT seq, task_id, 'default' FROM (
  SELECT seq, task_id, previous, lag(seq) OVER (PARTITION BY task_id ORDER BY seq) AS due FROM changes
) WHERE previous IS NOT due AND (due IS NOT NULL OR previous > (SELECT pruned_seq FROM store))
UNION ALL
SELECT seq, id, name FROM (
  SELECT workspace, seq, id, previous, lag(number) OVER (PARTITION BY workspace, id ORDER BY seq) AS due
  FROM versions WHERE seq IS NOT NULL
) JOIN workspaces ON key = workspace
WHERE previous IS NOT due AND (due IS NOT NULL OR previous IN (SELECT number FROM versions))"""
"""The statement for changes that don't know the change before them of the same task: number, task and workspace."""
UNLINKED_TASKS: Final = """
SELECT id, 'default' FROM tasks JOIN (SELECT task_id, max(seq) AS last FROM changes GROUP BY task_id) ON task_id = id
WHERE seq IS NOT last
UNION ALL
SELECT id, name FROM versions JOIN workspaces ON key = workspace
JOIN (SELECT workspace, id, max(number) AS last FROM versions WHERE seq IS NOT NULL GROUP BY 1, 2) USING (workspace, id)
WHERE current IS NOT NULL AND seq IS NULL AND previous IS NOT last"""
"""The statement for tasks that don't know their last change in the log: task and workspace."""


class _Log(NamedTuple):
    """Where the changes of a workspace are."""

    changes: str
    number: str
    """The column by which a change knows the one before it; it grows with each change of a workspace."""
    values: str
    """The columns of a change as it is read."""
    last: str
    """The number of the last change of a task, which may not be in the log any more."""
    is_known: str
    """The condition that there is a task, or its deletion in the log.  Both take the same values, twice."""


_DEFAULT: Final = _Log(
    "changes",
    "seq",
    CHANGE_VALUES,
    "ifnull((SELECT seq FROM tasks WHERE id = ?),"
    " (SELECT max(seq) FROM changes INDEXED BY changes_by_deleted_task WHERE kind = 'deleted' AND task_id = ?))",
    "EXISTS (SELECT 1 FROM tasks WHERE id = ?)"
    " OR EXISTS (SELECT 1 FROM changes INDEXED BY changes_by_deleted_task WHERE kind = 'deleted' AND task_id = ?)",
)
_OTHERS: Final = _Log(
    "versions",
    "number",
    VERSION_CHANGE_COLUMNS,
    "ifnull((SELECT iif(seq IS NULL, previous, number) FROM versions INDEXED BY versions_by_id"
    " WHERE workspace = ? AND id = ? AND current IS NOT NULL),"
    " (SELECT max(number) FROM versions INDEXED BY versions_by_deleted_task"
    " WHERE kind = 'deleted' AND workspace = ? AND id = ?))",
    "EXISTS (SELECT 1 FROM versions INDEXED BY versions_by_id"
    " WHERE workspace = ? AND id = ? AND current IS NOT NULL)"
    " OR EXISTS (SELECT 1 FROM versions INDEXED BY versions_by_deleted_task"
    " WHERE kind = 'deleted' AND workspace = ? AND id = ?)",
)


def is_known(key: int | None, task_id: int) -> Statement:
    """Returns the condition that there is a task, or its deletion in the log.

    `key` is that of the workspace, None for the default one.
    """
    log, task = _log_of(key, task_id)
    return Statement(log.is_known, (*task, *task))


def changes_after(key: int | None, task_id: int, seq: int, limit: int) -> Statement:
    """Returns the statement for the first `limit` changes of a task after the change `seq`, in their order."""
    log, task = _log_of(key, task_id)
    number = log.number
    return Statement(
        f"WITH RECURSIVE chain (number, seq, previous) AS ("
        f"SELECT {number}, seq, previous FROM {log.changes} WHERE {number} = {log.last} AND seq > ?"
        f" UNION ALL SELECT older.{number}, older.seq, older.previous"
        f" FROM chain CROSS JOIN {log.changes} AS older ON older.{number} = chain.previous AND older.seq > ?)"
        f" SELECT {log.values} FROM (SELECT number AS wanted FROM chain ORDER BY number LIMIT ?)"
        f" CROSS JOIN {log.changes} ON {number} = wanted",  # in the order of these, without sorting whole changes
        (*task, *task, seq, seq, limit),
    )


def versions_of(key: int | None, task_id: int, numbers: Collection[int]) -> Statement:
    """Returns the statement for the changes of a task that left these versions, and for its last ones, in their order.

    The last ones are the last of all, and the last one that left a version.
    """
    log, task = _log_of(key, task_id)
    number, wanted = log.number, [clamp_int64(number) for number in numbers]
    return Statement(
        f"WITH RECURSIVE chain (number, previous, version) AS ("
        f"SELECT {number}, previous, version FROM {log.changes} WHERE {number} = {log.last}"
        f" UNION ALL SELECT older.{number}, older.previous, older.version"
        f" FROM chain CROSS JOIN {log.changes} AS older ON older.{number} = chain.previous"
        f" WHERE ifnull(chain.version > ?, true))"
        f" SELECT {log.values} FROM (SELECT max(number) AS wanted FROM chain"
        f" UNION SELECT max(number) FROM chain WHERE version IS NOT NULL"
        f" UNION SELECT number FROM chain WHERE version IN (SELECT value FROM json_each(?)))"
        f" CROSS JOIN {log.changes} ON {number} = wanted ORDER BY {number}",
        (*task, *task, min(wanted), json.dumps(wanted)),
    )


def _log_of(key: int | None, task_id: int) -> tuple[_Log, tuple[int, ...]]:
    """Returns the log of a workspace, and the values that stand for a task of it."""
    return (_DEFAULT, (task_id,)) if key is None else (_OTHERS, (key, task_id))
