"""On what kind of file system a store is.

A store in a file needs a lock that keeps every other process out, and SQLite's write-ahead log needs memory that
all connections share.  A network file system gives neither to processes of different machines.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from tasksvc import StoreRefused

NETWORK: Final = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
    | {f"fuse.{name}" for name in ("ceph", "ceph-fuse", "glusterfs", "rclone", "s3fs", "smbnetfs", "sshfs")}
)
"""Kinds of file system that several machines can have mounted, as Linux names them."""

_MOUNTS: Final = Path("/proc/self/mountinfo")


def check_file_system(path: str, mounts: Path = _MOUNTS) -> None:
    """Raises StoreRefused where `path` is on a network file system.  Other systems than Linux don't say.

    `mounts` lists what is mounted, as /proc/self/mountinfo does.
    """
    kind = kind_of(path, mounts)
    if kind in NETWORK:
        raise StoreRefused(
            f"{path} is on a network file system ({kind}), where locks don't keep other machines out."
            " Put the store on a disk of this machine, or use PostgreSQL."
        )


def kind_of(path: str, mounts: Path = _MOUNTS) -> str | None:
    """The kind of the file system that `path` is on, or its folder where there is no such file; None if unknown."""
    try:
        device = os.stat(path if os.path.exists(path) else os.path.dirname(path)).st_dev
        mounted = mounts.read_text(errors="surrogateescape")
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    found = re.search(rf"^\d+ \d+ {number} .*? - (\S+) ", mounted, re.MULTILINE)
    return None if found is None else found[1]
