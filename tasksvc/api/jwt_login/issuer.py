"""The keys of an issuer, which it publishes and changes (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from tasksvc.api.jwt_login.keys import Key, KeyRefused, choose, keys_of_set
from tasksvc.api.responses.problems import IssuerUnavailable
from tasksvc.domain.errors import TasksvcError

RETRY_SECONDS: Final = 60.0
"""Seconds between two looks at the keys because of tokens whose key isn't known, or since the issuer didn't answer."""
LOOK_SECONDS: Final = 300.0
"""Seconds after which the keys are looked at again in any case, so that one that was withdrawn ends its tokens."""
FETCH_SECONDS: Final = 5.0
"""Seconds for one document of the issuer."""
DOCUMENT_BYTES: Final = 2**20
"""The largest document of the issuer that is read."""
DISCOVERY: Final = "/.well-known/openid-configuration"

log = logging.getLogger("tasksvc")


class InvalidIssuer(TasksvcError):
    """The text isn't the URL of an issuer."""


class IssuerKeys:
    """The keys of an issuer.  The last good ones stay while it can't be reached."""

    def __init__(self, issuer: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Takes the URL of the issuer.  Raises InvalidIssuer."""
        parts = urlsplit(issuer)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidIssuer(f"{issuer!r} isn't the URL of an issuer, such as https://login.example.")
        self._issuer, self._clock = issuer, clock
        self._keys: list[Key] | None = None
        self._looked = self._tried = -LOOK_SECONDS
        self._looking: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Returns the key for a token whose head says this.  Raises IssuerUnavailable if no keys were ever read."""
        await self._look_if_due()
        key = choose(self._keys or (), kid, algorithm)
        if key is None and self._clock() - self._tried >= RETRY_SECONDS:
            await self._look()
            key = choose(self._keys or (), kid, algorithm)
        if self._keys is None:
            raise IssuerUnavailable(
                "The issuer of tokens can't be reached, so none can be verified. Try again soon.",
                headers={"Retry-After": str(int(RETRY_SECONDS))},
            )
        return key

    async def holds(self, key: Key) -> bool:
        """Returns whether the issuer still has a key, as far as is known."""
        await self._look_if_due()
        return any(known[:2] == key[:2] and known.key.key == key.key.key for known in self._keys or ())

    async def close(self) -> None:
        """Ends a look at the keys."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look_if_due(self) -> None:
        moment = self._clock()
        if self._keys is None and (moment - self._tried >= RETRY_SECONDS or self._looking is not None):
            await self._look()
        elif moment - self._looked >= LOOK_SECONDS and moment - self._tried >= RETRY_SECONDS:
            self._begin()  # in the background, since the keys that are known still do

    async def _look(self) -> None:
        """Reads the keys; callers who come meanwhile share it."""
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._looking is None or self._looking.done():
            self._tried = self._clock()
            self._looking = asyncio.create_task(self._read())
        return self._looking

    async def _read(self) -> None:
        try:
            timeout = aiohttp.ClientTimeout(FETCH_SECONDS)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                configuration = await _document(session, self._issuer.rstrip("/") + DISCOVERY)
                if configuration.get("issuer") != self._issuer:
                    raise KeyRefused(f"it calls itself {configuration.get('issuer')!r}")
                self._keys = keys_of_set(await _document(session, str(configuration.get("jwks_uri"))))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyRefused) as error:
            log.warning("The keys of the issuer %s could not be read: %s", self._issuer, error or type(error).__name__)
        else:
            self._looked = self._clock()


async def _document(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"{url} was answered with status {response.status}")
        content = await response.content.read(DOCUMENT_BYTES + 1)
        while len(content) <= DOCUMENT_BYTES and (more := await response.content.read(DOCUMENT_BYTES)):
            content += more
    if len(content) > DOCUMENT_BYTES:
        raise ValueError(f"{url} has more than {DOCUMENT_BYTES:,} bytes")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise ValueError(f"{url} isn't a JSON object")
    return document
