"""What operations share: the workspace, the limits on time, the clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote


def chance() -> float:
    """Returns a random number from 0 to 1. The module random would take longer to import than a command may take."""
    return int.from_bytes(os.urandom(4)) / 2**32


class Scope(NamedTuple):
    """The workspace of operations, and how long they may take."""

    workspace: str | None = None
    """None: the home of the caller."""
    deadline: float = 30.0
    """Seconds that one request may take with all repetitions."""
    timeout: float = 10.0
    """Seconds without an answer after which one attempt is given up."""
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = chance
    """Returns a number from 0 to 1, for jitter."""

    def path(self, path: str) -> str:
        """Returns a path of tasks or changes in the workspace."""
        return path if self.workspace is None else f"/workspaces/{segment(self.workspace)}{path}"


def segment(name: str) -> str:
    """Returns a name as a segment of a path. Raises ValueError for one that would lead elsewhere."""
    if name in ("", ".", ".."):
        raise ValueError(f"{name!r} can't be a name here.")
    return quote(name, safe="")


def new_key() -> str:
    """Returns an idempotency key that no other write has."""
    return os.urandom(16).hex()
