"""A store that was restored from a copy has another generation; a restart of the server keeps it."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import pytest
from heads import generation_of
from tasksvc_postgresql.settings import TIMEOUT

from stores.postgresql.repositories import PATIENCE, Open
from stores.postgresql.server import Server, execute, standby_of, with_parameters
from tasksvc import (
    CreateTask,
    Position,
    PositionGone,
    Precondition,
    StoreUnavailable,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    Version,
    VersionConflict,
)
from tasksvc.application.clock import now
from tasksvc.store_adapters import open_repository


class RequestRecord(NamedTuple):
    """What a client knows about a store: where its log ended, and a version of task 1."""

    position: Position
    version: Version


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[TaskRepository]:
    repository = await open_repository(with_parameters(url, timeout=PATIENCE))
    try:
        yield repository
    finally:
        await repository.close()


async def serve(url: str, tasks: int) -> RequestRecord:
    """Serves the store until it has that number of more `tasks`."""
    async with opened(url) as repository:
        await add(repository, tasks)
        return await seen_of(repository)


async def add(repository: TaskRepository, tasks: int) -> None:
    for _ in range(tasks):
        await repository.commit([CreateTask(TaskDraft("a task"))], at=now())


async def seen_of(repository: TaskRepository) -> RequestRecord:
    page = await repository.find(TaskQuery(), limit=1)
    return RequestRecord(page.position, (await repository.get(1)).version)


async def generation(url: str) -> str:
    """Returns the generation of the store, when it is served again."""
    async with opened(url) as repository:
        return await generation_of(repository)


def run(server: Server, program: str, url: str, *words: str) -> None:
    """Runs one of PostgreSQL's own programs on the database of `url`, without the parts that only tasksvc knows."""
    server.run(program, "--dbname", url, *words)


@pytest.fixture
def database(own_server: Server, schema: str) -> str:
    """The URL of a new database."""
    execute(own_server.url, f"CREATE DATABASE {schema} TEMPLATE template0")
    return own_server.url.replace("/postgres?", f"/{schema}?")


@pytest.fixture
def dump(own_server: Server, schema: str) -> str:
    """A file that the server's programs can write."""
    return str(own_server.folder / f"{schema}.dump")


# ---------------------------------------------------------------- what is noticed


def restore_all(server: Server, database: str, dump: str) -> None:
    run(server, "pg_restore", database, "--clean", dump)


def restore_rows(server: Server, database: str, dump: str) -> None:
    tables = ("store", "migrations", "workspaces", "tasks", "task_terms", "changes")
    execute(database, f"TRUNCATE {', '.join(f'tasksvc.{table}' for table in tables)}")
    run(server, "pg_restore", database, "--data-only", dump)


@pytest.mark.parametrize("restore", [restore_all, restore_rows])
async def test_an_older_dump_that_is_restored_gets_a_new_generation(
    restore: Callable[[Server, str, str], None],
    own_server: Server,
    database: str,
    dump: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await serve(database, 2)
    run(own_server, "pg_dump", database, "--format", "custom", "--file", dump)
    seen = await serve(database, 2)

    restore(own_server, database, dump)

    async with opened(database) as repository:
        await add(repository, 3)  # more than were lost, so that the number is there again
        with pytest.raises(PositionGone, match="another generation"):
            await repository.read_changes(seen.position, limit=10)
        with pytest.raises(VersionConflict):
            await repository.commit([UpdateTask(1, {"done": True}, Precondition(frozenset({seen.version})))], at=now())
    assert "was restored, moved to another server, or is served by a standby that was promoted." in caplog.text
    assert "It has a new generation now" in caplog.text


async def test_a_dump_in_another_cluster_is_another_store(own_server: Server, database: str, dump: str) -> None:
    before = await serve(database, 2)
    run(own_server, "pg_dump", database, "--format", "custom", "--file", dump)

    with Server() as another:
        run(own_server, "pg_restore", another.tcp_url(), dump)
        found = await generation(another.url)

    assert found != before.position.generation
    assert await generation(database) == before.position.generation


async def test_a_copy_of_the_database_is_another_store(own_server: Server, database: str, schema: str) -> None:
    before = await serve(database, 2)
    execute(own_server.url, f"CREATE DATABASE {schema}_copy TEMPLATE {schema}")

    found = await generation(database.replace(f"/{schema}?", f"/{schema}_copy?"))

    assert found != before.position.generation
    assert await generation(database) == before.position.generation


async def test_all_processes_that_find_it_put_back_agree(own_server: Server, database: str, dump: str) -> None:
    before = await serve(database, 1)
    run(own_server, "pg_dump", database, "--format", "custom", "--file", dump)
    restore_all(own_server, database, dump)

    found = await asyncio.gather(*(generation(database) for _ in range(8)))

    assert len(set(found)) == 1
    assert before.position.generation not in found
    assert await generation(database) == found[0], "once is enough"


@pytest.fixture
def primary() -> Iterator[Server]:
    with Server({"wal_level": "replica"}) as server:
        yield server


async def test_a_standby_that_is_promoted_has_a_new_generation(primary: Server, open_store: Open) -> None:
    before = await serve(primary.url, 1)
    with standby_of(primary) as standby:
        repository = await open_store(primary.tcp_url(primary.port, standby.port), timeout=TIMEOUT)
        assert await generation_of(repository) == before.position.generation
        primary.kill()
        admin = await asyncpg.connect(standby.url)
        assert await admin.fetchval("SELECT pg_promote(true, 30)")
        await admin.close()

        while True:
            try:
                await add(repository, 1)
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)

        assert await generation_of(repository) != before.position.generation
        with pytest.raises(PositionGone):
            await repository.read_changes(before.position, limit=1)


