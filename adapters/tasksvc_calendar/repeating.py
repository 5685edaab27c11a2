"""Tasks that repeat, as recurring components of iCalendar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from icalendar import vRecur

END_OF_DAY: Final = time(23, 59, 59)
"""The last second that a time in iCalendar can name."""


class Series(NamedTuple):
    """The occurrences of a task from its present one on."""

    zone: ZoneInfo
    occurrence: date | datetime
    """The local day or time of the present one in the schedule, wherever the task was moved to."""
    rule: vRecur
    """The rule that gives the others.  The present one counts as the first, on whatever day it is (section 3.3.10)."""

    def on_days(self) -> Series:
        """Returns the same series without times."""
        if not isinstance(self.occurrence, datetime):
            return self
        rule = vRecur(self.rule)
        if "UNTIL" in rule:
            local = rule["UNTIL"][0].astimezone(self.zone)
            is_over = local.time() < self.occurrence.time()
            rule["UNTIL"] = [local.date() - timedelta(days=is_over)]
        return self._replace(occurrence=self.occurrence.date(), rule=rule)


def series_of(repeat: Mapping[str, Any] | None) -> Series | None:
    """Returns the series of the `repeat` of an open task; None if nothing is known to follow.

    What follows a task that repeats from its completion isn't known before that.
    """
    if repeat is None or repeat["from"] == "completion" or repeat["remaining"] == 0:
        return None
    zone, text = ZoneInfo(repeat["zone"]), repeat["occurrence"]
    occurrence = datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    rule = vRecur.from_ical(repeat["rule"])
    if "UNTIL" in rule:
        rule["UNTIL"] = [_until(rule["UNTIL"][0], occurrence, zone)]
    elif repeat["remaining"] is not None:
        rule["COUNT"] = [repeat["remaining"] + 1]
    return Series(zone, occurrence, rule)


def _until(until: date | datetime, occurrence: date | datetime, zone: ZoneInfo) -> date | datetime:
    """Returns UNTIL as section 3.3.10 wants it: a day if occurrences are days, else a time in UTC."""
    if not isinstance(occurrence, datetime):
        return until.astimezone(zone).date() if isinstance(until, datetime) else until
    if isinstance(until, datetime):
        return until
    return datetime.combine(until, END_OF_DAY, zone).astimezone(UTC)
