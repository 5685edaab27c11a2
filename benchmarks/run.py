"""Requests a second and latencies of tasksvc, of its peers, and of the limit of its framework.

    python benchmarks/run.py                       # everything, about ten minutes
    python benchmarks/run.py --short               # tasksvc, the limit and one peer, about one minute

Each server runs on one core and the load (wrk) on another.  The rounds of all targets are
interleaved, each with a fresh process and an empty store, and ratios are taken within a round, to
the limit if it is measured, and to the last target if not: an absolute figure of a shared machine
means little.  With --postgresql the server of that URL, on this machine, runs on whichever core is
free.  Right answers are checked before anything is timed, and after a create run that what was
acknowledged is in the file.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import os
import platform
import shlex
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import asyncpg

HERE = Path(__file__).resolve().parent
SERVER_CORE, LOAD_CORE = 0, 1
ROWS = {"get": 1_000, "create": 0, "list": 100, "mixed": 1_000}
"""Scenarios, and the number of tasks that exist beforehand."""
LIMIT = "aiohttp, fixed bytes"
TASKSVC = "tasksvc, SQLite"


@dataclass(frozen=True)
class Target:
    """A server that is measured."""

    command: str
    """The command, with {python}, {peers}, {port}, {file} and {postgresql} in it."""
    environment: dict[str, str] = field(default_factory=dict)
    list_path: str = "/tasks/"
    keeps_in_file: bool = False


TARGETS = {
    LIMIT: Target("{python} {peers}/limit.py"),
    TASKSVC: Target("{python} -m tasksvc --port {port} --store sqlite:///{file}", keeps_in_file=True),
    "tasksvc, memory": Target("{python} -m tasksvc --port {port} --store memory://"),
    "aiohttp + aiosqlite, FULL": Target("{python} {peers}/plain_aiohttp.py", keeps_in_file=True),
    "aiohttp + aiosqlite, NORMAL": Target(
        "{python} {peers}/plain_aiohttp.py", {"SYNCHRONOUS": "NORMAL"}, keeps_in_file=True
    ),
    "FastAPI + SQLAlchemy": Target("{python} {peers}/fastapi_sqlalchemy.py", keeps_in_file=True),
}
POSTGRESQL_TARGETS = {
    "tasksvc, PostgreSQL": Target("{python} -m tasksvc --port {port} --store {postgresql}"),
    "FastAPI + asyncpg": Target("{python} {peers}/fastapi_asyncpg.py"),
}
SHORT = (LIMIT, TASKSVC, "aiohttp + aiosqlite, FULL")


class Server:
    """A process of one target with an empty store, from the start of the `with` block to its end."""

    def __init__(self, name: str, target: Target, postgresql: str, ready: str = "/tasks/") -> None:
        """Prepares a server; it answers the path `ready` with 200 once it can serve."""
        self.name, self.target, self._postgresql, self._ready = name, target, postgresql, ready

    def __enter__(self) -> Server:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = Path(tempfile.mkdtemp(prefix="tasksvc-benchmark-"))
        self.file = self.folder / "tasks.db"
        postgresql = in_schema(self._postgresql, self.folder.name)
        words = shlex.split(
            self.target.command.format(
                python=shlex.quote(sys.executable),
                peers=shlex.quote(str(HERE / "peers")),
                port=self.port,
                file=self.file,
                postgresql=shlex.quote(postgresql),
            )
        )
        environment = {
            **os.environ,
            **self.target.environment,
            "PORT": str(self.port),
            "STORE_FILE": str(self.file),
            "PG_DSN": self._postgresql.partition("?")[0],
        }
        self._log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            words, cwd=self.folder, env=environment, stdout=self._log, stderr=self._log, preexec_fn=_on_server_core
        )
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if self.call("GET", self._ready)[0] == 200:
                    return self
            except OSError:
                time.sleep(0.02)
        log = (self.folder / "log").read_text(errors="replace")
        self.__exit__(None, None, None)
        raise SystemExit(f"{self.name} did not start:\n{log}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Sends one request and returns the status and the document."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        return response.status, json.loads(raw) if raw else None

    def load(self, rows: int) -> int:
        """Creates tasks and returns the first id."""
        if not rows:
            return 1

        def create(number: int) -> int:
            status, task = self.call("POST", "/tasks/", {"description": f"task number {number:06d}"})
            assert status == 201, (self.name, status, task)
            return int(task["id"])

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return min(pool.map(create, range(1, rows + 1)))

    def memory(self) -> float:
        """Returns the most memory that it ever had, in MB."""
        return memory_of(self.process.pid)

    def cpu(self) -> float:
        """Returns its CPU time so far, in seconds."""
        return cpu_ticks(self.process.pid)[0] / os.sysconf("SC_CLK_TCK")


def in_schema(url: str, name: str) -> str:
    """Returns the URL of a separate schema, which is empty unless `name` was used before."""
    return f"{url}{'&' if '?' in url else '?'}schema={name}"


class Database:
    """The processes of a PostgreSQL server of this machine."""

    def __init__(self, url: str) -> None:
        async def parent() -> int:
            connection = await asyncpg.connect(url.partition("?")[0])
            try:
                return cpu_ticks(await connection.fetchval("SELECT pg_backend_pid()"))[2]
            finally:
                await connection.close()

        self._parent = asyncio.run(parent())

    def cpu(self) -> float:
        """Returns the CPU time of all of its processes so far, in seconds."""
        _, total, _ = cpu_ticks(self._parent)
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with contextlib.suppress(OSError):  # it ended meanwhile
                    own, _, parent = cpu_ticks(int(folder.name))
                    total += own if parent == self._parent else 0
        return total / os.sysconf("SC_CLK_TCK")


def cpu_ticks(pid: int) -> tuple[int, int, int]:
    """Returns a process's CPU time, the same with its ended children, and its parent process."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, ended = sum(map(int, parts[11:13])), sum(map(int, parts[13:15]))
    return own, own + ended, int(parts[1])


