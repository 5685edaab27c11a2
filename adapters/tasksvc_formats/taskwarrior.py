"""Taskwarrior: what `task export` prints, an array or a line for each task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any, Final

from tasksvc_formats.drafts import Context, Draft, Item, finish
from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.json_documents import read_objects
from tasksvc_formats.json_values import objects_in, text_in
from tasksvc_formats.report import Fate
from tasksvc_formats.rules import Repeat, every
from tasksvc_formats.sources import Source
from tasksvc_formats.times import parse_basic, parse_extended
from tasksvc_formats.uids import DerivedUids

PRIORITIES: Final = {"H": 9, "M": 5, "L": 2}
READ: Final = frozenset(
    ("uuid", "description", "entry", "end", "due", "status", "priority", "project", "tags", "annotations", "recur")
)
TECHNICAL: Final = frozenset(("id", "urgency", "modified", "mask", "imask", "rtype", "parent", "template", "last"))
"""Fields that Taskwarrior derives, or keeps for its own bookkeeping."""

_PERIOD = re.compile(r"(?:(\d{1,3}) ?)?([a-z]+)", re.ASCII).fullmatch
_ISO = re.compile(r"P(\d{1,3})([DWMY])", re.ASCII).fullmatch
_UNITS: Final = {
    **dict.fromkeys(("d", "day", "days", "daily", "D"), ("DAILY", 1)),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks", "weekly", "W"), ("WEEKLY", 1)),
    **dict.fromkeys(("fortnight", "biweekly"), ("WEEKLY", 2)),
    **dict.fromkeys(("mo", "mth", "mths", "month", "months", "monthly", "M"), ("MONTHLY", 1)),
    "bimonthly": ("MONTHLY", 2),
    **dict.fromkeys(("q", "qtr", "qtrs", "quarter", "quarters", "quarterly"), ("MONTHLY", 3)),
    **dict.fromkeys(("semiannual",), ("MONTHLY", 6)),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years", "yearly", "annual", "Y"), ("YEARLY", 1)),
    **dict.fromkeys(("biannual", "biyearly"), ("YEARLY", 2)),
}


def read_taskwarrior(source: Source, context: Context) -> Iterator[Item]:
    """Yields the tasks but for deleted ones, and for the templates of recurring ones, whose tasks are there too.

    The first open task of each template repeats; its others, which Taskwarrior made ahead, don't.
    """
    uids = DerivedUids(context.source)
    repeating = set[str]()
    for line, task in read_objects(source.open()):
        description, status = text_in(task, "description"), text_in(task, "status")
        if not description and not status:
            raise InvalidFile('It must have objects with "description" and "status".', line=line)
        if status in ("deleted", "recurring"):
            name = "deleted tasks" if status == "deleted" else "templates of recurring tasks"
            context.report.add(Fate.LEFT_OUT, name, description)
            continue
        yield finish(_read(task, context, uids, repeating), context)


def _read(task: dict[str, Any], context: Context, uids: DerivedUids, repeating: set[str]) -> Draft:
    title = text_in(task, "description")
    draft = Draft(text_in(task, "uuid") or uids.of(text_in(task, "entry"), title), title)
    draft.done = text_in(task, "status") == "completed"
    draft.created, draft.completed = _time(task, "entry"), _time(task, "end")
    draft.due = _due(task, context)
    draft.priority = PRIORITIES.get(text_in(task, "priority"), 0)
    draft.list = text_in(task, "project") or None
    tags = task.get("tags")
    draft.labels = [tag for tag in (tags if isinstance(tags, list) else [tags]) if isinstance(tag, str)]
    for note in objects_in(task, "annotations"):
        at = _time(note, "entry")
        head = f"{at.astimezone(context.zone):%Y-%m-%d}: " if at else ""
        draft.notes.append(f"{head}{text_in(note, 'description')}")
    for name, value in task.items():
        if name not in READ | TECHNICAL:
            draft.rest[name] = value
    if recur := text_in(task, "recur"):
        template = text_in(task, "parent")
        if draft.done or template not in repeating:
            draft.repeat = Repeat(_rule(recur), recur, context.zone)
        if template and not draft.done:
            repeating.add(template)
    return draft


def _due(task: dict[str, Any], context: Context) -> date | datetime | None:
    """Returns the day of a due at midnight, as Taskwarrior writes a day, and else its time."""
    due = _time(task, "due")
    local = due.astimezone(context.zone) if due is not None and date.min < due.date() < date.max else None
    return local.date() if local is not None and local.time() == time.min else due


def _time(values: dict[str, Any], name: str) -> datetime | None:
    text = text_in(values, name)
    return parse_basic(text, UTC) or parse_extended(text, UTC)


def _rule(recur: str) -> str:
    """Returns the rule of a period such as "weekly", "3 days" or "P1M"; empty if there is none."""
    if recur == "weekdays":
        return every("WEEKLY", byday="MO,TU,WE,TH,FR")
    match = _ISO(recur) or _PERIOD(recur)
    if match is None or match[2] not in _UNITS:
        return ""
    frequency, times = _UNITS[match[2]]
    count = int(match[1] or 1)
    return every(frequency, count * times) if count else ""
