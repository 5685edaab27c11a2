"""A connection of a pool, and one attempt at some work on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

Result = TypeVar("Result")


class Connection(Protocol):
    """What a pool and an Executor need of a driver's connection."""

    def is_closed(self) -> bool:
        """Returns whether it is known that the connection is lost.  It costs nothing and asks nobody."""

    def terminate(self) -> None:
        """Drops the connection at once, without a word to the server.  A second time it does nothing."""

    async def close(self) -> None:
        """Takes leave of the server, and drops the connection."""

    async def roll_back(self) -> None:
        """Rolls back the transaction, if one is open.  The connection is as new then."""

    async def settle(self) -> None:
        """Returns when a statement whose caller was cancelled has ended at the server.

        A driver whose connection can't be used after that calls terminate() here.
        """


AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Session(Generic[AnyConnection]):
    """A connection for one attempt at some work, which knows whether the attempt is committing.

    An adapter may subclass it to add the statements of its driver.
    """

    def __init__(self, connection: AnyConnection) -> None:
        self.connection = connection
        self.committing = False
        """Whether the transaction may be committed by now, even if the connection is lost."""

    async def commit_with(self, send: Callable[[], Awaitable[Result]]) -> Result:
        """Returns what `send` returns, which commits.  The outcome of the attempt is unknown until it returns.

        Raises ConnectionError where the connection was lost before.
        """
        if self.connection.is_closed():
            raise ConnectionError("the connection was lost")
        self.committing = True
        result = await send()
        self.committing = False
        return result
