"""The adapter in docs/adapters.md, installed as printed, passes its contract test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pages import Page

pytestmark = pytest.mark.slow

PAGE = Page.named("docs/adapters.md")
FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files of the page, installed in place."""
    for name, content in FILE.findall(PAGE.text):
        (tmp_path / name).write_text(content)
    described = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {described['name']}\nVersion: {described['version']}\n"
    )
    lines = [
        line
        for group, points in described["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {module}" for name, module in points.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def run(project: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTEST_ADDOPTS": "-p no:schemathesis"}  # slow to load
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_adapter_of_the_page_passes_its_contract_test(project: Path) -> None:
    printed = run(project, "-m", "pytest", "-W", "error", "-p", "no:asyncio", "-p", "no:aiohttp", "-q", "-rs")

    assert re.search(r"\d\d\d passed", printed), printed
    assert set(re.findall(r"declares (\w+) absent", printed)) == {"SHARED"}, "no other test was skipped"


def test_the_adapter_of_the_page_is_listed(project: Path) -> None:
    printed = run(project, "-m", "tasksvc", "stores")

    assert re.search(r"^folder +tasksvc-folder 0\.1\.0 +tasksvc_folder +ready$", printed, re.MULTILINE), printed
