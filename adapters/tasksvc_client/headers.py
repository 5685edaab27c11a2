"""The headers that all requests have."""

from __future__ import annotations


def headers_of(token: str | None) -> dict[str, str]:
    """Returns the headers of all requests. Raises ValueError for a token that can't be in a header."""
    headers = {
        "Accept": "application/json, application/problem+json",
        "Accept-Encoding": "identity",
        "User-Agent": "tasksvc-client",
    }
    if token is not None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("The token isn't one: it is empty, or has spaces or other characters that no token has.")
        headers["Authorization"] = f"Bearer {token}"
    return headers
