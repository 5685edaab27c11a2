"""Stores that were made before the first release are refused in one sentence, and nothing in them is changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
import upgrades
from pages import Page
from service_process import run_tasksvc

from maintenance.conftest import NewURL
from maintenance.every_command import COMMANDS
from tasksvc import SchemaTooOld
from tasksvc.store_adapters import open_reader, open_repository

pytestmark = pytest.mark.slow

UPGRADES = Path(upgrades.__file__).parent


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An SQLite store, which nobody has open."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript((UPGRADES / "sqlite_1.sql").read_text("utf-8"))
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_says_how_to_bring_the_tasks_over_and_changes_nothing(command: tuple[str, ...], old: Path) -> None:
    before = old.read_bytes()
    (documented,) = Page.named("docs/upgrading.md").section("Stores of before the first release").blocks("text")

    refused = run_tasksvc(*command, folder=old.parent)

    assert refused.returncode == 1
    assert refused.stderr.replace(f"{old.parent}/", "") == documented
    assert old.read_bytes() == before
    assert list(old.parent.glob("new.*")) == []


async def test_a_schema_of_postgresql_is_refused_and_left_alone(new_url: NewURL, server_url: str) -> None:
    url = new_url("postgresql")
    schema = url.rpartition("schema=")[2]
    database = await asyncpg.connect(server_url)
    try:
        await database.execute(f"CREATE SCHEMA {schema}; SET search_path TO {schema}")
        await database.execute((UPGRADES / "postgresql_3.sql").read_text("utf-8"))

        with pytest.raises(SchemaTooOld, match=f"^The schema {schema} of .* was made before the first release"):
            await open_repository(url)
        with pytest.raises(SchemaTooOld, match=f"^The schema {schema} of .* was made before the first release"):
            await open_reader(url)

        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = $1"
        assert await database.fetchval(tables, schema) == 7
        assert await database.fetchval("SELECT generation FROM header") == "0123456789abcdef"
    finally:
        await database.close()
