"""An erasure by a service that is a process: its streams end, and a kill half-way leaves nothing to be seen."""

from __future__ import annotations

import asyncio
import http.client
from pathlib import Path

from http_client import ask
from patience import PATIENCE_SECONDS
from service_process import RunningService, run_here, with_timeouts

from tasksvc.application.limits import Timeouts
from tasksvc.application.workspaces import prune_erased
from tasksvc.store_adapters import open_repository

STORE = ("--store", "sqlite:///tasks.db")
BATCH = [{"op": "create", "task": {"description": "the description of a task that is erased"}}] * 1_000
FIRST_STEP_ONLY = with_timeouts(Timeouts(prune_pause=1_000.0))


def fill(service: RunningService, *names: str, batches: int = 1) -> None:
    for name in names:
        for _ in range(batches):
            assert ask(service.url, "POST", f"/workspaces/{name}/tasks/batch", BATCH).status == 200


def test_streams_of_a_workspace_end_when_a_command_erases_it(tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path) as service:
        fill(service, "u_1", "u_2")
        connections = []
        for name in ("u_1", "u_2"):
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_SECONDS)
            connection.request("GET", f"/workspaces/{name}/changes/stream")
            connections.append((connection, connection.getresponse()))
        (_, ending), (_, other) = connections
        starts = [stream.readline() + stream.readline() + stream.readline() for stream in (ending, other)]

        erased = run_here("workspace", "erase", "u_1", "--yes", *STORE, folder=tmp_path)

        rest = ending.read()
        ask(service.url, "POST", "/workspaces/u_2/tasks/", {"description": "goes on"})
        event = [other.readline() for _ in range(3)]
        for connection, stream in connections:
            stream.close()
            connection.close()

    assert erased.stdout == "The workspace u_1 is erased.\n"
    assert [start.startswith(b"retry: 1000\nid: ") for start in starts] == [True, True]
    assert rest == b""
    assert any(b"goes on" in line for line in event)
    assert "The answer to" not in service.output


def test_what_a_killed_service_has_yet_to_delete_is_seen_by_nobody_and_deleted_later(tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path, before=FIRST_STEP_ONLY) as service:
        fill(service, "u_1", batches=5)
        erased = run_here("workspace", "erase", "u_1", "--yes", *STORE, folder=tmp_path)
        service.kill()
        assert erased.returncode == 0
    checked = run_here("check", *STORE, folder=tmp_path)
    exported = run_here("export", "-", *STORE, folder=tmp_path)
    left_before = asyncio.run(is_left_behind(tmp_path))

    with RunningService(*STORE, folder=tmp_path, before=FIRST_STEP_ONLY) as service:
        listed = ask(service.url, "GET", "/workspaces/u_1/tasks/")
        created = ask(service.url, "POST", "/workspaces/u_1/tasks/", {"description": "begins it again"})
    compacted = run_here("compact", *STORE, folder=tmp_path)

    assert checked.returncode == 0, checked.stdout
    assert "u_1" not in exported.stdout
    assert left_before
    assert (listed.document, created.document["id"]) == ([], 1)
    assert compacted.returncode == 0
    assert not asyncio.run(is_left_behind(tmp_path))
    found = [file.name for file in tmp_path.iterdir() if b"that is erased" in file.read_bytes()]
    assert found == []
    assert ask_served(tmp_path, "/workspaces/u_1/tasks/count") == {"count": 1}


async def is_left_behind(folder: Path) -> bool:
    """Returns whether something is left of erased workspaces, by deleting a little of it."""
    repository = await open_repository(f"sqlite:///{folder}/tasks.db")
    try:
        return await prune_erased(repository, limit=1)
    finally:
        await repository.close()


def ask_served(folder: Path, path: str) -> object:
    with RunningService(*STORE, folder=folder) as service:
        return ask(service.url, "GET", path).document
