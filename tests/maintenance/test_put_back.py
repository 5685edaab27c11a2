"""Clients notice that an older copy of a store was restored with the tools of the system."""

from __future__ import annotations

import shutil
from http.client import HTTPConnection
from pathlib import Path

import pytest
from http_client import Answer, ask
from patience import PATIENCE_SECONDS
from service_process import RunningService, run_here

pytestmark = pytest.mark.slow

STORE = ("--store", "sqlite:///tasks.db")


def add(service: RunningService, description: str) -> Answer:
    """Creates a task and returns the response."""
    return ask(service.url, "POST", "/tasks/", {"description": description})


def head_of(service: RunningService) -> str:
    """Returns the position from which a client that has read the list follows the changes."""
    return ask(service.url, "GET", "/tasks/?limit=1").headers["x-change-seq"]


def stream_status(service: RunningService, since: str) -> int:
    """Returns the status that a client gets that follows the changes live and reconnects."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/changes/stream", headers={"Last-Event-ID": since})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_client_notices_that_an_older_file_was_restored(tmp_path: Path) -> None:
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


def test_what_no_service_can_notice_an_operator_says(tmp_path: Path) -> None:
    volume, snapshot = tmp_path / "volume", tmp_path / "snapshot"
    volume.mkdir()
    with RunningService(*STORE, folder=volume) as service:
        add(service, "first")
        position = head_of(service)
    shutil.copytree(volume, snapshot)  # with the lock and its mark
    shutil.rmtree(volume)
    snapshot.rename(volume)

    renewed = run_here("renew", *STORE, folder=volume)

    with service:
        changes = ask(service.url, "GET", f"/changes?since={position}")
        tasks = ask(service.url, "GET", "/tasks/")
    assert (renewed.returncode, renewed.stderr) == (0, "")
    assert renewed.stdout == "sqlite:///tasks.db has a new generation, so clients that follow its changes start over.\n"
    assert changes.status == 410
    assert [task["description"] for task in tasks.document] == ["first"]


def test_a_store_that_is_not_there_or_is_served_is_not_renewed(tmp_path: Path) -> None:
    missing = run_here("renew", *STORE, folder=tmp_path)
    made = list(tmp_path.iterdir())
    with RunningService(*STORE, folder=tmp_path) as service:
        position = head_of(service)
        served = run_here("renew", *STORE, folder=tmp_path)
        changes = ask(service.url, "GET", f"/changes?since={position}")

    assert (missing.returncode, made) == (1, [])
    assert "There is no store in" in missing.stderr
    assert (served.returncode, changes.status) == (1, 200)
    assert "is in use already" in served.stderr
