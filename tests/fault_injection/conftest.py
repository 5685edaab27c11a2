"""Faults of the machine on which the service runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from requirements import leave_out
from stores.sqlite.stores import mounted

from fault_injection import strace


@pytest.fixture(scope="session")
def tracing() -> None:
    """Skips the test if nothing can be traced here, since it needs strace."""
    if (reason := strace.why_not()) is not None:
        leave_out(reason)


class Disk:
    """A small disk in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> Path:
        """Creates a file that takes all the free space."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return ballast


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "size=4m"):
        yield Disk(folder)
