"""On which days a recurrence rule occurs, beside the examples of RFC 5545 and beside python-dateutil."""

from __future__ import annotations

import datetime as datetime_module
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice
from random import Random
from types import FrameType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from tasksvc.domain.occurrences import YEARS_MAX, days_after
from tasksvc.domain.recurrence import INTERVAL_MAX, WEEKDAYS, Frequency, complete, parse_rule


def next_day(text: str, start: date, after: date) -> date | None:
    return next(days_after(complete(parse_rule(text), start), start, after), None)


def days(text: str, start: str, count: int = 5) -> list[str]:
    """Returns the first days after `start` on which a rule occurs."""
    first = date.fromisoformat(start)
    return [str(day) for day in islice(days_after(complete(parse_rule(text), first), first, first), count)]


# ---------------------------------------------------------------- RFC 5545, section 3.8.5.3

EXAMPLES = [
    ("FREQ=DAILY;INTERVAL=2", "1997: 9/2 9/4 9/6 9/8 9/10 9/12"),
    ("FREQ=DAILY;INTERVAL=10", "1997: 9/2 9/12 9/22 10/2 10/12"),
    ("FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", "1998: 1/30 1/31; 1999: 1/1 1/2"),
    ("FREQ=DAILY;BYMONTH=1", "1998: 1/30 1/31; 1999: 1/1 1/2"),
    ("FREQ=WEEKLY", "1997: 9/2 9/9 9/16 9/23 9/30 10/7 10/14 10/21 10/28 11/4"),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", "1997: 9/2 9/16 9/30 10/14 10/28 11/11 11/25 12/9 12/23; 1998: 1/6 1/20 2/3"),
    ("FREQ=WEEKLY;WKST=SU;BYDAY=TU,TH", "1997: 9/2 9/4 9/9 9/11 9/16 9/18 9/23 9/25 9/30 10/2"),
    (
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE,FR",
        "1997: 9/1 9/3 9/5 9/15 9/17 9/19 9/29 10/1 10/3 10/13 10/15 10/17 10/27 10/29 10/31 11/10 11/12 11/14 11/24"
        " 11/26 11/28 12/8 12/10 12/12 12/22",
    ),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH", "1997: 9/2 9/4 9/16 9/18 9/30 10/2 10/14 10/16"),
    ("FREQ=MONTHLY;BYDAY=1FR", "1997: 9/5 10/3 11/7 12/5; 1998: 1/2 2/6 3/6 4/3 5/1 6/5"),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU",
        "1997: 9/7 9/28 11/2 11/30; 1998: 1/4 1/25 3/1 3/29 5/3 5/31",
    ),
    ("FREQ=MONTHLY;BYDAY=-2MO", "1997: 9/22 10/20 11/17 12/22; 1998: 1/19 2/16"),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", "1997: 9/28 10/29 11/28 12/29; 1998: 1/29 2/26"),
    ("FREQ=MONTHLY;BYMONTHDAY=2,15", "1997: 9/2 9/15 10/2 10/15 11/2 11/15 12/2 12/15; 1998: 1/2 1/15"),
    ("FREQ=MONTHLY;BYMONTHDAY=1,-1", "1997: 9/30 10/1 10/31 11/1 11/30 12/1 12/31; 1998: 1/1 1/31 2/1"),
    (
        "FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12,13,14,15",
        "1997: 9/10 9/11 9/12 9/13 9/14 9/15; 1999: 3/10 3/11 3/12 3/13",
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997: 9/2 9/9 9/16 9/23 9/30 11/4 11/11 11/18 11/25; 1998: 1/6 1/13 1/20 1/27 3/3 3/10 3/17 3/24 3/31",
    ),
    ("FREQ=YEARLY;BYMONTH=6,7", "1997: 6/10 7/10; 1998: 6/10 7/10; 1999: 6/10 7/10; 2000: 6/10 7/10; 2001: 6/10 7/10"),
    (
        "FREQ=YEARLY;INTERVAL=2;BYMONTH=1,2,3",
        "1997: 3/10; 1999: 1/10 2/10 3/10; 2001: 1/10 2/10 3/10; 2003: 1/10 2/10 3/10",
    ),
    ("FREQ=YEARLY;BYDAY=20MO", "1997: 5/19; 1998: 5/18; 1999: 5/17"),
    ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997: 3/13 3/20 3/27; 1998: 3/5 3/12 3/19 3/26; 1999: 3/4 3/11 3/18 3/25"),
    (
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997: 6/5 6/12 6/19 6/26 7/3 7/10 7/17 7/24 7/31 8/7 8/14 8/21 8/28; 1998: 6/4 6/11 6/18 6/25 7/2 7/9 7/16",
    ),
    ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1998: 2/13 3/13 11/13; 1999: 8/13; 2000: 10/13"),
    (
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997: 9/13 10/11 11/8 12/13; 1998: 1/10 2/7 3/7 4/11 5/9 6/13",
    ),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996: 11/5; 2000: 11/7; 2004: 11/2",
    ),
    ("FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3", "1997: 9/4 10/7 11/6"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", "1997: 9/29 10/30 11/27 12/30; 1998: 1/29 2/26 3/30"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", "1997: 8/5 8/10 8/19 8/24"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", "1997: 8/5 8/17 8/19 8/31"),
    ("FREQ=MONTHLY;BYMONTHDAY=15,30", "2007: 1/15 1/30 2/15 3/15 3/30"),
]
"""Rules of the RFC without COUNT and UNTIL, and what it lists for them, the first day being the start."""


