"""Waiting for what must happen, however busy the machine is.

A verdict must not depend on the time that something takes.  So a test waits for a condition, with a limit that only
what never happens reaches, and where a limit of the product is what it tests, it makes the others so long that they
cannot come first: FOREVER_SECONDS.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE_SECONDS = 120.0
"""Seconds after which a test gives up waiting: a hundred times what it takes on a quiet machine."""
FOREVER_SECONDS = 3_600.0
"""Seconds that a limit of the product gets which must not come first; a test has given up long before."""
LOOK_SECONDS = 0.01
"""Seconds between two looks at what is waited for."""


def wait_until(holds: Callable[[], object]) -> None:
    """Returns when `holds()` is true.  Raises TimeoutError after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"It did not happen within {PATIENCE_SECONDS:g} s.")
        time.sleep(LOOK_SECONDS)


async def until(holds: Callable[[], object]) -> None:
    """The same, while the event loop goes on."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(LOOK_SECONDS)
