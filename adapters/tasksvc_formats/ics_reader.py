"""Reads the to-dos of iCalendar (RFC 5545), such as Nextcloud, Apple and Thunderbird export them."""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from tasksvc_formats.drafts import Context, Draft, Item, finish
from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.ics_lines import Line, content_lines, split_values, unescape
from tasksvc_formats.ics_zones import Zones
from tasksvc_formats.report import Fate
from tasksvc_formats.rules import BASES, Repeat
from tasksvc_formats.sources import Source
from tasksvc_formats.times import parse_basic, parse_day
from tasksvc_formats.uids import DerivedUids

OWN: Final = "X-TASKSVC-"
"""How the properties begin in which our own files have what iCalendar has no property for."""
KEPT: Final = frozenset(
    (
        "URL",
        "LOCATION",
        "GEO",
        "CLASS",
        "PERCENT-COMPLETE",
        "RESOURCES",
        "COLOR",
        "CONTACT",
        "DTSTART",
        "ESTIMATED-DURATION",
    )
)
"""Properties that go to the metadata."""
READ: Final = frozenset(
    (
        *("UID", "SUMMARY", "DESCRIPTION", "STATUS", "COMPLETED", "CREATED", "DUE", "DURATION", "PRIORITY", "RRULE"),
        *("CATEGORIES", "RELATED-TO", "COMMENT", "RECURRENCE-ID"),
    )
)
TECHNICAL: Final = frozenset(
    ("DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "BEGIN", "END", "X-APPLE-SORT-ORDER", "X-MOZ-GENERATION")
)
COMPONENT_MAX: Final = 4 * 1024 * 1024
"""Characters of one component."""
DEPTH_MAX: Final = 10
"""Components within one another; the RFC has three."""

_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?", re.ASCII
).fullmatch


def read_ics(source: Source, context: Context) -> Iterator[Item]:
    """Yields the to-dos of a file, which may have several calendars one after the other."""
    return _Reader(context).read(source.open())


