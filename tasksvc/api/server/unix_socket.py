"""Unix sockets that only the user of a process, and root, can open."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

AVAILABLE = hasattr(socket, "AF_UNIX")
_DESCRIPTORS = Path("/proc/self/fd")


def bind_private(path: Path) -> socket.socket:
    """Returns a socket at `path`, in place of what is there.  Raises OSError.

    It's made in a private folder and moved, so nobody else can open it at any moment.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = ""
    try:
        folder = tempfile.mkdtemp(prefix=".tasksvc-", dir=path.parent)
        made = os.path.join(folder, "s")
        with _short(folder) as place:
            listening.bind(os.path.join(place, "s"))
        os.chmod(made, 0o600)
        os.rename(made, path)
    except BaseException:
        listening.close()
        raise
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return listening


def connect(path: Path, *, seconds: float) -> socket.socket:
    """Returns a connection to the socket at `path`, which gives up after so long.  Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        with _short(str(path.parent)) as place:
            connection.connect(os.path.join(place, path.name))
    except BaseException:
        connection.close()
        raise
    return connection


def peer_uid(descriptor: int) -> int | None:
    """Returns the user of the process at the other end of a connection; None where the system doesn't tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


@contextlib.contextmanager
def _short(folder: str) -> Iterator[str]:
    """Gives a short name of `folder` if there is one, since the address of a socket has a hundred bytes at most."""
    if not _DESCRIPTORS.exists():
        yield folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield str(_DESCRIPTORS / str(descriptor))
    finally:
        os.close(descriptor)
