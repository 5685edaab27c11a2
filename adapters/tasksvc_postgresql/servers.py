"""Which of the servers of a URL takes the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg

from tasksvc_postgresql.failures import DRIVER_ERRORS, NoServer
from tasksvc_postgresql.settings import Host, Settings

HEAD_START = 0.3
"""Seconds that a server has to itself before the next one is tried as well."""


class Servers:
    """Connects to the server that takes writes, however the others fail or hang."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts = list(settings.hosts)

    async def connect(self) -> asyncpg.Connection:
        """A new connection.  Raises NoServer, and TimeoutError after the timeout of a call."""
        failures: list[tuple[str, Exception]] = []
        hosts = iter(list(self._hosts))
        racing: dict[asyncio.Task[asyncpg.Connection], Host] = {}
        try:
            async with asyncio.timeout(self._settings.timeout):
                while True:
                    self._start_next(hosts, racing)
                    if not racing:
                        raise NoServer(failures)
                    waiting = HEAD_START if len(racing) + len(failures) < len(self._hosts) else None
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

    def _start_next(self, hosts: Iterator[Host], racing: dict[asyncio.Task[asyncpg.Connection], Host]) -> None:
        if (host := next(hosts, None)) is not None:
            racing[asyncio.create_task(self._connect_to(host))] = host

    async def _connect_to(self, host: Host) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._settings.dsn,
            **host,
            server_settings=self._settings.session,
            timeout=self._settings.timeout,
            # For what asyncpg does of its own accord, such as closing; calls have a deadline.
            command_timeout=self._settings.timeout + 1,
        )


async def _abandon(attempts: list[asyncio.Task[asyncpg.Connection]]) -> None:
    """Cancels `attempts`, and drops the connections of those that succeeded meanwhile."""
    for attempt in attempts:
        attempt.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            outcome.terminate()
