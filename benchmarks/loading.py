"""Measures how fast many tasks are loaded: over HTTP in batches, and by the command line.

    python benchmarks/loading.py                   # a million tasks, a few minutes
    python benchmarks/loading.py --tasks 100000

The server runs on one core and its client on another. All acknowledged tasks are counted in the file.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from run import LOAD_CORE, TARGETS, TASKSVC, Server, machine, memory_of

BATCH = 1_000
CLIENTS = 4


def batch(first: int) -> bytes:
    """Returns the body of a request that creates `count` tasks."""
    return json.dumps(
        [{"op": "create", "task": {"description": f"task number {first + number:07d}"}} for number in range(BATCH)]
    ).encode()


def send(port: int, bodies: list[bytes]) -> None:
    """Sends the bodies on one connection, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        connection.request("POST", "/tasks/batch", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, answer
    connection.close()


def kept(file: Path) -> int:
    """Returns the number of tasks in the file."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        (count,) = database.execute("SELECT count(*) FROM tasks").fetchone()
    return int(count)


def main() -> None:
    """Measures both ways and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    count = parser.parse_args().tasks // BATCH * BATCH
    print(f"{machine()}; {count:,} tasks.\n\n| | tasks/s | seconds | memory MB |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="tasksvc-loading-") as folder:
        with Server(TASKSVC, TARGETS[TASKSVC], "") as server:
            os.sched_setaffinity(0, {LOAD_CORE})
            bodies = [batch(first) for first in range(1, count + 1, BATCH)]
            began = time.perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(lambda own: send(server.port, bodies[own::CLIENTS]), range(CLIENTS)))
            took, memory = time.perf_counter() - began, server.memory()
            assert kept(server.file) == count
            print(
                f"| `POST /tasks/batch`, {CLIENTS} at once | {count / took:,.0f} | {took:.1f} | {memory:.0f} |",
                flush=True,
            )
            exported = Path(folder, "tasks.jsonl")
            tasksvc("export", exported, "--store", f"sqlite:///{server.file}")
        target = Path(folder, "tasks.db")
        began = time.perf_counter()
        memory = tasksvc("import", exported, "--store", f"sqlite:///{target}")
        took = time.perf_counter() - began
        assert kept(target) == count
        print(f"| `tasksvc import` | {count / took:,.0f} | {took:.1f} | {memory:.0f} |")


def tasksvc(*words: object) -> float:
    """Runs a command and returns the most memory that it had, in MB."""
    process = subprocess.Popen([sys.executable, "-m", "tasksvc", *map(str, words)], stdout=subprocess.DEVNULL)
    memory = 0.0
    while process.poll() is None:
        memory = max(memory, memory_of(process.pid))
        time.sleep(0.1)
    assert process.returncode == 0, words
    return memory


if __name__ == "__main__":
    main()
