"""The service with an adapter of another distribution, which is installed beside it."""

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


def test_it_is_found_by_its_entry_point(tmp_path: Path) -> None:
    listed = run_tasksvc("stores", folder=tmp_path)

    (line,) = [line for line in listed.stdout.splitlines() if line.startswith("jsonl ")]
    assert line.split() == ["jsonl", "tasksvc-jsonl", "0.1.0", "tasksvc_jsonl", "ready"]


def test_it_keeps_what_the_service_acknowledged(tmp_path: Path) -> None:
    with RunningService("--store", "jsonl:///tasks.jsonl", folder=tmp_path) as service:
        body = json.dumps({"description": "Kept"}).encode()
        with urlopen(Request(f"{service.url}/tasks/", body, {"Content-Type": "application/json"})) as answer:
            task = json.load(answer)
        service.kill()
        service.start()

        with urlopen(f"{service.url}/tasks/{task['id']}") as answer:
            kept = json.load(answer)

        assert "jsonl:///tasks.jsonl (kept)" in service.output
    assert kept == task
    assert (tmp_path / "tasks.jsonl").exists()
