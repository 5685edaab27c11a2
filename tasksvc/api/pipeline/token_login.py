"""Callers who show a token that the store knows."""

from __future__ import annotations

import math
import time

from tasksvc.application.callers import Caller
from tasksvc.application.clock import now
from tasksvc.application.runtime import Runtime
from tasksvc.application.tokens import find_token, hash_secret, is_well_formed

TOKENS_MAX = 10_000
"""Tokens that are cached.  The oldest ones are forgotten first."""


class _Cached:
    """A caller whose token was found, and when it was looked up."""

    def __init__(self, caller: Caller, looked: float) -> None:
        self.caller, self.looked = caller, looked


class TokenLogin:
    """Looks up tokens in the store, and each of them again after a while, since other processes change them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._seconds = runtime, runtime.timeouts.token_cache
        self._cache: dict[str, _Cached] = {}
        self._changes = 0
        """How often this service has changed a token."""

    async def authenticate(self, secret: str) -> Caller | None:
        """Returns the caller who shows the token `secret`; None if there is no such token, or if it has expired."""
        return await self._caller(hash_secret(secret)) if is_well_formed(secret) else None

    async def renewed(self, caller: Caller) -> Caller | None:
        """Returns the caller as the store has them now; None if their token is revoked or has expired."""
        return await self._caller(caller.key)

    def look_again(self) -> None:
        """Reads each token again before its next request, since this service has just changed one."""
        self._changes += 1
        for cached in self._cache.values():
            cached.looked = -math.inf

    def clear(self) -> None:
        """Forgets all tokens, as another store is opened."""
        self._cache.clear()

    async def _caller(self, secret_hash: str) -> Caller | None:
        cached = self._cache.get(secret_hash)
        if cached is None or time.monotonic() - cached.looked > self._seconds:
            looked, changes = time.monotonic(), self._changes
            token = await find_token(self._runtime.repository, secret_hash)
            if token is None:
                self._cache.pop(secret_hash, None)
                return None
            cached = _Cached(token.caller(), looked)
            if changes == self._changes:  # otherwise it may have been read before its change
                if secret_hash not in self._cache and len(self._cache) >= TOKENS_MAX:
                    del self._cache[next(iter(self._cache))]
                self._cache[secret_hash] = cached
        return cached.caller if cached.caller.is_valid(now()) else None
