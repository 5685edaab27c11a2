"""Reads dates and times as people type them, such as `tomorrow`, `fri 18:00`, `+3d`, `1 Dec` and ISO 8601.

Words are English ones.  A text that can be read in two ways is refused with both, rather than guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from dateutil import parser
from dateutil.relativedelta import MO, SA, relativedelta, weekday

from tasksvc_tasks.showing import in_utc

EXAMPLES = "tomorrow, 'fri 18:00', +3d, '1 Dec' or 2026-12-01"

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = r"mon(?:day)?|tues?(?:day)?|wed(?:s|nesday)?|thu(?:rs?|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
_MONTH = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?"
)
_EXACT = re.compile(
    rf"(?:(?P<weekday>{_WEEKDAY}) )?(?P<day>\d{{4}}-\d\d-\d\d)"
    r"(?:[t ](?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<offset>z|[+-]\d\d:?\d\d(?::\d\d)?)?)?"
).fullmatch
_TIME = (
    r"(?:at )?(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))? ?(?P<half>[ap]m)?"
    r"|(?P<hour12>\d{1,2}) ?(?P<half12>[ap]m)|(?P<noon>noon))|at (?P<bare>\d{1,2})"
)
_TIME_LAST = re.compile(rf"(?:(?P<day>.+?) )??(?:{_TIME})").fullmatch
_TIME_FIRST = re.compile(rf"(?:{_TIME}) (?P<day>.+)").fullmatch
_DISTANCE = re.compile(r"(?P<sign>[+-]|in )? ?(?P<count>\d{1,4}|an?) ?(?P<unit>[a-z]+)").fullmatch
_OF_A_MONTH = re.compile(
    rf"(?:(?P<weekday>{_WEEKDAY}) )?(?:the )?"
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH})|(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?)(?: (?P<year>\d{{4}}))?"
).fullmatch
_DOTS = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})?").fullmatch
_SLASHES = re.compile(r"(?P<first>\d{1,2})/(?P<second>\d{1,2})(?:/(?P<year>\d{4}))?").fullmatch

_UNITS = {
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "minutes"),
    **dict.fromkeys(("h", "hour", "hours"), "hours"),
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("w", "wk", "week", "weeks"), "weeks"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("y", "year", "years"), "years"),
}
_DAYS = {
    "today": relativedelta(),
    **dict.fromkeys(("tomorrow", "tom", "tmr"), relativedelta(days=1)),
    "day after tomorrow": relativedelta(days=2),
    "yesterday": relativedelta(days=-1),
    **dict.fromkeys(("weekend", "this weekend"), relativedelta(weekday=SA(1))),
    "next week": relativedelta(days=1, weekday=MO(1)),
    "next month": relativedelta(months=1, day=1),
    "next year": relativedelta(years=1, month=1, day=1),
    **dict.fromkeys(("end of month", "end of the month", "eom"), relativedelta(day=31)),
    **dict.fromkeys(("end of year", "end of the year", "eoy"), relativedelta(month=12, day=31)),
}
"""Days by their names, as distances from today.  A week begins on Monday."""


class NotUnderstood(ValueError):
    """The text isn't a date, or can be read in two ways.  Its message is a sentence that says what to type."""


def parse_when(text: str, now: datetime, zone: tzinfo | None = None) -> date | datetime:
    """Returns the day that `text` means, or, if it has a time of day, that time in UTC.

    `now` has an offset.  `zone` is the user's; None stands for that of this machine.  A time without a day is the next
    such time, and a weekday is the next such day, but never today unless a time that is still to come follows it.
    Raises NotUnderstood.
    """
    words = " ".join(text.lower().replace(",", " ").split())
    today = now.astimezone(zone).replace(tzinfo=None)
    try:
        return _exact(words, zone) or _distance(words, now, zone) or _day_and_time(words, today, zone)
    except NotUnderstood as error:
        raise NotUnderstood(f"{text.strip()!r} {error}") from None
    except (ValueError, OverflowError):
        raise NotUnderstood(f"{text.strip()!r} isn't a day or a time that there is.") from None


# ---------------------------------------------------------------- forms


def _exact(words: str, zone: tzinfo | None) -> date | datetime | None:
    """Returns what a text in ISO 8601 means, which may begin with its weekday; None if it isn't one."""
    found = _EXACT(words)
    if found is None:
        return None
    day = date.fromisoformat(found["day"])
    _check_weekday(found["weekday"], day)
    if found["clock"] is None:
        return day
    clock = time.fromisoformat(found["clock"] + (found["offset"] or "").upper())
    moment = datetime.combine(day, clock)
    return in_utc(moment, zone) if moment.tzinfo is None else moment.astimezone(UTC)


