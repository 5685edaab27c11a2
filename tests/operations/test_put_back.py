"""What clients are told after an older copy of a store was put back with the tools of the system."""

from __future__ import annotations

import shutil
from http.client import HTTPConnection
from pathlib import Path

from patience import PATIENCE_SECONDS
from running_service import RunningService
from wire import Answer, ask

STORE = ("--store", "sqlite:///tasks.db")


def add(service: RunningService, description: str) -> Answer:
    """A new task, and its entity tag."""
    return ask(service.url, "POST", "/tasks/", {"description": description})


def head_of(service: RunningService) -> str:
    """The position at which somebody who has read the list follows the changes."""
    return ask(service.url, "GET", "/tasks/?limit=1").headers["x-change-seq"]


def stream_status(service: RunningService, since: str) -> int:
    """What a client that follows the changes live is answered when it comes back."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/changes/stream", headers={"Last-Event-ID": since})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_client_learns_that_an_older_file_was_put_back(tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path) as service:
        add(service, "first")
    shutil.copyfile(tmp_path / "tasks.db", tmp_path / "saved.db")
    with service:
        tag = add(service, "lost").headers["etag"]
        position = head_of(service)

    shutil.copyfile(tmp_path / "saved.db", tmp_path / "tasks.db")

    with service:
        add(service, "another")
        changes = ask(service.url, "GET", f"/changes?since={position}")
        stream = stream_status(service, position)
        patched = ask(service.url, "PATCH", "/tasks/2", {"done": True}, {"If-Match": tag})
    assert (changes.status, stream, patched.status) == (410, 410, 412)
    assert "ends with change 1, and was served here up to change 2. It has a new generation now" in service.output


def test_a_client_goes_on_where_the_service_was_only_killed(tmp_path: Path) -> None:
    with RunningService(*STORE, folder=tmp_path) as service:
        tag = add(service, "first").headers["etag"]
        position = head_of(service)
        service.kill()

    with service:
        add(service, "another")
        changes = ask(service.url, "GET", f"/changes?since={position}")
        stream = stream_status(service, position)
        patched = ask(service.url, "PATCH", "/tasks/1", {"done": True}, {"If-Match": tag})
    assert (changes.status, stream, patched.status) == (200, 200, 200)
    assert [change["task"]["description"] for change in changes.document["changes"]] == ["another"]
    assert "new generation" not in service.output
