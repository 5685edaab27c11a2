"""Mixed load for a long time with a fault each minute, to find what is lost, what leaks, and what takes too long.

    PYTHONPATH=tests python -m robustness.soak                # an hour
    PYTHONPATH=tests python -m robustness.soak --minutes 10

Writers repeat requests without a response under their idempotency keys, readers read everything, and followers of the
stream of changes check that they see each change once. In the first third of the time the faults include kills. After
it the process stays, and what it holds is compared from then on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import re
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from http_client import Connection, NoAnswer, ask
from service_process import RunningService
from write_checker import WriteChecker

from robustness.process_metrics import ProcessMetrics, megabytes_of, vitals_of

WRITERS, READERS, FOLLOWERS = 8, 4, 20
STATIC_TASKS = 2_000
"""The number of tasks that exist throughout, so that lists are long."""
DEADLINE_SECONDS = 30.0
"""Seconds within which every request must be answered."""
DRIFT = 0.01
"""The share by which each metric of the process may grow."""
FLOOD_MEGABYTES = 230
"""Python keeps what a flood of QUEUE connections took: 201 to 211 MB after each of eight in a row, and nothing else."""
FAULT_SECONDS = 20.0
"""Seconds of a minute during which the fault lasts; the rest is for the service to recover."""
QUEUE = 10_500
"""The number of writes at once, which is more than may wait."""
LIST = "/tasks/"
"""The path of a list that is streamed."""
READS = (
    LIST,
    "/tasks/{id}",
    "/tasks/?limit=100",
    "/tasks/?limit=50&sort=-updated_at",
    "/tasks/?q=7&limit=100",
    "/changes?since=0&limit=50",
    "/health/ready",
    "/metrics",
)


class Minute(NamedTuple):
    """The metrics of the service at the end of a minute."""

    fault: str
    megabytes: float
    usage: ProcessMetrics
    written: int
    """The number of writes that were acknowledged until then."""
    slowest: float
    """The longest time that a response took in this minute, in seconds."""


@dataclass
class Report:
    """The results of a run."""

    minutes: list[Minute] = field(default_factory=list)
    settled: int = 0
    """The first minute from which on the process's metrics are compared."""
    acknowledged: int = 0
    replayed: int = 0
    reads: int = 0
    changes: int = 0
    """The number of events that all followers saw."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """The durations of each kind of read, in seconds."""
    faults: list[str] = field(default_factory=list)
    """Faults that were found, one sentence each."""


class Reader:
    """Reads one thing after another, and records how long each took."""

    def __init__(self, port: int, report: Report, number: int) -> None:
        self._port, self._report = port, report
        self._choose = random.Random(number)

    async def run(self) -> None:
        """Reads until it is cancelled."""
        while True:
            with contextlib.suppress(NoAnswer):
                async with Connection(self._port) as connection:
                    while True:
                        await self._read(connection)
            await asyncio.sleep(0.05)

    async def _read(self, connection: Connection) -> None:
        kind = self._choose.choice(READS)
        began = time.monotonic()
        path = kind.format(id=self._choose.randint(1, STATIC_TASKS))
        try:
            async with asyncio.timeout(DEADLINE_SECONDS + 1):
                status = await self._take(connection, path)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise NoAnswer(repr(error)) from error
        except TimeoutError:
            self._report.faults.append(f"GET {kind} had no answer after {DEADLINE_SECONDS + 1:g} s.")
            raise NoAnswer("It took too long.") from None
        self._report.reads += 1
        self._report.seconds[kind].append(time.monotonic() - began)
        if status not in (200, 503):
            self._report.faults.append(f"GET {kind} got {status}.")
        await asyncio.sleep(self._choose.uniform(0, 0.05))

    async def _take(self, connection: Connection, path: str) -> int:
        """Returns the status of a response that was received in full."""
        if path != LIST:
            connection.send("GET", path)
            status, headers = await connection.head()
            await connection.exactly(int(headers["content-length"]))
            return status
        async with Connection(self._port) as lists:
            lists.send("GET", path, headers={"Connection": "close"})
            status, _ = await lists.head()
            if not (await lists.rest()).endswith(b"0\r\n\r\n" if status == 200 else b"}"):
                raise NoAnswer("The list broke off.")
        return status


class Follower:
    """Follows the stream of changes through all faults."""

    def __init__(self, port: int, report: Report) -> None:
        self._port, self._report = port, report
        self._last, self._seq = "0", 0

    async def run(self) -> None:
        """Follows until it is cancelled."""
        while True:
            with contextlib.suppress(NoAnswer, ConnectionError, asyncio.IncompleteReadError):
                async with Connection(self._port) as connection:
                    connection.send("GET", "/changes/stream", headers={"Last-Event-ID": self._last})
                    status, _ = await connection.head()
                    if status not in (200, 503):
                        self._report.faults.append(f"A follower at {self._last} got {status}.")
                    while status == 200:
                        self._take(await connection.until(b"\n\n"))
            await asyncio.sleep(0.2)

    def _take(self, event: bytes) -> None:
        found = re.search(rb"id: (\S+)\r?\ndata: \{\"seq\":(\d+)", re.sub(rb"\r\n[0-9a-f]+\r\n", b"", event))
        if found is None:
            return  # a comment
        seq = int(found[2])
        if seq != self._seq + 1:
            self._report.faults.append(f"A follower saw change {seq} after {self._seq}.")
        self._last, self._seq = found[1].decode(), seq
        self._report.changes += 1


# ---------------------------------------------------------------- faults


async def kill(service: RunningService, folder: Path) -> None:
    """Kills the service with SIGKILL, and starts it again."""
    await asyncio.to_thread(service.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(service.start)


async def hang_up(service: RunningService, folder: Path) -> None:
    """Runs clients that break off requests, and leave lists and streams."""
    head = b"POST /tasks/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n"
    broken = head + b'{"description": "never"'
    texts = [
        b"GET /tasks/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /changes/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]

    async def client(number: int) -> None:
        with contextlib.suppress(NoAnswer):
            async with Connection(service.port) as connection:
                connection.send_bytes([broken[: number % len(broken)], *texts][number % 3])
                await asyncio.sleep(random.uniform(0, 0.05))

    await many(client, 5_000, at_once=100)


async def idle(service: RunningService, folder: Path) -> None:
    """Opens connections that send nothing, or send slowly."""

    async def client(number: int) -> None:
        with contextlib.suppress(NoAnswer, ConnectionError):
            async with Connection(service.port) as connection:
                connection.send_bytes(b"GET /tasks/ HTTP" if number % 2 else b"")
                await connection.rest()

    await many(client, 1_000, at_once=1_000)


async def upload(service: RunningService, folder: Path) -> None:
    """Sends bodies that are much too long."""

    async def client(number: int) -> None:
        with contextlib.suppress(NoAnswer, ConnectionError):
            async with Connection(service.port) as connection:
                connection.send_head("POST", "/tasks/", 10**9)
                connection.send_bytes(b"x" * 500_000)
                await connection.rest()

    await many(client, 500, at_once=50)


async def stall(service: RunningService, folder: Path) -> None:
    """Runs clients that request a lot and read nothing."""

    async def client(number: int) -> None:
        with contextlib.suppress(NoAnswer):
            async with Connection(service.port) as connection:
                connection.take_nothing()
                connection.send_bytes(b"GET /tasks/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
                await asyncio.sleep(FAULT_SECONDS)

    await many(client, 100, at_once=100)


async def lock(service: RunningService, folder: Path) -> None:
    """Locks the file as another program would."""
    for seconds in (1.0, 5.0):
        with contextlib.closing(sqlite3.connect(folder / "tasks.db", timeout=10, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(seconds)
            other.execute("ROLLBACK")
        await asyncio.sleep(1)


async def overfill(service: RunningService, folder: Path) -> None:
    """Sends more writes at once than may wait, while the file is locked."""

    async def client(number: int) -> None:
        with contextlib.suppress(NoAnswer):
            async with Connection(service.port) as connection:
                await connection.request("PATCH", "/tasks/999999999", {"priority": 1})

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    flood = asyncio.create_task(many(client, min(QUEUE, limit - 500), at_once=QUEUE))
    await lock(service, folder)
    await flood


async def many(client: Callable[[int], Awaitable[None]], count: int, *, at_once: int) -> None:
    """Runs `count` clients, some at a time."""
    numbers = iter(range(count))

    async def one_after_another() -> None:
        for number in numbers:
            await client(number)

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))


Fault = Callable[[RunningService, Path], Awaitable[None]]
FAULTS: Sequence[Fault] = (hang_up, idle, lock, upload, stall, overfill)


# ---------------------------------------------------------------- the whole


async def soak(folder: Path, minutes: int, *, say: Callable[[str], None] = print) -> Report:
    """Runs the load for `minutes`, on a store in `folder`; calls `say` with a line for each minute."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = Report()
    rough = max(minutes // 3, 1)
    report.settled = min(rough + 2, minutes - 1)
    with_kills = itertools.cycle([each for fault in FAULTS for each in (kill, fault)])
    faults = itertools.chain(itertools.islice(with_kills, rough), itertools.cycle(FAULTS))
    service = RunningService("--store", "sqlite:///tasks.db", "--log-format", "none", folder=folder)
    with service:
        checker = WriteChecker(service.port, clients=WRITERS, pause=0.02)
        for start in range(0, STATIC_TASKS, 500):
            texts = [f"static {start + number} ".ljust(300, ".") for number in range(500)]
            batch = [{"op": "create", "task": {"description": text}} for text in texts]
            for result in ask(service.url, "POST", "/tasks/batch", batch).document["results"]:
                checker.may_be[result["id"]] = {result["task"]["description"]}
        readers = [Reader(service.port, report, number).run() for number in range(READERS)]
        followers = [Follower(service.port, report).run() for _ in range(FOLLOWERS)]
        others = [asyncio.create_task(client) for client in (*readers, *followers)]
        async with checker:
            for _, fault in zip(range(minutes), faults, strict=False):
                report.minutes.append(await one_minute(service, folder, fault, checker, report))
                say(line_of(report.minutes[-1]))
        for client in others:
            client.cancel()
        await asyncio.wait(others)
        report.faults += [f"A client failed: {client.exception()!r}" for client in others if not client.cancelled()]
        status = await asyncio.to_thread(service.stop)
        if status != 0:
            report.faults.append(f"It ended with status {status}.")
    verdict = checker.verdict(folder / "tasks.db")
    report.faults += [*verdict.lost, *verdict.duplicates, *verdict.corrupt, *checker.odd]
    report.faults += [line for line in service.output.splitlines() if " ERROR " in line]
    report.acknowledged, report.replayed = checker.acknowledged, checker.replayed
    report.faults += drifts(report)
    return report


async def one_minute(
    service: RunningService, folder: Path, fault: Fault, checker: WriteChecker, report: Report
) -> Minute:
    """Causes a fault, waits until the service has recovered, and measures."""
    end = time.monotonic() + 60
    known = {kind: len(seconds) for kind, seconds in report.seconds.items()}
    await fault(service, folder)
    if time.monotonic() > end - 10:
        report.faults.append(f"It takes too long to recover from: {fault.__name__}.")
    await asyncio.sleep(max(end - 10 - time.monotonic(), 0))
    megabytes = []
    while time.monotonic() < end:
        megabytes.append(megabytes_of(service))
        await asyncio.sleep(0.5)
    usage = await asyncio.to_thread(vitals_of, service)
    slowest = max((max(all_[known.get(kind, 0) :], default=0.0) for kind, all_ in report.seconds.items()), default=0.0)
    if service.process.poll() is not None:
        report.faults.append(f"It died of: {fault.__name__}.\n{service.output}")
    return Minute(fault.__name__, statistics.median(megabytes), usage, checker.acknowledged, slowest)


def drifts(report: Report) -> list[str]:
    """Returns which metrics have grown since the process had settled, a sentence each."""
    settled = report.minutes[report.settled :]
    third = max(len(settled) // 3, 1)
    found = []
    measures: dict[str, Callable[[Minute], float]] = {
        "descriptors": lambda minute: minute.usage.descriptors,
        "threads": lambda minute: minute.usage.threads,
        "megabytes": lambda minute: minute.megabytes,
    }
    for name, measure in measures.items():
        first = statistics.median(map(measure, settled[:third]))
        last = statistics.median(map(measure, settled[-third:]))
        if last > first * (1 + DRIFT) and not (name == "megabytes" and last < FLOOD_MEGABYTES):
            found.append(f"{name} grew from {first:g} to {last:g}.")
    return found


def line_of(minute: Minute) -> str:
    """Returns a minute as it is printed."""
    usage = minute.usage
    return (
        f"{minute.fault:10} {minute.megabytes:7.1f} MB {usage.descriptors:5} descriptors {usage.threads:3} threads"
        f" {usage.tasks:4} tasks {usage.streams:3} streams {minute.written:9,} written"
        f" slowest read {minute.slowest * 1000:6.0f} ms"
    )


def summary_of(report: Report) -> str:
    """Returns the report as it is printed."""
    lines = [
        f"{report.acknowledged:,} writes acknowledged, {report.replayed:,} of them on a second try;"
        f" {report.reads:,} reads; {report.changes:,} changes seen by {FOLLOWERS} followers",
    ]
    for kind, unsorted in sorted(report.seconds.items()):
        seconds = sorted(unsorted)
        quantiles = [seconds[min(int(len(seconds) * share), len(seconds) - 1)] * 1000 for share in (0.5, 0.99, 1)]
        lines.append(f"  {kind:36} median {quantiles[0]:6.1f}  99 % {quantiles[1]:7.1f}  most {quantiles[2]:7.1f} ms")
    faults = [f"  {fault}" for fault in report.faults[:50]]
    return "\n".join([*lines, f"{len(report.faults)} faults", *faults])


def main() -> int:
    """Runs the load and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tasksvc-soak-") as folder:
        report = asyncio.run(soak(Path(folder), settings.minutes))
    sys.stdout.write(summary_of(report) + "\n")
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
