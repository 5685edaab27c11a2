"""SIGKILL of processes that queue and send writes: each write is done once, and both sides are equal in the end."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from patience import wait_until
from service_process import RunningService, environment_with
from tasksvc_client import SyncClient, SyncReplica

from client_replica.conftest import contents
from client_replica.worker import COUNTER

pytestmark = pytest.mark.slow

KILLS = 6
WORKER = Path(__file__).parent / "worker.py"


class Worker:
    """A worker.py that runs until it is killed."""

    def __init__(self, service: RunningService, workspace: str, folder: Path, name: str, mode: str) -> None:
        self._output = folder / f"{name}.out"
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER), service.url, workspace, "copy.db", name, mode],
                cwd=folder,
                env=environment_with(),
                stdout=output,
            )
        self._before = len(self.lines)

    @property
    def lines(self) -> list[str]:
        return self._output.read_text().splitlines()

    @property
    def written(self) -> int:
        """How many writes this process has queued."""
        return len(self.lines) - self._before

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        assert self._process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("modes", [["sync"], ["sync", "async"]], ids="-".join)
def test_every_write_is_done_once_whenever_the_process_is_killed(
    service: RunningService, tmp_path: Path, modes: list[str]
) -> None:
    kill_again_and_again(service, tmp_path, modes, random.Random(len(modes)), KILLS)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(int(os.environ.get("TASKSVC_TEST_KILLS", "1000")) // KILLS // 3))
def test_every_write_is_done_once_however_many_kills(service: RunningService, tmp_path: Path, number: int) -> None:
    written = kill_again_and_again(service, tmp_path, ["sync", "async"], random.Random(number), KILLS)

    print(f"{2 * KILLS} kills, {written} writes")  # noqa: T201


def kill_again_and_again(
    service: RunningService, folder: Path, modes: list[str], dice: random.Random, kills: int
) -> int:
    """Kills a worker for each of `modes` that many times, all of them on one file, and checks the result.

    Returns how many writes were queued.
    """
    workspace = uuid4().hex
    with SyncClient(service.url, workspace=workspace) as client:
        client.create(COUNTER)
        for _ in range(kills):
            with ExitStack() as stack:
                workers = [Worker(service, workspace, folder, f"w{n}", mode) for n, mode in enumerate(modes)]
                for worker in workers:
                    stack.callback(worker.kill)
                wait_until(lambda: all(worker.written > 4 for worker in workers))  # noqa: B023  # called at once
                time.sleep(dice.uniform(0, 0.3))
        with SyncReplica(folder / "copy.db", client) as replica:
            replica.sync()
            assert contents(replica) == contents(client)
            assert (replica.waiting(), replica.refused()) == ([], [])
        log = list(client.changes())
    lines = [line for path in folder.glob("*.out") for line in path.read_text().splitlines()]
    created = Counter(change.task.description for change in log if change.type == "created" and change.task)
    assert created.pop(COUNTER) == 1
    assert set(created.values()) == {1}
    assert {line.partition(" ")[2] for line in lines if line.startswith("created ")} <= created.keys()
    counts = [
        change.task.metadata["n"] for change in log if change.type == "updated" and change.task_id == 1 and change.task
    ]
    assert counts == list(range(1, len(counts) + 1))
    assert {int(line.split()[1]) for line in lines if re.match("counted", line)} <= set(counts)
    deleted = Counter(change.task_id for change in log if change.type == "deleted")
    assert set(deleted.values()) <= {1}
    there = {change.task_id: change.task.description for change in log if change.task}
    gone = {there[task_id] for task_id in deleted}
    assert {line.partition(" ")[2] for line in lines if line.startswith("deleted ")} <= gone
    return len(lines)
