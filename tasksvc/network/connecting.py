"""Finds the server that takes a connection: of several hosts, and after a while if none is ready yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

from tasksvc.domain.errors import StoreRefused
from tasksvc.network.failure import describe
from tasksvc.network.session import AnyConnection

CONNECTION_ATTEMPT_DELAY = 0.3
"""Seconds before the next host is tried as well, as in RFC 8305, section 5."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between the first two attempts at a store, and at most; each pause is twice the one before."""

Host = TypeVar("Host")
Opened = TypeVar("Opened")
Describe = Callable[[Exception], str]

_logger = logging.getLogger(__name__)


class NoServer(ConnectionError):
    """No host accepted a connection."""

    def __init__(self, failures: Sequence[tuple[str, Exception]], describe: Describe = describe) -> None:
        """Takes the name and the error of each host."""
        self.errors = [error for _, error in failures]
        """The error of each host."""
        super().__init__(
            "; ".join(f"{host}: {describe(error)}" if host else describe(error) for host, error in failures)
        )


class HostRace(Generic[Host, AnyConnection]):
    """Connects to the first host that accepts, however the others fail or hang.

    The hosts are tried in their order, each one shortly after the one before, or as soon as that has failed.  The
    one that accepted is tried first the next time.
    """

    def __init__(
        self,
        hosts: Sequence[tuple[str, Host]],
        connect: Callable[[Host], Awaitable[AnyConnection]],
        *,
        errors: tuple[type[Exception], ...],
        timeout: float,
        describe: Describe = describe,
    ) -> None:
        """Takes the hosts with their names for messages, and `connect`, whose `errors` mean that a host has failed."""
        self._hosts, self._connect = list(hosts), connect
        self._errors, self._timeout, self._describe = errors, timeout, describe

    async def connect(self) -> AnyConnection:
        """Returns a new connection.  Raises NoServer, and TimeoutError after `timeout` seconds."""
        failures: list[tuple[str, Exception]] = []
        hosts = iter(list(self._hosts))
        racing: dict[asyncio.Task[AnyConnection], tuple[str, Host]] = {}
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    self._start_next(hosts, racing)
                    if not racing:
                        raise NoServer(failures, self._describe)
                    waiting = CONNECTION_ATTEMPT_DELAY if len(racing) + len(failures) < len(self._hosts) else None
                    done, _ = await asyncio.wait(racing, timeout=waiting, return_when=asyncio.FIRST_COMPLETED)
                    for attempt in done:
                        host = racing.pop(attempt)
                        try:
                            connection = attempt.result()
                        except self._errors as error:
                            failures.append((host[0], error))
                        else:
                            self._hosts.remove(host)
                            self._hosts.insert(0, host)
                            return connection
        finally:
            await _abandon(list(racing))

    def _start_next(
        self, hosts: Iterator[tuple[str, Host]], racing: dict[asyncio.Task[AnyConnection], tuple[str, Host]]
    ) -> None:
        if (host := next(hosts, None)) is not None:
            racing[asyncio.ensure_future(self._connect_to(host[1]))] = host

    async def _connect_to(self, host: Host) -> AnyConnection:
        return await self._connect(host)


async def _abandon(attempts: Sequence[asyncio.Task[AnyConnection]]) -> None:
    """Cancels `attempts`, and drops the connections of those that succeeded meanwhile."""
    for attempt in attempts:
        attempt.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            outcome.terminate()


async def wait_for_server(
    attempt: Callable[[], Awaitable[Opened]],
    *,
    name: str,
    timeout: float,
    errors: tuple[type[Exception], ...],
    refusal: Callable[[Exception], str | None],
    describe: Describe = describe,
) -> Opened:
    """Returns what `attempt` returns.  It is called again while it raises one of `errors`, for `timeout` seconds.

    `refusal` returns what to do about an error that another attempt would not repair, such as a wrong password, and
    None for others.  Raises StoreRefused, with the reason, where the store `name` can't be used.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    pause = FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except errors as error:
            if (advice := refusal(error)) is not None:
                raise StoreRefused(f"{name} refuses: {describe(error)}. {advice}") from error
            if loop.time() + pause > end:
                raise StoreRefused(
                    f"{name} cannot be used, {timeout:g} s after the first attempt: {describe(error)}."
                    " Start the server, or correct the URL."
                ) from error
            if pause == FIRST_PAUSE:
                _logger.warning(
                    "%s cannot be used yet: %s. It is tried again for %g s.", name, describe(error), timeout
                )
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
