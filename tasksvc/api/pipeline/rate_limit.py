"""How many requests and streams a caller may have (RFC 6585)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimits:
    """Limits what each caller may do."""

    rate: float | None = None
    """Requests a second; None for any number."""
    burst: int = 100
    """Requests at once, if there is a rate."""
    streams: int = 1_000
    """Responses at once that are sent in chunks: streams of changes, and lists that aren't paged."""
