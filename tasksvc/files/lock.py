"""Locks of the operating system that let one process serve a file."""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

from tasksvc import StoreInUse, StoreRefused
from tasksvc.files.high_water_mark import HighWaterMark
from tasksvc.files.private import NO_FOLLOW, PRIVATE, share

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    LOCKS_STORES: Final = False
    """Here a lock on the store would keep its own driver out as well."""

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    LOCKS_STORES: Final = True
    """Locks the store with flock(), which doesn't interfere with locks of fcntl(), such as SQLite's."""

    def _lock(descriptor: int) -> None:
        # flock() belongs to the descriptor, so it also keeps a second one of this process out.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_TAKEN: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""What the system answers where somebody else has the lock."""
_BY_ANOTHER_NAME: Final = "in use already, by another of its names (a hard link or a bind mount)"
_served: Final[set[tuple[int, int]]] = set()
"""Device and inode of each file that this process has locked."""


class FileLock:
    """A lock on the file of a store, from its making until release(), or until the process ends, however it ends."""

    def __init__(self, path: str) -> None:
        """Locks `path` through the file `path`.lock, which stays and holds the mark.

        Raises StoreInUse and StoreRefused.
        """
        file = f"{path}.lock"
        is_new = not os.path.lexists(file)
        self._path = path
        self._inode: tuple[int, int] | None = None
        self._store: int | None = None
        try:
            # A symbolic link isn't followed: somebody else may have put it there.
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | NO_FOLLOW, PRIVATE)
        except OSError as error:
            raise StoreRefused(
                f"{path} cannot be locked, since {file} cannot be written: {error.strerror}."
                " Make its folder writable, or name another file."
            ) from error
        self._take(self._descriptor, "in use already")
        share(self._descriptor, path)
        self.mark: Final = HighWaterMark(self._descriptor, is_new=is_new)

    def lock_store(self) -> None:
        """Locks the file of the store too, since hard links and bind mounts give it further names.

        Call it before a driver opens the file, and release() after the driver has closed it: POSIX drops the locks
        of fcntl() that a driver holds when any descriptor of the file is closed in the same process.

        Raises StoreInUse and StoreRefused.
        """
        if not LOCKS_STORES:
            return
        status = os.stat(self._path)
        inode = status.st_dev, status.st_ino
        if inode in _served:
            raise self._in_use(_BY_ANOTHER_NAME)
        try:
            descriptor = os.open(self._path, os.O_RDONLY | NO_FOLLOW)
        except OSError:  # the driver will say why
            return
        self._take(descriptor, _BY_ANOTHER_NAME)
        self._store, self._inode = descriptor, inode
        _served.add(inode)

    def _take(self, descriptor: int, how: str) -> None:
        """Locks a file, or closes it and raises StoreInUse, which says `how` it is used, or StoreRefused."""
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                raise self._in_use(how) from error
            raise StoreRefused(
                f"{self._path} cannot be locked: {error.strerror}. Put the store on a file system that has locks."
            ) from error

    def _in_use(self, how: str) -> StoreInUse:
        return StoreInUse(
            f"{self._path} is {how}. One process serves a file: stop the other one, or name another file."
        )

    def release(self) -> None:
        """Lets other processes open the file."""
        if self._store is not None and self._inode is not None:
            _served.discard(self._inode)
            os.close(self._store)
        os.close(self._descriptor)