def listed(text: str) -> list[date]:
    """Returns the days of a list such as "1997: 9/2 9/4; 1998: 1/1"."""
    return [
        date(int(year), *map(int, day.split("/")))
        for year, _, in_year in (part.partition(":") for part in text.split(";"))
        for day in in_year.split()
    ]


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_a_rule_occurs_on_the_days_that_the_rfc_lists(text: str, expected: str) -> None:
    start, *others = listed(expected)

    found = islice(days_after(complete(parse_rule(text), start), start, start), len(others))

    assert list(found) == others


# ---------------------------------------------------------------- ends of months and years


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("FREQ=MONTHLY", "2027-12-31", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]),
        ("FREQ=MONTHLY", "2026-01-29", ["2026-02-28", "2026-03-29", "2026-04-29", "2026-05-29", "2026-06-29"]),
        ("FREQ=MONTHLY;INTERVAL=13", "2026-01-31", ["2027-02-28", "2028-03-31", "2029-04-30", "2030-05-31"]),
        ("FREQ=YEARLY", "2024-02-29", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28"]),
        ("FREQ=YEARLY;BYMONTH=1,2,4", "2027-01-31", ["2027-02-28", "2027-04-30", "2028-01-31", "2028-02-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2026-01-31", ["2026-03-31", "2026-05-31", "2026-07-31", "2026-08-31"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2096-02-29", ["2104-02-29", "2108-02-29"]),
        ("FREQ=YEARLY;BYMONTHDAY=-1", "2027-12-31", ["2028-01-31", "2028-02-29", "2028-03-31"]),
        ("FREQ=YEARLY;BYDAY=53FR", "2026-01-01", ["2027-12-31", "2032-12-31", "2038-12-31"]),
        ("FREQ=YEARLY;BYDAY=-53TH", "2026-01-01", ["2032-01-01", "2037-01-01"]),
        ("FREQ=MONTHLY;BYDAY=FR,-1SA", "2026-01-30", ["2026-01-31", "2026-02-06", "2026-02-13"]),
    ],
)
def test_the_last_day_of_a_month_leap_days_and_weeks_53_are_found(text: str, start: str, expected: list[str]) -> None:
    assert days(text, start, len(expected)) == expected


def test_no_day_before_the_start_is_found() -> None:
    assert days("FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=5,25", "2026-01-10", 2) == ["2026-01-25", "2026-03-05"]
    assert next_day("FREQ=DAILY;INTERVAL=3", date(2026, 1, 10), date(2020, 5, 5)) == date(2026, 1, 10)


def test_the_days_end_with_the_calendar() -> None:
    assert days("FREQ=DAILY", "9999-12-29") == ["9999-12-30", "9999-12-31"]
    assert days("FREQ=YEARLY", "9998-02-28") == ["9999-02-28"]


# ---------------------------------------------------------------- rules that never occur

NEVER = [
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;INTERVAL=7;BYDAY=SU",
    "FREQ=DAILY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=WEEKLY;INTERVAL=1000;BYMONTH=12;BYDAY=MO",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;BYMONTH=6",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=32;BYMONTHDAY="
    + ",".join(map(str, range(-31, 32))).replace(",0", ""),
    "FREQ=YEARLY;BYMONTH=2,4,6,9,11;BYMONTHDAY=31",
    "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366;INTERVAL=4",
    "FREQ=YEARLY;INTERVAL=61",
]
START = date(2026, 6, 1)  # a Monday


@pytest.mark.parametrize("text", NEVER)
def test_a_rule_without_an_occurrence_in_60_years_ends(text: str) -> None:
    assert next_day(text, START, START) is None


def test_a_rule_with_an_occurrence_in_60_years_does_not_end() -> None:
    assert next_day("FREQ=YEARLY;INTERVAL=60", START, START) == date(2086, 6, 1)


def calls_of(function: Callable[[], object]) -> int:
    """Returns the number of calls that a function makes, as a measure of its work that no other process changes."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("text", NEVER)
def test_the_work_for_a_rule_that_never_occurs_is_bounded(text: str) -> None:
    rule = complete(parse_rule(text), START)

    assert calls_of(lambda: next(days_after(rule, START, START), None)) < 10_000


@pytest.mark.parametrize(
    "text", ["FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=MO", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO"]
)
def test_the_work_for_all_occurrences_of_an_ancient_start_is_bounded(text: str) -> None:
    rule, start = parse_rule(text), date(1, 1, 1)

    assert calls_of(lambda: list(days_after(rule, start, start))) < 20_000


# ---------------------------------------------------------------- python-dateutil


def numbers(choose: Random, least: int, most: int, *, size: int = 4, signed: bool = True) -> str:
    """Returns a list of numbers as rules have them."""
    signs = (1, -1) if signed else (1,)
    return ",".join(f"{choose.choice(signs) * choose.randint(least, most)}" for _ in range(choose.randint(1, size)))


def any_rule(choose: Random) -> str:
    """Returns any rule, except those for which python-dateutil is wrong.

    It takes a weekday with an ordinal beside one without for both at once, and fails for some of the 52nd and 53rd.
    """
    maybe = partial(choose.choice, (True, False))
    frequency = choose.choice(list(Frequency))
    by_date = frequency in (Frequency.MONTHLY, Frequency.YEARLY)
    parts = {"FREQ": frequency.value}
    if maybe():
        parts["INTERVAL"] = str(choose.randint(1, choose.choice((30, INTERVAL_MAX))))
    if maybe():
        parts["BYMONTH"] = numbers(choose, 1, 12, signed=False)
    if frequency is not Frequency.WEEKLY and maybe():
        parts["BYMONTHDAY"] = numbers(choose, choose.choice((1, 28)), 31)
    if maybe():
        days = choose.choices(WEEKDAYS, k=choose.randint(1, 5))
        if by_date and maybe():
            most = 5 if frequency is Frequency.MONTHLY or "BYMONTH" in parts else 51
            days = [numbers(choose, 1, most, size=1) + day for day in days]
        parts["BYDAY"] = ",".join(days)
    if by_date and ("BYMONTHDAY" in parts or "BYDAY" in parts) and maybe():
        parts["BYSETPOS"] = numbers(choose, 1, choose.choice((6, 366)), size=2)
    if maybe():
        parts["WKST"] = choose.choice(WEEKDAYS)
    return ";".join(f"{name}={value}" for name, value in parts.items())


def next_day_of_dateutil(text: str, start: date, after: date) -> date | None:
    """Returns the first day of a rule after `after`, from python-dateutil, which looks at YEARS_MAX years too.

    It would look until the last year of the calendar, for seconds, so it gets a calendar that ends before.
    """
    calendar = SimpleNamespace(**{**vars(datetime_module), "MAXYEAR": after.year + YEARS_MAX})
    first, last = (datetime.combine(day, datetime.min.time()) for day in (start, after))
    with patch("dateutil.rrule.datetime", calendar):
        found = rrulestr(text, dtstart=first).after(last)
    return None if found is None else found.date()


@given(st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_the_next_day_is_that_of_dateutil(choose: Random) -> None:
    check_beside_dateutil(choose)


@pytest.mark.parametrize(
    "number",
    [pytest.param(number, marks=pytest.mark.slow if number <= 2 else pytest.mark.soak) for number in range(1, 11)],
)
def test_the_next_days_of_10000_rules_are_those_of_dateutil(number: int) -> None:
    """Each of the ten has rules of its own; two of them are quick enough for each run of CI."""
    choose = Random(number)

    for _ in range(10_000):
        check_beside_dateutil(choose)


def check_beside_dateutil(choose: Random) -> None:
    text = any_rule(choose)
    start = date(1990, 1, 1) + timedelta(days=choose.randint(0, 26_000))
    after = start + timedelta(days=choose.randint(0, choose.choice((40, 5_000))))
    rule = complete(parse_rule(text), start)

    assert next(days_after(rule, start, after), None) == next_day_of_dateutil(str(rule), start, after), rule
    assert parse_rule(str(rule)) == rule
