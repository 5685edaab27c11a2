"""A process dies before each statement of a round in turn: the next round does what is left, and nothing twice."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest
from service_process import RunningService, environment_with
from tasksvc_client import SyncClient, SyncReplica

from client_replica.conftest import contents

DYING = Path(__file__).parent / "dying.py"
EXPECTED = [("Paint", 5, None), ("Garden", 0, None), ("Shed", 3, "Garden")]
"""The tasks at the end, with their priorities and parents."""


@pytest.mark.slow
def test_a_round_may_end_before_every_fortieth_statement(service: RunningService, tmp_path: Path) -> None:
    assert die_before_each(service, tmp_path, step=40) > 2


@pytest.mark.soak
def test_a_round_may_end_before_each_statement(service: RunningService, tmp_path: Path) -> None:
    assert die_before_each(service, tmp_path, step=1) > 100


def die_before_each(service: RunningService, folder: Path, step: int) -> int:
    """Lets a round die before each of its statements, or only every `step`th. Returns how often it died."""
    for times in itertools.count():
        with SyncClient(service.url, workspace=uuid4().hex) as client:
            path = folder / f"{times}.db"
            queue_writes(client, path)
            arguments = [service.url, str(client.workspace), str(path), str(1 + times * step)]
            process = subprocess.run([sys.executable, str(DYING), *arguments], env=environment_with(), check=False)
            assert process.returncode in (0, -signal.SIGKILL)
            check(client, path)
            if process.returncode == 0:
                return times
    raise AssertionError


def queue_writes(client: SyncClient, path: Path) -> None:
    """Makes a replica with writes of all kinds, beside changes of another client."""
    client.create("Paint")
    client.create("Old")
    with SyncReplica(path, client) as replica:
        replica.sync()
        garden = replica.create("Garden")
        shed = replica.create("Shed", parent_id=garden.id)
        replica.update(shed.id, priority=3)
        replica.update(1, priority=5)
        replica.delete(2)
        client.update(1, notes="red")


def check(client: SyncClient, path: Path) -> None:
    """Syncs a replica, and checks that each write was done once."""
    with SyncReplica(path, client) as replica:
        replica.sync()
        assert contents(replica) == contents(client)
        assert (replica.waiting(), replica.refused()) == ([], [])
    names = {task.id: task.description for task in client.find()}
    shown = [(task.description, task.priority, names.get(task.parent_id or 0)) for task in client.find()]
    assert shown == EXPECTED
    log = Counter(change.type for change in client.changes())
    assert log == {"created": 4, "updated": 3, "deleted": 1}
