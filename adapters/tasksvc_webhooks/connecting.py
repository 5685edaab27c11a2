"""Connections to the targets of webhooks: each socket is checked, and each answer is cut where it gets too long."""

from __future__ import annotations

import asyncio
import socket
from contextvars import ContextVar
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tasksvc_webhooks.addresses import Networks, is_allowed, refusal_of_address
from tasksvc_webhooks.lookups import Lookup

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp.connector import Connection

KEEP_ALIVE_SECONDS: Final = 4.0
"""Seconds that an idle connection is kept; many servers close theirs after 5."""


class Exchange:
    """A request and its answer, as far as they concern the connection."""

    def __init__(self, *, plain: bool, answer_max: int) -> None:
        """Takes whether the scheme is http, and how many bytes of the answer are read, its head included."""
        self.plain = plain
        self.left = answer_max
        """Bytes that may still be read."""
        self.refused: str | None = None
        """What an address was that was refused."""
        self.tried = False
        """Whether there was an address that wasn't."""
        self.reused = False
        """Whether the connection had a request before."""
        self.cut = False
        """Whether the answer was too long.  Its connection has been closed then."""


exchange: Final[ContextVar[Exchange]] = ContextVar("exchange")
"""The one that the current task is at."""


def open_session(allowed: Networks, look_up: Lookup, tls: SSLContext | None) -> aiohttp.ClientSession:
    """Returns a session whose requests need an `exchange`.

    It takes nothing from the environment, no proxies or passwords, and keeps no cookies.  It has no timeouts.
    """

    def checked_socket(info: tuple[Any, ...]) -> socket.socket:
        """Returns a socket for the address that it is about to be connected to.  Raises OSError if that is refused."""
        family, kind, protocol, _, (host, *_) = info
        current, address = exchange.get(), ip_address(host)
        refused = refusal_of_address(address, allowed)
        if refused is None and current.plain and not is_allowed(address, allowed):
            refused = "an address that is reached over https alone"
        if refused is not None:
            current.refused = refused
            raise PermissionError(refused)
        current.tried = True
        return socket.socket(family, kind, protocol)

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    connector = aiohttp.TCPConnector(
        resolver=_Resolver(look_up),
        use_dns_cache=False,
        socket_factory=checked_socket,
        ssl=True if tls is None else tls,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        limit=0,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=("Accept-Encoding",),
        response_class=_BoundedResponse,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        trace_configs=[trace],
    )


async def _note_reuse(*_: object) -> None:
    exchange.get().reused = True


class _Resolver(AbstractResolver):
    """Looks names up for aiohttp."""

    def __init__(self, look_up: Lookup) -> None:
        self._look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._look_up(host)
        ]

    async def close(self) -> None:
        pass


class _BoundedResponse(aiohttp.ClientResponse):
    """An answer whose connection is closed when it gets too long.

    aiohttp reads on without end before the head of the answer (interim answers, empty lines) and between the chunks of
    its body (extensions), which costs a busy loop as long as a fast target likes to send.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        transport = connection.transport
        if transport is not None:  # otherwise the connection has ended already
            protocol = cast("asyncio.Protocol", transport.get_protocol())
            meter = protocol if isinstance(protocol, _Meter) else _Meter(protocol, transport)
            meter.exchange = exchange.get()
            transport.set_protocol(meter)
        return await super().start(connection)


class _Meter(asyncio.Protocol):
    """Stands between a transport and its protocol, and counts what is received."""

    exchange: Exchange

    def __init__(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._protocol, self._transport = protocol, transport

    def data_received(self, data: bytes) -> None:
        current = self.exchange
        if current.cut:
            return
        current.cut = len(data) > current.left
        self._protocol.data_received(data[: current.left])
        current.left -= len(data)
        if current.cut:
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()
