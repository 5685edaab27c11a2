"""What a dump does not show: whether filters and searches find what is there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg

from tasksvc import fold_text
from tasksvc_postgresql.dumping import AT_ONCE, PATIENCE, STEP_TIMEOUT
from tasksvc_postgresql.failures import in_our_words

_LABELS = """
    WITH labels AS (SELECT label, id FROM tasks, json_array_elements_text(labels) label)
    SELECT DISTINCT id FROM (
        (SELECT * FROM labels EXCEPT SELECT label, id FROM task_labels)
        UNION (SELECT label, id FROM task_labels EXCEPT SELECT * FROM labels)
    ) differing ORDER BY id
"""
_FOLDED = "SELECT id, description, folded FROM tasks ORDER BY id"
_ADVICE = "Copy the store to a new schema, where it is right again."


async def check(connection: asyncpg.Connection, name: str) -> AsyncIterator[str]:
    """What is wrong with the store `name`, a sentence each, of one snapshot."""
    with in_our_words(name):
        await connection.transaction(isolation="repeatable_read", readonly=True).start()
        await connection.execute(PATIENCE)
        wrong = await connection.fetch(_LABELS, timeout=STEP_TIMEOUT)
    for (task_id,) in wrong:
        yield f"Task {task_id} is not found by its labels as it should be. {_ADVICE}"
    with in_our_words(name):
        cursor = await connection.cursor(_FOLDED, timeout=STEP_TIMEOUT)
    while True:
        with in_our_words(name):
            rows = await cursor.fetch(AT_ONCE, timeout=STEP_TIMEOUT)
        for task_id, description, folded in rows:
            if fold_text(description) != folded:
                yield f"Task {task_id} is not found by its description as it should be. {_ADVICE}"
        if len(rows) < AT_ONCE:
            break