async def test_a_server_that_is_recovered_to_an_earlier_moment_has_a_new_generation(primary: Server) -> None:
    before = await serve(primary.url, 1)
    recovered = Server({"restore_command": "false"})
    try:
        recovered.copy_of(primary)
        (recovered.data / "standby.signal").rename(recovered.data / "recovery.signal")
        await serve(primary.url, 1)
        recovered.start()
        admin = await asyncpg.connect(recovered.url)
        while await admin.fetchval("SELECT pg_is_in_recovery()"):
            await asyncio.sleep(0.02)
        await admin.close()

        assert await generation(recovered.url) != before.position.generation
    finally:
        recovered.__exit__()


async def test_a_process_that_saw_more_notices_that_the_files_of_the_server_were_put_back(
    primary: Server, open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    await serve(primary.url, 1)
    primary.stop()
    saved = primary.folder / "saved"
    primary.run("/bin/cp", "--archive", str(primary.data), str(saved))
    primary.start()
    repository = await open_store(primary.tcp_url(), timeout=TIMEOUT)
    await add(repository, 2)
    seen = await seen_of(repository)

    primary.stop(signal.SIGQUIT)
    shutil.rmtree(primary.data)
    saved.rename(primary.data)
    primary.start()

    await until_it_serves(repository)
    await add(repository, 2)
    with pytest.raises(PositionGone):
        await repository.read_changes(seen.position, limit=1)
    assert "ends with change 1, and was served up to change 3. It has a new generation now" in caplog.text


async def until_it_serves(repository: TaskRepository) -> None:
    while True:
        try:
            return await repository.ping()
        except StoreUnavailable:
            await asyncio.sleep(0.05)


# ---------------------------------------------------------------- not a restored copy


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
async def test_a_server_that_was_restarted_keeps_the_generation(
    end: signal.Signals, own_server: Server, database: str, open_store: Open
) -> None:
    repository = await open_store(database)
    await add(repository, 2)
    before = await seen_of(repository)

    own_server.kill() if end == signal.SIGKILL else own_server.stop(end)
    own_server.start()

    await until_it_serves(repository)
    assert await seen_of(repository) == before
    assert await generation(database) == before.position.generation


async def test_what_keeps_the_tables_keeps_the_generation(database: str, own_server: Server, schema: str) -> None:
    before = await serve(database, 1)

    execute(database, "VACUUM FULL")
    execute(database, "VACUUM FREEZE")
    execute(database, "ALTER SCHEMA tasksvc RENAME TO other; SELECT pg_switch_wal()")
    execute(own_server.url, f"ALTER DATABASE {schema} RENAME TO {schema}_renamed")

    renamed = with_parameters(database.replace(f"/{schema}?", f"/{schema}_renamed?"), schema="other")
    assert await generation(renamed) == before.position.generation


async def test_a_role_that_may_not_ask_serves_all_the_same_and_a_warning_says_what_is_missing(
    own_server: Server, database: str, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = await serve(database, 1)
    execute(
        database,
        f"REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; CREATE ROLE {schema} LOGIN PASSWORD 'x';"
        f" GRANT USAGE ON SCHEMA tasksvc TO {schema}; GRANT ALL ON ALL TABLES IN SCHEMA tasksvc TO {schema}",
    )

    after = await serve(database.replace("//postgres@", f"//{schema}@"), 1)

    assert after.position == (before.position.generation, 2)
    assert "isn't noticed, since the role may not call pg_control_system()" in caplog.text
