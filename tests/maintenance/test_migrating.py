"""The command tasksvc migrate upgrades stores."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from service_process import run_here, run_tasksvc
from stores.postgresql.server import execute, with_parameters

from maintenance.conftest import NewURL
from maintenance.every_command import COMMANDS


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_store_is_created_once(kind: str, new_url: NewURL, tmp_path: Path) -> None:
    url = new_url(kind)

    first = run_tasksvc("migrate", "--store", url, folder=tmp_path)
    second = run_tasksvc("migrate", folder=tmp_path, environment={"TASKSVC_STORE": url})

    made, ready = first.stdout.splitlines()
    assert re.search(r": schema \d+, new\.$", made)
    assert ready == second.stdout.strip()
    assert ready.endswith(" is up to date.")
    assert (first.returncode, second.returncode, first.stderr, second.stderr) == (0, 0, "", "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_newer_store_is_refused_in_the_same_words_and_changed_by_no_command(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    store = tmp_path / "old.db"
    run_here("token", "create", "x", "--store", "sqlite:///old.db", folder=tmp_path)
    with closing(sqlite3.connect(store)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + 1}")
    before = store.read_bytes()

    refused = run_here(*command, folder=tmp_path)

    assert refused.returncode == 1
    assert refused.stderr == (
        f"tasksvc: {store} was written by a newer tasksvc: its schema is version {version + 1}, and this one knows"
        f" {version}. Upgrade tasksvc, or name another file.\n"
    )
    assert store.read_bytes() == before
    assert list(tmp_path.glob("new.*")) == []


def test_a_newer_schema_of_postgresql_is_refused_in_the_same_words_and_left_alone(
    new_url: NewURL, server_url: str, tmp_path: Path
) -> None:
    url = new_url("postgresql")
    schema = url.rpartition("schema=")[2]
    run_here("token", "create", "x", "--store", url, folder=tmp_path)
    execute(with_parameters(server_url, search_path=schema), "INSERT INTO migrations (number) VALUES (1000)")

    refused = [
        run_here(*command, folder=tmp_path)
        for command in (
            ("serve", "--port", "0", "--store", url),
            ("check", "--store", url),
            ("export", "new.jsonl", "--store", url),
            ("copy", url, "sqlite:///new.db"),
            ("copy", "memory://", url),
            ("migrate", "--store", url),
            ("renew", "--store", url),
            ("token", "list", "--store", url),
        )
    ]

    assert {command.returncode for command in refused} == {1}
    (said,) = {command.stderr for command in refused}
    assert re.fullmatch(
        rf"tasksvc: The schema {schema} of \S+ was written by a newer tasksvc: its schema is version 1000, and this one"
        r" knows \d+\. Upgrade tasksvc, or name another schema\.\n",
        said,
    )
    assert list(tmp_path.glob("new.*")) == []
