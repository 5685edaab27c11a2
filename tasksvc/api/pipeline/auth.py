"""The senders of requests, and whether they may do what they ask for (RFC 6750)."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import Enum

from aiohttp import web

from tasksvc.api.observability.redaction import names_token
from tasksvc.api.pipeline.application_login import ApplicationLogin, Identify
from tasksvc.api.pipeline.caller_watch import CallerWatch, WatchedCaller
from tasksvc.api.pipeline.clients import CLIENT, Client, Login, RequestLogin, bearer_of
from tasksvc.api.pipeline.peers import Peers
from tasksvc.api.pipeline.rate_limit import RateLimits
from tasksvc.api.pipeline.token_login import TokenLogin
from tasksvc.api.responses.problems import Forbidden, TokenInQuery, Unauthorized
from tasksvc.application.callers import EVERYBODY, Caller, Scope
from tasksvc.application.clock import now
from tasksvc.application.runtime import Runtime
from tasksvc.application.tokens import ensure_token, list_tokens
from tasksvc.domain.errors import NoTokens, Overloaded

log = logging.getLogger("tasksvc")

CLIENTS_MAX = 10_000
"""Clients of each kind whose state is kept.  The oldest ones are forgotten first."""


class TokenPolicy(Enum):
    """Decides whether requests need a token."""

    NEVER = "never"
    WHEN_TOKENS_EXIST = "if any"
    """Requests need a token once the store holds one."""
    ALWAYS = "always"


class Authenticator:
    """Authenticates who sends requests, and authorizes what they ask for."""

    def __init__(
        self,
        runtime: Runtime,
        peers: Peers,
        policy: TokenPolicy,
        rate_limits: RateLimits,
        identify: Identify | None = None,
        logins: Sequence[RequestLogin] = (),
    ) -> None:
        """Takes the ways to know callers beside tokens: `identify` is asked first, and `logins` in their order."""
        self._runtime, self._peers, self._policy, self._rate_limits = runtime, peers, policy, rate_limits
        self._tokens = TokenLogin(runtime)
        self._logins = [*([] if identify is None else [ApplicationLogin(identify)]), *logins]
        self._takes_tokens_only = not logins
        """Whether whoever the application doesn't know needs a token of the store."""
        self._clients: dict[str, Client] = {}
        """Clients that showed who they are, by the keys of the callers."""
        self._streams = 0
        """Streams that all clients have open together."""
        self._strangers: dict[str, Client] = {}
        """Clients that needn't show who they are, by peer."""
        self._watch = CallerWatch(runtime.timeouts)
        self.tokens_required = policy is TokenPolicy.ALWAYS
        """Whether requests need a token."""
        self._next_refresh = math.inf
        """When to ask the store again whether it holds a token by now, by time.monotonic()."""
        self._refreshing: asyncio.Future[None] | None = None

    async def start(self, admin_token: str | None = None) -> None:
        """Decides whether requests need a token, once the store is open, and stores `admin_token`.  Raises NoTokens."""
        self._clients = {}
        self._tokens.clear()
        repository = self._runtime.repository
        keeps_tokens = self._runtime.keeps_records
        needs_tokens = self._policy is TokenPolicy.ALWAYS and self._takes_tokens_only
        if not keeps_tokens and (needs_tokens or admin_token is not None):
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
        if self._policy is TokenPolicy.ALWAYS and not self.tokens_required and self._takes_tokens_only:
            raise NoTokens("The service requires tokens, and the store has none.", keeps_tokens=True)

    @property
    def is_closed(self) -> bool:
        """Returns whether callers must show who they are."""
        return self.tokens_required or bool(self._logins)

    def token_made(self) -> None:
        """Requires tokens from now on, since this service has just created one."""
        if self._policy is not TokenPolicy.NEVER:
            self.tokens_required, self._next_refresh = True, math.inf
            self._watch.look_again()

    def token_changed(self) -> None:
        """Reads each token again before its next request, since this service has just changed or revoked one."""
        self._tokens.look_again()
        self._watch.look_again()

    @property
    def is_needed(self) -> bool:
        """Returns whether authorize() has anything to do for scopes other than that of administrators."""
        return (
            self.tokens_required
            or bool(self._logins)
            or self._rate_limits.rate is not None
            or time.monotonic() >= self._next_refresh
        )

    async def authorize(self, request: web.BaseRequest, needed: Scope) -> tuple[Client, Caller]:
        """Returns who sent `request`, and may do what needs this scope.

        Raises Unauthorized, Forbidden, TooManyRequests.
        """
        if await self._asks_for_caller():
            client, caller = await self._authenticate(request)
        else:
            client, caller = self._stranger(request), EVERYBODY
        if caller.scope < needed:
            raise Forbidden(f"This needs a token with the scope {needed}.")
        client.check_rate()
        return client, caller

    def client_of(self, request: web.BaseRequest) -> Client:
        """Returns the client that sent a request which was authorized."""
        return request.get(CLIENT) or self._stranger(request)

    def open_stream(self, client: Client, count: int = 1) -> None:
        """Counts a streamed response, as `count`, until close_stream().  Raises TooManyRequests, Overloaded."""
        if self._streams + count > self._runtime.limits.streams:
            raise Overloaded(
                f"The service sends {self._streams} streams and lists at once, which is all it can. Try again soon."
            )
        client.open_stream(count)
        self._streams += count

    def close_stream(self, client: Client, count: int = 1) -> None:
        """Stops counting a response that open_stream() counted."""
        client.close_stream(count)
        self._streams -= count

    @property
    def counts_strangers(self) -> bool:
        """Returns whether count_stranger() has anything to do."""
        return self._rate_limits.rate is not None

    def count_stranger(self, request: web.BaseRequest) -> Client:
        """Counts a request that needs no token for the address that it comes from.  Raises TooManyRequests."""
        stranger = self._stranger(request)
        stranger.check_rate()
        return stranger

    def watch(self, client: Client, caller: Caller, woken: asyncio.Event) -> AbstractContextManager[WatchedCaller]:
        """Watches the caller of a stream of `client` within the block, and sets `woken` whenever they change or end."""
        renew = self._renewed_stranger if client.login is None else client.login.renewed
        return self._watch.watch(renew, caller, woken)

    async def _renewed_stranger(self, caller: Caller) -> Caller | None:
        return None if await self._asks_for_caller() else caller

    async def _asks_for_caller(self) -> bool:
        """Returns whether requests must show now who sends them."""
        return bool(self._logins) or await self._asks_for_token()

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
        self._next_refresh = math.inf if self.tokens_required else time.monotonic() + self._runtime.timeouts.token_cache

    def _stranger(self, request: web.BaseRequest) -> Client:
        peer = self._peers.of(request.remote, request.headers)
        return self._strangers.get(peer) or self._remember(self._strangers, peer, None)

    async def _authenticate(self, request: web.BaseRequest) -> tuple[Client, Caller]:
        for login in self._logins:
            if (caller := await login.authenticate(request)) is not None:
                return self._client_of(caller, login), caller
        secret = bearer_of(request)
        if secret is None:
            if any(map(names_token, request.query)):
                raise TokenInQuery
            raise Unauthorized
        if self._policy is TokenPolicy.NEVER or (caller := await self._tokens.authenticate(secret)) is None:
            raise Unauthorized
        return self._client_of(caller, self._tokens), caller

    def _client_of(self, caller: Caller, login: Login) -> Client:
        return self._clients.get(caller.key) or self._remember(self._clients, caller.key, login)

    def _remember(self, clients: dict[str, Client], key: str, login: Login | None) -> Client:
        if len(clients) >= CLIENTS_MAX:
            del clients[next(iter(clients))]
        client = clients[key] = Client(login, self._rate_limits)
        return client
