"""Dates of Todoist's exports: English text such as "5 Dec", "every monday at 9:00" and "every! 3 days"."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tasksvc_formats.rules import WEEKDAYS, Repeat, every
from tasksvc_formats.times import parse_day, parse_extended


class When(NamedTuple):
    """What a text says: a due, a repetition, or neither if it can't be read."""

    due: date | datetime | None = None
    repeat: Repeat | None = None


_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY: Final = rf"(?:{'|'.join(_DAYS)})[a-z]*"
_UNITS: Final = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_SHORT: Final = {"daily": "every day", "weekly": "every week", "monthly": "every month", "yearly": "every year"}
_ORDINALS: Final = {"first": "1st", "second": "2nd", "third": "3rd", "fourth": "4th", "fifth": "5th"}
_PARTS_OF_DAY: Final = {"morning": time(9), "afternoon": time(12), "evening": time(19), "night": time(22)}

_CLOCK = re.compile(r"(?:^| )(?:at |@ ?)?(\d{1,2})(?::(\d\d))? ?(am|pm)?$", re.ASCII)
_DAY_MONTH = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)? {_MONTH}(?:,? (\d{{4}}))?", re.ASCII).fullmatch
_MONTH_DAY = re.compile(rf"{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?", re.ASCII).fullmatch
_COUNTED = re.compile(r"(?:(\d{1,3}) |(other) )?(day|week|month|year)s?", re.ASCII).fullmatch
_WEEKDAYS = re.compile(
    rf"(?:(\d{{1,2}}) weeks? (?:on )?)?{_WEEKDAY}(?:(?:, ?| and |, and | ){_WEEKDAY})*", re.ASCII
).fullmatch
_NTH_WEEKDAY = re.compile(rf"(?:(\d)(?:st|nd|rd|th)|(last)) ({_WEEKDAY})", re.ASCII).fullmatch
_MONTH_DAYS = re.compile(r"\d{1,2}(?:st|nd|rd|th)?(?:(?:, ?| and |, and )\d{1,2}(?:st|nd|rd|th)?)*", re.ASCII).fullmatch


def read_when(text: str, zone: ZoneInfo, today: date) -> When:
    """Returns what a text says; days without a year are the next ones from `today` on.

    A repetition is first due on its first day from `today` on, since exports don't say when it's due.
    """
    words = " ".join(text.lower().split())
    for name, ordinal in _ORDINALS.items():
        words = re.sub(rf"\b{name}\b", ordinal, words)
    if (exact := parse_day(words) or parse_extended(words.upper(), zone)) is not None:
        return When(exact)
    first, _, others = words.partition(" ")
    words = f"{_SHORT.get(first, first)} {others}".strip()
    clock: time | None = None
    if words.startswith("every") or " at " in words or ":" in words or re.search(r"\d ?[ap]m$", words):
        words, clock = _split_clock(words)
    if (match := re.match(r"(every ?!?|after) ", f"{words} ")) is not None:
        completion = match[1] != "every"
        return _read_repetition(text, words[match.end() :].strip(), clock, zone, today, completion=completion)
    day = _read_day(words, today)
    return When() if day is None else When(_at(day, clock, zone))


def _split_clock(words: str) -> tuple[str, time | None]:
    """Returns the words without the time at their end, and the time."""
    match = _CLOCK.search(words)
    if match is None or not (match[2] or match[3] or " at " in match[0] or match[0].strip().startswith("@")):
        return words, None
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            return words, None
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    if hour > 23 or minute > 59:
        return words, None
    return words[: match.start()].strip(), time(hour, minute)


def _read_day(words: str, today: date) -> date | None:
    offsets = {"today": 0, "tod": 0, "tomorrow": 1, "tom": 1, "yesterday": -1}
    if words in offsets:
        return today + timedelta(offsets[words])
    if re.fullmatch(_WEEKDAY, words):
        return _first(today, {_DAYS.index(words[:3])})
    if (exact := parse_day(words)) is not None:
        return exact
    if (match := _DAY_MONTH(words)) is not None:
        number, name, year = match.groups()
    elif (match := _MONTH_DAY(words)) is not None:
        name, number, year = match.groups()
    else:
        return None
    month = _MONTHS.index(name) + 1
    try:
        if year:
            return date(int(year), month, int(number))
        day = date(today.year, month, int(number))
        return day if day >= today else day.replace(year=today.year + 1)
    except ValueError:
        return None


