"""The texts of Todoist's dates, as its help lists them."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from tasksvc_formats.todoist_dates import When, read_when

from formats.reading import BERLIN

TODAY = date(2026, 11, 28)
"""The day of all tests, a Saturday."""


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-12-01", date(2026, 12, 1)),
        ("2026-12-01 14:30", datetime(2026, 12, 1, 14, 30, tzinfo=BERLIN)),
        ("2026-12-01T14:30:00", datetime(2026, 12, 1, 14, 30, tzinfo=BERLIN)),
        ("5 Dec", date(2026, 12, 5)),
        ("5 January", date(2027, 1, 5)),
        ("Jan 5 2028", date(2028, 1, 5)),
        ("Dec 5 at 9am", datetime(2026, 12, 5, 9, tzinfo=BERLIN)),
        ("5 Dec 2026 18:30", datetime(2026, 12, 5, 18, 30, tzinfo=BERLIN)),
        ("tomorrow at 12:15 pm", datetime(2026, 11, 29, 12, 15, tzinfo=BERLIN)),
        ("monday", date(2026, 11, 30)),
        ("31 Feb", None),
        ("next year, maybe", None),
        ("25:00", None),
        ("", None),
    ],
)
def test_a_date_is_read(text: str, due: date | None) -> None:
    assert read_when(text, BERLIN, TODAY) == When(due)


@pytest.mark.parametrize(
    ("text", "rule", "due", "basis"),
    [
        ("every day", "FREQ=DAILY", date(2026, 11, 28), "schedule"),
        ("daily", "FREQ=DAILY", date(2026, 11, 28), "schedule"),
        ("every! 3 days", "FREQ=DAILY;INTERVAL=3", date(2026, 11, 28), "completion"),
        ("every other week", "FREQ=WEEKLY;INTERVAL=2", date(2026, 11, 28), "schedule"),
        ("every monday", "FREQ=WEEKLY;BYDAY=MO", date(2026, 11, 30), "schedule"),
        (
            "every mon, wed and fri at 18:00",
            "FREQ=WEEKLY;BYDAY=MO,WE,FR",
            datetime(2026, 11, 30, 18, tzinfo=BERLIN),
            "schedule",
        ),
        ("every other tuesday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", date(2026, 12, 1), "schedule"),
        ("every workday", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", date(2026, 11, 30), "schedule"),
        ("every weekend", "FREQ=WEEKLY;BYDAY=SA", date(2026, 11, 28), "schedule"),
        ("every 3rd friday", "FREQ=MONTHLY;BYDAY=3FR", date(2026, 12, 18), "schedule"),
        ("every last friday", "FREQ=MONTHLY;BYDAY=-1FR", date(2026, 12, 25), "schedule"),
        ("every first monday", "FREQ=MONTHLY;BYDAY=1MO", date(2026, 12, 7), "schedule"),
        ("every 27th", "FREQ=MONTHLY;BYMONTHDAY=27", date(2026, 12, 27), "schedule"),
        ("every 27", "FREQ=MONTHLY;BYMONTHDAY=27", date(2026, 12, 27), "schedule"),
        ("every 1st, 15th", "FREQ=MONTHLY;BYMONTHDAY=1,15", date(2026, 12, 1), "schedule"),
        ("every last day", "FREQ=MONTHLY;BYMONTHDAY=-1", date(2026, 11, 30), "schedule"),
        ("every jan 27th", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=27", date(2027, 1, 27), "schedule"),
        ("every year", "FREQ=YEARLY", date(2026, 11, 28), "schedule"),
        ("every morning", "FREQ=DAILY", datetime(2026, 11, 28, 9, tzinfo=BERLIN), "schedule"),
        ("every 2 months at 8pm", "FREQ=MONTHLY;INTERVAL=2", datetime(2026, 11, 28, 20, tzinfo=BERLIN), "schedule"),
        ("after 10 days", "FREQ=DAILY;INTERVAL=10", date(2026, 11, 28), "completion"),
    ],
)
def test_a_repetition_is_read(text: str, rule: str, due: date, basis: str) -> None:
    when = read_when(text, BERLIN, TODAY)

    assert when.repeat is not None
    assert (when.repeat.rule, when.due, when.repeat.basis) == (rule, due, basis)


@pytest.mark.parametrize(
    "text", ["every hour", "every 12 hours starting at 7pm", "every 40th", "every 0 days", "every monday ending 5 Dec"]
)
def test_a_repetition_that_has_no_rule_keeps_its_text(text: str) -> None:
    when = read_when(text, BERLIN, TODAY)

    assert when.repeat is not None
    assert (when.repeat.rule, when.repeat.text, when.due) == ("", text, None)
