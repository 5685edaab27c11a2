"""The service with a plugin of another distribution, which is installed beside it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from http_client import ask
from patience import wait_until
from service_process import RunningService, run_tasksvc

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tasksvc_stats") is None, reason="tasksvc_stats is not installed; run: tox -e example"
)
needs_jsonl = pytest.mark.skipif(
    importlib.util.find_spec("tasksvc_jsonl") is None, reason="tasksvc_jsonl is not installed; run: tox -e example"
)


def numbers_of(service: RunningService) -> tuple[int, int]:
    """Returns how many tasks were created and completed on all days that are shown."""
    days: list[dict[str, Any]] = ask(service.url, "GET", "/stats").document["days"]
    return sum(day["created"] for day in days), sum(day["completed"] for day in days)


def test_it_is_found_by_its_entry_points(tmp_path: Path) -> None:
    listed = run_tasksvc("plugins", folder=tmp_path)
    shown = run_tasksvc("stats", "--help", folder=tmp_path)

    (line,) = [line for line in listed.stdout.splitlines() if line.startswith("stats ")]
    assert line.split() == ["stats", "tasksvc-stats", "0.1.0", "ready"]
    assert "--workspace" in shown.stdout


@pytest.mark.parametrize("store", ["sqlite:///tasks.db", pytest.param("jsonl:///tasks.jsonl", marks=needs_jsonl)])
def test_each_change_is_counted_once_over_kills(store: str, tmp_path: Path) -> None:
    with RunningService("--plugins", "stats", "--store", store, folder=tmp_path) as service:
        for created in range(1, 5):
            ask(service.url, "POST", "/tasks/", {"description": "x"})
            ask(service.url, "PATCH", f"/tasks/{created}", {"done": True})
            service.kill()
            service.start()

        wait_until(lambda: numbers_of(service) >= (4, 4))
        counted = numbers_of(service)
        printed = run_tasksvc("stats", "--url", service.url, folder=tmp_path).stdout

        assert re.search(r"^  With   stats 0\.1\.0$", service.output, re.MULTILINE)
    checked = run_tasksvc("check", "--store", store, folder=tmp_path)

    assert counted == (4, 4)
    assert printed.startswith("0 open and 4 done in default\n")
    assert checked.stdout == f"{store} is in order.\n"
