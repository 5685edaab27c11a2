"""Time zones that iCalendar files name, or define."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from tasksvc_formats.times import find_zone

COMPONENT_MAX: Final = 64 * 1024
"""Characters of a definition; the longest ones, with all rules since the railways, have a third of that."""


class Zones:
    """The zones of a file by their TZID, as its VTIMEZONE components are read."""

    def __init__(self) -> None:
        self._defined: dict[str, tzinfo] = {}

    def define(self, tzid: str, component: str) -> None:
        """Takes the lines of a VTIMEZONE, which count only if its name isn't in the IANA database."""
        if tzid in self._defined or named_zone(tzid) is not None or not _is_plain(component):
            return
        from icalendar import Timezone

        try:
            zone = Timezone.from_ical(component)
            if not isinstance(zone, Timezone):
                return
            location = zone.get("X-LIC-LOCATION")
            self._defined[tzid] = (named_zone(str(location)) if location else None) or zone.to_tz(lookup_tzid=False)
        except Exception:  # noqa: S110 — a broken definition is one that the file lacks
            pass

    def find(self, tzid: str) -> tzinfo | None:
        """Returns the zone of a TZID; None if nobody knows it."""
        return named_zone(tzid) or self._defined.get(tzid)


def _is_plain(component: str) -> bool:
    """Returns whether a definition is short and has yearly rules alone, so that reading it doesn't take long."""
    rules = [line for line in component.upper().split("\r\n") if line.startswith("RRULE")]
    return len(component) <= COMPONENT_MAX and all("FREQ=YEARLY" in rule for rule in rules)


def named_zone(tzid: str) -> ZoneInfo | None:
    """Returns the IANA zone that a TZID means.

    It may have the path of a program before it, such as /mozilla.org/20050126_1/Europe/Berlin, or be the name that
    Windows has for the zone.
    """
    if (zone := find_zone(tzid)) is not None:
        return zone
    parts = tzid.strip("/").split("/")
    for count in (3, 2):
        if len(parts) > count and (zone := find_zone("/".join(parts[-count:]))) is not None:
            return zone
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    return find_zone(WINDOWS_TO_OLSON.get(tzid, ""))