def memory_of(pid: int) -> float:
    """Returns the most memory that a process ever had, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def _on_server_core() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})


def _on_load_core() -> None:
    os.sched_setaffinity(0, {LOAD_CORE})


def check_answers(name: str, target: Target, postgresql: str) -> None:
    """Checks responses before anything is timed."""
    if name == LIMIT:
        return
    with Server(name, target, postgresql) as server:
        texts = ["first", "Привет 🌍", 'quote " back \\ slash \n', "x" * 900]
        made = [server.call("POST", "/tasks/", {"description": text}) for text in texts]
        assert [status for status, _ in made] == [201] * len(texts), (name, made)
        for (_, task), text in zip(made, texts, strict=True):
            status, shown = server.call("GET", f"/tasks/{task['id']}")
            assert (status, shown) == (200, task), (name, status, shown)
            assert shown["description"] == text, (name, shown)
        status, listed = server.call("GET", target.list_path)
        assert [task["description"] for task in listed] == texts, (name, status, listed)
        assert server.call("GET", "/tasks/999999")[0] == 404, name
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(lambda n: server.call("POST", "/tasks/", {"description": f"{n}"})[1], range(200)))
        assert [task["description"] for task in answers] == [f"{n}" for n in range(200)], name
        assert len({task["id"] for task in answers}) == 200, name


def wrk(
    server: Server,
    scenario: str,
    connections: int,
    seconds: int,
    first: int,
    different: int = 2_000,
    *,
    base: str = "/tasks/",
    workspaces: int = 0,
) -> dict[str, int]:
    """Runs the load once, with `different` requests in turn.

    With `workspaces`, %d in a path stands for a random number from 1 to that.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "load.lua")]
    tasks, listed = str(max(ROWS[scenario], 1)), server.target.list_path
    arguments = [scenario, base, str(first), tasks, listed, str(different), str(workspaces)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}", "--", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        preexec_fn=_on_load_core,
        check=True,
    )
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def one_round(
    name: str,
    target: Target,
    scenario: str,
    connections: int,
    seconds: int,
    postgresql: str,
    database: Database | None,
) -> dict[str, float]:
    """Measures one target once."""
    with Server(name, target, postgresql) as server:
        first = 1 if name == LIMIT else server.load(ROWS[scenario])
        wrk(server, scenario, connections, 1, first)
        own, others = server.cpu(), database.cpu() if database else 0.0
        found = wrk(server, scenario, connections, seconds, first)
        own, others = server.cpu() - own, database.cpu() - others if database else 0.0
        if scenario == "create" and target.keeps_in_file:
            check_kept(server)
        return {
            "rate": found["requests"] / (found["microseconds"] / 1e6),
            "p50": found["p50"] / 1e3,
            "p99": found["p99"] / 1e3,
            "failed": found["refused"] + found["broken"],
            "memory": server.memory(),
            "cpu": own / max(found["requests"], 1) * 1e6,
            "database": others / max(found["requests"], 1) * 1e6,
        }


def check_kept(server: Server) -> None:
    """Checks that acknowledged tasks are in the file, for a process that reads it beside the server."""
    status, task = server.call("POST", "/tasks/", {"description": "after the run"})
    assert status == 201, (server.name, status)
    with sqlite3.connect(f"file:{server.file}?mode=ro", uri=True) as database:
        found = database.execute("SELECT description FROM tasks WHERE id = ?", (task["id"],)).fetchone()
    assert found == ("after the run",), (server.name, found)


