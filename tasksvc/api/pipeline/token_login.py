"""Callers who show a token that the store knows."""

from __future__ import annotations

import math
import time

from tasksvc.application.callers import Caller
from tasksvc.application.clock import now
from tasksvc.application.runtime import Runtime
from tasksvc.application.tokens import find_token, hash_secret, is_well_formed

TOKENS_MAX = 10_000
"""Tokens that are remembered.  The oldest ones are forgotten first."""


class _Remembered:
    """A caller whose token was found, and when."""

    def __init__(self, caller: Caller) -> None:
        self.caller, self.looked = caller, time.monotonic()


class TokenLogin:
    """Looks up tokens in the store, and each of them again after a while, since other processes change them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._seconds = runtime, runtime.timeouts.token_cache
        self._remembered: dict[str, _Remembered] = {}

    async def authenticate(self, secret: str) -> Caller | None:
        """Returns the caller who shows the token `secret`; None if there is no such token, or if it has expired."""
        return await self._caller(hash_secret(secret)) if is_well_formed(secret) else None

    async def renewed(self, caller: Caller) -> Caller | None:
        """Returns the caller as the store has them now; None if their token is revoked or has expired."""
        return await self._caller(caller.key)

    def look_again(self) -> None:
        """Reads each token again before its next request, since this service has just changed one."""
        for remembered in self._remembered.values():
            remembered.looked = -math.inf

    def clear(self) -> None:
        """Forgets all tokens, as another store is opened."""
        self._remembered.clear()

    async def _caller(self, secret_hash: str) -> Caller | None:
        remembered = self._remembered.get(secret_hash)
        if remembered is None or time.monotonic() - remembered.looked > self._seconds:
            token = await find_token(self._runtime.repository, secret_hash)
            if token is None:
                self._remembered.pop(secret_hash, None)
                return None
            while remembered is None and len(self._remembered) >= TOKENS_MAX:
                del self._remembered[next(iter(self._remembered))]
            remembered = self._remembered[secret_hash] = _Remembered(token.caller())
        return remembered.caller if remembered.caller.is_valid(now()) else None
