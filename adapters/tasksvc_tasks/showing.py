"""Shows dates and times, in the user's zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def show_when(when: date | datetime, zone: tzinfo | None = None) -> str:
    """Returns a day, or a time with an offset, in full: `Tue 2026-12-01 18:00`.  Typed back, it means the same.

    Seconds are shown if there are any, and the offset if the clock shows this time twice.
    """
    if not isinstance(when, datetime):
        return f"{WEEKDAYS[when.weekday()]} {when.isoformat()}"
    local = in_zone(when, zone)
    return f"{WEEKDAYS[local.weekday()]} {show_time(when, zone)}"


def show_time(when: datetime, zone: tzinfo | None = None) -> str:
    """Returns a time with an offset as `2026-12-01 18:00`, as show_when() does without the weekday."""
    local = in_zone(when, zone)
    clock = local.replace(tzinfo=None).time()
    precision = "microseconds" if clock.microsecond else "seconds" if clock.second else "minutes"
    text = f"{local.date().isoformat()} {clock.isoformat(precision)}"
    if _is_unclear(local, zone):
        text += local.isoformat()[len(local.replace(tzinfo=None).isoformat()) :]
    return text


def show_briefly(when: date | datetime, today: date, zone: tzinfo | None = None) -> str:
    """Returns what a table shows on a terminal: `today 18:00`, `tomorrow`, `Fri` within a week, `2026-12-01`."""
    local = in_zone(when, zone) if isinstance(when, datetime) else when
    day = local.date() if isinstance(local, datetime) else local
    name = {0: "today", 1: "tomorrow", -1: "yesterday"}.get((day - today).days)
    if name is None:
        name = WEEKDAYS[day.weekday()] if timedelta(0) < day - today < timedelta(7) else day.isoformat()
    return f"{name} {local:%H:%M}" if isinstance(local, datetime) else name


def is_overdue(when: date | datetime, now: datetime, zone: tzinfo | None = None) -> bool:
    """Returns whether a due time is past, or a due day in the user's zone."""
    return when < now if isinstance(when, datetime) else when < in_zone(now, zone).date()


def in_zone(when: datetime, zone: tzinfo | None) -> datetime:
    """Returns a time with the clock of `zone`, None for that of this machine; in UTC where no clock goes so far."""
    try:
        return when.astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return when.astimezone(UTC)


def in_utc(local: datetime, zone: tzinfo | None) -> datetime:
    """Returns a time of the clock in `zone` as one in UTC: the first of two, and with the offset before a gap."""
    return (local if zone is None else local.replace(tzinfo=zone)).astimezone(UTC)


def _is_unclear(local: datetime, zone: tzinfo | None) -> bool:
    """Returns whether a text without an offset would be read as another time: the clock shows this one twice."""
    naive = local.replace(tzinfo=None, fold=0)
    try:
        return in_utc(naive, zone) != local.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        return True
