"""The command tasksvc migrate upgrades stores."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from service_process import run_tasksvc

from maintenance.conftest import NewURL


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


def test_a_newer_schema_is_left_as_it_is(tmp_path: Path) -> None:
    run_tasksvc("migrate", "--store", "sqlite:///tasks.db", folder=tmp_path)
    connection = sqlite3.connect(tmp_path / "tasks.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()

    migrated = run_tasksvc("migrate", "--store", "sqlite:///tasks.db", folder=tmp_path)
    exported = run_tasksvc("export", "-", "--store", "sqlite:///tasks.db", folder=tmp_path)

    assert (migrated.returncode, migrated.stdout) == (1, "")
    assert "was written by a newer tasksvc" in migrated.stderr
    assert exported.stderr.startswith(f"tasksvc: The schema of {tmp_path}/tasks.db is version 999, and this tasksvc")
