"""Faults of the machine below the service."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults import tracer

MOUNT, UMOUNT = shutil.which("mount") or "", shutil.which("umount") or ""


@pytest.fixture(scope="session")
def tracing() -> None:
    """The test needs strace."""
    if (reason := tracer.why_not()) is not None:
        pytest.skip(reason)


class Disk:
    """A small disk of its own, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make_read_only(self) -> None:
        subprocess.run([MOUNT, "-o", "remount,ro", self.folder], check=True)

    def fill(self) -> Path:
        """A file that takes all the room there is."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return ballast


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Of 4 MB.  Only root makes disks."""
    if os.getuid() != 0 or not MOUNT:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        [MOUNT, "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted: {made.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run([UMOUNT, "--lazy", folder], check=True)
