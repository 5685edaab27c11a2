"""Search forms that an older version wrote are migrated to those that this version compares."""

from __future__ import annotations

import asyncpg

from stores.postgresql.repositories import Open
from tasksvc import CreateTask, TaskDraft, TaskQuery
from tasksvc.application.clock import now


async def test_tasks_of_an_older_schema_are_found_in_every_normal_form_after_the_migration(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    texts = ["cafe\u0301", "CAFÉ", "plain"]
    first = await open_store(store_url)
    await first.commit([CreateTask(TaskDraft(text)) for text in texts], at=now())
    await first.close()
    for task_id, text in enumerate(texts, start=1):
        await database.execute(f"UPDATE {schema}.tasks SET folded = $1 WHERE id = $2", text.casefold(), task_id)
    await database.execute(
        f"ALTER TABLE {schema}.header DROP COLUMN lineage; DELETE FROM {schema}.migrations WHERE number > 1"
    )

    repository = await open_store(store_url)

    assert [await repository.count(TaskQuery(q=q)) for q in ("café", "cafe\u0301", "PLAIN")] == [2, 2, 1]
    assert await repository.check() == []
