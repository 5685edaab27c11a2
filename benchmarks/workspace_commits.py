"""Measures commits to many workspaces on a PostgreSQL server whose commits take long.

    python benchmarks/workspace_commits.py                  # about five minutes
    python benchmarks/workspace_commits.py --delay 0        # without a standby

The server and its synchronous standby are started here, on this machine and in memory, and a proxy between them holds
each answer of the standby back. A replica is a process that serves the store, with 64 callers each of whom creates one
task after the other. A transaction has at most 8 commits, so that 64 callers have to wait for each other as thousands
would in larger ones. In each round one replica creates tasks in one workspace, then in 1,000 at random, and then two
replicas do that together. Ratios are taken within a round.

Two replicas need as many cores as one of them, its part of the server and of the standby use twice. On two cores the
second ratio tells of the cores as much as of the locks, unless nothing else runs there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from run import machine
from stores.postgresql.server import Server, execute, memory, with_parameters

from tasksvc import CreateTask, TaskDraft
from tasksvc.store_adapters import open_repository

CALLERS = 64
BATCH = 8
WORKSPACES = 1_000
STANDBY = "behind_a_delay"


# ---------------------------------------------------------------- a standby behind a delay


class DelayingProxy:
    """Passes a TCP port on to another one, and what that answers back with a delay."""

    def __init__(self, target: int, seconds: float) -> None:
        self._target, self._seconds = target, seconds
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _link(self, from_standby: asyncio.StreamReader, to_standby: asyncio.StreamWriter) -> None:
        from_primary, to_primary = await asyncio.open_connection("127.0.0.1", self._target)
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._pass(from_standby, to_primary, self._seconds), self._pass(from_primary, to_standby, 0)
            )

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        while piece := await source.read(65_536):
            if seconds:
                loop.call_later(seconds, sink.write, piece)
            else:
                sink.write(piece)
        loop.call_later(seconds, sink.close)


@contextlib.contextmanager
def primary(delay: float) -> Iterator[Server]:
    """Starts a server whose commits wait for a standby, whose answers come `delay` seconds later; without one if 0."""
    with Server({"wal_level": "replica", "autovacuum_naptime": "10s"}, parent=memory()) as server:
        if not delay:
            yield server
            return
        proxy = DelayingProxy(server.port, delay)
        standby = Server({"hot_standby": "off", "wal_receiver_status_interval": "1s"}, parent=memory())
        try:
            standby.copy_of(server)
            with (standby.data / "postgresql.auto.conf").open("a") as file:
                source = f"host=127.0.0.1 port={proxy.port} user=postgres password={server.password}"
                file.write(f"primary_conninfo = '{source} application_name={STANDBY}'\n")
            standby.start()
            server.reload(synchronous_standby_names=STANDBY)
            time.sleep(2)
            yield server
        finally:
            standby.__exit__()


# ---------------------------------------------------------------- a replica


async def replica(url: str, workspaces: int, seconds: float) -> None:
    """Serves the store to callers, after a line on the standard input, and prints how many tasks they created."""
    repository = await open_repository(url)
    repository._store.commits.max_batch = BATCH  # type: ignore[attr-defined]
    names = [f"w{number}" for number in range(workspaces)]
    chance = random.Random(url)

    async def create() -> None:
        place = repository.workspace(chance.choice(names))
        await place.commit([CreateTask(TaskDraft("a task"))], at=datetime.now(UTC))

    created = 0

    async def call(end: float) -> None:
        nonlocal created
        while time.monotonic() < end:
            await create()
            created += 1

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    end = time.monotonic() + seconds
    await asyncio.gather(*(call(end) for _ in range(CALLERS)))
    sys.stdout.write(f"{created / seconds}\n")
    await repository.close()


def rate(urls: Sequence[str], workspaces: int, seconds: float) -> float:
    """Returns the tasks that the replicas of `urls` create in a second, all together."""
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--replica", url, str(workspaces), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for url in urls
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in processes)


# ---------------------------------------------------------------- the table


async def make_workspaces(url: str) -> None:
    """Makes all workspaces before the first round."""
    repository = await open_repository(url)
    for start in range(0, WORKSPACES, 200):
        names = [f"w{number}" for number in range(start, start + 200)]
        writes = [CreateTask(TaskDraft("the first"))]
        await asyncio.gather(*(repository.workspace(name).commit(writes, at=datetime.now(UTC)) for name in names))
    await repository.close()


def main() -> None:
    """Measures all rounds, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replica", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--delay", type=float, default=10.0, help="milliseconds that the standby takes longer")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    if arguments.replica:
        url, workspaces, seconds = arguments.replica
        asyncio.run(replica(url, int(workspaces), float(seconds)))
        return
    print(f"{machine()}; {arguments.rounds} rounds of {arguments.seconds:g} s; commits wait {arguments.delay:g} ms.\n")
    with primary(arguments.delay / 1_000) as server:
        url = with_parameters(server.url, schema="commits", timeout=10)
        asyncio.run(make_workspaces(url))
        execute(server.url, "VACUUM ANALYZE")
        rounds = []
        for number in range(arguments.rounds):
            one = rate([url], 1, arguments.seconds)
            many = rate([url], WORKSPACES, arguments.seconds)
            two = rate([f"{url}&application_name=replica{part}" for part in (1, 2)], WORKSPACES, arguments.seconds)
            rounds.append((one, many, two))
            print(f"round {number + 1}: {one:,.0f}, {many:,.0f}, {two:,.0f} creates/s", file=sys.stderr, flush=True)
    print("| | ratio (lowest to highest) | creates/s | to |\n|---|---|---|---|")
    for name, over, under in (
        ("one replica, 1,000 workspaces, to one workspace", 1, 0),
        ("two replicas, to one, 1,000 workspaces", 2, 1),
    ):
        ratios = sorted(figures[over] / figures[under] for figures in rounds)
        rates = [statistics.median(figures[column] for figures in rounds) for column in (over, under)]
        print(
            f"| {name} | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            f" | {rates[0]:,.0f} | {rates[1]:,.0f} |"
        )


if __name__ == "__main__":
    main()
