"""Dates as people type them, and as they are shown."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tasksvc_tasks.dates import NotUnderstood, parse_when
from tasksvc_tasks.showing import is_overdue, show_briefly, show_when

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 15, 0, tzinfo=BERLIN)
"""The moment at which the dates are typed, on a Wednesday."""

ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
).map(ZoneInfo)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("today", "Wed 2026-11-25"),
        ("Tomorrow", "Thu 2026-11-26"),
        ("day after tomorrow", "Fri 2026-11-27"),
        ("yesterday", "Tue 2026-11-24"),
        ("fri", "Fri 2026-11-27"),
        ("on friday", "Fri 2026-11-27"),
        ("this friday", "Fri 2026-11-27"),
        ("wed", "Wed 2026-12-02"),
        ("weekend", "Sat 2026-11-28"),
        ("next week", "Mon 2026-11-30"),
        ("next month", "Tue 2026-12-01"),
        ("next year", "Fri 2027-01-01"),
        ("end of month", "Mon 2026-11-30"),
        ("eoy", "Thu 2026-12-31"),
        ("+3d", "Sat 2026-11-28"),
        ("3d", "Sat 2026-11-28"),
        ("-1d", "Tue 2026-11-24"),
        ("in 2 weeks", "Wed 2026-12-09"),
        ("in a month", "Fri 2026-12-25"),
        ("+1y", "Thu 2027-11-25"),
        ("2026-12-01", "Tue 2026-12-01"),
        ("tue 2026-12-01", "Tue 2026-12-01"),
        ("1 Dec", "Tue 2026-12-01"),
        ("Dec 1st", "Tue 2026-12-01"),
        ("the 1st of December", "Tue 2026-12-01"),
        ("25 nov", "Wed 2026-11-25"),
        ("24 November", "Wed 2027-11-24"),
        ("Dec 1, 2028", "Fri 2028-12-01"),
        ("1.12.", "Tue 2026-12-01"),
        ("1.12.2028", "Fri 2028-12-01"),
        ("24/12", "Thu 2026-12-24"),
        ("12/24/2027", "Fri 2027-12-24"),
        ("5/5", "Wed 2027-05-05"),
    ],
)
def test_a_day_without_an_hour_is_a_day(text: str, meaning: str) -> None:
    when = parse_when(text, NOW, BERLIN)

    assert not isinstance(when, datetime)
    assert show_when(when, BERLIN) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("18:00", "Wed 2026-11-25 18:00"),
        ("9:00", "Thu 2026-11-26 09:00"),
        ("6pm", "Wed 2026-11-25 18:00"),
        ("12am", "Thu 2026-11-26 00:00"),
        ("noon", "Thu 2026-11-26 12:00"),
        ("today 9:00", "Wed 2026-11-25 09:00"),
        ("tomorrow at 9", "Thu 2026-11-26 09:00"),
        ("9:30 tomorrow", "Thu 2026-11-26 09:30"),
        ("fri 18:00", "Fri 2026-11-27 18:00"),
        ("friday 6:30 pm", "Fri 2026-11-27 18:30"),
        ("wed 18:00", "Wed 2026-11-25 18:00"),
        ("wed 9:00", "Wed 2026-12-02 09:00"),
        ("1 Dec 18:00", "Tue 2026-12-01 18:00"),
        ("+2w 18:00", "Wed 2026-12-09 18:00"),
        ("+90min", "Wed 2026-11-25 16:30"),
        ("in 2 hours", "Wed 2026-11-25 17:00"),
        ("2026-12-01 18:00", "Tue 2026-12-01 18:00"),
        ("2026-12-01T18:00:30", "Tue 2026-12-01 18:00:30"),
        ("2026-12-01T18:00+05:00", "Tue 2026-12-01 14:00"),
        ("2026-12-01T18:00Z", "Tue 2026-12-01 19:00"),
        ("2027-03-28 02:30", "Sun 2027-03-28 03:30"),
        ("2027-10-31 02:30", "Sun 2027-10-31 02:30"),
        ("2027-10-31 02:30+01:00", "Sun 2027-10-31 02:30+01:00"),
    ],
)
def test_a_day_with_an_hour_is_a_time(text: str, meaning: str) -> None:
    when = parse_when(text, NOW, BERLIN)

    assert isinstance(when, datetime)
    assert when.tzinfo is UTC
    assert show_when(when, BERLIN) == meaning


def test_hours_from_now_are_counted_over_a_change_of_the_clock() -> None:
    before = datetime(2027, 3, 28, 1, 30, tzinfo=BERLIN)

    assert parse_when("+1h", before, BERLIN) == before.astimezone(UTC) + timedelta(hours=1)
    assert show_when(parse_when("+1h", before, BERLIN), BERLIN) == "Sun 2027-03-28 03:30"


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("next friday", "27 November 2026 or 4 December 2026. Write 2026-11-27 or 2026-12-04."),
        ("1/12", "1 December 2026 or 12 January 2027. Write 2026-12-01 or 2027-01-12."),
        ("3m", "minutes or months. Write 3min or 3mo."),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused_with_both(text: str, readings: str) -> None:
    with pytest.raises(NotUnderstood, match="can mean") as refused:
        parse_when(text, NOW, BERLIN)

    assert str(refused.value) == f"'{text}' can mean {readings}"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "foo",
            "tomorow",
            "tonight",
            "7",
            "2026",
            "may",
            "fri 9",
            "midnight",
            "1.12",
            "fri mon",
            "today fri",
        ),
        *("feb 30", "2026-02-30", "2026-13-01", "31.2.", "fri 25:00", "9:60", "13pm", "0am", "13/13", "+9999y"),
        *("mon 2026-12-01", "Wed 1 Dec 2026", "2026-12-01 25:00", "2026-12-01T18:00+25:00", "+2h 18:00", "1 dec foo"),
        *("0001-01-01T00:00+14:00", "-9999y", "9999-12-31T23:59-12:00"),
    ],
)
def test_what_is_not_a_date_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        parse_when(text, NOW, BERLIN)

    assert str(refused.value).endswith(".")
    assert str(refused.value).startswith(repr(text.strip()))


@given(day=st.dates(), zone=ZONES, now=st.datetimes(timezones=ZONES))
def test_a_day_that_is_shown_can_be_typed(day: date, zone: ZoneInfo, now: datetime) -> None:
    assert parse_when(show_when(day, zone), now, zone) == day


@given(when=st.datetimes(timezones=st.just(UTC)), zone=ZONES)
@example(when=datetime(2027, 10, 31, 1, 30, tzinfo=UTC), zone=BERLIN)
@example(when=datetime(1, 1, 1, tzinfo=UTC), zone=ZoneInfo("America/New_York"))
def test_a_time_that_is_shown_can_be_typed(when: datetime, zone: ZoneInfo) -> None:
    assert parse_when(show_when(when, zone), NOW, zone) == when


@given(st.text(max_size=30))
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        when = parse_when(text, NOW, BERLIN)
    except NotUnderstood:
        return
    assert isinstance(when, date)


@pytest.mark.parametrize(
    ("when", "shown", "is_late"),
    [
        (date(2026, 11, 25), "today", False),
        (date(2026, 11, 24), "yesterday", True),
        (date(2026, 11, 26), "tomorrow", False),
        (date(2026, 12, 1), "Tue", False),
        (date(2026, 12, 2), "2026-12-02", False),
        (date(2026, 11, 20), "2026-11-20", True),
        (datetime(2026, 11, 25, 13, 59, tzinfo=UTC), "today 14:59", True),
        (datetime(2026, 11, 25, 23, 30, tzinfo=UTC), "tomorrow 00:30", False),
    ],
)
def test_a_table_shows_near_days_by_their_names(when: date, shown: str, is_late: bool) -> None:
    assert show_briefly(when, date(2026, 11, 25), BERLIN) == shown
    assert is_overdue(when, NOW, BERLIN) == is_late
