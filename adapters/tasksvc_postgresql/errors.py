"""What can go wrong between here and the server, in the port's words.

An error of asyncpg or of the operating system becomes an error of tasksvc here and nowhere else.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import asyncpg

from tasksvc import OutcomeUnknown, StoreFull, StoreUnavailable


class NoServer(Exception):
    """None of the servers of a URL took the connection."""

    def __init__(self, failures: list[tuple[str, Exception]]) -> None:
        self.errors = [error for _, error in failures]
        super().__init__("; ".join(f"{host}: {reason(error)}" if host else reason(error) for host, error in failures))


DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, NoServer)
"""All that a connection raises; TimeoutError is an OSError."""


_READ_ONLY = "25006"
_NO_SUCH_TABLE = ("3F000", "42P01")
_FULL = "53100"
_TIMED_OUT = "57014"
_AGAIN = (
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
"""What PgBouncer says for good.  Its errors all have the same code, 08P01."""
_STATEMENT_POOLING = "statement pooling"


class Failure(NamedTuple):
    """What a failed attempt means."""

    error: StoreUnavailable
    again: bool
    """Nothing was written, and another attempt may do better."""
    expire: bool
    """Whether the other connections of the pool are as broken as this one."""


def explained(error: Exception, *, name: str, committing: bool) -> Failure:
    """The failure that `error` of the driver stands for, where the store is called `name`.

    With `committing` the transaction may have been committed, unless the server says that it was not.
    """
    state = sqlstate(error)
    refused = is_answer(error)
    if committing and not refused:
        return Failure(
            OutcomeUnknown(
                f"{name} was lost while it committed ({reason(error)}): the write may be there or not."
                " Send it again with the same idempotency key."
            ),
            again=False,
            expire=False,
        )
    if state == _FULL:
        return Failure(StoreFull(f"{name} has no room left: {reason(error)}."), again=False, expire=False)
    if state in _NO_SUCH_TABLE:
        told = StoreUnavailable(f"The tables of {name} are gone: {reason(error)}. Restore them and start again.")
        return Failure(told, again=False, expire=False)
    if state == _TIMED_OUT:
        told = StoreUnavailable(f"{name} took too long: {reason(error)}. Try again, or ask for less.")
        return Failure(told, again=False, expire=False)
    if isinstance(error, TimeoutError):
        return Failure(StoreUnavailable(f"{name} does not answer in time. Try again soon."), again=False, expire=False)
    again = state in _AGAIN or not refused
    return Failure(
        StoreUnavailable(f"{name} cannot do this now: {reason(error)}."), again=again, expire=state == _READ_ONLY
    )


@contextmanager
def in_our_words(name: str, is_committing: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Raises what `explained()` says of an error of the driver."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise explained(error, name=name, committing=is_committing()).error from error


def is_answer(error: Exception) -> bool:
    """The server itself refused the statement, and goes on."""
    return getattr(error, "severity_en", None) == "ERROR"


def is_final(error: Exception) -> bool:
    """It makes no sense to try to connect again."""
    if isinstance(error, NoServer):
        return all(map(is_final, error.errors))
    if isinstance(error, asyncpg.PostgresError) and any(words in str(error) for words in _POOLER_REFUSED):
        return True
    if isinstance(error, asyncpg.ClientConfigurationError | ssl.SSLCertVerificationError | ValueError):
        return True
    return (sqlstate(error) or "").startswith(_REFUSED)


def advice(error: Exception) -> str:
    """What to do about an error that is final."""
    if _STATEMENT_POOLING in str(error):
        return "Set pool_mode to session or transaction in PgBouncer, or connect to the server itself."
    return "Correct the URL or the server."


def sqlstate(error: Exception) -> str | None:
    """The server's code for `error`, if it is the server's."""
    state: str | None = getattr(error, "sqlstate", None)
    return state


def reason(error: Exception) -> str:
    """`error` in a few words, without a full stop."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "the server takes no writes"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).rstrip(".")
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
