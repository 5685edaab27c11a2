"""Translates errors of asyncpg and of the operating system into errors of the port, here and nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import asyncpg

from tasksvc import StoreFull, StoreUnavailable
from tasksvc.network import Failure, NoServer, describe, translating

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""The errors that a connection raises; TimeoutError is an OSError."""


_READ_ONLY = "25006"
_NO_SUCH_TABLE = ("3F000", "42P01")
_FULL = "53100"
_TIMED_OUT = "57014"
_RETRYABLE = (
    "40001",  # serialization failure
    "40P01",  # deadlock
    _READ_ONLY,  # the server was demoted: another one takes writes, or will soon
    "0A000",  # asyncpg's prepared statement is older than the table
    "57P01",  # the server is being shut down, or an administrator ended this session
    "57P02",  # another session crashed the server
    "57P03",  # the server is starting
    "57P05",  # this session was idle for too long
    "25P03",  # this transaction was idle for too long
)
_REFUSED = (
    "28",  # user or password
    "3D",  # no such database
    "42501",  # no permission
    "22023",  # the URL sets something to a wrong value
    "42704",  # or sets something that does not exist
    "55000",  # the database takes no connections
    "55P02",  # or something that can only be set before
)
_POOLER_REFUSED = (
    "unsupported startup parameter",
    "authentication failed",
    "no such database",
    "no such user",
    "login rejected",
    "SSL required",
    "transaction blocks not allowed in statement pooling mode",
)
"""Parts of the permanent errors of PgBouncer, which all have the code 08P01."""
_STATEMENT_POOLING = "statement pooling"


def translate_error(error: Exception, *, name: str) -> Failure | None:
    """Returns what `error` means where the store is called `name`, or None if it isn't the driver's."""
    if not isinstance(error, DRIVER_ERRORS):
        return None
    state = sqlstate(error)
    refused = getattr(error, "severity_en", None) == "ERROR"  # a FATAL one ends the session, perhaps within a COMMIT
    if state == _FULL:
        return Failure(StoreFull(f"{name} has no room left: {reason(error)}."), refused)
    if state in _NO_SUCH_TABLE:
        told = f"The tables of {name} are gone: {reason(error)}. Restore them and start again."
        return Failure(StoreUnavailable(told), refused)
    if state == _TIMED_OUT:
        return Failure(StoreUnavailable(f"{name} took too long: {reason(error)}. Try again, or ask for less."), refused)
    return Failure(
        StoreUnavailable(f"{name} cannot do this now: {reason(error)}."),
        refused,
        retryable=state in _RETRYABLE or not refused,
        expire_pool=state == _READ_ONLY,
    )


def translating_errors(name: str, is_committing: Callable[[], bool] = lambda: False) -> AbstractContextManager[None]:
    """Raises what an error of the driver means, as an Executor does."""
    return translating(partial(translate_error, name=name), name, is_committing)


def refusal(error: Exception) -> str | None:
    """Returns what to do about an error after which another attempt to connect can't succeed; None for others."""
    if not _is_permanent(error):
        return None
    if _STATEMENT_POOLING in str(error):
        return "Set pool_mode to session or transaction in PgBouncer, or connect to the server itself."
    return "Correct the URL or the server."


def _is_permanent(error: Exception) -> bool:
    if isinstance(error, NoServer):
        return all(map(_is_permanent, error.errors))
    if isinstance(error, asyncpg.PostgresError) and any(words in str(error) for words in _POOLER_REFUSED):
        return True
    if isinstance(error, asyncpg.ClientConfigurationError | ssl.SSLCertVerificationError | ValueError):
        return True
    return (sqlstate(error) or "").startswith(_REFUSED)


def sqlstate(error: Exception) -> str | None:
    """Returns the SQLSTATE of `error`, or None if it isn't an error of the server."""
    state: str | None = getattr(error, "sqlstate", None)
    return state


def reason(error: Exception) -> str:
    """Returns `error` in a few words, without a full stop."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "the server takes no writes"
    return describe(error)
