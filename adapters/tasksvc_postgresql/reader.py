"""What operators do with a store while others serve it: reading all of it, checking it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from tasksvc import Entry, StoreReader
from tasksvc_postgresql.check import check
from tasksvc_postgresql.dump import dump
from tasksvc_postgresql.errors import in_our_words
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.hosts import Servers
from tasksvc_postgresql.migrating import require
from tasksvc_postgresql.opening import prepare
from tasksvc_postgresql.settings import Settings


class PostgreSQLReader(StoreReader):
    """A store that is there.  Its sessions cannot write."""

    def __init__(self, servers: Servers, settings: Settings) -> None:
        self._servers, self._name = servers, settings.name

    async def dump(self) -> AsyncIterator[Entry]:
        async with self._connected() as connection:
            async for entry in dump(connection, self._name):
                yield entry

    async def check(self) -> Sequence[str]:
        async with self._connected() as connection:
            return [problem async for problem in check(connection, self._name)]

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        with in_our_words(self._name):
            connection = await self._servers.connect()
        try:
            yield connection
        finally:
            connection.terminate()

    async def close(self) -> None:
        """Does nothing: each call has a connection of its own."""


async def open_to_read(settings: Settings) -> PostgreSQLReader:
    """The store that is there already, at the schema of this version.  Raises StoreRefused."""
    servers = Servers(settings)
    connection = await prepare(servers, settings, require)
    connection.terminate()
    return PostgreSQLReader(servers, settings)
