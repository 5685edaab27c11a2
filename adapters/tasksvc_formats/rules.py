"""Recurrence rules (RFC 5545, section 3.3.10), as far as tasks repeat by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

RULE_MAX: Final = 500
"""Characters that a rule may have."""
MOST: Final = {"INTERVAL": 1_000, "COUNT": 1_000}
PARTS: Final = frozenset(("FREQ", "INTERVAL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "WKST", "COUNT", "UNTIL"))
FREQUENCIES: Final = frozenset(("DAILY", "WEEKLY", "MONTHLY", "YEARLY"))
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
"""The weekdays as rules name them, in the order of date.weekday()."""

Basis = Literal["schedule", "each", "completion"]
BASES: Final[Mapping[str, Basis]] = {"schedule": "schedule", "each": "each", "completion": "completion"}

_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII).fullmatch


class Repeat(NamedTuple):
    """How a task repeats in its source."""

    rule: str
    """A recurrence rule; empty where the source's way has none."""
    text: str
    """How the source puts it, for people."""
    zone: ZoneInfo
    basis: Basis = "schedule"


def usable_rule(rule: str, due: date | None, zone: ZoneInfo) -> str | None:
    """Returns `rule` as the service takes it for a task that is due at `due`; None if it doesn't.

    UNTIL becomes a day if the task is due on a day, and a time in UTC otherwise.
    """
    if not 0 < len(rule) <= RULE_MAX:
        return None
    parts: dict[str, str] = {}
    for part in rule.upper().split(";"):
        name, _, value = part.partition("=")
        if name not in PARTS or name in parts or not value:
            return None
        if name in MOST and not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MOST[name]):
            return None
        parts[name] = value
    if parts.get("FREQ") not in FREQUENCIES or ("COUNT" in parts and "UNTIL" in parts):
        return None
    if "UNTIL" in parts:
        if (until := _until(parts["UNTIL"], due, zone)) is None:
            return None
        parts["UNTIL"] = until
    if parts.get("INTERVAL") == "1":
        del parts["INTERVAL"]
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _until(text: str, due: date | None, zone: ZoneInfo) -> str | None:
    if (match := _UNTIL(text)) is None:
        return None
    day, clock, is_utc = match.groups()
    try:
        if not isinstance(due, datetime):
            at = datetime.strptime(day + (clock or "000000"), "%Y%m%d%H%M%S")
            if is_utc:
                at = at.replace(tzinfo=UTC).astimezone(zone)
            return at.strftime("%Y%m%d")
        at = datetime.strptime(day + (clock or "235959"), "%Y%m%d%H%M%S")
        return at.replace(tzinfo=UTC if is_utc else zone).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError):
        return None


def every(frequency: str, interval: int = 1, **parts: str) -> str:
    """Returns a rule with its `parts`, by their names in small letters."""
    named = [f"FREQ={frequency}", *([f"INTERVAL={interval}"] if interval > 1 else [])]
    return ";".join([*named, *(f"{name.upper()}={value}" for name, value in parts.items())])
