"""Writes an export of format 1, in the environment of a version of tasksvc that writes that format:

    python make_export_1.py export_1_first.jsonl  # 59976d5
    python make_export_1.py export_1_last.jsonl  # a547f03

The first one keeps idempotency keys only for POST.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasksvc.store_adapters import open_repository  # type: ignore[import-not-found,unused-ignore]

PORT = 8923
TASK = {
    "description": 'Größe ✓ 任务\n"quoted"',
    "due_at": "2026-12-24T18:00:00.123456+01:00",
    "priority": 7,
    "labels": ["home", "late night"],
    "metadata": {"nested": {"list": [1, 2.5, None, True, "x"]}, "large": "y" * 1_100},
}
BATCH = [
    {"op": "create", "task": {"description": "from a batch"}},
    {"op": "update", "id": 2, "patch": {"done": True}},
    {"op": "delete", "id": 3},
]
KEEP_CHANGES = 12
"""How many changes the log keeps, the oldest of more than these being pruned."""


def ask(method: str, path: str, document: Any = None, *, key: str | None = None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    if document is not None:
        headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        response.read()


def fill() -> None:
    """Sends every kind of write, with and without an idempotency key."""
    for number in range(1, 9):
        ask("POST", "/tasks/", {"description": f"task {number}", "labels": ["a", "ü"][: number % 3]})
    ask("POST", "/tasks/", TASK, key="create")
    ask("PATCH", "/tasks/9", {"done": True, "metadata": {"large": None}}, key="update")
    ask("DELETE", "/tasks/1", key="delete")
    ask("POST", "/tasks/batch", BATCH, key="batch")
    ask("DELETE", "/tasks/?done=true&label=%C3%BC", key="delete-matching")
    ask("PATCH", "/tasks/4", {"done": True, "due_at": "2027-01-01T00:00:00Z"})
    ask("DELETE", "/tasks/10")


async def prune(url: str) -> None:
    repository = await open_repository(url)
    start = datetime(1970, 1, 1, tzinfo=UTC)
    while await repository.prune(log_before=start, max_changes=KEEP_CHANGES, keys_before=start, limit=100):
        pass
    await repository.close()


def wait_until_it_serves() -> None:
    while True:
        try:
            ask("GET", "/health/ready")
        except OSError:
            time.sleep(0.1)
        else:
            return


def main(export: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/tasks.db"
        tasksvc = [sys.executable, "-m", "tasksvc"]
        service = subprocess.Popen([*tasksvc, "serve", "--open", "--port", str(PORT), "--store", url])
        try:
            wait_until_it_serves()
            fill()
        finally:
            service.terminate()
            service.wait()
        subprocess.run(
            [*tasksvc, "token", "create", "ci", "--scope", "read", "--store", url],
            check=True,
            stdout=subprocess.DEVNULL,  # the secret, which isn't needed
        )
        asyncio.run(prune(url))
        export.unlink(missing_ok=True)
        subprocess.run([*tasksvc, "export", str(export), "--store", url], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
