"""The statements of one attempt at some work, on one connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasksvc.network import Session as NetworkSession
from tasksvc.sql import Row
from tasksvc_postgresql.greeting import READ_COMMITTED, Connection

UNSYNCED = "set_config('synchronous_commit', 'off', true)"
"""What is joined to a statement whose transaction, of this statement alone, waits for no disk and no standby."""


class Session(NetworkSession[Connection]):
    """The statements of one attempt at some work."""

    def __init__(self, connection: Connection, *, timeout: float | None = None) -> None:
        """Takes `timeout`: seconds for each statement, if the work as a whole has no deadline."""
        super().__init__(connection)
        self._timeout = timeout

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Returns the rows of a statement that writes nothing, or that is part of a transaction."""
        begins = self.connection.is_pooled and not self.connection.is_in_transaction()
        if begins:
            await self.begin()
        rows: list[Any] = await self.connection.fetch(statement, *values, timeout=self._timeout)
        if begins:
            await self.execute("COMMIT")
        return rows

    async def execute(self, statements: str) -> str:
        """Executes statements without values, in one round trip.  Returns the command tag of the last one."""
        tag: str = await self.connection.execute(statements, timeout=self._timeout)
        return tag

    async def copy(self, table: str, columns: str, rows: Sequence[Row]) -> None:
        """Inserts rows into a table with COPY."""
        await self.connection.copy_records_to_table(
            table, columns=columns.split(", "), records=rows, timeout=self._timeout
        )

    async def write_alone(self, statement: str, *values: Any) -> list[Any]:
        """Returns the rows of a statement that writes and is a transaction of its own."""
        if self.connection.is_pooled:
            await self.begin()
            rows = await self.fetch(statement, *values)
            await self.commit()
            return rows
        written: list[Any] = await self.commit_with(
            lambda: self.connection.fetch(statement, *values, timeout=self._timeout)
        )
        return written

    async def begin(self, statements: str = "", *, mode: str = READ_COMMITTED) -> str:
        """Begins a transaction with `statements`, in one round trip.  Returns the command tag of the last one."""
        return await self.execute(f"{self.connection.begin(mode)}; {statements}")

    async def commit(self) -> None:
        """Commits the transaction that begin() began."""
        await self.commit_with(lambda: self.execute("COMMIT"))
