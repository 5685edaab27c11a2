"""The example examples/async_client_demo.py, as a process against a real service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import termios
from pathlib import Path

import aiohttp
import pytest
from service_process import RunningService

from clients.conftest import Run, start_example


async def test_it_reports_what_it_did_and_leaves_the_tasks_as_before(tmp_path: Path, run_example: Run) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        async with aiohttp.ClientSession(service.url) as session:
            async with session.post("/tasks/", json={"description": "somebody else's"}) as answer:
                other = await answer.json()

            status, output = await run_example("async_client_demo.py", service.url, "--tasks", "1200")

            async with session.get("/tasks/") as answer:
                left = await answer.json()
    assert status == 0, output
    assert re.findall(r"(\w+) +([\d,]+) tasks in +\d+\.\d\d s +[\d,]+ a second\n", output) == [
        ("Created", "1,200"),
        ("Listed", "1,200"),
        ("Read", "1,200"),
        ("Deleted", "1,200"),
    ]
    assert left == [other]


async def test_it_shows_its_progress_on_a_terminal(tmp_path: Path) -> None:
    pytest.importorskip("tqdm")
    ours, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        process = await start_example("async_client_demo.py", service.url, folder=tmp_path, stderr=terminal)
        os.close(terminal)
        shown = await asyncio.to_thread(read_terminal, ours)
        status = await asyncio.wait_for(process.wait(), 60)
    assert status == 0
    assert re.search(rb"Created: +\d+%\|.*\| \d+/1000", shown)


def read_terminal(end: int) -> bytes:
    """Returns all that is written to the other end, until it is closed."""
    shown = b""
    with contextlib.suppress(OSError):  # which is how a terminal ends
        while piece := os.read(end, 4_096):
            shown += piece
    os.close(end)
    return shown


async def test_it_says_in_one_line_that_no_service_is_there(run_example: Run) -> None:
    status, output = await run_example("async_client_demo.py", "http://127.0.0.1:1")

    assert status == 1
    assert output == "Nothing answers at http://127.0.0.1:1/. Start the service with: tasksvc\n"


async def test_it_says_in_one_line_what_the_service_refused(tmp_path: Path, run_example: Run) -> None:
    with RunningService("--store", "memory://", folder=tmp_path) as service:
        status, output = await run_example("async_client_demo.py", f"{service.url}/elsewhere")

    assert status == 1
    assert output.count("\n") == 1
    assert "was answered by 404: There is nothing at this path." in output
