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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, thread_time

LOOK_SECONDS = 1.0
"""Between two looks at the size of the process."""
TRIM_SECONDS = 20.0
"""Between two trims of a process that doesn't grow."""
MAPPED_BYTES = 128 * 1024
"""Bytes from which a block of memory is one of its own, which goes back to the system as soon as it's freed.

That is glibc's default, but without this it rises with the blocks that were freed, up to 32 MiB.
"""
GROWING_SHARE, SHARE = 0.05, 0.005
"""Largest part of the time in which slow collections may hold up the event loop, while the process grows and otherwise.

With thousands of connections it takes a second to look through all objects.
"""
SLOW_SECONDS = 0.1
"""Seconds of a full collection of garbage from which on the collector makes none by itself."""
YOUNG_OBJECTS = 10_000
"""New objects after which the collector looks through them.

The requests that a busy server answers at once hold more than Python's default of 700 without a leak, and so it would
look through them 14 times in 1,000 requests, at 3 to 5 % of their time.
"""
NEVER = 2**31 - 1
"""A threshold of the garbage collector that is never reached."""
ARENAS = 2
"""Heaps for all threads.  glibc would give each thread its own, and each keeps what a burst used."""
GROWTH_BYTES = 16 * 2**20
"""Growth of the process since its start below which a trim isn't worth its milliseconds."""
REGROWTH_BYTES = 8 * 2**20
"""Growth since the last trim that makes the next one due; in a large process, a part of its size."""
REGROWTH_PARTS = 10
"""The number of such parts of a process."""

_STATM = Path("/proc/self/statm")


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Parameters of glibc's mallopt(), from malloc.h."""


def keep_little() -> None:
    """Makes the C library give large blocks back at once.  To be called before there are threads."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        libc.mallopt(_M_ARENA_MAX, ARENAS)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Within the block, all objects that are there at its start stay, and garbage is collected more rarely."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


async def trim_heap() -> None:
    """Trims the heap now and then while the process is larger than now, until it is cancelled.

    In a large process all objects are looked through for garbage here alone, and not whenever there are more of them.
    """
    libc = _glibc()
    if libc is None:
        return
    old = gc.get_threshold()[2]
    try:
        await _trim_as_needed(libc, old)
    finally:
        _set_old_threshold(old)


async def _trim_as_needed(libc: ctypes.CDLL, old: int) -> None:
    limit = grown = _resident_bytes() + GROWTH_BYTES
    took = trimmed_at = 0.0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        resident, since = _resident_bytes(), monotonic() - trimmed_at
        if (resident > grown and since >= took / GROWING_SHARE) or (
            resident > limit and since >= max(TRIM_SECONDS, took / SHARE)
        ):
            began = thread_time()
            gc.collect()  # connections that ended with an error are in cycles with its traceback
            took = thread_time() - began
            is_slow = took > SLOW_SECONDS
            _set_old_threshold(NEVER if is_slow else old)
            took = took if is_slow else 0.0
            await asyncio.to_thread(libc.malloc_trim, 0)
            resident = _resident_bytes()
            grown, trimmed_at = resident + max(REGROWTH_BYTES, resident // REGROWTH_PARTS), monotonic()


def _set_old_threshold(threshold: int) -> None:
    """Sets after how many collections of younger objects all are looked through."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, threshold)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux" or not _STATM.exists():
        return None
    try:
        libc = ctypes.CDLL(None)
        libc.malloc_trim, libc.mallopt  # noqa: B018  # AttributeError in another C library, such as musl
    except (OSError, AttributeError):
        return None
    return libc


def _resident_bytes() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
