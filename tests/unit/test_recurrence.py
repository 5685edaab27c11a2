"""Recurrence rules: which there are, and what the days are that they leave to their start."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tasksvc.domain.recurrence import RULE_MAX, Frequency, InvalidRule, Rule, Weekday, complete, parse_rule


def test_each_part_of_a_rule_is_read() -> None:
    text = "FREQ=YEARLY;INTERVAL=2;BYMONTH=1,3;BYMONTHDAY=-1,15;BYDAY=-1FR,MO,2SU;BYSETPOS=-1,1;WKST=SU;COUNT=10"

    rule = parse_rule(text)

    weekdays = (Weekday(-1, 4), Weekday(0, 0), Weekday(2, 6))
    assert rule == Rule(Frequency.YEARLY, 2, (1, 3), (-1, 15), weekdays, (-1, 1), 6, 10)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("20261231", date(2026, 12, 31)),
        ("20261231T225959Z", datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)),
        ("00010101T000000Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_the_end_of_a_rule_is_a_day_or_a_time_in_utc(text: str, until: date) -> None:
    rule = parse_rule(f"FREQ=DAILY;UNTIL={text}")

    assert rule.until == until
    assert str(rule) == f"FREQ=DAILY;UNTIL={text}"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("freq=weekly;byday=mo", "FREQ=WEEKLY;BYDAY=MO"),
        ("BYDAY=FR,MO,FR;FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,FR"),
        ("FREQ=DAILY;INTERVAL=1;WKST=MO", "FREQ=DAILY"),
        ("FREQ=MONTHLY;BYDAY=+1MO;BYMONTHDAY=+07", "FREQ=MONTHLY;BYMONTHDAY=7;BYDAY=1MO"),
        ("FREQ=WEEKLY;WKST=SU;INTERVAL=2;BYDAY=SU", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU"),
    ],
)
def test_rules_that_mean_the_same_are_written_alike(text: str, written: str) -> None:
    rule = parse_rule(text)

    assert str(rule) == written
    assert parse_rule(written) == rule


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", ""),
        ("FREQ", ""),
        ("FREQ=", ""),
        ("FREQ=DAILY;", ""),
        ("FREQ=DAILY; INTERVAL=2", ""),
        ("RRULE:FREQ=DAILY", ""),
        ("FREQ=DAILY;BYDAY=" + ",".join(["MO"] * RULE_MAX), ""),
        ("INTERVAL=2", "FREQ"),
        ("FREQ=HOURLY", "FREQ"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ"),
        *((f"FREQ=DAILY;INTERVAL={text}", "INTERVAL") for text in ("0", "1001", "-1", "+1", "x", "²", "9" * 400)),
        *((f"FREQ=YEARLY;BYMONTH={text}", "BYMONTH") for text in ("0", "13", "-1", "1,,2", ",")),
        *((f"FREQ=MONTHLY;BYMONTHDAY={text}", "BYMONTHDAY") for text in ("0", "32", "-32", "-", "--1")),
        *((f"FREQ=MONTHLY;BYDAY={text}", "BYDAY") for text in ("0MO", "6MO", "-6MO", "XX", "M", "MO,", "1")),
        *((f"FREQ=YEARLY;BYDAY={text}", "BYDAY") for text in ("54MO", "-54MO")),
        *((f"FREQ={text};BYDAY=1MO", "BYDAY") for text in ("DAILY", "WEEKLY")),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY"),
        *((f"FREQ=MONTHLY;BYDAY=MO;BYSETPOS={text}", "BYSETPOS") for text in ("0", "367", "-367")),
        *((f"FREQ={text};BYDAY=MO;BYSETPOS=1", "BYSETPOS") for text in ("DAILY", "WEEKLY")),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=YEARLY;BYMONTH=1;BYSETPOS=1", "BYSETPOS"),
        ("FREQ=WEEKLY;WKST=1", "WKST"),
        *((f"FREQ=DAILY;COUNT={text}", "COUNT") for text in ("0", "1001", "-1")),
        *(
            (f"FREQ=DAILY;UNTIL={text}", "UNTIL")
            for text in ("2026", "20260230", "20261231T225959", "20261231T246060Z", "2026-12-31", "00000101")
        ),
        ("FREQ=DAILY;COUNT=2;UNTIL=20261231", "UNTIL"),
        *(
            (f"FREQ=YEARLY;{part}=1", part)
            for part in ("BYYEARDAY", "BYWEEKNO", "BYHOUR", "BYMINUTE", "BYSECOND", "RSCALE", "SKIP", "EXDATE")
        ),
    ],
)
def test_a_rule_with_anything_else_is_refused_and_the_part_is_named(text: str, part: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        parse_rule(text)

    assert caught.value.part == part
    assert str(caught.value).startswith(f"{part}: " if part else "Must")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "start", "completed"),
    [
        ("FREQ=DAILY", "2026-01-31", "FREQ=DAILY"),
        ("FREQ=WEEKLY", "2026-01-31", "FREQ=WEEKLY;BYDAY=SA"),
        ("FREQ=WEEKLY;BYDAY=MO", "2026-01-31", "FREQ=WEEKLY;BYDAY=MO"),
        ("FREQ=MONTHLY", "2026-01-28", "FREQ=MONTHLY;BYMONTHDAY=28"),
        ("FREQ=MONTHLY", "2026-01-29", "FREQ=MONTHLY;BYMONTHDAY=28,29;BYSETPOS=-1"),
        ("FREQ=MONTHLY", "2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1"),
        ("FREQ=MONTHLY;BYMONTH=1,3", "2026-01-31", "FREQ=MONTHLY;BYMONTH=1,3;BYMONTHDAY=31"),
        ("FREQ=MONTHLY;BYMONTHDAY=1", "2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=1"),
        ("FREQ=MONTHLY;BYDAY=1MO", "2026-01-31", "FREQ=MONTHLY;BYDAY=1MO"),
        ("FREQ=YEARLY", "2026-01-31", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31"),
        ("FREQ=YEARLY", "2028-02-29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1"),
        ("FREQ=YEARLY;BYDAY=MO", "2026-01-31", "FREQ=YEARLY;BYDAY=MO"),
        ("FREQ=YEARLY;BYMONTH=4,6", "2026-01-15", "FREQ=YEARLY;BYMONTH=4,6;BYMONTHDAY=15"),
        ("FREQ=YEARLY;BYMONTH=4,6", "2026-01-31", "FREQ=YEARLY;BYMONTH=4,6;BYMONTHDAY=28,29,30,31;BYSETPOS=-4,-1"),
        (
            "FREQ=YEARLY;BYMONTH=1,2,3",
            "2026-01-31",
            "FREQ=YEARLY;BYMONTH=1,2,3;BYMONTHDAY=28,29,30,31;BYSETPOS=-5,-1,4",
        ),
    ],
)
def test_a_rule_without_a_day_gets_that_of_its_start_or_the_last_of_a_shorter_month(
    text: str, start: str, completed: str
) -> None:
    assert str(complete(parse_rule(text), date.fromisoformat(start))) == completed
