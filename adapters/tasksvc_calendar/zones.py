"""Time zones as components of iCalendar (RFC 5545, section 3.6.5)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from icalendar import Timezone, vRecur

FROM, TO = date(2020, 1, 1), date(2050, 1, 1)
"""The time for which changes of the offset of a zone are written."""
KEPT_MAX: Final = 100
"""Zones whose component is kept: up to some kilobytes, which take milliseconds to make."""
DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@lru_cache(maxsize=KEPT_MAX)
def zone_component(name: str) -> bytes:
    """Returns the VTIMEZONE of a time zone, with rules where its changes follow any.

    Some programs read rules alone.
    """
    zone = Timezone.from_tzid(name, first_date=FROM, last_date=TO)
    del zone["COMMENT"]
    observances: Sequence[Any] = zone.subcomponents
    for observance in observances:
        starts = [observance.DTSTART, *(each.dt for each in observance["RDATE"].dts)] if "RDATE" in observance else []
        # A clock is set forward at a local time of before, while icalendar writes the one of after.
        step = max(observance.TZOFFSETTO - observance.TZOFFSETFROM, timedelta())
        observance.DTSTART -= step
        if not starts:
            continue
        del observance["RDATE"]
        starts = [start - step for start in starts]
        if (rule := _yearly_rule(starts)) is not None:
            observance["RRULE"] = rule
        else:
            observance.add("rdate", starts[1:])
    return bytes(zone.to_ical())


def _yearly_rule(starts: Sequence[datetime]) -> vRecur | None:
    """Returns the rule by which a clock is set each year, always at the same time of one weekday of a month."""
    first = starts[0]
    is_regular = [start.year for start in starts] == list(range(first.year, TO.year)) and all(
        (start.month, start.weekday(), start.time()) == (first.month, first.weekday(), first.time()) for start in starts
    )
    weeks = {(start.day - 1) // 7 + 1 for start in starts}
    if all(start.day > monthrange(start.year, start.month)[1] - 7 for start in starts):
        weeks = {-1}
    if not is_regular or len(weeks) > 1:
        return None
    return vRecur({"FREQ": "YEARLY", "BYMONTH": first.month, "BYDAY": f"{weeks.pop()}{DAYS[first.weekday()]}"})
