"""The example examples/sync_client.py, while connections break and the service is killed and restarted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
from patience import PATIENCE_SECONDS
from service_process import RunningService

from clients.conftest import Run, start_example
from clients.cutting_proxy import CuttingProxy

pytestmark = pytest.mark.slow

CUTS = 8
KILLS = 3
CATCH_UP_SECONDS = PATIENCE_SECONDS
WRITTEN = 20
"""The number of changes between two faults."""


@asynccontextmanager
async def follower(url: str, folder: Path) -> AsyncIterator[list[str]]:
    """Runs the client, which follows with copy.db; yields its output, complete at the end of the block."""
    process = await start_example("sync_client.py", url, "--copy", "copy.db", folder=folder)
    lines: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            lines.append(line.decode().rstrip("\n"))

    reading = asyncio.create_task(read())
    try:
        yield lines
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == 0, lines
        await reading
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def write(session: aiohttp.ClientSession, random_: random.Random, ids: list[int]) -> None:
    """Sends one random write of a task."""
    choice = random_.random()
    if choice < 0.5 or not ids:
        async with session.post("/tasks/", json={"description": f"№ {random_.random()}"}) as answer:
            ids.append((await answer.json())["id"])
    elif choice < 0.8:
        async with session.patch(f"/tasks/{random_.choice(ids)}", json={"priority": random_.randint(0, 9)}):
            pass
    else:
        async with session.delete(f"/tasks/{ids.pop(random_.randrange(len(ids)))}"):
            pass


@asynccontextmanager
async def writers(url: str) -> AsyncIterator[None]:
    """Runs four clients that write at random until the end of the block, whatever happens to the service."""
    stop = asyncio.Event()

    async def go_on(seed: int) -> None:
        random_, ids = random.Random(seed), list[int]()
        while not stop.is_set():
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await write(session, random_, ids)
            await asyncio.sleep(0.002)

    async with aiohttp.ClientSession(url) as session, asyncio.TaskGroup() as group:
        for seed in range(4):
            group.create_task(go_on(seed))
        try:
            yield
        finally:
            stop.set()  # and each has the answer to its last write before the block ends


async def until_more_is_written(url: str) -> None:
    """Waits until there are some more changes."""
    there = int((await head(url)).partition("-")[2])
    async with asyncio.timeout(CATCH_UP_SECONDS):
        while int((await head(url)).partition("-")[2]) < there + WRITTEN:
            await asyncio.sleep(0.02)


async def head(url: str) -> str:
    """Returns the position at which the service's change log ends."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/tasks/?limit=1") as answer:
        return answer.headers["X-Change-Seq"]


def position_of(copy: Path) -> str | None:
    with closing(sqlite3.connect(copy)) as database:
        row = database.execute("SELECT position FROM place").fetchone()
    return None if row is None else row[0]


async def until_it_is_at(copy: Path, position: str) -> None:
    async with asyncio.timeout(CATCH_UP_SECONDS):
        while position_of(copy) != position:
            await asyncio.sleep(0.02)


async def until(lines: list[str], what: str) -> None:
    async with asyncio.timeout(CATCH_UP_SECONDS):
        while not count(lines, what):
            await asyncio.sleep(0.02)


def count(lines: list[str], what: str) -> int:
    return sum(what in line for line in lines)


async def test_the_copy_follows_through_broken_connections_and_killed_services(
    tmp_path: Path, run_example: Run
) -> None:
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as service:
        async with CuttingProxy(service.port) as proxy, follower(f"http://127.0.0.1:{proxy.port}", tmp_path) as lines:
            await until(lines, "follows from")
            async with writers(service.url):
                for _ in range(CUTS):
                    await until_more_is_written(service.url)
                    while not proxy.cut():  # it prints that it follows before it is connected
                        await asyncio.sleep(0.02)
                for _ in range(KILLS):
                    await until_more_is_written(service.url)
                    service.kill()
                    await asyncio.to_thread(service.start)
                await until_more_is_written(service.url)
            end = await head(service.url)
            await until_it_is_at(tmp_path / "copy.db", end)

        status, output = await run_example("sync_client.py", service.url, "--copy", "copy.db", "--prove")

    assert count(lines, "walked the list") == 1, "it followed the log all the time"
    assert proxy.taken >= CUTS, "it was connected again"
    assert status == 0, output
    assert output.endswith("equal\n")
    assert output.count(end) == 3, "a fresh list, the copy and the service are at the position that was followed to"


async def test_the_copy_reads_the_list_again_if_the_store_has_a_new_generation(
    tmp_path: Path, run_example: Run
) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        async with aiohttp.ClientSession(service.url) as session, follower(service.url, tmp_path) as lines:
            await session.post("/tasks/", json={"description": "before"})
            await until(lines, "follows from")
            service.kill()
            await asyncio.to_thread(service.start)
            await session.post("/tasks/", json={"description": "after"})
            await until(lines, "is gone")
            await until_it_is_at(tmp_path / "copy.db", await head(service.url))

        status, output = await run_example("sync_client.py", service.url, "--copy", "copy.db", "--prove")

    assert count(lines, "walked the list") == 2, lines
    assert status == 0, output
    assert re.search(r"the copy at \S+: 1 tasks", output)


async def test_the_proof_holds_while_others_write(tmp_path: Path, run_example: Run) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        async with writers(service.url):
            await asyncio.sleep(0.3)
            proofs = [await run_example("sync_client.py", service.url, "--prove") for _ in range(3)]

    assert [(status, output.splitlines()[-1]) for status, output in proofs] == [(0, "equal")] * 3


async def test_the_proof_fails_for_a_copy_that_differs(tmp_path: Path, run_example: Run) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        async with aiohttp.ClientSession(service.url) as session:
            await session.post("/tasks/", json={"description": "as it is"})
        await run_example("sync_client.py", service.url, "--copy", "copy.db", "--prove")
        with closing(sqlite3.connect(tmp_path / "copy.db")) as database, database:
            database.execute("UPDATE tasks SET body = replace(body, 'as it is', 'as it is not')")

        status, output = await run_example("sync_client.py", service.url, "--copy", "copy.db", "--prove")

    assert status == 1
    assert output.endswith("NOT EQUAL\n")


async def test_the_copy_is_for_its_owner_alone(run_example: Run, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        await run_example("sync_client.py", "http://127.0.0.1:1", "--copy", "copy.db", "--prove")
    finally:
        os.umask(umask)

    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


async def test_it_says_in_one_line_that_no_service_is_there_to_prove_against(run_example: Run) -> None:
    status, output = await run_example("sync_client.py", "http://127.0.0.1:1", "--prove")

    assert status == 1
    assert output == "Nothing answers at http://127.0.0.1:1. Start the service with: tasksvc\n"


async def test_it_reports_in_one_line_that_the_file_is_not_a_copy(tmp_path: Path, run_example: Run) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, and no database" * 100)

    status, output = await run_example("sync_client.py", "--copy", "notes.txt")

    assert status == 1
    assert output == "The copy cannot be used: notes.txt: file is not a database.\n"
