"""Writes todo.txt: one task a line, with `due:`, `rec:` and `uid:` as most programs know them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, TextIO
from zoneinfo import ZoneInfo

from tasksvc_formats.report import Fate, Report
from tasksvc_formats.rules import WEEKDAYS
from tasksvc_formats.todotxt_reader import KEYS, PRIORITIES

DEFAULT_LIST: Final = "inbox"
"""The list of a task that has no project."""
_UNITS: Final = {"DAILY": "d", "WEEKLY": "w", "MONTHLY": "m", "YEARLY": "y"}
_SPECIAL = re.compile(rf"(?:^|(?<= ))(?:[+@][^ ]|(?:{'|'.join(sorted(KEYS))}):[^ ])")


def write_todotxt(tasks: Iterable[Mapping[str, Any]], out: TextIO, zone: ZoneInfo, report: Report) -> None:
    """Writes a line for each task, with its days in `zone`."""
    for task in tasks:
        out.write(_line(task, zone, report) + "\n")


def _line(task: Mapping[str, Any], zone: ZoneInfo, report: Report) -> str:
    title = task["description"]
    created = _day(task["created_at"], zone)
    letter = PRIORITIES[task["priority"]] if task["priority"] else ""
    if task["done"]:
        head = ["x", _day(task["completed_at"], zone), created]
    else:
        head = [f"({letter})", created] if letter else [created]
    text = " ".join(title.split("\n")).replace("\r", "").strip()
    if text != title:
        report.add(Fate.CHANGED, "line breaks and spaces around descriptions", title)
    if _SPECIAL.search(text):
        report.add(Fate.CHANGED, "words in descriptions that todo.txt reads as tags or keys", title)
    tags = [] if task["list"] == DEFAULT_LIST else [_tag("+", task["list"], report)]
    tags += [_label(label, report) for label in task["labels"]]
    keys = list[str]()
    if task["done"] and letter:
        keys.append(f"pri:{letter}")
    if due := task["due_on"] or _local(task["due_at"], zone):
        keys.append(f"due:{due}")
    if task["repeat"]:
        if recurrence := _recurrence(task, zone):
            keys.append(f"rec:{recurrence}")
        elif not task["done"]:
            report.add(Fate.LEFT_OUT, "repetitions that todo.txt can't say", f"{title}: {task['repeat']['rule']}")
    if task["uid"] is not None:
        if re.search(r"\s", task["uid"]):
            report.add(Fate.LEFT_OUT, "uids with spaces", task["uid"])
        else:
            keys.append(f"uid:{task['uid']}")
    for name in ("notes", "parent_id", "position", "metadata"):
        if task[name]:
            report.add(Fate.LEFT_OUT, name, f"{title}: {task[name]}")
    return " ".join([*head, text, *tags, *keys])


def _day(at: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(at).astimezone(zone).date().isoformat()


def _local(at: str | None, zone: ZoneInfo) -> str | None:
    """Returns a time on the clock of `zone`, to the minute where it has no seconds."""
    if at is None:
        return None
    local = datetime.fromisoformat(at).astimezone(zone).replace(tzinfo=None)
    exact = local.second or local.microsecond
    return local.isoformat() if exact else local.isoformat(timespec="minutes")


def _label(label: str, report: Report) -> str:
    """Returns a context, or, for a label that begins with a plus, a further project."""
    return _tag("+", label[1:], report) if label[:1] == "+" and len(label) > 1 else _tag("@", label, report)


def _tag(sign: str, name: str, report: Report) -> str:
    word = re.sub(r"\s", "_", name)
    if word != name:
        report.add(Fate.CHANGED, "spaces in lists and labels, which become _", name)
    return f"{sign}{word}"


def _recurrence(task: Mapping[str, Any], zone: ZoneInfo) -> str | None:
    """Returns the value of `rec:` if it means the same as the repetition, counted from the due; else None."""
    repeat = task["repeat"]
    parts = dict(part.split("=", 1) for part in repeat["rule"].split(";"))
    due = (
        date.fromisoformat(task["due_on"])
        if task["due_on"]
        else datetime.fromisoformat(task["due_at"]).astimezone(zone).date()
        if task["due_at"]
        else None
    )
    if due is None or task["done"] or repeat["from"] == "each" or (task["due_at"] and repeat["zone"] != zone.key):
        return None
    named = {
        "BYDAY": WEEKDAYS[due.weekday()],
        "BYMONTHDAY": str(due.day),
        "BYMONTH": str(due.month),
    }
    wanted = {
        "DAILY": set[str](),
        "WEEKLY": {"BYDAY"},
        "MONTHLY": {"BYMONTHDAY"},
        "YEARLY": {"BYMONTH", "BYMONTHDAY"},
    }[parts["FREQ"]]
    if repeat["from"] == "completion":
        if parts.keys() - {"FREQ", "INTERVAL"}:
            return None
    elif {name: value for name, value in parts.items() if name not in ("FREQ", "INTERVAL")} != {
        name: named[name] for name in wanted
    }:
        return None
    strict = "" if repeat["from"] == "completion" else "+"
    return f"{strict}{parts.get('INTERVAL', '1')}{_UNITS[parts['FREQ']]}"
