"""What is kept of those who send requests: their rate, and the streams that they have open."""

from __future__ import annotations

import math
import time
from typing import Protocol, runtime_checkable

from aiohttp import hdrs, web

from tasksvc.api.pipeline.rate_limit import RateLimits
from tasksvc.api.responses.problems import TooManyRequests
from tasksvc.application.callers import EVERYBODY, Caller
from tasksvc.domain.rules import BY_MAX


class Login(Protocol):
    """A way in which clients show who they are."""

    async def renewed(self, caller: Caller) -> Caller | None:
        """Returns the caller as they are now; None if they may do nothing any more.

        It's asked for a stream about twice a second.
        """


@runtime_checkable
class RequestLogin(Login, Protocol):
    """A way in which clients show who they are that looks at whatever a request has."""

    async def authenticate(self, request: web.BaseRequest) -> Caller | None:
        """Returns who sends `request`; None if this way doesn't know, so that others are tried.

        The `key` of a caller distinguishes them from the callers of all other ways.  Raises RequestError.
        """


class Client:
    """What is counted for the callers with one key, or for everybody at one address where requests need no token."""

    def __init__(self, login: Login | None, rate_limits: RateLimits) -> None:
        """Takes the way in which the callers come; None for everybody."""
        self.login = login
        self._rate_limits = rate_limits
        self._left = float(rate_limits.burst)
        self._counted = time.monotonic()
        self._streams = 0

    def check_rate(self) -> None:
        """Counts a request against the rate limit.  Raises TooManyRequests."""
        rate, burst = self._rate_limits.rate, self._rate_limits.burst
        if rate is None:
            return
        moment = time.monotonic()
        self._left = min(float(burst), self._left + (moment - self._counted) * rate)
        self._counted = moment
        if self._left < 1:
            wait = math.ceil((1 - self._left) / rate)
            raise TooManyRequests(
                f"At most {rate:g} requests a second are allowed, {burst} at once. Try again in {wait} s.",
                headers={"Retry-After": str(wait), **dict(self.limit_headers())},
            )
        self._left -= 1

    def limit_headers(self) -> tuple[tuple[str, str], ...]:
        """Returns the headers of the rate limit (draft-ietf-httpapi-ratelimit-headers), or none without a limit."""
        rate, burst = self._rate_limits.rate, self._rate_limits.burst
        if rate is None:
            return ()
        return (
            ("RateLimit-Policy", f'"requests";q={burst};w={math.ceil(burst / rate)}'),
            ("RateLimit", f'"requests";r={int(self._left)};t={math.ceil((burst - self._left) / rate)}'),
        )

    def open_stream(self, count: int) -> None:
        """Counts a streamed response, as `count`, until close_stream().  Raises TooManyRequests."""
        if self._streams + count > self._rate_limits.streams:
            raise TooManyRequests(
                f"At most {self._rate_limits.streams} streams and lists at once are allowed."
                " Read one to its end, or close one.",
                headers={"Retry-After": "1"},
            )
        self._streams += count

    def close_stream(self, count: int) -> None:
        """Stops counting a response that open_stream() counted."""
        self._streams -= count


CLIENT: web.RequestKey[Client] = web.RequestKey("client", Client)
"""Holds what is counted for the caller of a request."""
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
"""Holds who sent a request, as they were when it was authorized."""


BEARER = "bearer "


def bearer_of(request: web.BaseRequest) -> str | None:
    """Returns the secret that came as Authorization: Bearer (RFC 6750, section 2.1); None if there isn't just one."""
    given = request.headers.getall(hdrs.AUTHORIZATION, ())
    if len(given) != 1 or given[0][: len(BEARER)].lower() != BEARER:
        return None
    return given[0][len(BEARER) :].strip()


def caller_of(request: web.BaseRequest) -> Caller:
    """Returns who sent a request that was authorized."""
    caller: Caller = request.get(CALLER, EVERYBODY)
    return caller


def name_of(request: web.BaseRequest) -> str | None:
    """Returns the name of who sent a request, as the change log keeps it; None for everybody."""
    name = caller_of(request).name
    return None if name is None else name[:BY_MAX]
