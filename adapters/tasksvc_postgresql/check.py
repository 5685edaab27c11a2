"""Checks what a dump doesn't show: whether tasks and their changes are found as they should be."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tasksvc import DEFAULT_WORKSPACE, TASK_FIELDS, terms_of
from tasksvc.sql import task_from_row
from tasksvc_postgresql.dump import PATIENCE, STEP_TIMEOUT, rows_of
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import SNAPSHOT, Connection
from tasksvc_postgresql.rows import SEARCHABLE_COLUMNS, searchable_row
from tasksvc_postgresql.session import Session

_STRAY = """
    SELECT DISTINCT kind, workspace FROM (
        SELECT 'tasks' AS kind, workspace FROM tasks UNION ALL SELECT 'changes', workspace FROM changes
        UNION ALL SELECT 'idempotency keys', workspace FROM idempotency_keys
    ) AS entries
    WHERE NOT EXISTS (SELECT FROM workspaces WHERE key = workspace AND (generation <> '' OR erased_at IS NOT NULL))
    ORDER BY kind, workspace
"""
_MISCOUNTED = """
    SELECT name FROM workspaces LEFT JOIN (
        SELECT workspace, count(*) AS tasks, count(*) FILTER (WHERE NOT done) AS open FROM tasks GROUP BY workspace
    ) AS counted ON workspace = key
    WHERE generation <> '' AND (task_count, open_count) <> (coalesce(tasks, 0), coalesce(open, 0)) ORDER BY name
"""
_TASKS = f"""
    SELECT name, {SEARCHABLE_COLUMNS},
        ARRAY(SELECT term FROM task_terms WHERE task_terms.workspace = key AND task_id = id)
    FROM tasks JOIN workspaces ON key = workspace AND generation <> '' ORDER BY workspace, id
"""
_TERMS_OF_NO_TASK = """
    SELECT DISTINCT coalesce(name, ''), task_id FROM task_terms LEFT JOIN workspaces ON key = workspace
    WHERE erased_at IS NULL
    AND NOT EXISTS (SELECT FROM tasks WHERE tasks.workspace = task_terms.workspace AND id = task_id) ORDER BY 1, 2
"""
_UNCHAINED = """
    SELECT DISTINCT name, task_id FROM (
        SELECT workspace, task_id, seq, previous,
            lag(seq) OVER of_task AS before, lead(seq) OVER of_task IS NULL AS is_last
        FROM changes WINDOW of_task AS (PARTITION BY workspace, task_id ORDER BY seq)
    ) AS logged
    JOIN workspaces ON key = logged.workspace AND generation <> ''
    LEFT JOIN tasks ON is_last AND tasks.workspace = logged.workspace AND tasks.id = task_id
    WHERE CASE WHEN before IS NULL THEN previous > pruned_seq ELSE previous <> before END OR tasks.seq <> logged.seq
    ORDER BY name, task_id
"""
_ADVICE = "Copy the store to a new schema, where it is right again."


async def check(connection: Connection, name: str) -> AsyncIterator[str]:
    """Yields the problems of the store `name`, a sentence each, in one snapshot."""
    session = Session(connection, timeout=STEP_TIMEOUT)
    with translating_errors(name):
        await session.begin(PATIENCE, mode=SNAPSHOT)
        stray = await session.fetch(_STRAY)
        miscounted = await session.fetch(_MISCOUNTED)
        stray_terms = await session.fetch(_TERMS_OF_NO_TASK)
        unchained = await session.fetch(_UNCHAINED)
    for kind, key in stray:
        yield f"There are {kind} of a workspace that doesn't exist, with the key {key}. {_ADVICE}"
    for (workspace,) in miscounted:
        yield f"The workspace {workspace!r} has another number of tasks than is noted. {_ADVICE}"
    for workspace, task_id in stray_terms:
        yield f"{_task(workspace, task_id)} is found by terms, and doesn't exist. {_ADVICE}"
    for workspace, task_id in unchained:
        yield f"{_task(workspace, task_id)} has changes that aren't found as they should be. {_ADVICE}"
    async for workspace, *row, terms in rows_of(session, name, _TASKS, cursor="tasks_to_check"):
        task = task_from_row(row[: len(TASK_FIELDS)])
        if set(terms) != set(terms_of(task)):
            yield f"{_task(workspace, task.id)} is not found by its terms as it should be. {_ADVICE}"
        if searchable_row(task) != tuple(row):
            yield f"{_task(workspace, task.id)} is not found by its texts as it should be. {_ADVICE}"


def _task(workspace: str, task_id: int) -> str:
    return f"Task {task_id}" if workspace == DEFAULT_WORKSPACE else f"Task {task_id} of the workspace {workspace!r}"
