"""Disks that fail, for adapters whose stores are files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def failing_files() -> Iterator[None]:
    """Makes the system refuse every write of this process to a file, with EFBIG, until the end of the block.

    It is meant for `fail_driver()`, works on POSIX only, and needs no privilege.
    """
    import resource  # not on every platform

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def failing_syncs() -> Iterator[None]:
    """Makes os.fsync() and os.fdatasync() sync and then fail with EIO, until the end of the block.

    It is meant for `cut_commit()`: what was written may be on the disk or not, and nothing says which.
    """

    def failing(sync: Callable[[int], None]) -> Callable[[int], None]:
        def sync_and_fail(descriptor: int) -> None:
            sync(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        return sync_and_fail

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "fdatasync"):
            if hasattr(os, name):
                patch.setattr(os, name, failing(getattr(os, name)))
        yield
