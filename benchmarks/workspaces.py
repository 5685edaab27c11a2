"""Measures what many workspaces cost, beside one.

    python benchmarks/workspaces.py                        # all rows, about half an hour
    python benchmarks/workspaces.py --only spread,memory
    python benchmarks/workspaces.py --before FOLDER        # a checkout of an earlier version, for the row `before`

Two servers run on one core and the load (wrk) on another. They are measured in turn, in pairs, by the processor time of
a server for each request. A ratio of 2 means that the first one needs half as much as the second one. Each row prints
the median of the ratios of all pairs, and its 95 % confidence interval.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import math
import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from run import ROWS, TARGETS, TASKSVC, Server, Target, machine, wrk

from tasksvc import STORE, StoreEntry, StoreHeader, TaskDraft, WorkspaceHeader
from tasksvc.domain.task import create_task
from tasksvc.store_adapters import open_repository

START = datetime(2026, 1, 1, tzinfo=UTC)
CONNECTIONS = 32
LEAST = 100
"""The requests below which a measurement counts for nothing, since the disk stood still."""


class Load(NamedTuple):
    """What is sent to a server."""

    scenario: str
    base: str = "/tasks/"
    tasks: int = 1
    """The number of tasks in each workspace."""
    workspaces: int = 0
    different: int = 2_000


class Pair(NamedTuple):
    """Two servers that are compared."""

    one: tuple[Server, Load]
    other: tuple[Server, Load]


def processor_seconds(server: Server) -> float:
    """Returns the processor time of a server so far, to the nanosecond."""
    threads = Path(f"/proc/{server.process.pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def cost(server: Server, load: Load, seconds: int) -> float:
    """Returns the processor time of a request in seconds."""
    ROWS[load.scenario] = load.tasks
    while True:
        before = processor_seconds(server)
        found = wrk(
            server, load.scenario, CONNECTIONS, seconds, 1, load.different, base=load.base, workspaces=load.workspaces
        )
        assert not found["refused"] + found["broken"], found
        if found["requests"] >= LEAST:
            return (processor_seconds(server) - before) / found["requests"]


def compare(name: str, pair: Pair, pairs: int, seconds: int) -> None:
    """Measures both servers in turn, and prints a row of how much cheaper the first one is."""
    for server, load in pair:
        cost(server, load, 1)
    costs = [[cost(server, load, seconds) for server, load in pair] for _ in range(pairs)]
    ratios = sorted(other / one for one, other in costs)
    rank = max(0, math.floor((pairs - 1.96 * math.sqrt(pairs)) / 2))
    microseconds = [statistics.median(column) * 1e6 for column in zip(*costs, strict=True)]
    print(
        f"| {name} | {statistics.median(ratios):.3f} ({ratios[rank]:.3f} to {ratios[-1 - rank]:.3f})"
        f" | {microseconds[0]:.0f} | {microseconds[1]:.0f} |",
        flush=True,
    )


@contextlib.contextmanager
def served(
    file: Path | None = None, *, before: str = "", list_path: str = "/tasks/", options: str = ""
) -> Iterator[Server]:
    """Serves a file, or a new store, by this version or by the one whose checkout is the folder `before`."""
    environment = {"PYTHONPATH": os.pathsep.join([before, f"{before}/adapters"])} if before else {}
    command = TARGETS[TASKSVC].command
    if file is not None:
        command = command.replace("{file}", str(file))
    with Server(TASKSVC, Target(command + options, environment, list_path), "", ready="/health/ready") as server:
        yield server


# ---------------------------------------------------------------- rows


def before(arguments: argparse.Namespace) -> None:
    """Compares the default workspace with an earlier version."""
    if not arguments.before:
        print("| default beside an earlier version | not measured without --before | | |")
        return
    for scenario in ("get", "list", "mixed", "create"):
        with served() as one, served(before=arguments.before) as other:
            tasks = {"create": 1, "list": 100}.get(scenario, 1_000)
            for server in (one, other):
                server.load(tasks)
            load = Load(scenario, tasks=tasks)
            compare(f"default, {scenario}", Pair((one, load), (other, load)), arguments.pairs, arguments.seconds)


def spread(arguments: argparse.Namespace) -> None:
    """Compares creates in 1,000 workspaces with creates in one."""
    with served() as many, served() as single:
        pair = Pair(
            (many, Load("create", "/workspaces/w%d/tasks/", workspaces=1_000, different=20_000)),
            (single, Load("create", "/workspaces/one/tasks/", different=20_000)),
        )
        compare("creates over 1,000 workspaces, to one", pair, arguments.pairs, arguments.seconds)
    with served() as many, served() as single:
        pair = Pair(pair.one, (single, Load("create", different=20_000)))._replace(one=(many, pair.one[1]))
        compare("creates over 1,000 workspaces, to the default one", pair, arguments.pairs, arguments.seconds)


def lookups(arguments: argparse.Namespace) -> None:
    """Compares reads in 10,000 workspaces of 100 tasks with reads in one of a million."""
    with tempfile.TemporaryDirectory(prefix="tasksvc-workspaces-") as folder:
        small, large, pages = (Path(folder, name) for name in ("small.db", "large.db", "pages"))
        asyncio.run(fill(small, 10_000, 100))
        asyncio.run(fill(large, 1, 1_000_000))
        base = "/workspaces/w%d/tasks/"
        with (
            served(small, list_path=f"{base}?limit=20") as many,
            served(large, list_path=f"@{pages}") as single,
        ):
            pages.write_text("\n".join(places(single, base.replace("%d", "1"), 1_000)), "utf-8")
            for scenario in ("get", "list"):
                pair = Pair(
                    (many, Load(scenario, base, 100, 10_000, 50_000)),
                    (single, Load(scenario, base, 1_000_000, 1, 50_000)),
                )
                compare(f"{scenario} in 10,000 workspaces, to one", pair, arguments.pairs, arguments.seconds)


def across(arguments: argparse.Namespace) -> None:
    """Compares a page of 100 tasks of one workspace with one over ten."""
    with tempfile.TemporaryDirectory(prefix="tasksvc-workspaces-") as folder:
        file, copied, pages = (Path(folder, name) for name in ("single.db", "several.db", "pages"))
        asyncio.run(fill(file, 1_000, 200))
        shutil.copy(file, copied)
        for query in ("limit=100", "limit=100&sort=-priority&done=false"):
            pages.write_text("\n".join(f"/tasks/?{some_workspaces(10)}&{query}" for _ in range(2_000)), "utf-8")
            with (
                served(file, list_path=f"/workspaces/w%d/tasks/?{query}") as single,
                served(copied, list_path=f"@{pages}") as several,
            ):
                pair = Pair((single, Load("list", tasks=200, workspaces=1_000)), (several, Load("list", tasks=200)))
                seconds = 4 * arguments.seconds  # since a page over ten takes that much longer
                compare(f"{query}, of one workspace to over ten", pair, arguments.pairs, seconds)


def some_workspaces(count: int) -> str:
    """Returns a query string that names `count` of a thousand workspaces."""
    return "&".join(f"workspace=w{number}" for number in random.sample(range(1, 1_001), count))


def places(server: Server, base: str, count: int) -> list[str]:
    """Returns the paths of pages of 20 tasks all over a workspace."""
    found = [f"{base}?limit=20"]
    path: str | None = f"{base}?limit=1000"
    while path is not None and len(found) < count:
        path = next_page(server, path)
        if path is not None:
            found.append(path.replace("limit=1000", "limit=20"))
    return found


def next_page(server: Server, path: str) -> str | None:
    """Returns the path of the page after that of `path`."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        link = re.match(r"<([^>]*)>", response.headers.get("Link", ""))
        if link is None:
            return None
        return path.partition("?")[0] + "?" + link[1].partition("?")[2]
    finally:
        connection.close()


