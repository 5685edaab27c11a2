"""A consumer of several processes on one schema: one of them is killed, held up, or stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from patience import PATIENCE_SECONDS, until
from sharing_processes import CONSUMING, NAMESPACE, ConsumingProcess

from stores.postgresql.repositories import PATIENCE, Open
from stores.postgresql.server import with_parameters
from tasksvc import CreateTask, TaskDraft, TaskRepository
from tasksvc.application.clock import now

SCRIPT = Path(__file__).with_name("consuming_process.py")
NAMES = ("default", "a", "b")


class Process:
    """A process that runs, and what its consumer was given."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.given: list[tuple[str, list[int], float]] = []

    async def read(self) -> None:
        """Reads what it prints, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            workspace, numbers, at = json.loads(line)
            self.given.append((workspace, numbers, at))

    def numbers(self, workspace: str) -> list[int]:
        return [number for name, numbers, _ in self.given if name == workspace for number in numbers]


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), with_parameters(url, timeout=PATIENCE), stdout=asyncio.subprocess.PIPE
    )
    found = Process(process)
    reading = asyncio.create_task(found.read())
    try:
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def change(repository: TaskRepository, count: int = 1) -> None:
    """Makes changes in several workspaces."""
    for _ in range(count):
        for name in NAMES:
            await repository.workspace(name).commit([CreateTask(TaskDraft("x"))], at=now())


def have_all(last: int, *processes: Process) -> bool:
    """Returns whether the processes were given all changes of each workspace up to `last`."""
    return all(
        {number for process in processes for number in process.numbers(name)} == set(range(1, last + 1))
        for name in NAMES
    )


async def until_places(repository: TaskRepository, seq: int) -> None:
    """Waits until the place in each workspace is after the change `seq`."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while [place.value["seq"] for place in await repository.records(NAMESPACE, after="place:", limit=10)] != [
            seq
        ] * len(NAMES):
            await asyncio.sleep(0.05)


async def test_another_process_goes_on_when_the_one_with_the_lease_is_killed(open_store: Open, store_url: str) -> None:
    repository = await open_store(store_url)
    await change(repository)
    async with running(store_url) as first:
        await until(lambda: have_all(1, first))
        async with running(store_url) as second:
            await change(repository, 5)
            await until_places(repository, 6)

            first.process.kill()
            killed = time.monotonic()
            await change(repository, 5)
            await until(lambda: have_all(11, first, second))

    print(f"taken over after {second.given[0][2] - killed:.2f} s")  # noqa: T201
    assert all(second.numbers(name) == [7, 8, 9, 10, 11] for name in NAMES)


async def test_a_process_that_was_held_up_moves_nothing_when_another_one_has_taken_over(
    open_store: Open, store_url: str
) -> None:
    # It waits longer than the server does for a process that is held up within a transaction.
    repository = await open_store(with_parameters(store_url, timeout=2 * PATIENCE))
    await change(repository)
    async with running(store_url) as first:
        await until_places(repository, 1)
        async with running(store_url) as second:
            first.process.send_signal(signal.SIGSTOP)
            await change(repository, 5)
            await until(lambda: have_all(6, first, second))
            await until_places(repository, 6)
            places = await repository.records(NAMESPACE, after="place:", limit=10)

            first.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(3.0)
            kept = await repository.records(NAMESPACE, after="place:", limit=10)
            await change(repository, 5)
            await until(lambda: have_all(11, second) or have_all(11, first, second))

    assert kept == places
    assert all(first.numbers(name)[-1] <= 6 for name in NAMES)
    assert all(second.numbers(name)[-5:] == [7, 8, 9, 10, 11] for name in NAMES)


async def test_processes_that_take_turns_lose_nothing_of_a_log_that_grows(open_store: Open, store_url: str) -> None:
    timeouts = CONSUMING._replace(lease_check=0.05)
    repositories = [await open_store(store_url) for _ in range(4)]
    writing = asyncio.create_task(change(repositories[0], 100))
    processes = [ConsumingProcess(repositories[1], timeouts=timeouts)]
    for repository in (*repositories[2:], *repositories[1:]):
        processes.append(ConsumingProcess(repository, timeouts=timeouts))
        await until(lambda holder=processes[-2]: holder.given or writing.done())  # type: ignore[misc]
        await processes[-2].stop()
    await writing
    await until(lambda: all(any(100 in process.numbers(name) for process in processes) for name in NAMES))
    await processes[-1].stop()

    for name in NAMES:
        numbers = [number for process in processes for number in process.numbers(name)]
        assert set(numbers) == set(range(1, 101))
        for process in processes:
            assert process.numbers(name) == sorted(process.numbers(name))
        assert [process.lost for process in processes] == [[]] * len(processes)
