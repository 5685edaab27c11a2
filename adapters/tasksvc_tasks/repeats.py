"""How a task repeats, as people type it: `weekly`, `every 2 weeks`, `every mon and thu`, or a rule of RFC 5545."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EXAMPLES = "weekly, 'every 2 weeks', 'every mon, thu', 'every! month' or FREQ=MONTHLY;BYMONTHDAY=1"

_UNITS = {"d": "DAILY", "w": "WEEKLY", "m": "MONTHLY", "y": "YEARLY"}
_WORDS = {"daily": "DAILY", "weekly": "WEEKLY", "monthly": "MONTHLY", "yearly": "YEARLY"}
_WORKING_DAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
_INTERVAL = re.compile(r"(?:(?P<count>\d{1,4}|other) ?)?(?:(?P<unit>days?|weeks?|months?|years?)|(?P<letter>[dwy]))")
_WEEKDAY = re.compile(r"(mo)n?(?:days?)?|(tu)e?s?(?:days?)?|(we)d?(?:nesdays?)?|(th)u?r?s?(?:days?)?|(fr)i?(?:days?)?"
                      r"|(sa)t?(?:urdays?)?|(su)n?(?:days?)?")  # fmt: skip


class NotUnderstood(ValueError):
    """The text says nothing of how a task repeats.  Its message is a sentence that says what to type."""


def parse_repeat(text: str, zone: str) -> Mapping[str, Any]:
    """Returns what the API takes as `repeat`, in the user's `zone`.  Raises NotUnderstood.

    `every!` in place of `every` counts from the day on which the task is completed, as in Todoist.
    """
    words = " ".join(text.split())
    if "=" in words:
        return {"rule": words.upper().removeprefix("RRULE:"), "zone": zone}
    words = words.lower()
    from_completion = words.startswith("every!")
    rule = _rule(words.removeprefix("every!").removeprefix("every").strip(), words.startswith("every"))
    if rule is None:
        raise NotUnderstood(f"{text!r} doesn't say how a task repeats. Write it like {EXAMPLES}.")
    return {"rule": rule, "zone": zone, **({"from": "completion"} if from_completion else {})}


def show_repeat(repeat: Mapping[str, Any]) -> str:
    """Returns the rule, its zone, and what it is counted from if that isn't the schedule."""
    counted = repeat.get("from", "schedule")
    return f"{repeat['rule']} ({repeat['zone']}{'' if counted == 'schedule' else f', from {counted}'})"


def local_zone() -> str:
    """Returns the name of the zone of this machine or of the variable TZ, such as Europe/Berlin."""
    import tzlocal  # which only this needs

    return tzlocal.get_localzone_name() or "UTC"


def _rule(words: str, follows_every: bool) -> str | None:
    if words in _WORDS:
        return f"FREQ={_WORDS[words]}"
    if words in ("weekday", "weekdays", "workday", "workdays"):
        return _WORKING_DAYS
    if found := _INTERVAL.fullmatch(words):
        if found["count"] is None and not follows_every:
            return None
        count = {"other": 2, None: 1}.get(found["count"]) or int(found["count"])
        interval = "" if count == 1 else f";INTERVAL={count}"
        return f"FREQ={_UNITS[(found['unit'] or found['letter'])[0]]}{interval}"
    days = [_WEEKDAY.fullmatch(word) for word in re.split(r", ?|,? and | ", words)]
    if words and follows_every and all(days):
        names = dict.fromkeys(day[day.lastindex or 0].upper() for day in days if day)
        return f"FREQ=WEEKLY;BYDAY={','.join(names)}"
    return None