def bound(arguments: argparse.Namespace) -> None:
    """Compares creates without a bound on the number of tasks with those under one."""
    for base in ("/tasks/", "/workspaces/one/tasks/"):
        with served() as one, served(options=" --workspace-tasks 1000000000") as other:
            load = Load("create", base)
            compare(f"creates, {base}, to bounded ones", Pair((one, load), (other, load)), arguments.pairs, 1)


def erase(arguments: argparse.Namespace) -> None:
    """Measures creates in a workspace while another one of many tasks is erased, and then the default one."""
    for name in ("w1", "default"):
        with tempfile.TemporaryDirectory(prefix="tasksvc-workspaces-") as folder:
            file = Path(folder, "tasks.db")
            asyncio.run(fill(file, name, arguments.erased))
            with served(file) as server, Creates(server) as creates:
                time.sleep(10)
                before = creates.percentiles()
                began = time.perf_counter()
                command = ["workspace", "erase", name, "--yes", "--store", f"sqlite:///{file}"]
                subprocess.run([sys.executable, "-m", "tasksvc", *command], check=True, stdout=subprocess.DEVNULL)
                while has_erased(file):
                    time.sleep(0.5)
                took = time.perf_counter() - began
                during = creates.percentiles()
        print(
            f"| creates while {name} with {arguments.erased:,} tasks is erased, {took:.0f} s: median, p99, longest"
            f" | {during} ms; before it {before} ms | | |",
            flush=True,
        )


