"""Which of the servers of a URL takes the connection."""

from __future__ import annotations

import asyncpg

from tasksvc.network import HostRace
from tasksvc_postgresql.errors import DRIVER_ERRORS, reason
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.settings import Host, Settings

STATEMENTS = 100
"""The number of prepared statements that a session keeps."""


class HostConnector(HostRace[Host, Connection]):
    """Connects to the server that takes writes, however the others fail or hang."""

    def __init__(self, settings: Settings) -> None:
        hosts = [(str(host.get("host", "")), host) for host in settings.hosts]
        super().__init__(hosts, self._connect_to_host, errors=DRIVER_ERRORS, timeout=settings.timeout, describe=reason)
        self._settings = settings
        self._is_pooled = True
        """Whether a pooler was behind the last connection.  True at first, which does no harm where there is none."""

    async def _connect_to_host(self, host: Host) -> Connection:
        prepares = not self._is_pooled
        connection: Connection = await asyncpg.connect(
            self._settings.dsn,
            **host,
            connection_class=Connection,
            # A pooler would look for a prepared statement in a session that does not have it.
            statement_cache_size=STATEMENTS if prepares else 0,
            timeout=self._settings.timeout,
            # For what asyncpg does of its own accord, such as closing; calls have a deadline.
            command_timeout=self._settings.timeout + 1,
        )
        try:
            await connection.greet(self._settings.session)
        except BaseException:
            connection.terminate()
            raise
        self._is_pooled = connection.is_pooled
        if self._is_pooled and prepares:
            connection.terminate()
            return await self._connect_to_host(host)
        return connection
