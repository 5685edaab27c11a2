"""How much of the memory that the process may have clients can make it keep, and for what."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from tasksvc.application.limits import Limits

STREAM_BYTES = 16 * 1024
"""Bytes that a stream takes while it has nothing to send."""
READ_PAGE_BYTES = 2 * 2**20
"""Bytes that a page takes until it's encoded."""
OWN_BYTES = 104 * 2**20
"""Bytes that the process itself takes: code, cached tasks, and the requests that are being answered."""
LEAST_SHARE = 8
"""At least this fraction (1/n) of the memory is shared out, even if OWN_BYTES leaves less."""

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def fit_to_memory(limits: Limits, memory: int | None) -> Limits:
    """Returns `limits`, reduced for a process that may occupy `memory` bytes; None for no bound."""
    if memory is None:
        return limits
    left = max(memory - OWN_BYTES, memory // LEAST_SHARE)
    return limits._replace(
        held_request_bytes=min(limits.held_request_bytes, left // 8),
        held_answer_bytes=min(limits.held_answer_bytes, left // 4),
        held_body_bytes=min(limits.held_body_bytes, left // 4),
        streams=min(limits.streams, left // 4 // STREAM_BYTES),
        feed_bytes=min(limits.feed_bytes, left // 8),
        pages=max(1, min(limits.pages, left // 8 // READ_PAGE_BYTES)),
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
