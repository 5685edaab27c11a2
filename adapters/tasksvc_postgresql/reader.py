"""Reads and checks a store for operators, also while other processes serve it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from tasksvc import StoreClosed, StoreEntry, StoreReader
from tasksvc_postgresql.check import check
from tasksvc_postgresql.dump import dump
from tasksvc_postgresql.errors import translating_errors
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.hosts import HostConnector
from tasksvc_postgresql.migrating import require_current_schema
from tasksvc_postgresql.opening import prepare
from tasksvc_postgresql.settings import Settings


class PostgreSQLReader(StoreReader):
    """Dumps and checks a store, each on a connection beside all others."""

    def __init__(self, connector: HostConnector, settings: Settings) -> None:
        self._connector, self._settings = connector, settings
        self._beside: set[Connection] = set()
        """The connections of work that takes long."""
        self._closed = False

    async def dump(self) -> AsyncIterator[StoreEntry]:
        async with self._connected() as connection:
            async for entry in dump(connection, self._settings.name):
                yield entry

    async def check(self) -> Sequence[str]:
        async with self._connected() as connection:
            return [problem async for problem in check(connection, self._settings.name)]

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        """Opens a connection for work that takes long, until the store is closed."""
        self._check_open()
        with translating_errors(self._settings.name):
            connection = await self._connector.connect()
        self._beside.add(connection)
        try:
            yield connection
        finally:
            self._beside.discard(connection)
            connection.terminate()

    async def close(self) -> None:
        self._closed = True
        for connection in self._beside:
            connection.terminate()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("The store is closed.")


async def open_to_read(settings: Settings) -> PostgreSQLReader:
    """Opens an existing store with the schema of this version for reading.  Raises StoreRefused."""
    connector = HostConnector(settings)
    connection = await prepare(connector, settings, require_current_schema)
    connection.terminate()
    return PostgreSQLReader(connector, settings)
