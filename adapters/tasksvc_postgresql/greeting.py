"""What is settled while a connection is new: whether a session of the server belongs to it, and what that is set to.

Behind a connection pooler such as PgBouncer each transaction may run in another session, which other
clients use before and after.  So nothing is set there for longer than a transaction, and nothing is
assumed to be set.
"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg

READ_COMMITTED = "ISOLATION LEVEL READ COMMITTED"
"""Each statement sees what was committed before it."""
SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""All statements see the store as it is at one moment."""

_NO_ROWS = "SELECT 0"
"""The command tag of a SELECT that found nothing."""


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that knows how its transactions begin."""

    is_pooled = False
    """A pooler stands between this process and the server."""
    _local = ""
    """What sets each transaction as it should be."""

    async def greet(self, settings: Mapping[str, str]) -> None:
        """Applies `settings` to the session, or to each transaction, if a pooler gives each one another session.

        A pooler shows in that it gives its own process id in place of the server's, so both are
        compared by the statement that sets.  It goes by the simple query protocol, which every
        pooler lets through, and of whose answer asyncpg gives the command tag alone.
        """
        tag = await self.execute(_set(settings, f"pg_backend_pid() = {self.get_server_pid()}", local=False))
        if tag == _NO_ROWS:
            self.is_pooled, self._local = True, _set(settings, "true", local=True)

    def begin(self, mode: str) -> str:
        """The statements that begin a transaction: READ_COMMITTED, or a SNAPSHOT."""
        return f"BEGIN {mode}; {self._local}"

    async def roll_back(self) -> None:
        """Rolls back the transaction, if one is open."""
        if self.is_in_transaction():
            await self.execute("ROLLBACK")

    async def settle(self) -> None:
        """Returns when a cancelled statement has ended at the server, which asyncpg has asked for that."""
        # asyncpg sends it when the server has heard of the cancellation, which may end this at most.
        await self.execute("SELECT")


def _set(settings: Mapping[str, str], condition: str, *, local: bool) -> str:
    """The statement that applies `settings` where `condition` holds; its tag says how many there were."""
    rows = ", ".join(f"({literal(name)}, {literal(value)})" for name, value in settings.items())
    return (
        f"SELECT set_config(name, value, {local}) FROM (VALUES {rows}) AS setting (name, value) WHERE {condition}"
        # What is acknowledged must be on disk, but the server may ask for more than this disk.
        " AND (name <> 'synchronous_commit' OR current_setting('synchronous_commit') = 'off')"
    )


def literal(text: str) -> str:
    """Returns a string constant that means the same whatever standard_conforming_strings is."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
