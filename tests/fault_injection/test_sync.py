"""A write to a durable store is synced to disk before its response."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_client import ask
from service_process import RunningService

from fault_injection.strace import STORE_CALLS, Call, Trace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tracing")]

WRITES = [
    ("POST", "/tasks/", {"description": "one"}),
    ("POST", "/tasks/", {"description": "two", "labels": ["red"]}),
    ("PATCH", "/tasks/1", {"done": True}),
    ("POST", "/tasks/batch", [{"op": "create", "task": {"description": "three"}}, {"op": "delete", "id": 2}]),
    ("DELETE", "/tasks/1", None),
    ("DELETE", "/tasks/?done=false", None),
]


def calls_of_the_writes(folder: Path, *store: str) -> list[list[Call]]:
    """Returns the calls of a service between one response and the next, for each of WRITES."""
    trace = Trace(folder / "trace", *STORE_CALLS, "write")
    with RunningService(*store, "--log-format", "none", folder=folder, before=trace.command) as service:
        for method, path, document in WRITES:
            assert ask(service.url, method, path, document).status in (200, 201, 204)
    parts: list[list[Call]] = [[]]
    for call in trace.calls():
        if call.name == "write" and '"HTTP/1.1 2' in call.arguments:
            parts.append([])
        else:
            parts[-1].append(call)
    return parts[:-1]


def test_every_write_to_a_kept_store_is_synced_before_its_answer(tmp_path: Path) -> None:
    parts = calls_of_the_writes(tmp_path, "--store", "sqlite:///kept.db")

    assert len(parts) == len(WRITES)
    for part in parts:
        on_log = [call.name for call in part if call.file == "kept.db-wal" and call.succeeded]
        assert on_log[-2:] == ["pwrite64", "fdatasync"]


def test_no_write_to_a_scratch_store_waits_for_the_disk(tmp_path: Path) -> None:
    parts = calls_of_the_writes(tmp_path)

    written = [call.name for part in parts[1:] for call in part if call.file == "tasks.db-wal"]
    assert "pwrite64" in written
    assert "fdatasync" not in written
