"""Verifies the tokens that callers show, and caches the good ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final, NamedTuple

import jwt
from aiohttp import web

from tasksvc.api.jwt_login.claims import InvalidClaims, WorkspaceTemplate, caller_of
from tasksvc.api.jwt_login.keys import Key, KeySource
from tasksvc.api.pipeline.clients import bearer_of
from tasksvc.application.callers import Caller
from tasksvc.application.clock import now
from tasksvc.application.tokens import PREFIX

LEEWAY: Final = timedelta(seconds=60)
"""By how much the clocks of the issuer and of the service may differ."""
CACHED_MAX: Final = 10_000
"""Verified tokens that are cached.  The oldest ones are forgotten first."""
TOKEN_MAX: Final = 8_192
"""Characters of a token."""


class JWTSettings(NamedTuple):
    """What the tokens of an identity provider must say, and what they mean."""

    keys: KeySource
    audience: str
    """What their claim `aud` must name."""
    issuer: str | None = None
    """What their claim `iss` must be; None accepts any, since the key is the proof."""
    workspace: WorkspaceTemplate = WorkspaceTemplate("u_{sub}")
    """Makes the caller's home of their claims."""


@dataclass(frozen=True, slots=True)
class _JWTCaller(Caller):
    """A caller, with the key that their token is signed with."""

    signed_with: Key | None = None


class JWTLogin:
    """Callers who show a JSON Web Token.  A token ends at `exp`, or when its key is withdrawn."""

    def __init__(self, settings: JWTSettings) -> None:
        self._settings = settings
        self._verified: dict[bytes, _JWTCaller] = {}

    async def authenticate(self, request: web.BaseRequest) -> Caller | None:
        """Returns the caller whose token `request` has; None if it isn't good.  Raises IssuerUnavailable."""
        token = bearer_of(request)
        if token is None or token.startswith(PREFIX) or len(token) > TOKEN_MAX:
            return None
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        verified = self._verified.get(digest)
        if verified is None:
            if (verified := await self._verify(token)) is None:
                return None
            if len(self._verified) >= CACHED_MAX:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = verified
        if await self.renewed(verified) is None:
            self._verified.pop(digest, None)
            return None
        return verified

    async def renewed(self, caller: Caller) -> Caller | None:
        """Returns the caller; None if their token has ended."""
        key = caller.signed_with if isinstance(caller, _JWTCaller) else None
        still = key is not None and caller.is_valid(now() - LEEWAY) and await self._settings.keys.holds(key)
        return caller if still else None

    async def close(self) -> None:
        """Releases the resources of the keys."""
        await self._settings.keys.close()

    async def _verify(self, token: str) -> _JWTCaller | None:
        settings = self._settings
        try:
            head = jwt.get_unverified_header(token)
            kid, algorithm = head.get("kid"), head.get("alg")
            if not isinstance(algorithm, str) or not (kid is None or isinstance(kid, str)):
                return None
            key = await settings.keys.find(kid, algorithm)
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=settings.audience,
                issuer=settings.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "sub", "aud"]},
            )
            caller = caller_of(claims, settings.workspace)
            return _JWTCaller(**{field.name: getattr(caller, field.name) for field in fields(caller)}, signed_with=key)
        except (jwt.PyJWTError, InvalidClaims, ValueError, RecursionError):
            return None
