"""Authentication with bearer tokens and what a token may do (RFC 6750)."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from enum import Enum

from aiohttp import hdrs, web

from tasksvc.api.observability.redaction import names_token
from tasksvc.api.pipeline.peers import Peers
from tasksvc.api.pipeline.rate_limit import RateLimits
from tasksvc.api.responses.problems import Forbidden, TokenInQuery, TooManyRequests, Unauthorized
from tasksvc.application.clock import now
from tasksvc.application.runtime import Runtime
from tasksvc.application.tokens import Scope, Token, ensure_token, find_token, hash_secret, is_well_formed, list_tokens
from tasksvc.domain.errors import NoTokens, Overloaded

log = logging.getLogger("tasksvc")

CALLERS_MAX = 10_000
"""Callers whose state is kept.  The oldest ones are forgotten first."""
BEARER = "bearer "


class TokenPolicy(Enum):
    """Decides whether requests need a token."""

    NEVER = "never"
    WHEN_TOKENS_EXIST = "if any"
    """Requests need a token once the store holds one."""
    ALWAYS = "always"


class Caller:
    """The owner of a token; or everybody at one address, where requests need no token."""

    def __init__(self, token: Token | None, allowance: RateLimits) -> None:
        self.token = token
        self.checked = time.monotonic()
        """When the token was last seen in the store."""
        self._rate_limits = allowance
        self._left = float(allowance.burst)
        self._counted = self.checked
        self._streams = 0

    @property
    def scope(self) -> Scope:
        """Returns what the caller may do.  Nobody administers a service that is open to everybody."""
        return Scope.WRITE if self.token is None else self.token.scope

    @property
    def name(self) -> str:
        """The name of the caller in the log."""
        return "-" if self.token is None else self.token.name

    @property
    def idempotency_scope(self) -> str:
        """The scope of the caller's idempotency keys."""
        return "" if self.token is None else self.token.hash

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

    def open_stream(self) -> None:
        """Counts a streamed response until close_stream().  Raises TooManyRequests."""
        if self._streams >= self._rate_limits.streams:
            raise TooManyRequests(
                f"At most {self._rate_limits.streams} streams and lists at once are allowed."
                " Read one to its end, or close one.",
                headers={"Retry-After": "1"},
            )
        self._streams += 1

    def close_stream(self) -> None:
        """Stops counting a response that open_stream() counted."""
        self._streams -= 1


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
"""Holds who sent a request."""


