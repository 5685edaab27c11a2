"""Checks what a dump doesn't show: whether filters and searches find the tasks that they should."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tasksvc import fold_text
from tasksvc_postgresql.dump import PATIENCE, STEP_TIMEOUT, rows_of
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import SNAPSHOT, Connection
from tasksvc_postgresql.session import Session

_LABELS = """
    WITH labels AS (SELECT label, id AS task_id FROM tasks, json_array_elements_text(labels) label)
    SELECT DISTINCT task_id FROM (
        (SELECT * FROM labels EXCEPT SELECT label, task_id FROM task_labels)
        UNION (SELECT label, task_id FROM task_labels EXCEPT SELECT * FROM labels)
    ) differing ORDER BY task_id
"""
_FOLDED = "SELECT id, description, folded FROM tasks ORDER BY id"
_ADVICE = "Copy the store to a new schema, where it is right again."


async def check(connection: Connection, name: str) -> AsyncIterator[str]:
    """Yields the problems of the store `name`, a sentence each, in one snapshot."""
    session = Session(connection, timeout=STEP_TIMEOUT)
    with translating_errors(name):
        await session.begin(PATIENCE, mode=SNAPSHOT)
        wrong = await session.fetch(_LABELS)
    for (task_id,) in wrong:
        yield f"Task {task_id} is not found by its labels as it should be. {_ADVICE}"
    async for task_id, description, folded in rows_of(session, name, _FOLDED, cursor="tasks_to_check"):
        if fold_text(description) != folded:
            yield f"Task {task_id} is not found by its description as it should be. {_ADVICE}"
