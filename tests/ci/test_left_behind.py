"""A failing test leaves nothing open that the next one is blamed for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_SECONDS
from service_process import unmeasured

CONFTEST = Path(__file__).parents[1] / "conftest.py"
PROJECT = """
import asyncio, gc

async def leave_open():
    server = await asyncio.start_server(lambda reader, writer: reader.read(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert False, "before anything is closed"

{test}

def test_innocent():
    gc.collect()
"""


@pytest.mark.parametrize(
    "test",
    [
        pytest.param("def test_fails(): asyncio.new_event_loop().run_until_complete(leave_open())", id="loop"),
        pytest.param("async def test_fails(): await leave_open()", id="plugin"),
    ],
)
def test_the_sockets_of_a_failed_test_are_not_blamed_on_the_next(test: str, tmp_path: Path) -> None:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_project.py").write_text(PROJECT.replace("{test}", test))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "asyncio"],
        cwd=tmp_path,
        env=unmeasured({**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "FAILED test_project.py::test_fails" in done.stdout
