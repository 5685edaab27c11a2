"""Checks of the form that every response has."""

from __future__ import annotations

from collections.abc import Mapping

JSON_TYPES = ("application/json", "application/problem+json")


def check_form(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises AssertionError if a response doesn't say how it may be cached, or if its JSON isn't one line.

    A response with an entity tag may be cached and is revalidated each time; no other is stored.
    """
    said = f"{status} {dict(headers)} {body[:200]!r}"
    kept = status < 400 and "etag" in headers
    assert headers.get("cache-control") == ("no-cache" if kept else "no-store"), said
    if body and headers.get("content-type", "").partition(";")[0] in JSON_TYPES:
        assert body[-2:] in (b"}\n", b"]\n"), said
        assert body.count(b"\n") == 1, said
