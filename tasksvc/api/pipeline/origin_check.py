"""The origin check: a page of another origin in a browser can't reach a service on this machine.

A foreign Host is how DNS rebinding arrives; a foreign Origin is how another page writes.  Both are
taken from the raw headers, since aiohttp's request.host believes an absolute-form request line.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterator
from typing import NamedTuple

from aiohttp import hdrs, web

from tasksvc.api.pipeline.origins import DEFAULT_PORTS, Host, Origin, origin_of, parse_host, parse_origin
from tasksvc.api.pipeline.trusted_proxies import Asked, TrustedProxies
from tasksvc.api.responses.problems import CrossOriginWrite, MalformedRequest, UntrustedHost

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1)."""

PASSED_MAX = 64
"""Host headers that are cached as allowed."""
NOTED_MAX = 20
"""Lines that the log gets in NOTED_SECONDS, so that whoever sends bad requests cannot fill it."""
NOTED_SECONDS = 3_600.0
"""Seconds until the log says again what it has said already."""

_FETCH_SITE = "Sec-Fetch-Site"
_LOOPBACK = re.compile(r"127(?:\.\d{1,3}){3}").fullmatch
_NOTHING = Asked()

log = logging.getLogger("tasksvc")


class Advice(NamedTuple):
    """What the log tells operators to do about requests that the origin check refuses."""

    host: str = "If clients use this name, add it to the origin check's hosts."
    origin: str = "If this page may write, add its origin to the origin check's origins."


class OriginCheck:
    """Refuses requests for other hosts, and writes by pages of other origins."""

    def __init__(
        self,
        hosts: Collection[str] | None,
        origins: Collection[str] = (),
        *,
        proxies: TrustedProxies | None = None,
        advice: Advice = Advice(),  # noqa: B008  # a constant
    ) -> None:
        """Serves `hosts`, names without ports; None serves any.

        `origins`: those whose pages may write, beside the service's own.  `proxies`: those whose word
        counts for the scheme, host and port that a client asked for.
        """
        self._hosts = None if hosts is None else frozenset(map(_canonical, hosts))
        self._origins = frozenset(found for origin in origins if (found := parse_origin(origin)))
        self._proxies, self._advice = proxies, advice
        self._passed: set[str] = set()
        """Host headers that were checked and allowed."""
        self._noted: dict[str, float] = {}
        """Log lines about refusals, each with the time at which it was written."""

    def check(self, request: web.BaseRequest) -> None:
        """Raises MalformedRequest, UntrustedHost or CrossOriginWrite for what isn't allowed."""
        headers = request.headers
        given = headers.getall(hdrs.HOST, ())
        host = given[0] if len(given) == 1 else ""
        if host not in self._passed:
            self._look_at(host, "Host header", request)
        asked = _NOTHING
        if self._proxies is not None:
            asked = self._proxies.asked(request)
            if asked.host is not None and asked.host not in self._passed:
                self._look_at(asked.host, "forwarded host", request)
        if request.method not in SAFE_METHODS and (hdrs.ORIGIN in headers or _FETCH_SITE in headers):
            self._look_at_origin(request, host, asked)

    def _look_at(self, text: str, what: str, request: web.BaseRequest) -> None:
        host = parse_host(text)
        if host is None and text:
            raise MalformedRequest(f"The {what} is malformed.", close=True)
        if not self._answers_to("" if host is None else host.name):
            self._note(f"Refused a request to the host {text or '(none)'}", request, self._advice.host)
            raise UntrustedHost(f"This service doesn't answer to the host {text or '(none)'}.", close=True)
        if len(self._passed) < PASSED_MAX:
            self._passed.add(text)

    def _answers_to(self, name: str) -> bool:
        hosts = self._hosts
        if hosts is None or name in hosts or ("127.0.0.1" in hosts and _LOOPBACK(name) is not None):
            return True
        return name.endswith(".") and name[:-1] in hosts  # the same name, fully qualified (RFC 9110, section 4.2.3)

    def _look_at_origin(self, request: web.BaseRequest, host: str, asked: Asked) -> None:
        """Raises CrossOriginWrite for a write by a page of another origin.

        Without an Origin and without a word of the browser it's no page of a browser that writes.
        """
        given = request.headers.getall(hdrs.ORIGIN, ())
        site = request.headers.getall(_FETCH_SITE, ())
        if not given and not set(site) & {"cross-site", "same-site"}:
            return
        origin = parse_origin(given[0]) if len(given) == 1 else None
        if origin is not None:
            hosts = [found for text in (host, asked.host) if text and (found := parse_host(text))]
            if origin in self._origins or origin in _own_origins(hosts, asked):
                return
            # The browser itself says that the page is of the origin that it asks, and no page can make it say so
            # (Fetch Metadata, section 2.4).  A proxy may have kept scheme and port from us, but not the name.
            if site == ["same-origin"] and any(origin.name == own.name for own in hosts):
                return
        page = "another origin" if origin is None else f"the origin {origin}"
        named = asked.host or host or "(none)"
        self._note(f"Refused a write by a page of {page} to the host {named}", request, self._advice.origin)
        raise CrossOriginWrite(f"Writes by pages of {page} aren't allowed on the host {named}.", close=True)

    def _note(self, what: str, request: web.BaseRequest, advice: str) -> None:
        """Logs a refusal with `advice`, unless the same was logged lately."""
        now = time.monotonic()
        noted = self._noted = {key: at for key, at in self._noted.items() if now - at < NOTED_SECONDS}
        if what not in noted and len(noted) < NOTED_MAX:
            noted[what] = now
            log.info("%s, which came from %s. %s", what, request.remote, advice)


def _own_origins(hosts: Collection[Host], asked: Asked) -> Iterator[Origin]:
    """Yields the origins that the service's own pages can have: of both schemes where the scheme isn't known."""
    for scheme in DEFAULT_PORTS if asked.scheme is None else (asked.scheme,):
        for host in hosts:
            yield origin_of(scheme, host)
            if asked.port is not None and host.port is None:
                yield Origin(scheme, host.name, asked.port)


def _canonical(name: str) -> str:
    host = parse_host(name)
    return name if host is None else host.name
