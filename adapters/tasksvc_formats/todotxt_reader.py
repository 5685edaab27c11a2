"""Reads todo.txt, which has one task a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from tasksvc_formats.drafts import Context, Draft, Item, finish
from tasksvc_formats.rules import Basis, Repeat, every
from tasksvc_formats.sources import Source, read_lines
from tasksvc_formats.times import parse_day, parse_extended, start_of
from tasksvc_formats.uids import DerivedUids

PRIORITIES: Final = "JIHGFEDCBA"
"""The letters of the priorities 0 to 9; those after I are 1 too."""
KEYS: Final = frozenset(("due", "rec", "t", "pri", "uid"))
"""The keys that are taken out of the text.  Any other word with a colon, such as a URL, stays where it is."""

_DATE: Final = r"(?:(\d{4}-\d\d-\d\d) )?"
_HEAD = re.compile(rf"(x )?(?:\(([A-Z])\) )?{_DATE}{_DATE}(?:\(([A-Z])\) )?", re.ASCII)
_RECURRENCE = re.compile(r"(\+?)(\d{1,3})([dwmyb])", re.ASCII).fullmatch
_PRIORITY = re.compile(r"[A-Z]", re.ASCII).fullmatch
_UNITS: Final = {"d": "DAILY", "w": "WEEKLY", "m": "MONTHLY", "y": "YEARLY"}


def read_todotxt(source: Source, context: Context) -> Iterator[Item]:
    """Yields the tasks of a todo.txt file."""
    uids = DerivedUids(context.source)
    for line in read_lines(source.open()):
        if text := line.strip():
            yield finish(_read(text, context, uids), context)


def _read(line: str, context: Context, uids: DerivedUids) -> Draft:
    draft = Draft("", "")
    match = _HEAD.match(line)
    assert match is not None, "all of it may be missing"
    done, priority, first, second, late_priority = match.groups()
    draft.done = done is not None
    days = [parse_day(text) for text in (first, second) if text]
    begins = match.end()
    if None in days or (second and not done):  # a date that is part of the text
        kept = next((number for number, day in enumerate(days) if day is None), 1)
        begins = match.start(3 + kept)
        days, late_priority = days[:kept], None
    draft.priority = _priority(priority or late_priority)
    completed, created = ([*days, None, None] if done else [None, *days, None])[:2]
    draft.created = start_of(created, context.zone) if created else None
    draft.completed = start_of(completed, context.zone) if completed else None
    text = line[begins:]
    words = _take_keys(text.split(" "), draft, context)
    _take_tags(words, draft)
    draft.description = " ".join(words)
    draft.uid = draft.uid or uids.of(str(created or ""), re.sub(r"(^| )pri:[A-Z](?= |$)", "", text))
    return draft


def _priority(letter: str | None) -> int:
    """Returns 9 for A, 8 for B and so on; 1 from I to Z, and 0 for none."""
    return 0 if letter is None else max(PRIORITIES.find(letter), 1)


def _take_keys(words: list[str], draft: Draft, context: Context) -> list[str]:
    """Returns the words without the keys that tasks have fields for, which it sets in the draft."""
    kept, recurrence = list[str](), ""
    for word in words:
        key, _, value = word.partition(":")
        if key in KEYS and value:
            if key == "due" and draft.due is None and (due := _due(value, context)) is not None:
                draft.due = due
                continue
            if key == "rec" and not recurrence:
                recurrence = value
                continue
            if key == "t":
                draft.rest["threshold"] = value
                continue
            if key == "uid" and not draft.uid:
                draft.uid = value
                continue
            if key == "pri" and _PRIORITY(value):
                draft.priority = draft.priority or _priority(value)
                continue
        kept.append(word)
    if recurrence:
        draft.repeat = _repeat(recurrence, context)
    return kept


def _due(text: str, context: Context) -> date | datetime | None:
    return parse_day(text) or parse_extended(text, context.zone)


def _repeat(text: str, context: Context) -> Repeat:
    """Returns the repetition of `rec:`: from the completion, or with a plus from the schedule."""
    rule = ""
    basis: Basis = "completion"
    if (match := _RECURRENCE(text)) is not None:
        strict, count, unit = match.groups()
        basis = "schedule" if strict else "completion"
        if unit in _UNITS:
            rule = every(_UNITS[unit], int(count))
        elif count == "1":
            rule = every("WEEKLY", byday="MO,TU,WE,TH,FR")
    return Repeat(rule, f"rec:{text}", context.zone, basis)


def _take_tags(words: list[str], draft: Draft) -> None:
    """Reads projects and contexts, and takes those at the end out of `words`.

    The first project is the list, and others are labels, as are contexts.
    """
    tags = [word for word in words if _is_tag(word)]
    while words and (_is_tag(words[-1]) or not words[-1]) and len(words) > 1:
        words.pop()
    for tag in tags:
        name = tag[1:]
        if tag[0] == "@":
            draft.labels.append(name)
        elif draft.list is None:
            draft.list = name
        elif name != draft.list:
            draft.labels.append(tag)


def _is_tag(word: str) -> bool:
    return len(word) > 1 and word[0] in "+@"
