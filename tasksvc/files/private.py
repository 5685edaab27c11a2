"""Who may read and write the file of a store, and what lies beside it."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

PRIVATE: Final = 0o600
"""Permissions of a new store: for its owner alone."""
NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
"""Flag for os.open() that refuses a symbolic link, where the system has it."""


def make_private(path: str) -> None:
    """Makes an empty file of `path` with the permissions PRIVATE, unless there is a file.  Raises OSError.

    A driver such as SQLite gives what it makes beside the file later the same permissions, and the same owner.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        return
    os.close(descriptor)


def share(descriptor: int, path: str) -> None:
    """Gives an open file that lies beside the store `path` the permissions of the store, if there is one by now.

    Another user's file stays as it is, except that root gives what it made to the store's owner.
    """
    if not hasattr(os, "fchmod"):  # on Windows, where a file has the permissions of its folder
        return
    with contextlib.suppress(FileNotFoundError, PermissionError):  # a disk may have no permissions
        store, own = os.stat(path), os.fstat(descriptor)
        if os.geteuid() == 0:
            os.fchown(descriptor, store.st_uid, store.st_gid)
        elif own.st_uid != os.geteuid():
            return
        os.fchmod(descriptor, stat.S_IMODE(store.st_mode))
