"""Greedy clients of all kinds at once, on a service with little memory and a log that isn't read.

    PYTHONPATH=tests python -m robustness.siege                # ten minutes, as root
    PYTHONPATH=tests python -m robustness.siege --minutes 1

Meanwhile writers repeat requests without a response under their idempotency keys, and followers of the stream of
changes check that they see each change once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from http_client import Connection, NoAnswer
from service_process import RunningService
from write_checker import WriteChecker

from robustness import soak
from robustness.cgroup import Cgroup
from robustness.greedy import KINDS, close, fill, play_all
from robustness.process_metrics import megabytes_of

MEGABYTES = 128
"""The memory that the service has, in MB."""
WRITERS, FOLLOWERS, SEARCHERS, BATCHES = 8, 4, 10, 3
GREEDY_CLIENTS = 200
"""The number of greedy clients of a kind at once."""
STAY_SECONDS = 2.0
"""Seconds for which they stay connected."""
BATCH_BYTES = 8_000_000
WHOLE_EVERY = 20
"""One batch in this number is valid, and grows the store; the last operation of the others is refused."""
TASK = "/tasks/1"
"""The id of a task that no client changes."""


@dataclass
class Report(soak.Report):
    """The results of a siege."""

    clients: int = 0
    """The number of greedy clients."""
    searches: int = 0
    """The number of abandoned searches."""
    batches: int = 0
    megabytes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """The most memory that the service occupied, in MB, by the kind of greedy clients that were connected."""


class Siege:
    """All clients that run at once, until they are cancelled."""

    def __init__(self, service: RunningService, report: Report, seed: int) -> None:
        self._service, self._report = service, report
        self._choose = random.Random(seed)
        self._numbers = itertools.count()
        self._kind = ""
        """The kind of greedy clients that are connected."""

    async def be_greedy(self) -> None:
        """Connects clients of one kind after the other, in any order."""
        while True:
            self._kind = self._choose.choice(list(KINDS))
            connections = await play_all(self._service.port, KINDS[self._kind], GREEDY_CLIENTS)
            try:
                await asyncio.sleep(STAY_SECONDS)
            finally:
                close(connections)
            self._report.clients += len(connections)

    async def search(self) -> None:
        """Starts searches and abandons them."""
        while True:
            with contextlib.suppress(NoAnswer, ConnectionError):
                async with Connection(self._service.port) as connection:
                    connection.send("GET", f"/tasks/?q=nothing-{next(self._numbers)}&sort=-updated_at")
                    await asyncio.sleep(self._choose.uniform(0, 0.1))
            self._report.searches += 1

    async def send_batches(self) -> None:
        """Sends large batches, each of which is done completely or not at all."""
        while True:
            number = next(self._numbers)
            is_whole = number % WHOLE_EVERY == 0
            creations = [{"op": "create", "task": {"description": f"batch {number} ".ljust(9_900, ".")}}] * 800
            last = [] if is_whole else [{"op": "delete", "id": 10**9}]
            document = [*creations[: BATCH_BYTES // 10_000], *last]
            with contextlib.suppress(NoAnswer, ConnectionError):
                async with Connection(self._service.port) as connection:
                    answer = await connection.request("POST", "/tasks/batch", document)
                    if answer.status not in (200 if is_whole else 404, 503):
                        self._report.faults.append(f"A batch got {answer.status}: {answer.body[:300]!r}")
            self._report.batches += 1
            await asyncio.sleep(self._choose.uniform(0, 2))

    async def read(self) -> None:
        """Sends small requests and measures how long they take."""
        while True:
            with contextlib.suppress(NoAnswer, ConnectionError, asyncio.IncompleteReadError):
                async with Connection(self._service.port) as connection:
                    while True:
                        began = time.perf_counter()
                        answer = await connection.request("GET", TASK)
                        self._report.seconds[TASK].append(time.perf_counter() - began)
                        if answer.status != 200:
                            self._report.faults.append(f"GET {TASK} got {answer.status}.")
                        await asyncio.sleep(0.01)
            self._report.faults.append("The connection of a modest reader broke off.")

    async def weigh(self) -> None:
        """Measures the memory now and then."""
        while True:
            known = self._report.megabytes
            known[self._kind] = max(known[self._kind], megabytes_of(self._service))
            await asyncio.sleep(0.1)


async def besiege(folder: Path, seconds: float, before: list[str]) -> Report:
    """Runs the siege for `seconds`; `before` are the words before the command that limit its memory."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.mkfifo(log := folder / "log")
    before = [*before, "/bin/sh", "-c", 'exec 2<>"$0"; exec "$@"', str(log)]
    report = Report()
    service = RunningService("--store", "sqlite:///kept.db", folder=folder, before=before)
    with service:
        fill(service)
        siege = Siege(service, report, seed=7)
        work = [siege.be_greedy(), siege.read(), siege.weigh()]
        work += [siege.search() for _ in range(SEARCHERS)] + [siege.send_batches() for _ in range(BATCHES)]
        work += [soak.Follower(service.port, report).run() for _ in range(FOLLOWERS)]
        running = [asyncio.create_task(part) for part in work]
        async with WriteChecker(service.port, clients=WRITERS, pause=0.02) as checker:
            await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        for task in running:
            if not task.cancelled() and (error := task.exception()) is not None:
                report.faults.append("A client failed: " + "".join(traceback.format_exception(error)))
        if service.process.poll() is not None:
            report.faults.append(f"The service has died, with status {service.process.returncode}.")
        elif (status := await asyncio.to_thread(service.stop)) != 0:
            report.faults.append(f"It ended with status {status}.")
    verdict = checker.verdict(folder / "kept.db")
    report.faults += [*verdict.lost, *verdict.corrupt, *checker.odd]
    report.acknowledged, report.replayed = checker.acknowledged, checker.replayed
    return report


def summary_of(report: Report) -> str:
    """Returns the report as it is printed."""
    seconds = sorted(report.seconds[TASK])
    worst = max(report.megabytes, key=report.megabytes.__getitem__)
    return (
        f"{report.clients:,} greedy clients, {report.searches:,} abandoned searches, {report.batches:,} large batches;"
        f" {report.acknowledged:,} writes acknowledged, {report.replayed:,} of them on a later try;"
        f" {report.changes:,} changes followed; at most"
        f" {report.megabytes[worst]:.0f} MB, beside {worst};"
        f" {len(seconds):,} reads beside it, 99 % of them within {seconds[len(seconds) * 99 // 100] * 1000:.0f} ms,"
        f" the slowest {seconds[-1] * 1000:.0f} ms; {len(report.faults)} faults"
    )


def main() -> None:
    """Runs the siege and prints its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tasksvc-siege-")))
        group = stack.enter_context(Cgroup(arguments.megabytes * 2**20))
        report = asyncio.run(besiege(folder, 60 * arguments.minutes, group.command))
    print("\n".join([*report.faults[:50], summary_of(report)]))  # noqa: T201
    sys.exit(bool(report.faults))


if __name__ == "__main__":
    main()
