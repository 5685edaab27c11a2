"""Running the example clients as processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

EXAMPLES = Path(__file__).parents[2] / "examples"

Run = Callable[..., Coroutine[Any, Any, tuple[int, str]]]


@pytest.fixture
def run_example(tmp_path: Path) -> Run:
    """Runs an example to its end and returns its exit status and output."""

    async def run(name: str, *arguments: str) -> tuple[int, str]:
        process = await start_example(name, *arguments, folder=tmp_path)
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
        assert process.returncode is not None
        return process.returncode, output.decode()

    return run


async def start_example(
    name: str, *arguments: str, folder: Path, stderr: int = asyncio.subprocess.STDOUT
) -> asyncio.subprocess.Process:
    """Starts an example as a process; its two streams are one unless `stderr` says otherwise."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / name),
        *arguments,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
    )
