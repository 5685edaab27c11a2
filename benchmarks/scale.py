"""Measures how speed changes with the number of tasks in the file.

    python benchmarks/scale.py                     # 1,000 and 1,000,000 tasks, about five minutes
    python benchmarks/scale.py --sizes 1000,10000000

Each size gets a separate file, which is filled once. Then get, create and a filtered page of 100 are measured on each
size in turn, in several rounds; ratios to the first size are taken within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from run import ROWS, Server, Target, machine, wrk

from tasksvc import DEFAULT_WORKSPACE, STORE, StoreEntry, StoreHeader, TaskDraft, WorkspaceHeader
from tasksvc.domain.task import create_task
from tasksvc.store_adapters import open_repository

START = datetime(2026, 1, 1, tzinfo=UTC)
DIFFERENT = 100_000
"""The number of different requests, so that a large file isn't read from a cache of a few tasks."""
PAGE = "/tasks/?limit=100&done=false&label=home"


async def tasks(count: int) -> AsyncIterator[StoreEntry]:
    """Yields a dump of `count` tasks of all kinds, whose log has been pruned."""
    choose = random.Random(7)
    yield StoreEntry(STORE, StoreHeader("0"))
    yield StoreEntry(DEFAULT_WORKSPACE, WorkspaceHeader("0", "0", count, count, count))
    for number in range(1, count + 1):
        at = START + timedelta(milliseconds=number)
        done = choose.random() < 0.5
        labels = tuple(sorted(choose.sample(["home", "work", "garden", "later"], choose.randrange(3))))
        due_at = None if choose.random() < 0.5 else at + timedelta(hours=choose.randrange(1_000))
        description = f"task number {number:09d}"
        task = create_task(
            number, TaskDraft(description, done=done, due_at=due_at, priority=choose.randrange(10), labels=labels), at
        )
        yield StoreEntry(DEFAULT_WORKSPACE, task)


async def fill(file: Path, count: int) -> None:
    """Fills a file with tasks."""
    repository = await open_repository(f"sqlite:///{file}")
    try:
        await repository.restore(tasks(count))
    finally:
        await repository.close()


def main() -> None:
    """Fills the files, measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,1000000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    folder = Path(tempfile.mkdtemp(prefix="tasksvc-scale-"))
    try:
        targets = {}
        for size in sizes:
            file, began = folder / f"{size}.db", time.perf_counter()
            asyncio.run(fill(file, size))
            seconds = time.perf_counter() - began
            speed, megabytes = size / seconds, file.stat().st_size / 1e6
            print(f"{size:,} tasks: filled in {seconds:.1f} s, {speed:,.0f} a second, {megabytes:,.0f} MB")
            command = f"{sys.executable} -m tasksvc --port {{port}} --store sqlite:///{file}"
            targets[size] = Target(command, list_path=PAGE)
        print(f"\n{machine()}; requests a second at 32 connections, in shares of those with {sizes[0]:,} tasks\n")
        print("| | " + " | ".join(f"{size:,}" for size in sizes) + " |\n|---|" + "---|" * len(sizes))
        for scenario in ("get", "create", "list"):
            rates: dict[int, list[float]] = {size: [] for size in sizes}
            for _ in range(arguments.rounds):
                for size in sizes:
                    with Server(f"{size} tasks", targets[size], "", ready="/health/live") as server:
                        ROWS[scenario] = size  # how many ids to choose from
                        wrk(server, scenario, 32, 1, 1, DIFFERENT)
                        found = wrk(server, scenario, 32, arguments.seconds, 1, DIFFERENT)
                    rates[size].append(found["requests"] / (found["microseconds"] / 1e6))
            cells = []
            for size in sizes:
                shares = [rate / first for rate, first in zip(rates[size], rates[sizes[0]], strict=True)]
                cells.append(f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})")
            name = {"get": "get", "create": "create", "list": "filtered page of 100"}[scenario]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
