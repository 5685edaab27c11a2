"""A disk that accepts no writes any more, for adapters whose stores are files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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
