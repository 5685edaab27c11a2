"""Measures what one write costs when no other runs, beside the least that it can cost.

    python benchmarks/alone.py                     # about a minute

In each round three operations are measured one after the other on one connection: a bare INSERT that is on disk when it
returns, in a separate file; a request that the limit of the framework answers with fixed bytes; and the creation of a
task by tasksvc. The ratio is that of the third to the sum of the others.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from run import LIMIT, SERVER_CORE, TARGETS, TASKSVC, Server, machine, wrk


def bare_insert(seconds: float) -> float:
    """Returns the median of the milliseconds that a commit of one row takes."""
    took: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tasksvc-benchmark-") as folder:
        database = sqlite3.connect(Path(folder, "tasks.db"), isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, description TEXT NOT NULL)")
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            database.execute("INSERT INTO tasks (description) VALUES (?)", (f"task number {len(took):06d}",))
            took.append(time.perf_counter() - began)
        database.close()
    return statistics.median(took) * 1e3


def create(name: str, seconds: int) -> float:
    """Returns the median of the milliseconds until a request that creates a task is answered."""
    with Server(name, TARGETS[name], "") as server:
        wrk(server, "create", 1, 1, 1)
        return wrk(server, "create", 1, seconds, 1)["p50"] / 1e3


def main() -> None:
    """Measures all rounds and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {SERVER_CORE})
    rounds = []
    for _ in range(arguments.rounds):
        insert, answer = bare_insert(arguments.seconds), create(LIMIT, arguments.seconds)
        made = create(TASKSVC, arguments.seconds)
        rounds.append((insert, answer, made, made / (insert + answer)))
    print(f"{machine()}; one connection, {arguments.rounds} rounds of {arguments.seconds} s.\n")
    print("| | median (range) |\n|---|---|")
    names = ("bare INSERT, FULL, ms", f"{LIMIT}, ms", "tasksvc makes a task, ms", "times the sum of both")
    for name, values in zip(names, zip(*rounds, strict=True), strict=True):
        print(f"| {name} | {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f}) |")


if __name__ == "__main__":
    main()
