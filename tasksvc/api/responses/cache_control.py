"""How long caches may keep an answer (RFC 9111).  Every answer says so: without a word, some are kept for hours."""

from __future__ import annotations

from collections.abc import MutableMapping

from aiohttp import hdrs

NO_CACHE = "no-cache"
"""Cache-Control of what has an entity tag: it may be kept, and is asked about each time before it is used."""
NO_STORE = "no-store"
"""Cache-Control of everything else."""
PRIVATE = "private, "
"""Comes before either of them in answers to callers who may not enter all workspaces."""


def make_private(headers: MutableMapping[str, str]) -> None:
    """Keeps an answer that says how long caches may keep it out of caches that several callers share."""
    headers[hdrs.CACHE_CONTROL] = PRIVATE + headers[hdrs.CACHE_CONTROL]