class Authenticator:
    """Authenticates the callers of requests, and authorizes what they ask for."""

    def __init__(self, runtime: Runtime, peers: Peers, policy: TokenPolicy, rate_limits: RateLimits) -> None:
        self._runtime, self._peers, self._policy, self._rate_limits = runtime, peers, policy, rate_limits
        self._token_cache = runtime.timeouts.token_cache
        """Seconds for which a token that was found, or that there are none, isn't looked up again."""
        self._callers: dict[str, Caller] = {}
        self._streams = 0
        """Streams that all callers have open together."""
        self._strangers: dict[str, Caller] = {}
        """Callers without a token, by peer."""
        self.tokens_required = policy is TokenPolicy.ALWAYS
        """Whether requests need a token."""
        self._next_refresh = math.inf
        """When to ask the store again whether it holds a token by now, by time.monotonic()."""
        self._refreshing: asyncio.Future[None] | None = None

    async def start(self, admin_token: str | None = None) -> None:
        """Decides whether requests need a token, once the store is open, and stores `admin_token`.  Raises NoTokens."""
        self._callers = {}
        repository = self._runtime.repository
        keeps_tokens = self._runtime.keeps_records
        if not keeps_tokens and (self._policy is TokenPolicy.ALWAYS or admin_token is not None):
            raise NoTokens(
                f"The service requires tokens, and {self._runtime.scheme}: stores can't keep any. Use another store.",
                keeps_tokens=False,
            )
        if keeps_tokens and (admin_token is not None or self._policy is not TokenPolicy.NEVER):
            for token in await ensure_token(repository, admin_token, Scope.ADMIN, at=now()):
                log.warning(
                    "The token %s was revoked, since the file that it came from has another one or is gone.", token.name
                )
        if self._policy is TokenPolicy.NEVER or not keeps_tokens:
            return
        self.tokens_required = False
        await self._refresh()
        if self._policy is TokenPolicy.ALWAYS and not self.tokens_required:
            raise NoTokens("The service requires tokens, and the store has none.", keeps_tokens=True)

    def token_made(self) -> None:
        """Requires tokens from now on, since this service has just created one."""
        if self._policy is not TokenPolicy.NEVER:
            self.tokens_required, self._next_refresh = True, math.inf

    def token_revoked(self) -> None:
        """Reads each token again before its next request, since this service has just revoked one."""
        for caller in self._callers.values():
            caller.checked = -math.inf

    @property
    def is_needed(self) -> bool:
        """Returns whether authorize() has anything to do for scopes other than that of administrators."""
        return self.tokens_required or self._rate_limits.rate is not None or time.monotonic() >= self._next_refresh

    async def authorize(self, request: web.BaseRequest, needed: Scope) -> Caller:
        """Returns the caller of `request`, who may do what needs this scope.

        Raises Unauthorized, Forbidden, TooManyRequests.
        """
        caller = await self._authenticate(request) if await self._asks_for_token() else self._stranger(request)
        if caller.scope < needed:
            raise Forbidden(f"This needs a token with the scope {needed}.")
        caller.check_rate()
        return caller

    def caller_of(self, request: web.BaseRequest) -> Caller:
        """Returns the caller of a request that was authorized."""
        return request.get(CALLER) or self._stranger(request)

    def open_stream(self, caller: Caller) -> None:
        """Counts a streamed response until close_stream().  Raises TooManyRequests, Overloaded."""
        if self._streams >= self._runtime.limits.streams:
            raise Overloaded(
                f"The service sends {self._streams} streams and lists at once, which is all it can. Try again soon."
            )
        caller.open_stream()
        self._streams += 1

    def close_stream(self, caller: Caller) -> None:
        """Stops counting a response that open_stream() counted."""
        caller.close_stream()
        self._streams -= 1

    @property
    def counts_strangers(self) -> bool:
        """Returns whether count_stranger() has anything to do."""
        return self._rate_limits.rate is not None

    def count_stranger(self, request: web.BaseRequest) -> Caller:
        """Counts a request that needs no token for the address that it comes from.  Raises TooManyRequests."""
        stranger = self._stranger(request)
        stranger.check_rate()
        return stranger

    async def is_still_authorized(self, caller: Caller) -> bool:
        """Returns whether the caller of a long-lived request may go on."""
        if caller.token is None:
            return not await self._asks_for_token()
        return await self._is_valid(caller, caller.token)

    async def _asks_for_token(self) -> bool:
        """Returns whether requests need a token now.

        Where nobody could tell lately, everybody waits for the answer, and nobody is let in without one.
        """
        if time.monotonic() >= self._next_refresh:
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.ensure_future(self._refresh())
            await asyncio.shield(self._refreshing)  # which others may share
        return self.tokens_required

    async def _refresh(self) -> None:
        """Looks for a token in the store.  Once there was one, requests need a token until the service ends."""
        async for _ in list_tokens(self._runtime.repository):
            self.tokens_required = True
            break
        self._next_refresh = math.inf if self.tokens_required else time.monotonic() + self._token_cache

    def _stranger(self, request: web.BaseRequest) -> Caller:
        peer = self._peers.of(request.remote, request.headers)
        stranger = self._strangers.get(peer)
        if stranger is None:
            if len(self._strangers) >= CALLERS_MAX:
                del self._strangers[next(iter(self._strangers))]
            stranger = self._strangers[peer] = Caller(None, self._rate_limits)
        return stranger

    async def _authenticate(self, request: web.BaseRequest) -> Caller:
        callers = self._callers
        given = request.headers.getall(hdrs.AUTHORIZATION, ())
        if len(given) != 1 or given[0][: len(BEARER)].lower() != BEARER:
            if any(map(names_token, request.query)):
                raise TokenInQuery
            raise Unauthorized
        secret = given[0][len(BEARER) :].strip()
        if not is_well_formed(secret):
            raise Unauthorized
        secret_hash = hash_secret(secret)
        caller = callers.get(secret_hash)
        if caller is None or caller.token is None:
            token = await find_token(self._runtime.repository, secret_hash)
            if token is None or not token.is_valid(now()):
                raise Unauthorized
            while len(callers) >= CALLERS_MAX:
                del callers[next(iter(callers))]
            caller = callers[secret_hash] = callers.get(secret_hash) or Caller(token, self._rate_limits)
        elif not await self._is_valid(caller, caller.token):
            callers.pop(secret_hash, None)
            raise Unauthorized
        return caller

    async def _is_valid(self, caller: Caller, token: Token) -> bool:
        if time.monotonic() - caller.checked > self._token_cache:
            if await find_token(self._runtime.repository, token.hash) != token:
                return False
            caller.checked = time.monotonic()
        return token.is_valid(now())
