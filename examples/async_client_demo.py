"""Creates tasks in a running service with many requests at once, lists, reads and deletes them, and reports the speed.

    python examples/async_client_demo.py [URL] [--tasks N] [--connections N]

It touches only its own tasks, which have a unique label. A service that requires a token gets the one in TASKSVC_TOKEN.
A progress bar is shown if tqdm is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from tasksvc_client import Client, Problem, Task, TasksvcError, Unreachable

DEFAULT = "http://127.0.0.1:8000"
PATIENCE_SECONDS = 2.0
"""Seconds in which the service has to answer at first."""

Item = TypeVar("Item")
Result = TypeVar("Result")


async def demo(tasks: Client, count: int, connections: int) -> None:
    """Runs the four steps, with that many requests at a time, and leaves nothing behind."""
    label = f"demo-{secrets.token_hex(4)}"
    await tasks.within(PATIENCE_SECONDS).count(labels=[label])  # fails early if the service is wrong
    try:
        texts = [f"Task {number} of the demo" for number in range(count)]
        made = await timed("Created", texts, lambda text: tasks.create(text, labels=[label]), connections)
        start = time.perf_counter()
        listed = [task async for task in tasks.find(labels=[label])]
        report("Listed", len(listed), time.perf_counter() - start)
        read = await timed("Read", listed, lambda task: tasks.get(task.id), connections)
        if not by_id(made) == listed == by_id(read):
            sys.exit("What was read is not what was made.")
        await timed("Deleted", made, lambda task: tasks.delete(task.id), connections)
        if await tasks.count(labels=[label]):
            sys.exit("Some tasks are still there after they were deleted.")
    finally:
        await tasks.delete_matching(labels=[label])


def by_id(tasks: Iterable[Task]) -> list[Task]:
    """Returns the tasks sorted by id."""
    return sorted(tasks, key=lambda task: task.id)


async def timed(name: str, items: list[Item], do: Callable[[Item], Awaitable[Result]], workers: int) -> list[Result]:
    """Processes all `items` with that number of `workers`, and reports the time. Returns the results, in any order."""
    results: list[Result] = []
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:  # which the workers share
            results.append(await do(item))
            bar.update()

    start = time.perf_counter()
    with progress_bar(name, len(items)) as bar:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
    report(name, len(items), time.perf_counter() - start)
    return results


class NoBar:
    """Replaces the progress bar and shows nothing."""

    def update(self) -> None:
        pass


def progress_bar(name: str, total: int) -> AbstractContextManager[Any]:
    """Returns a progress bar for a terminal, if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return nullcontext(NoBar())
    bar: tqdm[Any] = tqdm(total=total, desc=name, unit="task", leave=False, disable=None)
    return bar


def report(name: str, count: int, seconds: float) -> None:
    """Prints the count, the time and the speed."""
    print(f"{name:8} {count:7,} tasks in {seconds:6.2f} s  {count / seconds:8,.0f} a second")


async def run(url: str, count: int, connections: int) -> None:
    async with Client(url, os.environ.get("TASKSVC_TOKEN"), connections=connections) as tasks:
        await demo(tasks, count, connections)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", default=DEFAULT, metavar="URL", help="default %(default)s")
    parser.add_argument("--tasks", type=int, default=1_000, metavar="N", help="default %(default)s")
    parser.add_argument("--connections", type=int, default=32, metavar="N", help="default %(default)s")
    settings = parser.parse_args()
    try:
        asyncio.run(run(settings.url, settings.tasks, settings.connections))
    except ValueError as error:
        parser.error(str(error))
    except Unreachable:
        sys.exit(f"Nothing answers at {settings.url.rstrip('/')}/. Start the service with: tasksvc")
    except Problem as problem:
        sys.exit(f"The request was answered by {problem.status}: {problem}")
    except TasksvcError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
