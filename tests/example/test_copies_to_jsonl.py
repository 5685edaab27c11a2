"""Copies between the store that comes with the service and that of a third party."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from running_service import RunningService, run_tasksvc

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tasksvc_jsonl") is None, reason="tasksvc_jsonl is not installed; run: tox -e example"
)


def test_tasks_go_there_and_back(tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///first.db", folder=tmp_path) as service:
        for description in ("Buy milk", "Купить молоко"):
            body = json.dumps({"description": description, "metadata": {"n": 1.0}}).encode()
            urlopen(Request(f"{service.url}/tasks/", body, {"Content-Type": "application/json"})).close()

    steps = [
        run_tasksvc("copy", "sqlite:///first.db", "jsonl:///middle.jsonl", folder=tmp_path),
        run_tasksvc("check", "--store", "jsonl:///middle.jsonl", folder=tmp_path),
        run_tasksvc("copy", "jsonl:///middle.jsonl", "sqlite:///last.db", folder=tmp_path),
        run_tasksvc("export", "first", "--store", "sqlite:///first.db", folder=tmp_path),
        run_tasksvc("export", "last", "--store", "sqlite:///last.db", folder=tmp_path),
    ]

    assert [(step.returncode, step.stderr) for step in steps] == [(0, "")] * 5
    assert (tmp_path / "first").read_bytes() == (tmp_path / "last").read_bytes()
    assert '"Купить молоко"' in (tmp_path / "last").read_text("utf-8")


def test_a_backup_is_refused_with_another_way(tmp_path: Path) -> None:
    done = run_tasksvc("backup", "new", "--store", "jsonl:///tasks.jsonl", folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr == (
        "tasksvc: The adapter for jsonl: makes no backups. Use the means of its database, or: tasksvc export.\n"
    )
    assert list(tmp_path.iterdir()) == []
