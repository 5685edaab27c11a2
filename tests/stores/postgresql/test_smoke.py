"""A short test of the service on PostgreSQL. The thorough tests take longer: tox -e postgresql."""

from __future__ import annotations

from pathlib import Path

from http_client import ask
from service_process import RunningService


def test_tasks_are_kept_on_postgresql(store_url: str, tmp_path: Path) -> None:
    with RunningService("--store", store_url, folder=tmp_path) as service:
        created = ask(service.url, "POST", "/tasks/", {"description": "Water the plants", "labels": ["home"]})
        patched = ask(service.url, "PATCH", "/tasks/1", {"done": True})
        batch = [{"op": "create", "task": {"description": "Feed the cat"}}, {"op": "delete", "id": 2}]
        done = ask(service.url, "POST", "/tasks/batch", batch)

    with RunningService("--store", store_url, folder=tmp_path) as service:
        listed = ask(service.url, "GET", "/tasks/?label=home")
        changes = ask(service.url, "GET", "/changes?since=0").document["changes"]

    assert (created.status, patched.status, done.status) == (201, 200, 200)
    assert listed.document == [patched.document]
    assert [change["type"] for change in changes] == ["created", "updated", "created", "deleted"]
