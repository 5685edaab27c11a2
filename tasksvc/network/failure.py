"""What an error of a driver means for the caller, and for the next attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tasksvc.domain.errors import OutcomeUnknown, StoreUnavailable


class Failure(NamedTuple):
    """What to do about a failed attempt.  By default nothing is assumed that could make a write happen twice."""

    error: StoreUnavailable
    """The error for the caller, if it is known that nothing was written."""
    refused: bool = False
    """Whether it is the server's answer: nothing was written, even by a COMMIT, and the session goes on."""
    retryable: bool = False
    """Whether another attempt may succeed."""
    expire_pool: bool = False
    """Whether the other connections are as broken as this one."""


Translate = Callable[[Exception], Failure | None]
"""A function that says what an error of the driver means, and returns None for errors that aren't the driver's.

It can leave OSErrors, of which TimeoutError is one, to failure_of().
"""


def failure_of(error: Exception, translate: Translate, *, name: str, committing: bool) -> Failure | None:
    """Returns what `error` means, or None if it doesn't come from the driver; the store is called `name`.

    With `committing` the outcome is unknown, unless the server itself refused the commit.
    """
    failure = _timed_out(name) if isinstance(error, TimeoutError) else translate(error) or _lost(error, name)
    if committing and (failure is None or not failure.refused):
        return Failure(
            OutcomeUnknown(
                f"{name} was lost while it committed ({describe(error)}): the write may be there or not."
                " Send it again with the same idempotency key."
            )
        )
    return failure


def _timed_out(name: str) -> Failure:
    return Failure(StoreUnavailable(f"{name} does not answer in time. Try again soon."))


def _lost(error: Exception, name: str) -> Failure | None:
    if not isinstance(error, OSError):
        return None
    return Failure(StoreUnavailable(f"{name} cannot do this now: {describe(error)}."), retryable=True, expire_pool=True)


@contextmanager
def translating(translate: Translate, name: str, is_committing: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Raises what failure_of() makes of an error of the driver, for work that no Executor runs."""
    try:
        yield
    except Exception as error:
        failure = failure_of(error, translate, name=name, committing=is_committing())
        if failure is None:
            raise
        raise failure.error from error


def describe(error: Exception) -> str:
    """Returns `error` in a few words, without a full stop."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).rstrip(".")
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
