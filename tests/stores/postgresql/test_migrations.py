"""A migration is done or not done, wherever it breaks off."""

from __future__ import annotations

from functools import partial

import asyncpg
import pytest
from tasksvc_postgresql.hosts import HostConnector
from tasksvc_postgresql.migrating import MIGRATIONS, migrate, require_current_schema
from tasksvc_postgresql.opening import Ready, prepare
from tasksvc_postgresql.settings import settings_of

from stores.postgresql.repositories import Open
from stores.postgresql.server import with_parameters
from tasksvc import CreateTask, Migrations, PutRecord, SchemaOutdated, StoreRefused, StoreURL, TaskDraft
from tasksvc.testing.samples import NOW

STATEMENTS = (
    "ALTER TABLE tasks ADD COLUMN test_list text NOT NULL DEFAULT 'inbox';",
    "CREATE TABLE test_words (word text NOT NULL, task_id bigint NOT NULL, PRIMARY KEY (word, task_id));",
    "INSERT INTO test_words SELECT description, id FROM tasks;",
    "UPDATE tasks SET description = description || ' (migrated)';",
    "DELETE FROM records WHERE namespace = 'a';",
)
"""The migration that comes next."""
CUT = "SELECT pg_terminate_backend(pg_backend_pid());"
ERROR = "SELECT 1 / 0;"
_COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = $1 ORDER BY 1, 2
"""


def with_one_more(*statements: str) -> Migrations:
    """Returns the migrations of this version, and one more."""
    return Migrations({**MIGRATIONS.scripts, MIGRATIONS.version + 1: "\n".join(statements)})


async def make_ready(url: str, ready: Ready) -> None:
    """Prepares the schema, with one attempt."""
    settings = settings_of(StoreURL(with_parameters(url, start_timeout=0)))
    connection = await prepare(HostConnector(settings), settings, ready)
    connection.terminate()


async def upgrade(url: str, migrations: Migrations) -> None:
    await make_ready(url, partial(migrate, migrations=migrations))


async def content(database: asyncpg.Connection, schema: str) -> list[object]:
    """Returns the columns of all tables, and the rows of those that the migration changes."""
    columns = await database.fetch(_COLUMNS, schema)
    rows = [await database.fetch(f"TABLE {schema}.{name}") for name in ("migrations", "store", "tasks", "records")]
    return [list(map(tuple, table)) for table in (columns, *rows)]


@pytest.mark.parametrize("breaking", [CUT, ERROR], ids=["connection lost", "statement fails"])
@pytest.mark.parametrize("place", range(len(STATEMENTS) + 1))
async def test_a_migration_that_breaks_off_leaves_the_schema_before_it_and_can_be_done_again(
    place: int, breaking: str, open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)
    await repository.commit([CreateTask(TaskDraft(f"{number}", labels=("a",))) for number in range(9)], at=NOW)
    await repository.commit([PutRecord("a", "x", {})], at=NOW)
    before = await content(database, schema)

    with pytest.raises(StoreRefused):
        await upgrade(store_url, with_one_more(*STATEMENTS[:place], breaking, *STATEMENTS[place:]))
    after_failure = await content(database, schema)
    await upgrade(store_url, with_one_more(*STATEMENTS))

    assert after_failure == before
    assert await database.fetchval(f"SELECT max(number) FROM {schema}.migrations") == MIGRATIONS.version + 1
    assert await database.fetchval(f"SELECT count(*) FROM {schema}.tasks WHERE description LIKE '%(migrated)'") == 9


async def test_migrations_that_are_done_together_are_all_undone_if_one_fails(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await open_store(store_url)
    before, more = await content(database, schema), with_one_more(*STATEMENTS)

    with pytest.raises(StoreRefused):
        await upgrade(store_url, Migrations({**more.scripts, more.version + 1: ERROR}))

    assert await content(database, schema) == before


async def test_an_older_schema_is_not_read_until_it_is_migrated(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    await open_store(store_url)
    before, newer = await content(database, schema), with_one_more(*STATEMENTS)
    read = partial(require_current_schema, migrations=newer)

    with pytest.raises(SchemaOutdated) as refused:
        await make_ready(store_url, read)
    unchanged = await content(database, schema)
    await upgrade(store_url, newer)

    known = MIGRATIONS.version + 1
    assert f"is of an older version: it is at {known - 1}, and this version reads {known}. Migrate it" in str(
        refused.value
    )
    assert unchanged == before
    await make_ready(store_url, read)


BEFORE_COUNTS = """
    UPDATE {schema}.workspaces SET last_id = last_id + 1, last_seq = last_seq + 1, changed = pg_current_xact_id()
    WHERE name = 'default'
"""
"""A part of each write of version 3 of the schema, which keeps no numbers of tasks."""


async def test_a_process_that_keeps_no_numbers_of_tasks_can_write_nothing(
    open_store: Open, store_url: str, schema: str, database: asyncpg.Connection
) -> None:
    repository = await open_store(store_url)

    with pytest.raises(asyncpg.UndefinedColumnError):
        await database.execute(BEFORE_COUNTS.format(schema=schema))

    await repository.commit([CreateTask(TaskDraft("x"))], at=NOW)
    assert await repository.check() == []
