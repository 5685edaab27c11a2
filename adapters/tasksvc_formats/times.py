"""Days and times as formats write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)", re.ASCII).fullmatch
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(Z?)", re.ASCII).fullmatch
_OFFSET = re.compile(r".*[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII).fullmatch


def parse_day(text: str) -> date | None:
    """Returns a day such as 2026-12-01 or 20261201; None if it isn't one."""
    if (match := _DAY(text)) is None:
        return None
    try:
        return date(*map(int, match.groups()))
    except ValueError:
        return None


def parse_basic(text: str, zone: tzinfo) -> datetime | None:
    """Returns a time such as 20261201T093000, read in `zone` unless it ends in Z; None if it isn't one.

    A second of 60 is read as 59 (RFC 5545, section 3.3.12).
    """
    if (match := _BASIC(text)) is None:
        return None
    *numbers, is_utc = match.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC if is_utc else zone)
    except ValueError:
        return None


def parse_extended(text: str, zone: tzinfo) -> datetime | None:
    """Returns a time such as 2026-12-01T09:30:00.5+01:00, read in `zone` without an offset; None if it isn't one."""
    if _OFFSET(text) is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=zone)


def start_of(day: date, zone: tzinfo) -> datetime:
    """Returns the time at which `day` begins."""
    return datetime.combine(day, time.min, zone)


def find_zone(name: str) -> ZoneInfo | None:
    """Returns the zone of this name in the IANA database, or None."""
    if not re.fullmatch(r"[A-Z][\w+-]*(?:/[\w+-]+)*", name, re.ASCII):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