Rounds = dict[str, list[dict[str, float]]]
"""Measurements of each target, round by round."""


def table(rounds: Rounds) -> str:
    """Returns a Markdown table of one scenario, the fastest first."""
    reference = reference_of(rounds)
    shown = "the limit" if reference == LIMIT else reference
    lines = [
        f"| | requests/s | times {shown} | p50 ms | p99 ms | CPU us | database's CPU us | memory MB | failed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted(rounds, key=lambda name: -statistics.median(one["rate"] for one in rounds[name])):
        runs = rounds[name]
        rates = [run["rate"] for run in runs]
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        lines.append(
            f"| {name} | {middle['rate']:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
            f" | {ratio(runs, rounds[reference])}"
            f" | {middle['p50']:.2f} | {middle['p99']:.2f} | {middle['cpu']:.1f} | {middle['database']:.1f}"
            f" | {middle['memory']:.0f}"
            f" | {sum(run['failed'] for run in runs):.0f} |"
        )
    return "\n".join(lines)


def summary(found: dict[str, dict[int, Rounds]], count: int) -> str:
    """Returns a Markdown table of all scenarios at one number of connections."""
    lines = ["| | " + " | ".join(found) + " |", "|---|" + "---|" * len(found)]
    for name in next(iter(found.values()))[count]:
        cells = [ratio(by[count][name], by[count][reference_of(by[count])]) for by in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def growth(by_count: dict[int, Rounds]) -> str:
    """Returns a Markdown table of one scenario: each number of connections relative to the first."""
    first, *others = by_count
    lines = ["| | " + " | ".join(f"{count} connections" for count in others) + " |", "|---|" + "---|" * len(others)]
    for name, runs in by_count[first].items():
        cells = [ratio(by_count[count][name], runs) for count in others]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratio(runs: list[dict[str, float]], reference: list[dict[str, float]]) -> str:
    """Returns requests a second relative to the reference in the same round: the median, and the range."""
    ratios = [run["rate"] / other["rate"] for run, other in zip(runs, reference, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def reference_of(rounds: Rounds) -> str:
    """Returns the target that the others are compared with."""
    return LIMIT if LIMIT in rounds else list(rounds)[-1]


def machine() -> str:
    """Describes the machine that was measured."""
    system = f"{platform.system()} {platform.release().partition(chr(45))[0]}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {system}, Python {platform.python_version()}"


def main() -> None:
    """Measures all targets and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="three targets, three rounds of one second")
    parser.add_argument("--only", help="targets, with semicolons between")
    parser.add_argument("--scenarios", default=",".join(ROWS), help="of get, create, list, mixed")
    parser.add_argument("--connections", default="32", help="numbers, with commas between")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--postgresql", default="", help="a store URL, to measure PostgreSQL too")
    arguments = parser.parse_args()
    if (os.cpu_count() or 1) < 2 or not hasattr(os, "sched_setaffinity"):
        raise SystemExit("This needs Linux and two cores: one for the server, one for the load.")
    if shutil.which("wrk") is None:
        raise SystemExit("This needs wrk. On Debian: apt-get install wrk")
    targets = TARGETS | (POSTGRESQL_TARGETS if arguments.postgresql else {})
    if arguments.short:
        arguments.rounds, arguments.seconds = 3, 1
        targets = {name: targets[name] for name in SHORT}
    if arguments.only:
        targets = {name.strip(): targets[name.strip()] for name in arguments.only.split(";")}
    database = Database(arguments.postgresql) if arguments.postgresql else None
    for name, target in targets.items():
        check_answers(name, target, arguments.postgresql)
    print(f"{machine()}; one server core, wrk on another; {arguments.rounds} rounds of {arguments.seconds} s.\n")
    counts = [int(count) for count in arguments.connections.split(",")]
    found: dict[str, dict[int, Rounds]] = {}
    for scenario in arguments.scenarios.split(","):
        found[scenario] = {count: {name: [] for name in targets} for count in counts}
        for _ in range(arguments.rounds):
            for count in counts:
                for name, target in targets.items():
                    of_database = database if name in POSTGRESQL_TARGETS else None
                    found[scenario][count][name].append(
                        one_round(name, target, scenario, count, arguments.seconds, arguments.postgresql, of_database)
                    )
        for count, rounds in found[scenario].items():
            print(f"### {scenario}, {count} connections\n\n{table(rounds)}\n", flush=True)
        if len(counts) > 1:
            print(f"### {scenario}, times the requests/s at {counts[0]}\n\n{growth(found[scenario])}\n", flush=True)
    print(f"### all, times the reference, {counts[0]} connections\n\n{summary(found, counts[0])}")


if __name__ == "__main__":
    main()
