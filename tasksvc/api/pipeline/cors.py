"""Pages of other origins that may use the API: those that were named, and no others (Fetch standard, section 3.3)."""

from __future__ import annotations

import re
from collections.abc import Collection

from aiohttp import hdrs, web

from tasksvc.api.pipeline.origins import parse_origin

EXPOSED = (
    "Accept-Patch, Allow, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After,"
    " WWW-Authenticate, X-Change-Seq, X-Request-ID"
)
ACCEPTED = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-ID"
MAX_AGE_SECONDS = 600
ASKED_MAX = 2_000
"""Characters of the names that a preflight may ask for."""

_NAMES = re.compile(r"[ \t]*([\w!#$%&'*+.^`|~-]+[ \t]*(,[ \t]*[\w!#$%&'*+.^`|~-]+[ \t]*)*)?", re.ASCII).fullmatch
"""Names of headers (RFC 9110, section 5.6.2), as a browser lists them."""


class Cors:
    """The headers that let a page in a browser read a response."""

    def __init__(self, origins: Collection[str]) -> None:
        """Allows `origins`, as browsers write them, such as https://app.example."""
        self._origins = frozenset(found for origin in origins if (found := parse_origin(origin)))

    def headers(self, request: web.BaseRequest) -> tuple[tuple[str, str], ...]:
        """Returns headers for the response to `request`; none if it doesn't come from an allowed origin."""
        origin = request.headers.get(hdrs.ORIGIN)
        if not self.allows(origin):
            return (("Vary", "Origin"),) if self._origins else ()
        return (
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", str(origin)),
            ("Access-Control-Expose-Headers", EXPOSED),
        )

    def preflight_headers(self, request: web.BaseRequest, methods: str) -> tuple[tuple[str, str], ...]:
        """Returns headers for the response to a preflight.

        A named origin may send whatever headers its browser asks for, such as those of tracing:
        the service ignores the ones that it doesn't know.
        """
        if not self.allows(request.headers.get(hdrs.ORIGIN)):
            return ()
        return (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _accepted(request)),
            ("Access-Control-Max-Age", str(MAX_AGE_SECONDS)),
        )

    def allows(self, origin: str | None) -> bool:
        """Returns whether pages of `origin` may use the API."""
        return origin is not None and parse_origin(origin) in self._origins


def _accepted(request: web.BaseRequest) -> str:
    """Returns ACCEPTED, and the names of headers that `request` asks for beside them."""
    asked = request.headers.get("Access-Control-Request-Headers", "")
    if len(asked) > ASKED_MAX or not _NAMES(asked):
        return ACCEPTED
    known = {name.strip().lower() for name in ACCEPTED.split(",")}
    others = [name for name in map(str.strip, asked.split(",")) if name and name.lower() not in known]
    return ", ".join([ACCEPTED, *others])
