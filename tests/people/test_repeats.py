"""How a task repeats, as people type it."""

from __future__ import annotations

import pytest
from tasksvc_tasks.repeats import NotUnderstood, parse_repeat


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("daily", "FREQ=DAILY"),
        ("every week", "FREQ=WEEKLY"),
        ("every 2 weeks", "FREQ=WEEKLY;INTERVAL=2"),
        ("every other month", "FREQ=MONTHLY;INTERVAL=2"),
        ("2w", "FREQ=WEEKLY;INTERVAL=2"),
        ("weekdays", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("Every Mon, Thu", "FREQ=WEEKLY;BYDAY=MO,TH"),
        ("every tuesday and saturday", "FREQ=WEEKLY;BYDAY=TU,SA"),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=1", "FREQ=MONTHLY;BYMONTHDAY=1"),
    ],
)
def test_words_become_a_rule(text: str, rule: str) -> None:
    assert parse_repeat(text, "Europe/Berlin") == {"rule": rule, "zone": "Europe/Berlin"}


def test_an_exclamation_mark_counts_from_the_completion() -> None:
    assert parse_repeat("every! 3 days", "UTC") == {
        "rule": "FREQ=DAILY;INTERVAL=3",
        "zone": "UTC",
        "from": "completion",
    }


@pytest.mark.parametrize("text", ["", "every", "week", "monday", "sometimes", "every 2", "every fri foo"])
def test_other_words_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(NotUnderstood, match=r"doesn't say how a task repeats\. Write it like weekly"):
        parse_repeat(text, "UTC")
