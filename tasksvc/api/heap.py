"""Gives memory that was freed back to the system, where the C library is glibc.

glibc keeps what a burst of large answers used: a process that held 300 MB for a moment would stay
that large.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

TRIM_SECONDS = 20.0
"""Between two trims."""
GROWTH_BYTES = 16 * 2**20
"""Growth of the process since its start below which a trim isn't worth its milliseconds."""

_STATM = Path("/proc/self/statm")


async def trim_heap() -> None:
    """Trims the heap now and then while the process is larger than now, until it is cancelled."""
    trim = _malloc_trim()
    if trim is None:
        return
    limit = _resident_bytes() + GROWTH_BYTES
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        if _resident_bytes() > limit:
            gc.collect()  # connections that ended with an error are in cycles with its traceback
            await asyncio.to_thread(trim, 0)


def _malloc_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux" or not _STATM.exists():
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library, such as musl
        return None


def _resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
