"""Writes files atomically: a file exists as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tasksvc.domain.errors import TasksvcError

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})
"""The errors of link() on a file system without hard links, such as FAT."""


class OutputRefused(TasksvcError):
    """A file can't be created, read or written."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields the path of an empty file beside `path` to fill, which only its owner may read.

    When the block ends, the file is flushed to the disk and renamed to `path`.  If the block raises, nothing
    is left; if the process is killed, at most a file whose name begins with that of `path` and ends with
    .partial.  Raises OutputRefused if `path` exists already, or a file can't be written.
    """
    _check_free(path)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise OutputRefused(f"{path} cannot be made: {error.strerror}. Name a file in another folder.") from error
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        _sync(partial)
        _name(partial, path)
        if os.name != "nt":  # which cannot sync a folder
            _sync(path.parent)
    except OSError as error:
        raise OutputRefused(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise _taken(path)


def _name(partial: Path, path: Path) -> None:
    """Renames the file to `path`.  Raises OutputRefused if something has that name already."""
    try:
        os.link(partial, path)  # which, other than rename(), replaces nothing
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _check_free(path)
        partial.rename(path)


def _taken(path: Path) -> OutputRefused:
    return OutputRefused(f"{path} is there already. Name another file, or remove it first.")


def _sync(path: Path) -> None:
    """Flushes a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
