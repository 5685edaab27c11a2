"""The inspector of the protocol, another implementation than the SDK, works with the tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requirements import find_program
from service_process import RunningService, environment_with

pytestmark = pytest.mark.generators

SECONDS = 300
"""Seconds that an installation or a call may take."""
Inspect = Callable[..., tuple[Any, str]]


@pytest.fixture(scope="module")
def inspect(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Inspect:
    """Gives a function that runs the inspector, and returns the document that it prints and what it says."""
    folder = tmp_path_factory.mktemp("inspector")
    shutil.copy(Path(__file__).with_name("package.json"), folder)
    environment = environment_with({"HOME": str(folder)})
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    run(find_program("npm"), "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund")
    inspector = str(folder / "node_modules" / ".bin" / "mcp-inspector")
    server = [sys.executable, "-m", "tasksvc", "mcp", "--url", service.url]

    def inspect(*arguments: str) -> tuple[Any, str]:
        done = run(inspector, "--cli", *server, *arguments)
        return json.loads(done.stdout), done.stderr

    return inspect


def test_it_finds_nothing_to_say_about_the_schemas(inspect: Inspect) -> None:
    listed, said = inspect("--method", "tools/list", "--strict")

    assert len(listed["tools"]) == 8
    assert said == ""


def test_it_calls_tools(inspect: Inspect) -> None:
    made, _ = inspect(
        "--method", "tools/call", "--tool-name", "add_tasks", "--tool-arg", 'tasks=[{"description": "a"}]'
    )
    found, _ = inspect("--method", "tools/call", "--tool-name", "find_tasks")

    assert made["structuredContent"]["tasks"] == found["structuredContent"]["tasks"]
    assert found["structuredContent"]["tasks"][0]["description"] == "a"
