"""Checks what a dump doesn't show: whether filters and searches find the tasks that they should."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tasksvc import fold_text, terms_of
from tasksvc.sql import task_from_row
from tasksvc_postgresql.dump import PATIENCE, STEP_TIMEOUT, rows_of
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import SNAPSHOT, Connection
from tasksvc_postgresql.rows import TASK_COLUMNS
from tasksvc_postgresql.session import Session

_TASKS = f"""
    SELECT {TASK_COLUMNS}, folded, ARRAY(SELECT term FROM task_terms WHERE task_id = id) FROM tasks ORDER BY id
"""
_TERMS_OF_NO_TASK = """
    SELECT DISTINCT task_id FROM task_terms WHERE NOT EXISTS (SELECT FROM tasks WHERE id = task_id) ORDER BY task_id
"""
_ADVICE = "Copy the store to a new schema, where it is right again."


async def check(connection: Connection, name: str) -> AsyncIterator[str]:
    """Yields the problems of the store `name`, a sentence each, in one snapshot."""
    session = Session(connection, timeout=STEP_TIMEOUT)
    with translating_errors(name):
        await session.begin(PATIENCE, mode=SNAPSHOT)
        stray = await session.fetch(_TERMS_OF_NO_TASK)
    for (task_id,) in stray:
        yield f"Task {task_id} is found by terms, and doesn't exist. {_ADVICE}"
    async for *row, folded, terms in rows_of(session, name, _TASKS, cursor="tasks_to_check"):
        task = task_from_row(row)
        if set(terms) != set(terms_of(task)):
            yield f"Task {task.id} is not found by its terms as it should be. {_ADVICE}"
        if fold_text(task.description) != folded:
            yield f"Task {task.id} is not found by its description as it should be. {_ADVICE}"