class _Reader:
    def __init__(self, context: Context) -> None:
        self._context, self._report = context, context.report
        self._zones, self._uids = Zones(), DerivedUids(context.source)
        self._list: str | None = None

    def read(self, file: io.BufferedReader) -> Iterator[Item]:
        """Yields the to-dos.  Raises InvalidFile."""
        open_components = list[str]()
        lines, size = list[Line](), 0
        last = 0
        for line in content_lines(file):
            last = line.number
            if line.name == "BEGIN":
                open_components.append(line.value.strip().upper())
                if len(open_components) > DEPTH_MAX:
                    raise InvalidFile("Its components are nested too deeply.", line=line.number)
                if len(open_components) == 2:
                    lines, size = [], 0
            if not open_components or open_components[0] != "VCALENDAR":
                raise InvalidFile("It must begin with BEGIN:VCALENDAR.", line=line.number)
            if len(open_components) == 1:
                self._read_calendar_line(line)
            else:
                size += len(line.text)
                if size > COMPONENT_MAX:
                    raise InvalidFile(f"The {open_components[1]} is too long.", line=line.number)
                lines.append(line)
            if line.name == "END":
                if line.value.strip().upper() != open_components.pop():
                    raise InvalidFile(f"{line.text[:40]!r} doesn't end what was begun last.", line=line.number)
                if len(open_components) == 1:
                    yield from self._read_component(line.value.strip().upper(), lines)
                elif not open_components:
                    self._list = None
        if open_components:
            raise InvalidFile(f"It ends within a {open_components[-1]}: a part of it is missing.", line=last)

    def _read_calendar_line(self, line: Line) -> None:
        if line.name in ("NAME", "X-WR-CALNAME") and line.value:
            self._list = unescape(line.value)

    def _read_component(self, name: str, lines: list[Line]) -> Iterator[Item]:
        if name == "VTIMEZONE":
            tzid = next((line.value for line in lines if line.name == "TZID"), "")
            self._zones.define(tzid, "\r\n".join(line.text for line in lines) + "\r\n")
        elif name == "VTODO":
            yield finish(self._read_todo(lines[1:-1]), self._context)
        else:
            title = next((line.value for line in lines if line.name == "SUMMARY"), "")
            self._report.add(Fate.LEFT_OUT, f"components {name}", unescape(title))

    def _read_todo(self, lines: list[Line]) -> Draft:
        properties = defaultdict[str, list[Line]](list)
        inner, depth = "", 0
        for line in lines:
            if line.name == "BEGIN":
                depth += 1
                inner = inner or line.value.upper()
            elif not depth:
                properties[line.name].append(line)
            elif line.name == "END":
                depth -= 1

        def text(name: str) -> str:
            return unescape(properties[name][0].value) if name in properties else ""

        draft = Draft("", text("SUMMARY"), list=text(f"{OWN}LIST") or self._list)
        if inner:
            self._report.add(Fate.LEFT_OUT, f"components {inner} of to-dos", draft.description)
        status = text("STATUS").upper()
        draft.done = status in ("COMPLETED", "CANCELLED") or (not status and "COMPLETED" in properties)
        if status in ("CANCELLED", "IN-PROCESS"):
            draft.rest["status"] = status
        draft.notes = [unescape(line.value) for name in ("DESCRIPTION", "COMMENT") for line in properties[name]]
        draft.labels = [label for line in properties["CATEGORIES"] for label in split_values(line.value)]
        draft.created, draft.completed = (self._utc(properties[name]) for name in ("CREATED", "COMPLETED"))
        priority = text("PRIORITY")
        draft.priority = 10 - int(priority) if priority in {"1", "2", "3", "4", "5", "6", "7", "8", "9"} else 0
        self._set_due(draft, properties)
        self._set_identity(draft, properties)
        self._set_own(draft, text(f"{OWN}POSITION"), text(f"{OWN}METADATA"))
        self._keep(draft, properties)
        return draft

    def _set_identity(self, draft: Draft, properties: dict[str, list[Line]]) -> None:
        """Sets the uid, and the parent from a RELATED-TO whose type is PARENT, the default (section 3.8.4.5)."""
        uid = unescape(properties["UID"][0].value).strip() if "UID" in properties else ""
        if not uid:
            uid = self._uids.of(*(line.text for lines in properties.values() for line in lines if line.name in READ))
        if "RECURRENCE-ID" in properties:
            uid = f"{uid}/{properties['RECURRENCE-ID'][0].value}"
        draft.uid = uid
        for line in properties.get("RELATED-TO", ()):
            kind = line.parameters.get("RELTYPE", "PARENT").upper()
            if kind == "PARENT" and draft.parent is None:
                draft.parent = unescape(line.value).strip() or None
            else:
                self._report.add(Fate.LEFT_OUT, f"relations of the kind {kind}", draft.description)

    def _set_due(self, draft: Draft, properties: dict[str, list[Line]]) -> None:
        start, due = (self._moment(properties.get(name)) for name in ("DTSTART", "DUE"))
        if due is None and start is not None and "DURATION" in properties:
            due = self._later(start, properties["DURATION"][0].value)
        rule = properties["RRULE"][0] if "RRULE" in properties else None
        if due is None and rule is not None:
            due = start
        draft.due = due
        if start is not None and start != due:
            draft.rest["dtstart"] = start.isoformat()
        if rule is not None:
            zone = due.tzinfo if isinstance(due, datetime) else self._context.zone
            if zone is UTC:
                zone = ZoneInfo("UTC")
            if not isinstance(zone, ZoneInfo):
                self._report.add(
                    Fate.CHANGED, "zones of repetitions, which the file defines by itself", draft.description
                )
                zone = self._context.zone
            basis = BASES.get(_own(properties, "REPEAT-FROM"), "schedule")
            draft.repeat = Repeat(rule.value.strip(), rule.value, zone, basis)
            if "RECURRENCE-ID" in properties:
                draft.repeat = None

    def _set_own(self, draft: Draft, position: str, metadata: str) -> None:
        if position:
            draft.position = position
        if metadata:
            try:
                value = json.loads(metadata)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                draft.metadata = value
            else:
                self._report.add(Fate.LEFT_OUT, f"{OWN}METADATA that isn't a JSON object", draft.description)

    def _keep(self, draft: Draft, properties: dict[str, list[Line]]) -> None:
        for name, lines in properties.items():
            if name == "PERCENT-COMPLETE" and draft.done:
                continue
            if name in KEPT and name != "DTSTART":
                draft.rest[name.lower()] = unescape(lines[0].value)
            elif name not in READ | TECHNICAL | KEPT and not name.startswith(OWN):
                for line in lines:
                    self._report.add(Fate.LEFT_OUT, name, f"{draft.description}: {line.value}")

    def _utc(self, lines: list[Line]) -> datetime | None:
        moment = self._moment(lines)
        if moment is None or isinstance(moment, datetime):
            return moment
        return datetime.combine(moment, datetime.min.time(), self._context.zone)

    def _moment(self, lines: list[Line] | None) -> date | datetime | None:
        """Returns the day or time of a property; a time without a zone is one of the user's."""
        if not lines:
            return None
        line = lines[0]
        value = line.value.strip()
        found = parse_day(value) or parse_basic(value, self._zone_of(line))
        if found is None:
            self._report.add(Fate.LEFT_OUT, f"{line.name} that isn't a time", value)
        return found

    def _zone_of(self, line: Line) -> tzinfo:
        tzid = line.parameters.get("TZID")
        if not tzid:
            return self._context.zone
        zone = self._zones.find(tzid)
        if zone is None:
            self._report.add(Fate.CHANGED, "unknown zones, whose times are read in yours", tzid)
        return zone or self._context.zone

    def _later(self, start: date | datetime, text: str) -> date | datetime | None:
        """Returns `start` plus a DURATION (section 3.3.6)."""
        if (match := _DURATION(text.strip())) is None:
            self._report.add(Fate.LEFT_OUT, "DURATION that isn't one", text)
            return None
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
        try:
            return start + timedelta(days, seconds, 0, 0, minutes, hours, weeks) * (-1 if match[1] == "-" else 1)
        except OverflowError:
            return None


def _own(properties: dict[str, list[Line]], name: str) -> str:
    lines = properties.get(f"{OWN}{name}")
    return lines[0].value if lines else ""
