"""Times in the records of webhooks, as RFC 3339 has them."""

from __future__ import annotations

from datetime import datetime


def format_time(at: datetime) -> str:
    """Returns a time in UTC with its microseconds."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Returns what format_time() gave.  Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no offset.")
    return at
