"""Callers who show a token that the store knows."""

from __future__ import annotations

import asyncio
import math
import time

from tasksvc.application.callers import Caller
from tasksvc.application.clock import now
from tasksvc.application.runtime import Runtime
from tasksvc.application.tokens import (
    NEVER_CHANGED,
    find_token,
    hash_secret,
    is_well_formed,
    last_change_of_tokens,
)

TOKENS_MAX = 10_000
"""Tokens that are cached.  The oldest ones are forgotten first."""


class TokenLogin:
    """Looks up tokens in the store, and caches them until one has changed, which other processes may do too."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._seconds = runtime, runtime.timeouts.token_cache
        self._cache: dict[str, Caller] = {}
        self._removals = 0
        """How often tokens were removed from the cache since they had changed."""
        self._last_change = NEVER_CHANGED
        """The last change of a token, as of the last look."""
        self._looked = -math.inf
        """When the last look at it began, by time.monotonic()."""
        self._looking: asyncio.Future[None] | None = None

    async def authenticate(self, secret: str) -> Caller | None:
        """Returns the caller who shows the token `secret`; None if there is no such token, or if it has expired."""
        return await self._caller(hash_secret(secret)) if is_well_formed(secret) else None

    async def renewed(self, caller: Caller) -> Caller | None:
        """Returns the caller as the store has them now; None if their token is revoked or has expired."""
        return await self._caller(caller.key)

    def look_again(self) -> None:
        """Looks for changes before the next request, since this service has just changed a token."""
        self._looked, self._looking = -math.inf, None  # a look under way may have begun before

    def clear(self) -> None:
        """Forgets all tokens, as another store is opened."""
        self._removals += 1
        self._cache.clear()
        self.look_again()

    async def _caller(self, secret_hash: str) -> Caller | None:
        if time.monotonic() - self._looked > self._seconds:
            await self._look_for_change()
        caller = self._cache.get(secret_hash)
        if caller is None:
            removals = self._removals
            token = await find_token(self._runtime.repository, secret_hash)
            if token is None:
                return None
            caller = token.caller()
            if removals == self._removals:  # otherwise it may have been read before its change
                if len(self._cache) >= TOKENS_MAX:
                    del self._cache[next(iter(self._cache))]
                self._cache[secret_hash] = caller
        return caller if caller.is_valid(now()) else None

    async def _look_for_change(self) -> None:
        """Removes the tokens that have changed from the cache.  Those who ask meanwhile share the look."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look())
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        began, looking = time.monotonic(), asyncio.current_task()
        change = await last_change_of_tokens(self._runtime.repository)
        if change != self._last_change:
            missed_none = change.number == self._last_change.number + 1
            for secret_hash in change.hashes if missed_none else list(self._cache):
                self._cache.pop(secret_hash, None)
            self._last_change = change
            self._removals += 1
        if looking is self._looking:
            self._looked = began
