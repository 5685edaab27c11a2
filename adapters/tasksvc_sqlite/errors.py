"""Translates errors of SQLite into errors of the port; no other module tells them apart."""

from __future__ import annotations

import sqlite3
from typing import Final

from tasksvc import InvalidTask, OutcomeUnknown, StoreClosed, StoreFull, StoreUnavailable

BIND_ERRORS: Final = (
    ValueError,  # a lone surrogate
    OverflowError,  # an integer past 64 bits
    TypeError,  # what has no JSON form, a time without a zone
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
)
"""Raised while a value is handed to SQLite that it cannot hold, before anything is written."""


DECODE_ERRORS: Final = (ValueError, OverflowError, TypeError, LookupError, AttributeError)
"""Raised when a row holds what can't be converted to a task, change or record."""

_ADVICE: Final = "Restore the store from a backup."


class CorruptData(StoreUnavailable):
    """A row or page isn't what was written.  The rest of the store may be sound."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=60)


def corrupt_data(what: str, error: Exception) -> CorruptData:
    """Returns the error that reports an UNREADABLE row."""
    return CorruptData(f"{what} is damaged and cannot be read ({error}). {_ADVICE}")


def read_failure(error: sqlite3.Error, path: str) -> StoreUnavailable:
    """Returns the error of the port for a read that failed with `error`."""
    match _code(error):
        case sqlite3.SQLITE_INTERRUPT:
            return StoreClosed("The store is closed.")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _locked(path)
    # An error without a code is Python's own, of text that is no UTF-8.
    if _code(error) == sqlite3.SQLITE_CORRUPT or not hasattr(error, "sqlite_errorcode"):
        return CorruptData(f"{path} cannot be read now: {error}. {_ADVICE}")
    return StoreUnavailable(f"{path} cannot be read now: {error}.")


def write_failure(error: sqlite3.Error, path: str) -> StoreUnavailable:
    """Returns the error of the port for a write that failed with `error`: OutcomeUnknown if it may be on disk."""
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return StoreFull(_no_room(path))
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _locked(path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOMEM:
            return StoreUnavailable(f"{path} cannot be written now: {error}.")
        case sqlite3.SQLITE_CONSTRAINT:
            return StoreUnavailable(f"What was to be written contradicts what {path} holds: {error}. Nothing was.")
    return OutcomeUnknown(
        f"Writing to {path} failed ({error}), and what was being written may be there or not."
        " Look at the disk, then restart; no more is written until then."
    )


def is_locked(error: sqlite3.Error) -> bool:
    """Returns whether another program holds the file locked."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def unstorable(error: Exception) -> InvalidTask:
    """Returns the error of the port for a value that SQLite can't hold."""
    return InvalidTask("write", f"Holds a value that SQLite cannot store ({error}).")


def open_failure(error: sqlite3.Error, path: str) -> str:
    """Returns why `path` can't be opened, in one or two sentences."""
    match _code(error):
        case sqlite3.SQLITE_NOTADB:
            return f"{path} is no SQLite database. Name another file."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"Another program holds {path} locked. Close it there, and start again."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return unwritable(path)
        case sqlite3.SQLITE_CANTOPEN:
            return f"{path} cannot be opened. Look at its permissions and those of its folder."
        case sqlite3.SQLITE_CORRUPT:
            return f"{path} is damaged: {error}. Restore it from a backup, or name another file."
        case sqlite3.SQLITE_FULL:
            return _no_room(path)
        case _ if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHMSIZE:
            return _no_room(path)  # for what SQLite keeps beside it
    return f"{path} cannot be opened: {error}."


def unwritable(path: str) -> str:
    """Returns why a file that isn't writable isn't opened."""
    return f"{path} cannot be written. Make it and its folder writable, or name another file."


def _locked(path: str) -> StoreUnavailable:
    return StoreUnavailable(f"Another program holds {path} locked. Close it there, or try again.", retry_after=1)


def _no_room(path: str) -> str:
    return f"There is no room left for {path}. Make some, and try again."


def _code(error: sqlite3.Error) -> int:
    """Returns the primary result code of `error`."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