def _distance(words: str, now: datetime, zone: tzinfo | None) -> date | datetime | None:
    """Returns what `+3d`, `in 2 weeks` or `in an hour` means; None if the text isn't a distance from now."""
    found = _TIME_LAST(words)
    day, clock = (words, None) if found is None or found["day"] is None else (found["day"], _clock(found))
    distance = _DISTANCE(day)
    if distance is None or (distance["unit"] not in _UNITS and distance["unit"] != "m"):
        return None
    count = 1 if distance["count"] in ("a", "an") else int(distance["count"])
    if distance["unit"] == "m":
        raise NotUnderstood(f"can mean minutes or months. Write {count}min or {count}mo.")
    unit = _UNITS[distance["unit"]]
    step = -count if distance["sign"] == "-" else count
    if unit in ("minutes", "hours"):
        if clock is not None:
            raise NotUnderstood("has a time of day twice.")
        return (now.astimezone(UTC) + timedelta(**{unit: step})).replace(second=0, microsecond=0)
    target = now.astimezone(zone).date() + relativedelta(**{unit: step})  # type: ignore[arg-type]
    return target if clock is None else in_utc(datetime.combine(target, clock), zone)


def _day_and_time(words: str, today: datetime, zone: tzinfo | None) -> date | datetime:
    """Returns what a text with a day, a time of day or both means.  `today` is the user's clock."""
    found = _TIME_LAST(words) or _TIME_FIRST(words)
    if found is None:
        return _day(words, today.date(), None)
    clock = _clock(found)
    has_passed = clock <= today.time()
    if found["day"] is None:
        day = today.date() + timedelta(days=has_passed)
    else:
        day = _day(found["day"], today.date(), today.date() if has_passed else None, with_time=True)
    return in_utc(datetime.combine(day, clock), zone)


def _day(words: str, today: date, passed: date | None, *, with_time: bool = False) -> date:
    """Returns the day that `words` name.  `passed`: today, if the time that comes with it has passed already."""
    words = words.removeprefix("on ")
    if words in _DAYS:
        return today + _DAYS[words]
    if re.fullmatch(rf"(?:this )?(?:{_WEEKDAY})", words):
        first = today if with_time and passed is None else today + timedelta(days=1)
        return first + relativedelta(weekday=weekday(_number(words.removeprefix("this ")))(1))
    if re.fullmatch(rf"next (?:{_WEEKDAY})", words):
        coming = today + timedelta(days=1) + relativedelta(weekday=weekday(_number(words.removeprefix("next ")))(1))
        later = coming + timedelta(days=7)
        raise NotUnderstood(f"can mean {_said(coming)} or {_said(later)}. Write {coming} or {later}.")
    if found := _OF_A_MONTH(words):
        return _of_a_month(words, found, today)
    if found := _DOTS(words):
        return _next_such(int(found["day"]), int(found["month"]), found["year"], today)
    if found := _SLASHES(words):
        return _with_slashes(found, today)
    raise NotUnderstood(f"isn't a date that is understood here. Write it like {EXAMPLES}.")


def _of_a_month(words: str, found: re.Match[str], today: date) -> date:
    """Returns what `1 Dec`, `December 1st 2026` or `the 1st of December` means."""
    named = parser.parse(words.removeprefix("the "), default=datetime(today.year, 1, 1))
    day = _next_such(named.day, named.month, found["year"], today)
    _check_weekday(found["weekday"], day)
    return day


def _with_slashes(found: re.Match[str], today: date) -> date:
    """Returns what 24/12 or 12/24 means.  Raises NotUnderstood where both numbers can be the month."""
    first, second = int(found["first"]), int(found["second"])
    if first <= 12 and second <= 12 and first != second:
        readings = [_next_such(*each, found["year"], today) for each in ((first, second), (second, first))]
        raise NotUnderstood(f"can mean {' or '.join(map(_said, readings))}. Write {readings[0]} or {readings[1]}.")
    return _next_such(max(first, second), min(first, second), found["year"], today)


def _next_such(day: int, month: int, year: str | None, today: date) -> date:
    """Returns the day in `year`, or without a year the next such day, which may be today."""
    if year is not None:
        return date(int(year), month, day)
    this_year = date(today.year, month, day)
    return this_year if this_year >= today else date(today.year + 1, month, day)


def _clock(found: re.Match[str]) -> time:
    """Returns a time of day.  Raises NotUnderstood for 13 pm."""
    if found["noon"]:
        return time(12)
    hour, half = int(found["hour"] or found["hour12"] or found["bare"]), found["half"] or found["half12"]
    if half is not None:
        if not 1 <= hour <= 12:
            raise NotUnderstood(f"has an hour {hour} {half}, which there isn't.")
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, int(found["minute"] or 0), int(found["second"] or 0))


def _check_weekday(name: str | None, day: date) -> None:
    if name is not None and _number(name) != day.weekday():
        raise NotUnderstood(f"contradicts itself: {day} is a {day:%A}.")


def _number(name: str) -> int:
    """Returns the number of a weekday, 0 for Monday."""
    return _WEEKDAYS.index(name[:3])


def _said(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