def has_erased(file: Path) -> bool:
    """Returns whether erased workspaces have left anything in the file."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute("SELECT 1 FROM erased_workspaces").fetchone() is not None


class Creates:
    """A client that creates one task after the other in a workspace, in a `with` block, and times each."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._times: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._create)

    def __enter__(self) -> Creates:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _create(self) -> None:
        while not self._is_over.wait(0.005):
            began = time.perf_counter()
            status, answer = self._server.call("POST", "/workspaces/other/tasks/", {"description": "a task"})
            assert status == 201, answer
            self._times.append(1_000 * (time.perf_counter() - began))

    def percentiles(self) -> str:
        """Returns the median, the 99th percentile and the longest time in ms since the last call."""
        times, self._times = sorted(self._times), []
        return ", ".join(f"{times[int(part * (len(times) - 1))]:.1f}" for part in (0.5, 0.99, 1))


def memory(arguments: argparse.Namespace) -> None:
    """Measures the memory with 100,000 workspaces in the file, before and after 10,000 of them are used."""
    with tempfile.TemporaryDirectory(prefix="tasksvc-workspaces-") as folder:
        file = Path(folder, "tasks.db")
        asyncio.run(fill(file, 100_000, 10))
        base = "/workspaces/w%d/tasks/"
        with served(file, list_path=f"{base}?limit=20") as server:
            server.call("GET", "/tasks/")
            time.sleep(1)
            at_rest = resident(server)
            for scenario in ("get", "list", "mixed", "create"):
                cost(server, Load(scenario, base, 10, 10_000, 20_000), 5)
            used = resident(server)
    print(f"| memory, 10,000 of 100,000 workspaces used | {at_rest:.0f} MB at rest, {used - at_rest:+.0f} MB | | |")


def resident(server: Server) -> float:
    """Returns the memory of a server now, in MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


# ---------------------------------------------------------------- files


async def fill(file: Path, workspaces: int | str, tasks: int) -> None:
    """Fills a file with workspaces of `tasks` tasks each, whose rows aren't together, or with the one of a name."""
    repository = await open_repository(f"sqlite:///{file}")
    names = [workspaces] if isinstance(workspaces, str) else [f"w{number}" for number in range(1, workspaces + 1)]
    try:
        await repository.restore(entries(names, tasks))
    finally:
        await repository.close()


async def entries(names: Sequence[str], tasks: int) -> AsyncIterator[StoreEntry]:
    """Yields the dump of such a store, task by task and not workspace by workspace, as they are made in time."""
    yield StoreEntry(STORE, StoreHeader("0"))
    for name in names:
        yield StoreEntry(name, WorkspaceHeader("0", "0", tasks, tasks, tasks))
    for number in range(1, tasks + 1):
        for name in names:
            at = START + timedelta(milliseconds=number)
            yield StoreEntry(name, create_task(number, TaskDraft(f"task number {number:09d}"), at))


ALL: dict[str, Callable[[argparse.Namespace], None]] = {
    "before": before,
    "spread": spread,
    "lookups": lookups,
    "across": across,
    "bound": bound,
    "erase": erase,
    "memory": memory,
}


def main() -> None:
    """Measures the rows that are asked for, and prints them as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ALL), help=f"of {', '.join(ALL)}")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--erased", type=int, default=1_000_000, help="tasks of the workspace that `erase` erases")
    parser.add_argument("--before", default="", help="the folder with a checkout of an earlier version")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("This needs wrk. On Debian: apt-get install wrk")
    print(f"{machine()}; {arguments.pairs} pairs of {arguments.seconds} s, {CONNECTIONS} connections.\n")
    print("| | times cheaper (95 %) | us | us, the other |\n|---|---|---|---|", flush=True)
    for name in arguments.only.split(","):
        ALL[name.strip()](arguments)


if __name__ == "__main__":
    main()
