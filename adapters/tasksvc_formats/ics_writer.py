"""Writes iCalendar (RFC 5545): a calendar with a to-do for each task."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final, TextIO
from zoneinfo import ZoneInfo

from icalendar import Timezone, Todo
from icalendar.prop import vRecur, vText

from tasksvc_formats.ics_reader import OWN
from tasksvc_formats.report import Fate, Report
from tasksvc_formats.uids import digest

PRODUCT: Final = "-//tasksvc//tasksvc//EN"
ZONE_DAYS: Final = timedelta(days=365 * 10)
"""How long the definition of a zone holds after the first due that needs it."""


def write_ics(tasks: Iterable[Mapping[str, Any]], out: TextIO, zone: ZoneInfo, report: Report) -> None:
    """Writes one calendar, after the definitions of the zones that its to-dos name.

    The tasks wait in a temporary file until all uids are known, since a parent can come after its part.  A task without
    a uid gets one that is the same each time.  `zone` isn't used: days have no zone, and times are in UTC or in the
    zone of their repetition.
    """
    uids: dict[int, str] = {}
    zones: dict[str, date] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for task in tasks:
            uids[task["id"]] = task["uid"] or f"tasksvc-{task['id']}-{digest(task['created_at'])[:12]}"
            if (named := _named_zone(task)) is not None:
                first = datetime.fromisoformat(task["due_at"]).date()
                zones[named] = min(zones.get(named, first), first)
            waiting.write(json.dumps(task) + "\n")
        waiting.seek(0)
        out.write(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:{PRODUCT}\r\n")
        for name, first in zones.items():
            out.write(_zone(name, first))
        for line in waiting:
            task = json.loads(line)
            out.write(_todo(task, uids, report))
        out.write("END:VCALENDAR\r\n")


def _named_zone(task: Mapping[str, Any]) -> str | None:
    """Returns the zone in which the due of a task is written: that of its repetition; None for UTC."""
    repeats = task["repeat"] and task["due_at"] and not task["done"]
    return task["repeat"]["zone"] if repeats and task["repeat"]["zone"] != "UTC" else None


def _zone(name: str, first: date) -> str:
    last = min(first, date(date.max.year - 11, 1, 1)) + ZONE_DAYS
    return str(Timezone.from_tzid(name, first_date=first, last_date=last).to_ical(), "utf-8")


def _todo(task: Mapping[str, Any], uids: Mapping[int, str], report: Report) -> str:
    todo, title = Todo(), task["description"]
    todo.add("uid", uids[task["id"]])
    todo.add("dtstamp", _seconds(task["updated_at"]))
    todo.add("created", _seconds(task["created_at"]))
    todo.add("last-modified", _seconds(task["updated_at"]))
    todo.add("summary", title)
    if task["notes"]:
        todo.add("description", task["notes"])
    todo.add("status", "COMPLETED" if task["done"] else "NEEDS-ACTION")
    if task["done"]:
        todo.add("completed", _seconds(task["completed_at"]))
        todo.add("percent-complete", 100)
    if task["priority"]:
        todo.add("priority", 10 - task["priority"])
    if task["labels"]:
        todo.add("categories", task["labels"])
    _add_due(todo, task)
    if (parent := task["parent_id"]) is not None:
        if parent in uids:
            todo.add("related-to", uids[parent])
        else:
            report.add(Fate.LEFT_OUT, "parents that aren't among the tasks", title)
    todo.add(f"{OWN}LIST", vText(task["list"]))
    if task["position"] is not None:
        todo.add(f"{OWN}POSITION", vText(task["position"]))
    if task["metadata"]:
        todo.add(f"{OWN}METADATA", vText(json.dumps(task["metadata"], ensure_ascii=False)))
    return str(todo.to_ical(), "utf-8")


def _seconds(at: str) -> datetime:
    """Returns a time without the fraction of its second, which iCalendar doesn't have."""
    return datetime.fromisoformat(at).replace(microsecond=0)


def _add_due(todo: Todo, task: Mapping[str, Any]) -> None:
    """Adds DUE, and for a task that repeats the rule and the DTSTART that it's counted from."""
    due: date | datetime | None = None
    if task["due_on"]:
        due = date.fromisoformat(task["due_on"])
    elif task["due_at"]:
        due = _seconds(task["due_at"])
    if due is None:
        return
    repeat = None if task["done"] else task["repeat"]
    if isinstance(due, datetime) and (zone := _named_zone(task)) is not None:
        due = due.astimezone(ZoneInfo(zone))
    todo.add("due", due)
    if not repeat:
        return
    todo.add("dtstart", due)
    rule = repeat["rule"]
    if repeat["remaining"] is not None:
        parts = [part for part in rule.split(";") if not part.startswith("COUNT=")]
        rule = ";".join([*parts, f"COUNT={repeat['remaining'] + 1}"])
    todo.add("rrule", vRecur.from_ical(rule))
    if repeat["from"] != "schedule":
        todo.add(f"{OWN}REPEAT-FROM", vText(repeat["from"]))
