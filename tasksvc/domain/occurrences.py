"""The next occurrence of a recurrence rule, in bounded time.  All days and times are local, without a zone.

The days of a month are the bits of an integer, the first day the lowest.  The days that a rule picks in a month depend
on its number, its length and its first weekday alone, and those in a year on whether it is a leap year and on its first
weekday, so that there are few different ones.  That makes 60 years cheap, even where nothing occurs in them.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import MAXYEAR, date
from typing import Final

from tasksvc.domain.recurrence import FEBRUARY, MONTH_LENGTHS, Frequency, Rule, Weekday

YEARS_MAX: Final = 60
"""The years after a day in which an occurrence is looked for.  A rule without one there counts as one that ends."""
YEARS_IN_ALL: Final = 200
"""The years after a day in which all occurrences end, so that counting those of an ancient start is cheap too."""

_WEEK: Final = 7
_LONGEST_MONTH: Final = 31


def days_after(rule: Rule, start: date, after: date) -> Iterator[date]:
    """Yields the days after `after`, and not before `start`, on which `rule` occurs.

    `rule` must be complete, and its COUNT and UNTIL are ignored.  Ends where YEARS_MAX years have none, or after
    YEARS_IN_ALL.
    """
    months = _years(rule, start, after) if rule.frequency is Frequency.YEARLY else _months(rule, start, after)
    first_year = max(start, after).year
    last_year = first_year + YEARS_MAX
    for year, first, days in months:
        if year > last_year:
            return
        for bit in _bits(days):
            day = date.fromordinal(first + bit)
            if day > after and day >= start:
                last_year = min(year + YEARS_MAX, first_year + YEARS_IN_ALL)
                yield day


_Span = tuple[int, int, int]
"""The year of some days, the ordinal of the first, and those of them that a rule picks, as bits."""


def _years(rule: Rule, start: date, after: date) -> Iterator[_Span]:
    """Yields the years of a yearly rule, from that of `start` or `after` on."""
    picked: dict[tuple[int, bool], int] = {}
    passed = max(0, after.year - start.year)
    for year in range(start.year + passed // rule.interval * rule.interval, MAXYEAR + 1, rule.interval):
        first = date(year, 1, 1)
        kind = first.weekday(), calendar.isleap(year)
        if kind not in picked:
            picked[kind] = _days_of_year(rule, *kind)
        yield year, first.toordinal(), picked[kind]


def _months(rule: Rule, start: date, after: date) -> Iterator[_Span]:
    """Yields the months of a rule of days, weeks or months, from that of `start` or `after` on."""
    picked: dict[tuple[int, int], int] = {}
    begin = max(start, after)
    monthly = rule.frequency is Frequency.MONTHLY
    step = rule.interval if monthly else 1
    passed = (begin.year - start.year) * 12 + begin.month - start.month
    first_number = start.year * 12 + start.month - 1 + passed // step * step
    width, base = (1, start.toordinal())
    if rule.frequency is Frequency.WEEKLY:
        width, base = _WEEK, base - (start.weekday() - rule.week_start) % _WEEK
    period = width * rule.interval
    pattern = 0 if monthly else _pattern(width, period)
    for number in range(first_number, (MAXYEAR + 1) * 12, step):
        year, month = divmod(number, 12)
        month += 1
        if rule.by_month and month not in rule.by_month:
            yield year, 1, 0
            continue
        first = date(year, month, 1)
        ordinal = first.toordinal()
        length = _length(month, calendar.isleap(year))
        kind = ordinal % _WEEK, length
        if kind not in picked:
            picked[kind] = _pick(_days_of_month(rule, first.weekday(), length), rule.by_set_pos)
        days = picked[kind]
        yield year, ordinal, days if monthly else days & (pattern >> (ordinal - base) % period)


# ---------------------------------------------------------------- sets of days


def _length(month: int, leap: bool) -> int:
    return MONTH_LENGTHS[month] + (leap and month == FEBRUARY)


def _pattern(width: int, period: int) -> int:
    """Returns the first `width` of each `period` days, as far as a month after any day of a period reaches."""
    return sum((1 << width) - 1 << begin for begin in range(0, period + _LONGEST_MONTH, period))


def _bits(days: int) -> Iterator[int]:
    """Yields the numbers of the bits that are set, from the lowest on."""
    while days:
        lowest = days & -days
        yield lowest.bit_length() - 1
        days ^= lowest


def _pick(days: int, positions: tuple[int, ...]) -> int:
    """Returns those of `days` at some positions, from 1 on, or from -1 on from the end; all where there are none."""
    if not positions:
        return days
    numbers = list(_bits(days))
    picked = {numbers[at - 1 if at > 0 else at] for at in positions if abs(at) <= len(numbers)}
    return sum(1 << number for number in picked)


def _days_of_month(rule: Rule, first_weekday: int, length: int) -> int:
    """Returns the days that BYMONTHDAY and BYDAY leave of a month, with ordinals counted in it."""
    days = (1 << length) - 1
    if rule.by_month_day:
        days &= _month_days(rule.by_month_day, length)
    if rule.by_day:
        days &= _weekdays(rule.by_day, first_weekday, length)
    return days


def _month_days(numbers: tuple[int, ...], length: int) -> int:
    days = {number if number > 0 else length + 1 + number for number in numbers}
    return sum(1 << day - 1 for day in days if 1 <= day <= length)


def _weekdays(weekdays: tuple[Weekday, ...], first_weekday: int, length: int) -> int:
    """Returns the days that BYDAY names of `length` days, the first of which is a `first_weekday`."""
    days = 0
    for ordinal, weekday in weekdays:
        same = range((weekday - first_weekday) % _WEEK, length, _WEEK)
        if ordinal == 0:
            days |= sum(1 << day for day in same)
        elif abs(ordinal) <= len(same):
            days |= 1 << same[ordinal - 1 if ordinal > 0 else ordinal]
    return days


def _days_of_year(rule: Rule, first_weekday: int, leap: bool) -> int:
    """Returns the days that a yearly rule picks in a year.  Ordinals are counted in the months that BYMONTH names."""
    of_months = bool(rule.by_month)
    in_month = rule if of_months else rule._replace(by_day=())
    days = begin = 0
    for month in range(1, 13):
        length = _length(month, leap)
        if not of_months or month in rule.by_month:
            days |= _days_of_month(in_month, (first_weekday + begin) % _WEEK, length) << begin
        begin += length
    if rule.by_day and not of_months:
        days &= _weekdays(rule.by_day, first_weekday, begin)
    return _pick(days, rule.by_set_pos)
