"""What holds for the form of every answer."""

from __future__ import annotations

from collections.abc import Mapping

JSON_TYPES = ("application/json", "application/problem+json")


def check_form(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raises AssertionError where an answer doesn't say how it may be kept, or where its JSON is not one line.

    What has an entity tag may be kept, and is asked about each time; nothing else is stored.
    """
    said = f"{status} {dict(headers)} {body[:200]!r}"
    kept = status < 400 and "etag" in headers
    assert headers.get("cache-control") == ("no-cache" if kept else "no-store"), said
    if body and headers.get("content-type", "").partition(";")[0] in JSON_TYPES:
        assert body[-2:] in (b"}\n", b"]\n"), said
        assert body.count(b"\n") == 1, said