def _read_repetition(
    text: str, words: str, clock: time | None, zone: ZoneInfo, today: date, *, completion: bool
) -> When:
    if words in _PARTS_OF_DAY:
        words, clock = "day", clock or _PARTS_OF_DAY[words]
    found = _rule(words, today)
    if found is None:
        return When(None, Repeat("", text, zone))
    rule, day = found
    return When(_at(day, clock, zone), Repeat(rule, text, zone, "completion" if completion else "schedule"))


def _rule(words: str, today: date) -> tuple[str, date] | None:
    """Returns the rule that the words after "every" mean, and its first day; None if they can't be read."""
    if words in ("weekday", "workday", "work day", "week day"):
        return every("WEEKLY", byday="MO,TU,WE,TH,FR"), _first(today, set(range(5)))
    if words == "weekend":
        return every("WEEKLY", byday="SA"), _first(today, {5})
    if words == "last day":
        return every("MONTHLY", bymonthday="-1"), _month_end(today)
    if (match := _COUNTED(words)) is not None:
        count = 2 if match[2] else int(match[1] or 1)
        return (every(_UNITS[match[3]], count), today) if count else None
    if (match := _WEEKDAYS(words)) is not None:
        days = {_DAYS.index(name[:3]) for name in re.findall(_WEEKDAY, re.sub(r"^\d+ weeks? (on )?", "", words))}
        byday = ",".join(WEEKDAYS[day] for day in sorted(days))
        return every("WEEKLY", int(match[1] or 1), byday=byday), _first(today, days)
    if words.startswith("other ") and re.fullmatch(_WEEKDAY, words[6:]):
        day = _DAYS.index(words[6:9])
        return every("WEEKLY", 2, byday=WEEKDAYS[day]), _first(today, {day})
    if (match := _NTH_WEEKDAY(words)) is not None:
        number, day = -1 if match[2] else int(match[1]), _DAYS.index(match[3][:3])
        first = _nth_weekday(today, number, day)
        return None if first is None else (every("MONTHLY", byday=f"{number}{WEEKDAYS[day]}"), first)
    if _MONTH_DAYS(words) is not None:
        numbers = sorted({int(number) for number in re.findall(r"\d+", words)})
        if not 1 <= numbers[0] <= numbers[-1] <= 31:
            return None
        return every("MONTHLY", bymonthday=",".join(map(str, numbers))), _first_of_month(today, numbers)
    if (yearly := _read_day(words, today)) is not None and not re.search(r"\d{4}|tod|tom|yest", words):
        return every("YEARLY", bymonth=str(yearly.month), bymonthday=str(yearly.day)), yearly
    return None


def _at(day: date, clock: time | None, zone: ZoneInfo) -> date | datetime:
    return day if clock is None else datetime.combine(day, clock, zone)


def _first(today: date, weekdays: set[int]) -> date:
    return next(day for day in _days_from(today, 7) if day.weekday() in weekdays)


def _first_of_month(today: date, numbers: list[int]) -> date:
    return next(day for day in _days_from(today, 70) if day.day in numbers)


def _month_end(today: date) -> date:
    return next(day for day in _days_from(today, 31) if (day + timedelta(1)).day == 1)


def _nth_weekday(today: date, number: int, weekday: int) -> date | None:
    for day in _days_from(today, 200):
        week = -1 if number < 0 and (day + timedelta(7)).month != day.month else (day.day - 1) // 7 + 1
        if day.weekday() == weekday and week == number:
            return day
    return None


def _days_from(today: date, count: int) -> list[date]:
    return [today + timedelta(number) for number in range(count)]
