"""The projects whose files a page prints, installed in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from pages import Page

FILE = re.compile(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def install(page: Page, folder: Path) -> None:
    """Writes the files of a page into a folder, with what an installer would write of their distribution."""
    for name, content in FILE.findall(page.text):
        (folder / name).write_text(content)
    described = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    metadata = folder / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
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


def run(folder: Path, *command: str) -> str:
    """Runs Python in the folder of a project and returns its output.  It has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTEST_ADDOPTS": "-p no:schemathesis"}  # slow to load
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
