"""Sends messages to the targets of webhooks, and says what came of it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tasksvc_webhooks.addresses import InvalidURL, Networks, check_url, is_allowed, refusal_of_address
from tasksvc_webhooks.lookups import Lookup, Lookups
from tasksvc_webhooks.signing import sign

if TYPE_CHECKING:
    from ssl import SSLContext

RETRY_AFTER_MAX: Final = 86_400.0
"""Seconds that a Retry-After may ask for; a longer one counts as this."""
KEEP_ALIVE_SECONDS: Final = 4.0
"""Seconds that an idle connection is kept; many servers close theirs after 5."""
LOOKUPS_MAX: Final = 200
"""Threads that look names up: twice the requests in flight, since a lookup can outlive its request."""


class Target(NamedTuple):
    """Where a message goes."""

    url: str
    secrets: Sequence[str]
    """Each of them signs."""


class Message(NamedTuple):
    """What is sent."""

    id: str
    at: datetime
    """The time of this attempt, since receivers refuse messages that are minutes old."""
    body: bytes
    """JSON."""
    workspace: str


class Outcome(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    """The answer was 2xx."""
    REFUSED = "refused"
    """The answer was another one, redirects included."""
    GONE = "gone"
    """The answer was 410: the target wants no more messages."""
    UNREACHABLE = "unreachable"
    """There was no complete answer: the lookup, the connection, TLS or HTTP failed."""
    TIMED_OUT = "timed_out"
    """There was no complete answer in time."""
    FORBIDDEN = "forbidden"
    """Nothing was sent, since the URL or every address that it leads to is refused."""


class Attempt(NamedTuple):
    """An attempt to deliver a message."""

    outcome: Outcome
    status: int | None
    """The status of the answer, if one began."""
    detail: str
    """A sentence for the webhook's owner, with no secret, no address and no part of the URL."""
    seconds: float
    retry_after: float | None
    """Seconds that the target wants the next attempt to wait, from 0 to RETRY_AFTER_MAX."""


class _Connecting:
    """What happens while the connection of a request is made."""

    def __init__(self, *, plain: bool) -> None:
        self.plain = plain
        """Whether the scheme is http."""
        self.refused: str | None = None
        """What an address was that was refused."""
        self.tried = False
        """Whether there was an address that wasn't."""
        self.reused = False
        """Whether the connection had a request before."""


_connecting: ContextVar[_Connecting] = ContextVar("_connecting")


class _AddressRefused(OSError):
    """Nothing may be sent to the address."""


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


