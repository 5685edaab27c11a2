"""An operating-system lock that lets one process serve a file."""

from __future__ import annotations

import os
import sys
from typing import Final

from tasksvc import StoreInUse, StoreRefused
from tasksvc_sqlite.high_water_mark import HighWaterMark
from tasksvc_sqlite.private import NO_FOLLOW, PRIVATE, share

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # flock() belongs to the descriptor, so it also keeps a second one of this process out.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """Held from its making until release(), or until the process ends, however it ends."""

    def __init__(self, path: str) -> None:
        """Locks `path` through the file `path`.lock, which stays and holds the mark.  Raises StoreRefused."""
        file = f"{path}.lock"
        is_new = not os.path.lexists(file)
        try:
            # A symbolic link isn't followed: somebody else may have put it there.
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | NO_FOLLOW, PRIVATE)
        except OSError as error:
            raise StoreRefused(
                f"{path} cannot be locked, since {file} cannot be written: {error.strerror}."
                " Make its folder writable, or name another file."
            ) from error
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreInUse(
                f"{path} is in use already. One process serves a file: stop the other one, or name another file."
            ) from error
        share(self._descriptor, path)
        self.mark: Final = HighWaterMark(self._descriptor, is_new=is_new)

    def release(self) -> None:
        """Lets others in."""
        os.close(self._descriptor)
