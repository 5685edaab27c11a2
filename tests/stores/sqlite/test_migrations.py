"""A migration is done or not done, wherever it breaks off."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from service_process import environment_with
from tasksvc_sqlite.connection import connect
from tasksvc_sqlite.reader import open_to_read
from tasksvc_sqlite.schema import MIGRATIONS, prepare

from stores.sqlite.migrating_process import STATEMENTS, with_one_more
from stores.sqlite.stores import add_all, opened, raw
from tasksvc import Migrations, PutRecord, SchemaOutdated, TaskDraft
from tasksvc.testing.samples import NOW

MOMENTS = 12
"""The number of moments, evenly spread over a migration, at which its process is killed."""
TESTS = Path(__file__).parents[2]
UPGRADES = TESTS / "upgrades"


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A store with tasks and a record, which nobody has open."""
    path = tmp_path / "tasks.db"
    async with opened(path) as repository:
        await add_all(repository, [TaskDraft(f"{number} {'x' * 200}", labels=("a", "ü")) for number in range(60)])
        await repository.commit([PutRecord("a", "x", {})], at=NOW)
    return path


async def migrate(file: Path, migrations: Migrations) -> None:
    connection = await connect(str(file))
    try:
        await prepare(connection, str(file), scratch=False, migrations=migrations)
    finally:
        await connection.close()


def content(file: Path) -> tuple[int, list[str]]:
    """Returns the version of the schema, and all that the file holds as SQL."""
    with raw(file) as database:
        ((version,),) = database.execute("PRAGMA user_version").fetchall()
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return version, list(database.iterdump())


@pytest.mark.parametrize("place", range(len(STATEMENTS) + 1))
async def test_a_migration_that_fails_leaves_the_schema_before_it_and_can_be_done_again(place: int, file: Path) -> None:
    before = content(file)

    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        await migrate(file, with_one_more(*STATEMENTS[:place], "SELECT * FROM nowhere;\n", *STATEMENTS[place:]))
    after_failure = content(file)
    await migrate(file, with_one_more(*STATEMENTS))

    assert after_failure == before
    version, statements = content(file)
    assert version == before[0] + 1
    assert sum("(migrated)" in statement for statement in statements) == 60


async def test_migrations_that_are_done_together_are_all_undone_if_one_fails(file: Path) -> None:
    before = content(file)
    more = with_one_more(*STATEMENTS)

    with pytest.raises(sqlite3.OperationalError):
        await migrate(file, Migrations({**more.scripts, more.version + 1: "SELECT * FROM nowhere;\n"}))

    assert content(file) == before


async def test_a_migration_is_done_once(file: Path) -> None:
    await migrate(file, with_one_more(*STATEMENTS))
    after = content(file)

    await migrate(file, with_one_more(*STATEMENTS))

    assert content(file) == after


@pytest.mark.slow
@pytest.mark.parametrize("version", ["present", "stores_1", "stores_3", "stores_4", "stores_5"])
async def test_a_process_killed_while_it_migrates_leaves_the_old_or_the_new_schema(
    version: str, file: Path, tmp_path: Path
) -> None:
    if version != "present":
        copy_of(UPGRADES / version / "sqlite.db", file)
    before = content(file)
    complete = copy_of(file, tmp_path / "complete.db")
    steps = int(run_migration(complete, moment=-1).stdout)
    after = content(complete)
    moments = [1, steps, *(round(number * steps / MOMENTS) for number in range(1, MOMENTS))]

    for moment in moments:
        killed = copy_of(file, tmp_path / f"{moment}.db")
        assert run_migration(killed, moment=moment).returncode == -signal.SIGKILL

        assert content(copy_with_log(killed, tmp_path / f"{moment}-seen.db")) in (before, after)
        await migrate(killed, with_one_more(*STATEMENTS))
        assert content(killed) == after


def copy_of(file: Path, copy: Path) -> Path:
    shutil.copyfile(file, copy)
    return copy


def copy_with_log(file: Path, copy: Path) -> Path:
    """Copies a file that a process left behind, with its write-ahead log."""
    log = Path(f"{file}-wal")
    if log.exists():
        shutil.copyfile(log, f"{copy}-wal")
    return copy_of(file, copy)


def run_migration(file: Path, *, moment: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stores.sqlite.migrating_process", str(file), str(moment)],
        env=environment_with() | {"PYTHONPATH": os.fspath(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )


async def test_workspaces_of_an_earlier_version_are_known_again_and_erased(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = copy_of(UPGRADES / "stores_4" / "sqlite.db", tmp_path / "tasks.db")
    copy_of(UPGRADES / "stores_4" / "sqlite.db.lock", tmp_path / "tasks.db.lock")

    for name in ("u_42", "default"):
        async with opened(file) as repository:
            before = {each.name: each.tasks for each in await repository.workspaces(limit=9)}
            assert before[name] > 2
            await repository.workspace(name).erase()
            await repository.compact()
            assert await repository.check() == []

    async with opened(file) as repository:
        assert [(each.name, each.tasks) for each in await repository.workspaces(limit=9)] == [("default", 0)]
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_an_older_schema_is_not_read_until_it_is_migrated(tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    await migrate(older, MIGRATIONS)

    with pytest.raises(SchemaOutdated) as refused:
        await open_to_read(str(older), migrations=with_one_more(*STATEMENTS))

    known = MIGRATIONS.version + 1
    assert str(refused.value) == (
        f"The schema of {older} is version {known - 1}, and this tasksvc reads {known}. Migrate it first."
    )
