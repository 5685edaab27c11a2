"""Waiting for conditions, however busy the machine is.

A verdict must not depend on how long something takes. So a test waits for a condition, with a limit that is only
reached if the condition never holds. A test of one of the product's limits sets the other limits to FOREVER_SECONDS, so
that they can't be reached first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE_SECONDS = 120.0
"""Seconds after which a test gives up waiting: a hundred times what it takes on a quiet machine."""
FOREVER_SECONDS = 3_600.0
"""Seconds for a limit of the product that must not be reached; the test would give up long before."""
LOOK_SECONDS = 0.01
"""Seconds between two checks of a condition."""


def wait_until(holds: Callable[[], object]) -> None:
    """Returns when `holds()` is true.  Raises TimeoutError after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"It did not happen within {PATIENCE_SECONDS:g} s.")
        time.sleep(LOOK_SECONDS)


async def until(holds: Callable[[], object]) -> None:
    """Does the same as wait_until() while the event loop goes on."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(LOOK_SECONDS)
