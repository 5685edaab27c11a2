"""Faults of a PostgreSQL server, and of the way to it, for the contract kit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from stores.postgresql.server import execute

_FAILS = """
    CREATE FUNCTION {schema}.fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER fail BEFORE UPDATE ON {schema}.store EXECUTE FUNCTION {schema}.fail();
    CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON {schema}.workspaces EXECUTE FUNCTION {schema}.fail();
    CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON {schema}.records EXECUTE FUNCTION {schema}.fail();
"""


@contextmanager
def writes_fail(url: str, schema: str) -> Iterator[None]:
    """Makes the server refuse every write to a store, as on a full disk."""
    execute(url, _FAILS.format(schema=schema))
    try:
        yield
    finally:
        execute(url, f"DROP FUNCTION {schema}.fail CASCADE")


@contextmanager
def commits_lose_their_answer() -> Iterator[None]:
    """Cuts each connection of this process when the server has committed, before the driver hands on its answer."""
    run, fetch = asyncpg.Connection.execute, asyncpg.Connection.fetch

    def cut(connection: asyncpg.Connection) -> None:
        connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def execute_and_cut(connection: asyncpg.Connection, query: str, *args: Any, **kwargs: Any) -> Any:
        answer = await run(connection, query, *args, **kwargs)
        if query.strip("; ") == "COMMIT":
            cut(connection)
        return answer

    async def fetch_and_cut(connection: asyncpg.Connection, query: str, *args: Any, **kwargs: Any) -> Any:
        is_transaction = not connection.is_in_transaction()
        rows = await fetch(connection, query, *args, **kwargs)
        if is_transaction and "INSERT INTO" in query:
            cut(connection)
        return rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncpg.Connection, "execute", execute_and_cut)
        patch.setattr(asyncpg.Connection, "fetch", fetch_and_cut)
        yield


def end_sessions(url: str, condition: str) -> None:
    """Ends the sessions of other clients that meet a condition on pg_stat_activity."""
    execute(
        url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        f" WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND {condition}",
    )


@contextmanager
def tables_locked(url: str, schema: str) -> Iterator[None]:
    """Locks the tables of a store, so that no statement on them ends by itself."""

    async def lock() -> asyncpg.Connection:
        connection = await asyncpg.connect(url)
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
        await connection.execute("BEGIN")
        for row in rows:
            await connection.execute(f"LOCK TABLE {schema}.{row[0]} IN ACCESS EXCLUSIVE MODE")
        return connection

    runner = asyncio.Runner()  # used in a thread, since the event loop of the test runs in this one
    with ThreadPoolExecutor(1) as thread:
        connection = thread.submit(runner.run, lock()).result()
        try:
            yield
        finally:
            thread.submit(runner.run, connection.close()).result()
            thread.submit(runner.close).result()
