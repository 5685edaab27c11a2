"""Opening a store: on an empty database, many times at once, and where it fails."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest
from heads import generation_of
from http_client import free_port
from tasksvc_postgresql.migrating import LOCKS, MIGRATIONS, schema_number

from stores.postgresql.repositories import PATIENCE, Open
from stores.postgresql.server import Server, with_parameters
from tasksvc import CreateTask, StoreRefused, StoreUnavailable, TaskDraft
from tasksvc.application.clock import now
from tasksvc.store_adapters import open_repository


async def refusal(url: str, *, scratch: bool = False) -> str:
    """Returns the message with which opening the store fails."""
    with pytest.raises(StoreRefused) as refused:
        await open_repository(url, scratch=scratch)
    return str(refused.value)


async def test_ten_that_open_an_empty_database_at_once_all_serve(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repositories = await asyncio.gather(*(open_store(store_url) for _ in range(10)))

    committed = await asyncio.gather(*(each.commit([CreateTask(TaskDraft("x"))], at=now()) for each in repositories))

    assert sorted(each.position.seq for each in committed) == list(range(1, 11)), "all write to one store"
    assert len({await generation_of(repository) for repository in repositories}) == 1, "which was made once"
    applied = await database.fetchval(f"SELECT count(*) FROM {schema}.migrations")
    assert applied == len(MIGRATIONS.scripts), "and each migration was applied once"


async def test_an_opening_waits_while_another_process_migrates(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await database.execute("SELECT pg_advisory_lock($1, $2)", LOCKS, schema_number(schema))
    opening = asyncio.ensure_future(open_store(store_url, timeout=1))
    await asyncio.sleep(1.5)
    assert not opening.done(), "however long that takes"

    await database.execute("SELECT pg_advisory_unlock_all()")

    await (await opening).ping()


async def test_each_schema_is_a_separate_store(open_store: Open, server_url: str, schema: str) -> None:
    one = await open_store(server_url, schema=schema)
    other = await open_store(server_url, schema=f"{schema}%20%22Ünïcode%22")
    await one.commit([CreateTask(TaskDraft("x"))], at=now())

    first = await other.commit([CreateTask(TaskDraft("y"))], at=now())

    assert await generation_of(one) != await generation_of(other)
    assert first.position.seq == 1


async def test_both_schemes_name_the_same_store(open_store: Open, store_url: str) -> None:
    one = await open_store(store_url)
    other = await open_store(store_url.replace("postgresql:", "postgres:"))

    assert await generation_of(one) == await generation_of(other)


async def test_a_scratch_store_is_refused(store_url: str, schema: str, database: asyncpg.Connection) -> None:
    told = await refusal(store_url, scratch=True)

    assert "isn't opened as a scratch store" in told
    assert not await database.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema)


async def test_a_newer_schema_is_refused_and_left_alone(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await open_store(store_url)
    await database.execute(f"INSERT INTO {schema}.migrations (number) VALUES (1000)")

    told = await refusal(store_url)

    assert schema in told
    assert "newer" in told
    assert "1000" in told


async def test_a_schema_that_holds_something_else_is_refused_and_left_alone(
    store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await database.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs (n int)")

    told = await refusal(store_url)

    assert "not tasksvc's" in told
    assert await database.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = $1", schema) == 1


async def test_a_migration_that_fails_leaves_nothing_and_can_be_done_again(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await database.execute(
        """
        CREATE FUNCTION pg_temp.refuse() RETURNS event_trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
        CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION pg_temp.refuse();
        """
    )
    try:
        told = await refusal(with_parameters(store_url, start_timeout=0))
    finally:
        await database.execute("DROP EVENT TRIGGER refuse")

    assert "not now" in told
    assert not await database.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema)
    await (await open_store(store_url)).ping()


async def test_a_database_that_cannot_hold_every_text_is_refused(
    store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await database.execute(
        f"CREATE DATABASE {schema} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    try:
        told = await refusal(store_url.replace("/postgres?", f"/{schema}?"))
    finally:
        await database.execute(f"DROP DATABASE {schema} WITH (FORCE)")

    assert "SQL_ASCII" in told
    assert "UTF8" in told


# ---------------------------------------------------------------- servers that refuse


async def test_a_user_and_password_of_any_characters_open_the_store(own_server: Server, open_store: Open) -> None:
    admin = await asyncpg.connect(own_server.url)
    await admin.execute("CREATE ROLE \"o'd @:/ user\" LOGIN SUPERUSER PASSWORD 'p@s/s:w?r&d%'")
    await admin.close()

    repository = await open_store(
        f"postgresql://o'd%20%40%3A%2F%20user:p%40s%2Fs%3Aw%3Fr%26d%25@127.0.0.1:{own_server.port}/postgres"
        "?schema=odd&application_name=mine&statement_timeout=777"
    )

    await repository.ping()


async def test_a_wrong_password_is_refused_at_once_and_not_shown(own_server: Server) -> None:
    began = time.monotonic()

    told = await refusal(own_server.tcp_url(password="wR0ng"))

    assert "password authentication failed" in told
    assert "wR0ng" not in told
    assert time.monotonic() - began < 20, "it does not wait for the start timeout of 30 s"


async def test_a_database_that_is_not_there_is_refused_at_once(own_server: Server) -> None:
    told = await refusal(own_server.tcp_url().removesuffix("/postgres") + "/nowhere")

    assert 'database "nowhere" does not exist' in told


async def test_a_parameter_that_the_server_does_not_know_is_refused_at_once(own_server: Server) -> None:
    told = await refusal(own_server.tcp_url() + "?nonsense=1")

    assert "nonsense" in told


async def test_a_parameter_that_the_driver_does_not_take_is_refused_at_once(own_server: Server) -> None:
    told = await refusal(own_server.tcp_url() + "?sslmode=sometimes")

    assert "sslmode" in told


async def test_a_role_that_may_not_create_the_schema_is_refused_with_the_reason(own_server: Server) -> None:
    admin = await asyncpg.connect(own_server.url)
    await admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    await admin.close()

    told = await refusal(f"postgresql://guest:guest@127.0.0.1:{own_server.port}/postgres?schema=forbidden")

    assert "the role guest lacks CREATE on the database postgres" in told
    assert "guest:guest" not in told


# ---------------------------------------------------------------- missing servers


async def test_a_server_that_is_not_there_is_refused_with_the_reason(
    own_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()

    told = await refusal(f"postgresql://u:sEcret@127.0.0.1:{port}/db?start_timeout=0.3")

    assert "0.3 s after the first attempt" in told
    assert f"('127.0.0.1', {port})" in told
    assert "tried again for 0.3 s" in caplog.text
    assert "sEcret" not in told + caplog.text


async def test_each_of_several_servers_that_are_not_there_is_named(own_server: Server) -> None:
    one, other = free_port(), free_port()

    told = await refusal(f"postgresql://u:sEcret@127.0.0.1:{one},127.0.0.1:{other}/db?start_timeout=0")

    assert str(one) in told
    assert str(other) in told


async def test_a_server_that_starts_late_is_waited_for(own_server: Server, open_store: Open) -> None:
    own_server.stop()
    opening = asyncio.ensure_future(open_store(own_server.tcp_url(), schema="late"))
    await asyncio.sleep(0.3)
    assert not opening.done()

    own_server.start()

    await (await opening).ping()


async def test_a_server_that_takes_no_writes_is_waited_for(own_server: Server, open_store: Open) -> None:
    own_server.reload(default_transaction_read_only="on")
    try:
        url = own_server.tcp_url()
        told = await refusal(with_parameters(url, start_timeout=0.5))
        opening = asyncio.ensure_future(open_store(url, schema="not_yet"))
        await asyncio.sleep(0.2)
        assert not opening.done()
    finally:
        own_server.reload(default_transaction_read_only="off")

    assert "takes no writes" in told
    await (await opening).ping()


async def test_a_store_that_does_not_answer_in_time_is_not_opened(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await open_store(store_url)
    async with database.transaction():
        await database.execute(f"LOCK {schema}.store IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match="too long"):
            await open_repository(with_parameters(store_url, timeout=PATIENCE, statement_timeout="500ms"))


async def test_a_failed_opening_leaves_no_connection(own_server: Server) -> None:
    admin = await asyncpg.connect(own_server.url)
    await admin.execute("CREATE SCHEMA taken; CREATE TABLE taken.theirs (n int)")

    for _ in range(3):
        await refusal(own_server.tcp_url() + "?schema=taken")

    for _ in range(3_000):
        count = await admin.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tasksvc'")
        if count == 0:
            break
        await asyncio.sleep(0.01)
    await admin.close()
    assert count == 0
