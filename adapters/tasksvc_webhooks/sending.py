"""Sends messages to the targets of webhooks, and tells the result."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp

from tasksvc_webhooks.addresses import InvalidURL, Networks, check_url
from tasksvc_webhooks.connecting import Exchange, exchange, open_session
from tasksvc_webhooks.lookups import Lookup, Lookups
from tasksvc_webhooks.signing import sign

if TYPE_CHECKING:
    from ssl import SSLContext

RETRY_AFTER_MAX: Final = 86_400.0
"""Seconds that a Retry-After may ask for; a longer one counts as this."""
LOOKUPS_MAX: Final = 200
"""Threads that look names up: twice the requests in flight, since a lookup can outlive its request."""


class Target(NamedTuple):
    """Where a message goes."""

    url: str
    secrets: Sequence[str]
    """Each of them signs."""


class Message(NamedTuple):
    """A message to one target."""

    id: str
    at: datetime
    """The time of this attempt, since receivers refuse messages that are minutes old."""
    body: bytes
    """The document, as JSON."""
    workspace: str


class Outcome(StrEnum):
    """The result of an attempt."""

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
        bytes, the head of the answer included.  `tls` replaces the default, which trusts what the system trusts.
        """
        self._allowed, self._timeout, self._answer_max = allowed, timeout, answer_max
        self._user_agent, self._tls = user_agent, tls
        self._look_up = look_up or Lookups(LOOKUPS_MAX)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, target: Target, message: Message) -> Attempt:
        """Sends a message once, and returns the result; no error but CancelledError is raised.

        The status of the answer decides once the answer is complete, or longer than `answer_max`.
        """
        began = time.monotonic()
        status: int | None = None
        retry_after: float | None = None
        try:
            url = check_url(target.url, self._allowed)
            async with asyncio.timeout(self._timeout), await self._post(url, target, message) as response:
                status = response.status
                retry_after = None if _is_success(status) else _retry_after(response.headers.get("Retry-After", ""))
                await _drain(response)
            outcome, detail = _judge(status)
        except InvalidURL as error:
            outcome, detail = Outcome.FORBIDDEN, str(error)
        except TimeoutError:
            outcome, detail = Outcome.TIMED_OUT, f"There was no complete answer within {self._timeout:g} s."
        except Exception as error:
            outcome, detail = _failure(error)
        return Attempt(outcome, status, detail, time.monotonic() - began, retry_after)

    async def close(self) -> None:
        """Closes all connections to targets."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, url: str, target: Target, message: Message) -> aiohttp.ClientResponse:
        """Sends a message, and returns the answer as soon as its head is there.

        If the target closes a connection that had a request before, it may have done so before this one came, as
        servers do with idle connections.  Then the message is sent again over another.
        """
        if self._session is None:
            self._session = open_session(self._allowed, self._look_up, self._tls)
        headers = self._headers(target, message)
        while True:
            current = Exchange(plain=url.startswith("http:"), answer_max=self._answer_max)
            exchange.set(current)
            try:
                return await self._session.post(url, data=message.body, headers=headers, allow_redirects=False)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not current.reused or current.cut:
                    raise

    def _headers(self, target: Target, message: Message) -> dict[str, str]:
        timestamp = int(message.at.timestamp())
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(target.secrets, message.id, timestamp, message.body),
            "tasksvc-workspace": message.workspace,
        }


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Reads the rest of an answer, so that its connection can be used again."""
    try:
        async for _ in response.content.iter_any():
            pass
    except aiohttp.ClientError:
        if not exchange.get().cut:
            raise


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _judge(status: int) -> tuple[Outcome, str]:
    """Returns the result of an attempt that was answered, and the sentence that says so."""
    if _is_success(status):
        return Outcome.DELIVERED, f"The answer was {status}."
    if status == 410:
        return Outcome.GONE, "The answer was 410: the target wants no more messages."
    if 300 <= status < 400:
        return Outcome.REFUSED, f"The answer was {status}, and redirects aren't followed."
    return Outcome.REFUSED, f"The answer was {status}."


def _failure(error: Exception) -> tuple[Outcome, str]:
    """Returns the result of an attempt whose request failed, and the sentence that says so."""
    current = exchange.get(None)
    if current is not None and current.refused and not current.tried:
        return Outcome.FORBIDDEN, f"The host is {current.refused}, to which no webhook may be sent."
    if current is not None and current.cut:
        return Outcome.UNREACHABLE, "The answer is too long."
    return Outcome.UNREACHABLE, _describe(error)


def _retry_after(text: str) -> float | None:
    """Returns the seconds that Retry-After asks for (RFC 9110, section 10.2.3); None if it isn't there or valid."""
    if re.fullmatch("[0-9]+", text, re.ASCII):
        return min(float(text), RETRY_AFTER_MAX)
    try:
        until = parsedate_to_datetime(text)
        if until.tzinfo is None:  # the zone of asctime(), which is GMT too
            until = until.replace(tzinfo=UTC)
        return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), RETRY_AFTER_MAX)
    except (ValueError, OverflowError):
        return None


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
