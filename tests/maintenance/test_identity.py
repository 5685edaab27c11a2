"""What clients hold survives as the table in docs/architecture.md says, in the default workspace and in another one.

test_upgrades.py does the same for an upgrade, and tests/stores/postgresql for a promoted standby.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest
from http_client import Answer, ask
from pages import Page
from patience import PATIENCE_SECONDS, wait_until
from service_process import RunningService, run_here

from maintenance.conftest import NewURL

WORKSPACES = {"default": "", "another": "/workspaces/u_42"}
TASK = {"description": "Water the plants"}


class Held(NamedTuple):
    """What a client holds of a workspace."""

    below: str
    """The path of the workspace."""
    first: str
    """The position of the first change."""
    last: str
    """The position at which its log ends."""
    tag: str
    """The entity tag of task 1, which was created under the idempotency key "once"."""


def create(service: RunningService, below: str, key: str | None = None) -> Answer:
    """Creates a task and returns the response."""
    return ask(service.url, "POST", f"{below}/tasks/", TASK, {} if key is None else {"Idempotency-Key": key})


def hold(service: RunningService, below: str) -> Held:
    """Writes to a workspace: three tasks, the last of which is deleted."""
    tag = create(service, below, "once").headers["etag"]
    create(service, below)
    create(service, below)
    ask(service.url, "DELETE", f"{below}/tasks/3")
    log = ask(service.url, "GET", f"{below}/changes").document
    return Held(below, log["changes"][0]["position"], log["next"], tag)


def stream_status(service: RunningService, below: str, since: str) -> int:
    """Returns the status that a client gets that follows the changes and reconnects."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"{below}/changes/stream", headers={"Last-Event-ID": since})
    status = connection.getresponse().status
    connection.close()
    return status


class Found(NamedTuple):
    """What a client finds of what it holds after an event."""

    next_id: int
    replayed: tuple[str | None, int]
    """Whether the creation of task 1 under its key was a repetition, and the id that it returned."""
    at_end: frozenset[int]
    """Statuses of reading on and of following from the position at which the log ended."""
    at_first: int
    """The status of reading on from the first change."""
    tag: tuple[int, int]
    """Statuses of reading the task unless it has the tag, and of a write if it has the tag."""


def look(service: RunningService, held: Held) -> Found:
    """Uses all that a client holds."""
    below = held.below
    again = create(service, below, "once")
    return Found(
        create(service, below).document["id"],
        (again.headers.get("idempotency-replayed"), again.document["id"]),
        frozenset(
            [
                ask(service.url, "GET", f"{below}/changes?since={held.last}").status,
                stream_status(service, below, held.last),
            ]
        ),
        ask(service.url, "GET", f"{below}/changes?since={held.first}").status,
        (
            ask(service.url, "GET", f"{below}/tasks/1", headers={"If-None-Match": held.tag}).status,
            ask(service.url, "PATCH", f"{below}/tasks/1", {"done": True}, {"If-Match": held.tag}).status,
        ),
    )


KEPT = Found(next_id=4, replayed=("true", 1), at_end=frozenset([200]), at_first=200, tag=(304, 200))
"""Ids go on, and everything stays valid."""
PRUNED = KEPT._replace(at_first=410)
RENEWED = KEPT._replace(at_end=frozenset([410]), at_first=410, tag=(200, 412))
"""Ids go on, idempotency keys stay valid, and positions and entity tags don't."""

Event = Callable[[RunningService, str, Path, NewURL], tuple[str, ...]]
"""Happens to a store that is served and returns the options with which it is served again.

It gets the service, the URL of the store, a folder for files, and what makes a URL for another store.
"""


def run(*command: str, folder: Path) -> None:
    done = run_here(*command, folder=folder)
    assert done.returncode == 0, done.stderr


def save(url: str, folder: Path) -> None:
    """Backs up a store that is served, to the file "saved"; PostgreSQL has backups of its own, so it is exported."""
    run("export" if url.startswith("postgresql") else "backup", "saved", "--store", url, folder=folder)


def restart(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    service.stop()
    return ("--store", url)


def kill(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    service.kill()
    return ("--store", url)


def back_up(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    save(url, folder)
    service.stop()
    return ("--store", url)


def prune(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    service.stop()
    return ("--store", url, "--keep-changes", "1")


def restore(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    save(url, folder)
    service.stop()
    target = new_url(url.partition(":")[0])
    run("restore", "saved", "--store", target, folder=folder)
    return ("--store", target)


def export_and_import(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    service.stop()
    target = new_url("sqlite")
    run("export", "tasks.jsonl", "--store", url, folder=folder)
    run("import", "tasks.jsonl", "--store", target, folder=folder)
    return ("--store", target)


def renew(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    service.stop()
    run("renew", "--store", url, folder=folder)
    return ("--store", url)


def put_back(service: RunningService, url: str, folder: Path, new_url: NewURL) -> tuple[str, ...]:
    """Puts an older copy of the file back, after a write to another workspace than those of the client."""
    file = url.removeprefix("sqlite:///")
    service.stop()
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(file, f"{file}.saved")
    with service:
        create(service, "/workspaces/neighbour")
    shutil.copyfile(f"{file}.saved", file)
    return ("--store", url)


KEPT_ROW = "restart, kill, backup, upgrade"
PRUNED_ROW = "pruning of the log"
RESTORED_ROW = "restore of a backup, import of an export, an older file put back, `tasksvc renew`"
EVENTS: dict[tuple[str, str, Event], Found] = {
    (KEPT_ROW, "restart", restart): KEPT,
    (KEPT_ROW, "kill", kill): KEPT,
    (KEPT_ROW, "backup", back_up): KEPT,
    (PRUNED_ROW, "pruning", prune): PRUNED,
    (RESTORED_ROW, "restore", restore): RENEWED,
    (RESTORED_ROW, "import", export_and_import): RENEWED,
    (RESTORED_ROW, "put back", put_back): RENEWED,
    (RESTORED_ROW, "renew", renew): RENEWED,
}
CASES = [
    pytest.param(kind, event, found, id=f"{kind}-{name}")
    for kind in ("sqlite", "postgresql")
    for (_, name, event), found in EVENTS.items()
    if kind == "sqlite" or event is not put_back
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "event", "expected"), CASES)
def test_what_clients_hold_survives_as_documented(
    kind: str, event: Event, expected: Found, new_url: NewURL, tmp_path: Path
) -> None:
    url = new_url(kind)
    with RunningService("--store", url, folder=tmp_path) as service:
        held = {name: hold(service, below) for name, below in WORKSPACES.items()}
        options = event(service, url, tmp_path, new_url)

    with RunningService(*options, folder=tmp_path) as service:
        if expected.at_first == 410:  # a service prunes soon after its start
            first = held["another"].first
            wait_until(lambda: ask(service.url, "GET", f"/workspaces/u_42/changes?since={first}").status == 410)
        found = {name: look(service, held[name]) for name in WORKSPACES}

    assert found == dict.fromkeys(WORKSPACES, expected)


def test_the_table_has_the_events_that_are_tested() -> None:
    rows = Page.named("docs/architecture.md").section("Workspaces").table("Event")
    documented = {row[0]: row[1:] for row in rows}
    cells = {
        KEPT: ("go on", "stay valid", "stay valid"),
        PRUNED: ("go on", "stay valid; a position before what was pruned is answered 410", "stay valid"),
        RENEWED: (
            "go on from what is there",
            "410 and 412: the store has a new epoch",
            "stay valid as far as they are there",
        ),
    }

    for (row, name, _), found in EVENTS.items():
        assert tuple(documented[row]) == cells[found], name
