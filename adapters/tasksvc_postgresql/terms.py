"""Makes the terms of tasks that an earlier version wrote, which found tasks by fewer of their fields."""

from __future__ import annotations

from typing import Final

from tasksvc import terms_of
from tasksvc.sql import task_from_row
from tasksvc_postgresql.rows import TASK_COLUMNS, transpose
from tasksvc_postgresql.session import Session

TASKS_AT_ONCE: Final = 100
"""The number of tasks that are in memory at a time, each of which may have 155 KB."""

_TASKS: Final = f"""
    SELECT workspace, {TASK_COLUMNS} FROM tasks
    WHERE (workspace, id) > ($1, $2) AND metadata::text <> '{{}}' ORDER BY workspace, id LIMIT {TASKS_AT_ONCE}
"""
"""Tasks that have metadata, which have no terms in schemas of before number 6."""
_INSERT: Final = """
    INSERT INTO task_terms (workspace, term, task_id) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
    ON CONFLICT DO NOTHING
"""


async def make_missing_terms(session: Session) -> None:
    """Makes the terms that tasks with metadata lack, in the transaction of the session."""
    workspace, task_id = -1, 0
    while rows := await session.fetch(_TASKS, workspace, task_id):
        tasks = [(key, task_from_row(row)) for key, *row in rows]
        terms = [(key, term, task.id) for key, task in tasks for term in terms_of(task)]
        await session.fetch(_INSERT, *transpose(terms, 3))
        workspace, task_id = rows[-1][:2]
