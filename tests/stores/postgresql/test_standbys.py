"""The start warns of standbys that would lose acknowledged writes in a failover."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from stores.postgresql.repositories import Open
from stores.postgresql.server import Server, standby_of

WARNING = "has asynchronous standbys (1). One that is promoted may lack writes that were acknowledged."


@pytest.fixture
def primary() -> Iterator[Server]:
    with Server({"wal_level": "logical"}) as server:
        yield server


@pytest.fixture
def standby(primary: Server) -> Iterator[Server]:
    with standby_of(primary) as server:
        yield server


async def until_it_streams(admin: asyncpg.Connection, sync_state: str) -> None:
    query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = $1"
    while await admin.fetchval(query, sync_state) != 1:
        await asyncio.sleep(0.02)


async def test_an_asynchronous_standby_is_warned_of_and_a_synchronous_one_is_not(
    primary: Server, standby: Server, open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    admin = await asyncpg.connect(primary.url)
    await admin.execute("CREATE ROLE service LOGIN; CREATE SCHEMA own AUTHORIZATION service")
    unprivileged = primary.url.replace("postgres@", "service@").replace("user=postgres", "user=service")
    assert unprivileged != primary.url

    await until_it_streams(admin, "async")
    warnings = []
    for url, schema in ((primary.url, "first"), (unprivileged, "own")):
        caplog.clear()
        await open_store(url, schema=schema)
        warnings.append(WARNING in caplog.text)
    primary.reload(synchronous_standby_names="standby")
    await until_it_streams(admin, "sync")
    caplog.clear()
    await open_store(primary.url, schema="first")
    await admin.close()

    assert warnings == [True, True]
    assert "standby" not in caplog.text


async def test_a_server_that_is_alone_is_not_warned_of(
    server_url: str, schema: str, open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    await open_store(server_url, schema=schema)

    assert "standby" not in caplog.text
