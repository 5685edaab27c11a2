"""Copies between the store that comes with the service and that of another distribution."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from service_process import RunningService, run_tasksvc

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


@pytest.mark.parametrize("target", ["jsonl:///restored.jsonl", "sqlite:///restored.db"])
def test_a_backup_of_the_adapter_is_restored_into_any_store(target: str, tmp_path: Path) -> None:
    with RunningService("--store", "jsonl:///first.jsonl", folder=tmp_path) as service:
        body = json.dumps({"description": "Buy milk"}).encode()
        urlopen(Request(f"{service.url}/tasks/", body, {"Content-Type": "application/json"})).close()
        backup = run_tasksvc("backup", "saved", "--store", "jsonl:///first.jsonl", folder=tmp_path)
    before = (tmp_path / "saved").read_bytes()

    restore = run_tasksvc("restore", "saved", "--store", target, folder=tmp_path)

    assert [(step.returncode, step.stderr) for step in (backup, restore)] == [(0, "")] * 2
    assert restore.stdout.startswith(f"Restored {target}: 1 task, 1 change, ")
    assert (tmp_path / "saved").read_bytes() == before
