"""Pages of other origins that may use the API: those that were named, and no others (Fetch standard, section 3.3)."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import hdrs, web

from tasksvc.api.origins import parse_origin

EXPOSED = (
    "ETag, Link, Location, Retry-After, X-Change-Seq, X-Request-ID, Idempotency-Replayed, RateLimit, RateLimit-Policy"
)
ACCEPTED = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-ID"
MAX_AGE_SECONDS = 600


class Cors:
    """The headers that let a browser's page read an answer."""

    def __init__(self, origins: Collection[str]) -> None:
        """`origins`: as browsers write them, such as https://app.example."""
        self._origins = frozenset(found for origin in origins if (found := parse_origin(origin)))

    def headers(self, request: web.BaseRequest) -> tuple[tuple[str, str], ...]:
        """For the answer to `request`; nothing where it comes from no named origin."""
        origin = request.headers.get(hdrs.ORIGIN)
        if not self.allows(origin):
            return (("Vary", "Origin"),) if self._origins else ()
        return (
            ("Vary", "Origin"),
            ("Access-Control-Allow-Origin", str(origin)),
            ("Access-Control-Expose-Headers", EXPOSED),
        )

    def preflight_headers(self, request: web.BaseRequest, methods: str) -> tuple[tuple[str, str], ...]:
        """For the answer to a preflight."""
        if not self.allows(request.headers.get(hdrs.ORIGIN)):
            return ()
        return (
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", ACCEPTED),
            ("Access-Control-Max-Age", str(MAX_AGE_SECONDS)),
        )

    def allows(self, origin: str | None) -> bool:
        """Whether pages of `origin` may use the API."""
        return origin is not None and parse_origin(origin) in self._origins
