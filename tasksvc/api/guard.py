"""The guard against the browser: a page of somebody else's must not reach a service on this machine.

A foreign Host is how DNS rebinding arrives; a foreign Origin is how another page writes.  Both are
taken from the raw headers, since aiohttp's request.host believes an absolute-form request line.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from aiohttp import hdrs, web

from tasksvc.api.problems import ForeignHost, ForeignOrigin, MalformedRequest

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

PASSED_MAX = 64
"""Host headers that are remembered as good."""

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:@/?#\[\]\s]+)(?::(\d{1,5}))?").fullmatch
_LOOPBACK = re.compile(r"127(?:\.\d{1,3}){3}").fullmatch


class Guard:
    """Lets requests through that come from where they should."""

    def __init__(self, hosts: Collection[str] | None, origins: Collection[str] = ()) -> None:
        """`hosts`: the names, without ports, that the service answers to; None for any.

        `origins`: those whose pages may write, beside the service's own.
        """
        self._hosts = hosts
        self._origins = frozenset(origin.lower() for origin in origins)
        self._passed: set[str] = set()
        """Host headers that were looked at and found good."""

    def check(self, request: web.BaseRequest) -> None:
        """Raises MalformedRequest, ForeignHost, ForeignOrigin."""
        headers = request.headers
        given = headers.getall(hdrs.HOST, ())
        host = given[0] if len(given) == 1 else ""
        if host not in self._passed:
            self._look_at(host)
        if request.method not in SAFE_METHODS and hdrs.ORIGIN in headers:
            origins = headers.getall(hdrs.ORIGIN)
            if len(origins) != 1 or origins[0].lower() not in (
                f"http://{host.lower()}",
                f"https://{host.lower()}",
                *self._origins,
            ):
                raise ForeignOrigin("A page of another origin must not write here.", close=True)

    def _look_at(self, host: str) -> None:
        match = _HOST(host.lower())
        if host and match is None:
            raise MalformedRequest("The Host header is malformed.", close=True)
        if not self._answers_to(match[1] if match else ""):
            message = "This service does not answer to the name in the Host header. --allowed-host adds a name."
            raise ForeignHost(message, close=True)
        if len(self._passed) < PASSED_MAX:
            self._passed.add(host)

    def _answers_to(self, name: str) -> bool:
        hosts = self._hosts
        return hosts is None or name in hosts or ("127.0.0.1" in hosts and _LOOPBACK(name) is not None)
