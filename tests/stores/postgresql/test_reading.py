"""Stores that are opened for reading must exist, and nothing is created or changed."""

from __future__ import annotations

import asyncpg
import pytest
from tasksvc_postgresql.reader import open_to_read
from tasksvc_postgresql.settings import settings_of

from stores.postgresql.repositories import Open
from tasksvc import CreateTask, StoreEntry, StoreReader, StoreRefused, StoreURL, TaskDraft
from tasksvc.application.clock import now
from tasksvc.store_adapters import open_reader


async def refusal(url: str) -> str:
    """Returns the message with which opening the store for reading fails."""
    with pytest.raises(StoreRefused) as refused:
        await open_reader(url)
    return str(refused.value)


async def content(reader: StoreReader) -> list[StoreEntry]:
    return [entry async for entry in reader.dump()]


async def test_a_missing_schema_is_refused_and_not_created(
    store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    told = await refusal(store_url)

    assert told.startswith(f"There is no store in the schema {schema} of postgresql://")
    assert not await database.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema)


async def test_a_newer_schema_is_refused(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await open_store(store_url)
    await database.execute(f"INSERT INTO {schema}.migrations (number) VALUES (1000)")

    assert "newer" in await refusal(store_url)


async def test_a_store_is_read_while_it_is_served(open_store: Open, store_url: str) -> None:
    served = await open_store(store_url)
    await served.commit([CreateTask(TaskDraft("x", labels=("a",)))], at=now())

    reader = await open_reader(store_url)

    assert await content(reader) == [entry async for entry in served.dump()]
    assert await reader.check() == []
    await reader.close()


async def test_the_sessions_of_a_reader_cannot_write(open_store: Open, store_url: str, schema: str) -> None:
    await open_store(store_url)
    reader = await open_to_read(settings_of(StoreURL(store_url), to_read=True))

    async with reader._connected() as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("UPDATE store SET epoch = '7'")


async def test_a_reader_leaves_no_connection(open_store: Open, store_url: str, database: asyncpg.Connection) -> None:
    await open_store(store_url)
    mine = f"{store_url}&application_name=reads_{now():%f}"
    reader = await open_reader(mine)
    dump = reader.dump()
    await anext(dump)
    await dump.aclose()  # type: ignore[attr-defined]
    await reader.check()

    for _ in range(3_000):
        left = await database.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", mine.rpartition("=")[2]
        )
        if left == 0:
            break
    assert left == 0