class Sender:
    """Sends messages over connections that it keeps for a while.

    Every socket is checked against the address that it is about to be connected to, so it doesn't matter what a name
    led to when it was looked up before.
    """

    def __init__(
        self,
        allowed: Networks,
        *,
        timeout: float = 15.0,
        answer_max: int = 65_536,
        user_agent: str,
        look_up: Lookup | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        """Takes the networks that messages may be sent to although they aren't public, and in plain http too.

        `timeout` is in seconds, for a whole request from the lookup to the end of the answer.  `answer_max` is in
        bytes.  `tls` replaces the default, which trusts what the system trusts.
        """
        self._allowed, self._timeout, self._answer_max = allowed, timeout, answer_max
        self._user_agent, self._tls = user_agent, tls
        self._look_up = look_up or Lookups(LOOKUPS_MAX)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, target: Target, message: Message) -> Attempt:
        """Sends a message once, and returns what came of it; no error but CancelledError is raised.

        Only the status of a complete answer decides.  Of a longer answer than `answer_max` the rest isn't read.
        """
        began = time.monotonic()
        outcome, status, detail, retry_after = await self._send(target, message)
        return Attempt(outcome, status, detail, time.monotonic() - began, retry_after)

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, target: Target, message: Message) -> tuple[Outcome, int | None, str, float | None]:
        status: int | None = None
        connecting = _Connecting(plain=False)
        try:
            url = check_url(target.url, self._allowed)
            headers = self._headers(target, message)
            async with asyncio.timeout(self._timeout):
                while True:
                    connecting = _Connecting(plain=url.startswith("http:"))
                    _connecting.set(connecting)
                    try:
                        async with self._opened().post(
                            url, data=message.body, headers=headers, allow_redirects=False
                        ) as response:
                            status = response.status
                            await self._read(response)
                            return (*_judge(status), None if response.ok else _retry_after(response))
                    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                        # The target may have closed an idle connection just now.
                        if status is not None or not connecting.reused:
                            raise
        except InvalidURL as error:
            return Outcome.FORBIDDEN, None, str(error), None
        except TimeoutError:
            return Outcome.TIMED_OUT, status, f"There was no complete answer within {self._timeout:g} s.", None
        except Exception as error:
            if connecting.refused and not connecting.tried:
                return Outcome.FORBIDDEN, None, f"The host is {connecting.refused}, to which nothing is sent.", None
            return Outcome.UNREACHABLE, status, _describe(error), None

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        """Reads the answer, so that its connection can be used again; closes the connection if it is too long."""
        left = self._answer_max
        while left > 0 and (chunk := await response.content.readany()):
            left -= len(chunk)
        if left <= 0:
            response.close()

    def _headers(self, target: Target, message: Message) -> dict[str, str]:
        timestamp = int(message.at.timestamp())
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "Webhook-Id": message.id,
            "Webhook-Timestamp": str(timestamp),
            "Webhook-Signature": sign(target.secrets, message.id, timestamp, message.body),
            "Tasksvc-Workspace": message.workspace,
        }

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_note_reuse)
            connector = aiohttp.TCPConnector(
                resolver=_Resolver(self._look_up),
                use_dns_cache=False,
                socket_factory=self._socket,
                ssl=True if self._tls is None else self._tls,
                keepalive_timeout=KEEP_ALIVE_SECONDS,
                limit=0,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding",),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trace_configs=[trace],
            )
        return self._session

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Returns a socket for the address that it will be connected to next.  Raises _AddressRefused."""
        family, kind, protocol, _, (host, *_) = info
        connecting = _connecting.get()
        address = ip_address(host)
        refused = refusal_of_address(address, self._allowed)
        if refused is None and connecting.plain and not is_allowed(address, self._allowed):
            refused = "an address that is reached over https alone"
        if refused is not None:
            connecting.refused = refused
            raise _AddressRefused(refused)
        connecting.tried = True
        return socket.socket(family, kind, protocol)


async def _note_reuse(*_: object) -> None:
    _connecting.get().reused = True


def _judge(status: int) -> tuple[Outcome, int, str]:
    if 200 <= status < 300:
        return Outcome.DELIVERED, status, f"The answer was {status}."
    if status == 410:
        return Outcome.GONE, status, "The answer was 410: the target wants no more messages."
    if 300 <= status < 400:
        return Outcome.REFUSED, status, f"The answer was {status}, and redirects aren't followed."
    return Outcome.REFUSED, status, f"The answer was {status}."


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Returns the seconds that Retry-After asks for (RFC 9110, section 10.2.3); None if it doesn't, or isn't valid."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]+", text, re.ASCII):
        return min(float(text), RETRY_AFTER_MAX)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:  # "-0000", or no zone at all
        until = until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), RETRY_AFTER_MAX)


def _describe(error: Exception) -> str:
    """Returns why there was no complete answer.  The messages of aiohttp's errors have hosts and addresses in them."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "The host's name can't be resolved."
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "") or "it can't be verified"
            return f"The host's certificate isn't trusted: {reason}."
        case aiohttp.ClientSSLError():
            return "The TLS handshake failed."
        case aiohttp.ClientConnectorError(os_error=OSError(errno=int() as number)):
            return f"The host can't be connected to: {os.strerror(number)}."
        case aiohttp.ClientConnectorError():
            return "The host can't be connected to."
        case aiohttp.ClientResponseError():
            return "The answer isn't valid HTTP."
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return "The connection ended before the answer was complete."
        case _:
            return f"The request failed ({type(error).__name__})."
