"""When the next task of a series is due: zones, what it is counted from, and where a series ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasksvc import InvalidTask
from tasksvc.domain.repetition import Repetition, begin_repetition, find_zone, read_repetition, rule_error, zone_error


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def moment(text: str) -> date | datetime:
    """Returns a day, or a time in UTC."""
    return utc(text) if "T" in text else date.fromisoformat(text)


def begin(rule: str, due: str, basis: str = "schedule", zone: str = "Europe/Berlin") -> Repetition:
    return begin_repetition({"rule": rule, "zone": zone, "from": basis}, moment(due))


def dues(repetition: Repetition | None, count: int, at: datetime) -> list[date | datetime]:
    """Returns when the next tasks are due, if each is completed at `at`."""
    found: list[date | datetime] = []
    while repetition is not None and len(found) < count and (repetition := repetition.next(at)) is not None:
        found.append(repetition.due)
    return found


LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
"""A time before all dues, so that no occurrence has passed."""

# ---------------------------------------------------------------- beginning


def test_a_repetition_holds_its_completed_rule_and_its_start_as_the_clock_shows_it_in_the_zone() -> None:
    repetition = begin("FREQ=WEEKLY;INTERVAL=2", "2026-12-01T08:30:00.000001Z")

    assert repetition.to_json() == {
        "rule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
        "zone": "Europe/Berlin",
        "from": "schedule",
        "start": "2026-12-01T09:30:00.000001",
        "occurrence": "2026-12-01T09:30:00.000001",
        "remaining": None,
    }
    assert repetition.due == utc("2026-12-01T08:30:00.000001Z")


def test_a_repetition_of_a_day_has_a_day_as_its_start() -> None:
    repetition = begin("FREQ=DAILY;COUNT=3", "2026-12-01")

    value = repetition.to_json()
    assert (value["start"], value["occurrence"], value["remaining"]) == ("2026-12-01", "2026-12-01", 2)
    assert repetition.due == date(2026, 12, 1)


def test_a_rule_from_the_completion_is_not_completed_with_the_day_of_the_due() -> None:
    assert begin("FREQ=WEEKLY", "2026-12-01", "completion").to_json()["rule"] == "FREQ=WEEKLY"


def test_the_schedule_is_what_is_counted_from_where_nothing_is_said() -> None:
    repetition = begin_repetition({"rule": "FREQ=DAILY", "zone": "UTC"}, date(2026, 12, 1))

    assert repetition.to_json()["from"] == "schedule"


@given(
    rule=st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;COUNT=9", "FREQ=MONTHLY;UNTIL=99991231", "FREQ=YEARLY;WKST=SU"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"]),
    basis=st.sampled_from(["schedule", "each", "completion"]),
    due=st.dates(date(1990, 1, 1), date(2060, 1, 1))
    | st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)),
)
def test_a_repetition_is_read_as_it_was_written(rule: str, zone: str, basis: str, due: date) -> None:
    repetition = begin_repetition({"rule": rule, "zone": zone, "from": basis}, due)

    assert read_repetition(repetition.to_json()) == repetition


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "FREQ=DAILY;BYHOUR=9"}, "BYHOUR"),
        ({"rule": "FREQ=HOURLY"}, "FREQ"),
        ({"zone": "Mars/Base"}, "Mars/Base"),
        ({"from": "whenever"}, "whenever"),
        ({"rule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "60 years"),
        ({"rule": "FREQ=YEARLY;INTERVAL=61"}, "60 years"),
        ({"rule": "FREQ=DAILY;COUNT=1"}, "60 years"),
        ({"rule": "FREQ=DAILY;UNTIL=20261201"}, "60 years"),
    ],
)
@pytest.mark.parametrize("due", ["2026-12-01", "2026-12-01T12:00:00Z"])
def test_a_repetition_that_is_wrong_or_never_goes_on_is_refused(change: dict[str, Any], message: str, due: str) -> None:
    with pytest.raises(InvalidTask, match=message) as caught:
        begin_repetition({"rule": "FREQ=DAILY", "zone": "UTC", **change}, moment(due))

    assert caught.value.field == "repeat"


@pytest.mark.parametrize(
    ("due", "zone"),
    [
        ("9999-12-31T23:30:00Z", "Asia/Tokyo"),
        ("0001-01-01T00:30:00Z", "America/New_York"),
        ("9999-12-31T22:30:00Z", "America/New_York"),
        ("9999-12-31", "UTC"),
    ],
)
def test_a_due_at_an_end_of_the_calendar_is_refused(due: str, zone: str) -> None:
    with pytest.raises(InvalidTask):
        begin("FREQ=DAILY", due, zone=zone)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Base", "europe/berlin", "Europe", "localtime", "posixrules", "posix/UTC", "right/UTC", "tzdata.zi"),
        *("../UTC", "/UTC", "Europe/../UTC", "UTC\0", "UTC\n", "Ü" * 1000, "A" * 100_000, "Etc/GMT+99"),
    ],
)
def test_a_name_that_is_not_a_zone_everywhere_is_refused(name: str) -> None:
    assert find_zone(name) is None
    assert "Europe/Berlin" in str(zone_error(name))


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Port-au-Prince", "Etc/GMT+12", "EST5EDT"])
def test_a_zone_of_the_database_is_found(name: str) -> None:
    zone = find_zone(name)

    assert zone is not None
    assert zone.key == name
    assert zone_error(name) is None


def test_what_is_wrong_with_a_rule_is_said() -> None:
    assert rule_error("FREQ=DAILY") is None
    assert "BYHOUR" in str(rule_error("FREQ=DAILY;BYHOUR=9"))


# ---------------------------------------------------------------- from the schedule, each, or the completion


@pytest.mark.parametrize(
    ("basis", "at", "expected"),
    [
        ("schedule", "2026-12-06T12:00:00Z", "2026-12-14"),  # early: the occurrence itself isn't repeated
        ("schedule", "2026-12-07T12:00:00Z", "2026-12-14"),
        ("schedule", "2026-12-09T12:00:00Z", "2026-12-14"),
        ("schedule", "2026-12-14T12:00:00Z", "2026-12-21"),
        ("schedule", "2027-01-20T12:00:00Z", "2027-01-25"),
        ("schedule", "2026-12-13T22:59:00Z", "2026-12-14"),
        ("schedule", "2026-12-13T23:01:00Z", "2026-12-21"),  # the 14th in Berlin
        ("each", "2026-12-06T12:00:00Z", "2026-12-14"),
        ("each", "2027-01-20T12:00:00Z", "2026-12-14"),
        ("completion", "2026-12-06T12:00:00Z", "2026-12-13"),
        ("completion", "2026-12-09T12:00:00Z", "2026-12-16"),
        ("completion", "2026-12-09T23:30:00Z", "2026-12-17"),  # completed on the 10th in Berlin
    ],
)
def test_the_next_day_of_a_weekly_task(basis: str, at: str, expected: str) -> None:
    following = begin("FREQ=WEEKLY", "2026-12-07", basis).next(utc(at))

    assert following is not None
    assert following.due == moment(expected)


@pytest.mark.parametrize(
    ("basis", "at", "expected"),
    [
        ("schedule", "2026-12-07T07:00:00Z", "2026-12-08T08:00:00Z"),
        ("schedule", "2026-12-09T07:59:59Z", "2026-12-09T08:00:00Z"),
        ("schedule", "2026-12-09T08:00:00Z", "2026-12-10T08:00:00Z"),
        ("each", "2026-12-09T08:00:00Z", "2026-12-08T08:00:00Z"),
        ("completion", "2026-12-09T07:59:59Z", "2026-12-10T08:00:00Z"),
        ("completion", "2026-12-09T08:00:01Z", "2026-12-10T08:00:00Z"),
    ],
)
def test_the_next_time_of_a_daily_task(basis: str, at: str, expected: str) -> None:
    following = begin("FREQ=DAILY", "2026-12-07T08:00:00Z", basis).next(utc(at))

    assert following is not None
    assert following.due == moment(expected)


def test_a_month_from_the_completion_is_counted_from_its_own_day_each_time() -> None:
    first = begin("FREQ=MONTHLY", "2026-01-15T08:00:00Z", "completion")

    second = first.next(utc("2026-01-31T12:00:00Z"))
    assert second is not None
    third = second.next(utc("2026-03-05T12:00:00Z"))

    assert second.due == utc("2026-02-28T08:00:00Z")
    assert third is not None
    assert third.due == utc("2026-04-05T07:00:00Z")
    assert third.to_json()["rule"] == "FREQ=MONTHLY"


def test_intervals_are_counted_from_the_start_however_many_occurrences_were_skipped() -> None:
    following = begin("FREQ=DAILY;INTERVAL=3", "2026-12-01").next(utc("2026-12-09T12:00:00Z"))

    assert following is not None
    assert following.due == date(2026, 12, 10)


# ---------------------------------------------------------------- the end


def test_a_series_of_three_ends_after_the_third() -> None:
    expected = [date(2026, 12, 2), date(2026, 12, 3)]

    assert dues(begin("FREQ=DAILY;COUNT=3", "2026-12-01"), 9, LONG_AGO) == expected
    assert dues(begin("FREQ=DAILY;COUNT=3", "2026-12-01", "each"), 9, utc("2027-01-01T12:00:00Z")) == expected
    assert len(dues(begin("FREQ=DAILY;COUNT=3", "2026-12-01", "completion"), 9, utc("2027-01-01T12:00:00Z"))) == 2


def test_occurrences_that_were_skipped_count() -> None:
    repetition = begin("FREQ=DAILY;COUNT=5", "2026-12-01")

    following = repetition.next(utc("2026-12-03T12:00:00Z"))
    assert following is not None

    assert (following.due, following.remaining) == (date(2026, 12, 4), 1)
    assert repetition.next(utc("2026-12-05T12:00:00Z")) is None


@pytest.mark.parametrize(
    ("until", "due", "last"),
    [
        ("20261203", "2026-12-01", "2026-12-03"),
        ("20261203", "2026-12-01T08:00:00Z", "2026-12-03T08:00:00Z"),
        ("20261203T080000Z", "2026-12-01T08:00:00Z", "2026-12-03T08:00:00Z"),
        ("20261203T075959Z", "2026-12-01T08:00:00Z", "2026-12-02T08:00:00Z"),
        ("20261202T225959Z", "2026-12-01", "2026-12-02"),
        ("20261202T230000Z", "2026-12-01", "2026-12-03"),  # midnight in Berlin
        ("20261203", "2026-12-01T23:30:00Z", "2026-12-02T23:30:00Z"),  # half past midnight in Berlin, on the 3rd
    ],
)
@pytest.mark.parametrize("basis", ["schedule", "each"])
def test_the_last_occurrence_is_not_after_the_end_of_the_rule(until: str, due: str, last: str, basis: str) -> None:
    assert dues(begin(f"FREQ=DAILY;UNTIL={until}", due, basis), 9, LONG_AGO)[-1] == moment(last)


def test_a_rule_from_the_completion_ends_with_the_last_day_before_its_end() -> None:
    repetition = begin("FREQ=DAILY;UNTIL=20261203", "2026-12-01", "completion")

    assert dues(repetition, 1, utc("2026-12-02T12:00:00Z")) == [date(2026, 12, 3)]
    assert dues(repetition, 1, utc("2026-12-03T12:00:00Z")) == []


@pytest.mark.parametrize("basis", ["schedule", "each", "completion"])
@pytest.mark.parametrize("due", ["9999-12-30", "9999-12-30T12:00:00Z"])
def test_a_series_ends_with_the_calendar(basis: str, due: str) -> None:
    at = datetime(9999, 12, 30, 1, tzinfo=UTC)
    following = begin("FREQ=DAILY", due, basis).next(at)

    assert following is not None
    assert following.next(at + timedelta(days=1, hours=12)) is None


# ---------------------------------------------------------------- daylight saving


@pytest.mark.parametrize(
    ("zone", "due", "expected"),
    [
        # The clock in Berlin goes from 2:00 to 3:00 on 29 March, and from 3:00 to 2:00 on 25 October 2026.
        ("Europe/Berlin", "2026-03-28T08:00:00Z", ["2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"]),
        ("Europe/Berlin", "2026-10-24T07:00:00Z", ["2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"]),
        ("Europe/Berlin", "2026-03-28T01:30:00Z", ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]),
        ("Europe/Berlin", "2026-10-24T00:30:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        # 30 minutes, on 4 October 2026 at 2:00.
        ("Australia/Lord_Howe", "2026-10-02T15:45:00Z", ["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"]),
        # There was no 30 December 2011.
        ("Pacific/Apia", "2011-12-29T22:00:00Z", ["2011-12-30T22:00:00Z", "2011-12-30T22:00:00Z"]),
    ],
)
def test_the_clock_stays_the_same_over_gaps_and_overlaps(zone: str, due: str, expected: list[str]) -> None:
    assert dues(begin("FREQ=DAILY", due, "each", zone), 2, LONG_AGO) == [utc(text) for text in expected]


def test_an_occurrence_in_a_gap_is_to_come_until_its_time_after_the_gap_has_passed() -> None:
    repetition = begin("FREQ=DAILY", "2026-03-28T01:30:00Z")  # 2:30, which is 3:30 on the next day

    assert dues(repetition, 1, utc("2026-03-29T01:15:00Z")) == [utc("2026-03-29T01:30:00Z")]
    assert dues(repetition, 1, utc("2026-03-29T01:30:00Z")) == [utc("2026-03-30T00:30:00Z")]


def test_a_series_that_begins_in_the_second_of_two_like_hours_goes_on_by_its_clock() -> None:
    repetition = begin("FREQ=DAILY", "2026-10-25T01:30:00Z")

    assert repetition.start == datetime(2026, 10, 25, 2, 30)
    assert dues(repetition, 1, LONG_AGO) == [utc("2026-10-26T01:30:00Z")]


# ---------------------------------------------------------------- moved dues


def test_a_due_that_is_moved_leaves_the_schedule() -> None:
    repetition = begin("FREQ=DAILY", "2026-12-01T08:00:00Z")

    assert repetition.moved_to(utc("2026-12-05T10:00:00Z")) is repetition


def test_a_due_that_becomes_a_day_begins_the_schedule_with_it() -> None:
    repetition = begin("FREQ=DAILY;COUNT=9", "2026-12-01T08:00:00Z").moved_to(date(2026, 12, 5))

    assert (repetition.start, repetition.occurrence, repetition.remaining) == (date(2026, 12, 5), date(2026, 12, 5), 8)
    assert dues(repetition, 1, LONG_AGO) == [date(2026, 12, 6)]


def test_a_due_that_becomes_a_time_begins_the_schedule_with_it() -> None:
    repetition = begin("FREQ=DAILY", "2026-12-01").moved_to(utc("2026-12-05T10:00:00Z"))

    assert dues(repetition, 1, LONG_AGO) == [utc("2026-12-06T10:00:00Z")]
