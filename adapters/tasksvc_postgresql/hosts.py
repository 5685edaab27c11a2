"""Which of the servers of a URL takes the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg

from tasksvc_postgresql.errors import DRIVER_ERRORS, NoServer
from tasksvc_postgresql.greeting import Connection
from tasksvc_postgresql.settings import Host, Settings

STATEMENTS = 100
"""The number of prepared statements that a session keeps."""
CONNECTION_ATTEMPT_DELAY = 0.3
"""Seconds before the next server is tried as well, as in RFC 8305, section 5."""


class HostConnector:
    """Connects to the server that takes writes, however the others fail or hang."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts = list(settings.hosts)
        self._is_pooled = True
        """Whether a pooler was behind the last connection.  True at first, which does no harm where there is none."""

    async def connect(self) -> Connection:
        """A new connection.  Raises NoServer, and TimeoutError after the timeout of a call."""
        failures: list[tuple[str, Exception]] = []
        hosts = iter(list(self._hosts))
        racing: dict[asyncio.Task[Connection], Host] = {}
        try:
            async with asyncio.timeout(self._settings.timeout):
                while True:
                    self._start_next(hosts, racing)
                    if not racing:
                        raise NoServer(failures)
                    waiting = CONNECTION_ATTEMPT_DELAY if len(racing) + len(failures) < len(self._hosts) else None
                    done, _ = await asyncio.wait(racing, timeout=waiting, return_when=asyncio.FIRST_COMPLETED)
                    for attempt in done:
                        host = racing.pop(attempt)
                        try:
                            connection = attempt.result()
                        except DRIVER_ERRORS as error:
                            failures.append((str(host.get("host", "")), error))
                        else:
                            self._hosts.remove(host)
                            self._hosts.insert(0, host)
                            return connection
        finally:
            await _abandon(list(racing))

    def _start_next(self, hosts: Iterator[Host], racing: dict[asyncio.Task[Connection], Host]) -> None:
        if (host := next(hosts, None)) is not None:
            racing[asyncio.create_task(self._connect_to(host))] = host

    async def _connect_to(self, host: Host) -> Connection:
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
            return await self._connect_to(host)
        return connection


async def _abandon(attempts: list[asyncio.Task[Connection]]) -> None:
    """Cancels `attempts`, and drops the connections of those that succeeded meanwhile."""
    for attempt in attempts:
        attempt.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            outcome.terminate()
