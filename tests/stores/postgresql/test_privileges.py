"""Roles with few privileges: the documented ones are enough, and a missing one is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import asyncpg
import pytest
from tasksvc_postgresql.privileges import READING, SERVING, Privileges

from stores.postgresql.repositories import Open
from stores.postgresql.server import Server
from tasksvc import (
    CreateTask,
    DeleteRecord,
    DeleteTask,
    IdempotencyKey,
    PutRecord,
    StoreEntry,
    StoreReader,
    StoreRefused,
    Task,
    TaskDraft,
    TaskRepository,
    UpdateTask,
)
from tasksvc.application.clock import now
from tasksvc.application.retention import Retention, prune_step
from tasksvc.store_adapters import open_reader, open_repository


class Role:
    """A role without privileges, and the superuser who grants them."""

    def __init__(self, name: str, url: str, admin: asyncpg.Connection, owner_url: str) -> None:
        self.name, self.url, self.admin, self.owner_url = name, url, admin, owner_url

    async def grant(self, privileges: Privileges, *, but: tuple[str, str] | None = None) -> None:
        """Grants USAGE on the schema and `privileges` on its tables, `but` not this one."""
        await self.admin.execute(f"GRANT USAGE ON SCHEMA {self.name} TO {self.name}")
        for table, names in privileges.items():
            for name in names:
                if (table, name) != but:
                    await self.admin.execute(f"GRANT {name} ON {self.name}.{table} TO {self.name}")

    async def refusal(self, *, to_read: bool = False) -> str:
        """Returns the message with which opening the store fails."""
        with pytest.raises(StoreRefused) as refused:
            await (open_reader if to_read else open_repository)(self.url)
        return str(refused.value)


@pytest.fixture
async def role(own_server: Server, schema: str) -> AsyncIterator[Role]:
    """A role named like a schema that doesn't exist yet, in a database in which it may not create schemas."""
    admin = await asyncpg.connect(own_server.url)
    await admin.execute(f"CREATE ROLE {schema} LOGIN PASSWORD 'secret'")
    url = f"postgresql://{schema}:secret@127.0.0.1:{own_server.port}/postgres?schema={schema}"
    yield Role(schema, url, admin, own_server.tcp_url() + f"?schema={schema}")
    await admin.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; DROP OWNED BY {schema} CASCADE; DROP ROLE {schema}")
    await admin.close()


async def use(repository: TaskRepository) -> None:
    """Does everything that a service does."""
    made = await repository.commit([CreateTask(TaskDraft("a", labels=("x",))), CreateTask(TaskDraft("b"))], at=now())
    first, second = (cast(Task, result).id for result in made.results)
    idempotency_key = IdempotencyKey("", "key", f"{made.position}")
    await repository.commit([UpdateTask(first, {"labels": ()}), DeleteTask(second)], at=now())
    await repository.commit([PutRecord("s", "a", {})], at=now())
    await repository.commit([PutRecord("s", "a", {"n": 1})], at=now(), idempotency_key=idempotency_key)
    await repository.commit([DeleteRecord("s", "a")], at=now())
    await repository.workspace("another").commit([CreateTask(TaskDraft("a"))], at=now())
    await repository.workspaces(limit=10)
    await repository.changed_workspaces("", limit=10)
    for name in ("another", "default"):
        await repository.workspace(name).erase()
    await repository.renew()
    await prune_step(
        repository, Retention(max_age=timedelta(), max_changes=0, idempotency_key_ttl=timedelta()), at=now()
    )
    await repository.ping()


async def content(reader: StoreReader) -> list[StoreEntry]:
    return [entry async for entry in reader.dump()]


# ---------------------------------------------------------------- sufficient privileges


async def test_the_owner_of_a_schema_who_may_not_create_others_creates_its_tables(role: Role, open_store: Open) -> None:
    await role.admin.execute(f"CREATE SCHEMA {role.name} AUTHORIZATION {role.name}")

    await use(await open_store(role.url))

    await use(await open_store(role.url))


async def test_a_role_that_may_create_in_another_role_s_schema_creates_its_tables(role: Role, open_store: Open) -> None:
    await role.admin.execute(f"CREATE SCHEMA {role.name}; GRANT USAGE, CREATE ON SCHEMA {role.name} TO {role.name}")

    await use(await open_store(role.url))


async def test_a_role_without_temporary_tables_serves(role: Role, open_store: Open) -> None:
    await role.admin.execute(f"CREATE SCHEMA {role.name} AUTHORIZATION {role.name}")
    await role.admin.execute("REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")

    try:
        await use(await open_store(role.url))
    finally:
        await role.admin.execute("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")


async def test_a_role_that_owns_nothing_serves_with_what_it_needs(role: Role, open_store: Open) -> None:
    await open_store(role.owner_url)
    await role.grant(SERVING)

    await use(await open_store(role.url))


@pytest.mark.parametrize("default", ["off", "on"])
async def test_a_role_that_may_only_read_exports_and_checks(role: Role, open_store: Open, default: str) -> None:
    served = await open_store(role.owner_url)
    await use(served)
    await role.grant(READING)
    await role.admin.execute(f"ALTER ROLE {role.name} SET default_transaction_read_only = {default}")

    reader = await open_reader(role.url)

    assert await content(reader) == await content(served)
    assert await reader.check() == []


# ---------------------------------------------------------------- missing privileges


async def test_a_schema_that_the_role_may_not_create_is_refused_with_what_to_do(role: Role) -> None:
    told = await role.refusal()

    assert f"the role {role.name} lacks CREATE on the database postgres" in told
    assert f'CREATE SCHEMA "{role.name}" AUTHORIZATION "{role.name}"' in told
    assert "secret" not in told


async def test_what_a_refusal_says_to_do_helps(role: Role, open_store: Open) -> None:
    statement = (await role.refusal()).partition("Run ")[2].partition(" there,")[0]

    await role.admin.execute(statement)

    await use(await open_store(role.url))


@pytest.mark.parametrize(("granted", "missing"), [("CREATE", "USAGE"), ("USAGE", "CREATE")])
async def test_a_schema_in_which_the_role_may_not_create_tables_is_refused(
    role: Role, granted: str, missing: str
) -> None:
    await role.admin.execute(f"CREATE SCHEMA {role.name}; GRANT {granted} ON SCHEMA {role.name} TO {role.name}")

    assert f"The role {role.name} lacks {missing} on the schema {role.name}" in await role.refusal()


@pytest.mark.parametrize("to_read", [False, True])
async def test_a_store_whose_schema_the_role_may_not_use_is_refused(
    role: Role, open_store: Open, to_read: bool
) -> None:
    await open_store(role.owner_url)

    assert f"The role {role.name} lacks USAGE on the schema {role.name}" in await role.refusal(to_read=to_read)


@pytest.mark.parametrize(("table", "privilege"), [(table, name) for table, names in SERVING.items() for name in names])
async def test_each_privilege_that_serving_needs_is_missed_before_the_store_is_served(
    role: Role, open_store: Open, table: str, privilege: str
) -> None:
    await open_store(role.owner_url)
    await role.grant(SERVING, but=(table, privilege))

    told = await role.refusal()

    assert told.startswith(f"The role {role.name} lacks {privilege} on the table {role.name}.{table} of postgresql://")


@pytest.mark.parametrize("table", READING)
async def test_each_privilege_that_reading_needs_is_missed_before_anything_is_read(
    role: Role, open_store: Open, table: str
) -> None:
    await open_store(role.owner_url)
    await role.grant(READING, but=(table, "SELECT"))

    assert f"lacks SELECT on the table {role.name}.{table}" in await role.refusal(to_read=True)
