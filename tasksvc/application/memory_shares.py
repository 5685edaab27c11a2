"""How much of the memory that the process may have clients can make it keep, and for what."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import NamedTuple

REQUESTS_BYTES = 16 * 2**20
"""Bytes that all connections keep of requests: unfinished ones, those that wait, and the heads of the last ones."""
ANSWERS_BYTES = 32 * 2**20
"""Bytes of all answers that clients have yet to take."""
BODIES_BYTES = 32 * 2**20
"""Bytes of all large bodies together, from the first byte until the request is answered."""
STREAMS = 10_000
"""Streams and whole lists of all callers at once."""
STREAM_BYTES = 16 * 1024
"""Bytes that a stream takes while it has nothing to send."""
PAGES = 8
"""Pages that are read at once, but for searches."""
READ_PAGE_BYTES = 2 * 2**20
"""Bytes that a page takes until it's shown."""
OWN_BYTES = 104 * 2**20
"""Bytes that the process itself takes: code, tasks that it remembers, and what requests need that are answered."""
LEAST_SHARE = 8
"""The part of the limit that is shared out at least, though OWN_BYTES may be more than the rest."""

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


class MemoryShares(NamedTuple):
    """Bounds on what clients can make the process keep, each over all clients."""

    requests: int
    answers: int
    bodies: int
    """Bytes, as REQUESTS_BYTES, ANSWERS_BYTES and BODIES_BYTES."""
    streams: int
    """Streams that may be open at once."""
    pages: int
    """Pages that may be read at once."""


def shares_of(limit: int | None) -> MemoryShares:
    """Returns the shares of a process that may occupy `limit` bytes; None for no limit."""
    if limit is None:
        return MemoryShares(REQUESTS_BYTES, ANSWERS_BYTES, BODIES_BYTES, STREAMS, PAGES)
    left = max(limit - OWN_BYTES, limit // LEAST_SHARE)
    return MemoryShares(
        min(REQUESTS_BYTES, left // 8),
        min(ANSWERS_BYTES, left // 4),
        min(BODIES_BYTES, left // 4),
        min(STREAMS, left // 4 // STREAM_BYTES),
        max(1, min(PAGES, left // 8 // READ_PAGE_BYTES)),
    )


def memory_limit(own_cgroup: Path = _OWN_CGROUP, cgroups: Path = _CGROUPS) -> int | None:
    """Bytes that the control groups of this process let it occupy (Linux, version 1 and 2); None for no limit.

    `own_cgroup` says which these are, as /proc/self/cgroup does; below `cgroups` they are mounted.
    """
    try:
        lines = own_cgroup.read_text().splitlines()
    except OSError:  # another system
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount, name = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            mount, name = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        inside = PurePosixPath(path.lstrip("/"))
        # A container may see the path outside of it, but has its own group mounted as the root.
        limits += [limit for part in (inside, *inside.parents) if (limit := _limit_in(mount / part / name)) is not None]
    return min(limits, default=None)


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() and int(text) < 2**60 else None  # version 1 shows no limit as about 2**63
