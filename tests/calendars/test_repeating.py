"""Tasks that repeat, in calendars: other programs find the days and times that the service gives the next tasks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import vobject
from dateutil.tz import tzical
from icalendar import Calendar
from tasksvc_calendar.zones import zone_component

from calendars.client import Client, entries

BERLIN = ZoneInfo("Europe/Berlin")
IN_BERLIN = {"zone": BERLIN.key}
SCHEDULES: list[tuple[dict[str, Any], str]] = [
    ({"due_on": "2027-01-04"}, "FREQ=WEEKLY;BYDAY=MO"),
    ({"due_on": "2027-01-04"}, "FREQ=WEEKLY;INTERVAL=2"),
    ({"due_on": "2027-01-06"}, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU"),
    ({"due_on": "2027-01-31"}, "FREQ=MONTHLY"),
    ({"due_on": "2027-01-31"}, "FREQ=MONTHLY;BYMONTHDAY=31"),
    ({"due_on": "2028-02-29"}, "FREQ=YEARLY"),
    ({"due_on": "2027-01-05"}, "FREQ=MONTHLY;BYDAY=-1FR"),
    ({"due_on": "2027-01-04"}, "FREQ=DAILY;COUNT=4"),
    ({"due_on": "2027-01-06"}, "FREQ=WEEKLY;BYDAY=MO;COUNT=4"),
    ({"due_on": "2027-01-04"}, "FREQ=DAILY;UNTIL=20270107"),
    ({"due_on": "2027-01-04"}, "FREQ=DAILY;UNTIL=20270106T230000Z"),
    ({"due_at": "2027-03-26T08:00:00Z"}, "FREQ=DAILY"),
    ({"due_at": "2027-01-04T08:00:00Z"}, "FREQ=DAILY;COUNT=4"),
    ({"due_at": "2027-01-04T08:00:00Z"}, "FREQ=DAILY;UNTIL=20270107"),
    ({"due_at": "2027-01-04T23:30:00Z"}, "FREQ=DAILY;UNTIL=20270107T233000Z"),
    ({"due_at": "2027-01-04T23:30:00Z"}, "FREQ=DAILY;UNTIL=20270107T232959Z"),
    ({"due_at": "2027-01-06T08:00:00Z"}, "FREQ=WEEKLY;BYDAY=MO;COUNT=3"),
]
"""Dues of first tasks, and rules."""
COUNT = 6
"""Occurrences that are compared."""


async def dues_of_the_series(client: Client) -> list[date | datetime]:
    """Returns the dues of the tasks of a series, which are completed one after the other."""
    dues: list[date | datetime] = []
    task_id: int | None = 1
    while task_id is not None and len(dues) < COUNT:
        task = await client.ask("GET", f"/tasks/{task_id}")
        dues.append(
            date.fromisoformat(task["due_on"]) if task["due_at"] is None else datetime.fromisoformat(task["due_at"])
        )
        task_id = (await client.ask("PATCH", f"/tasks/{task_id}", {"done": True}))["next_id"]
    return dues


def occurrences(read: bytes) -> list[date | datetime]:
    """Returns the first occurrences of the only component of a calendar, as vobject finds them."""
    contents = vobject.readOne(read.decode()).contents
    component: Any = [*contents.get("vtodo", ()), *contents.get("vevent", ())][0]
    start = component.dtstart.value
    found = []
    for moment in component.getrruleset(addRDate=True):
        found.append(moment.astimezone(UTC) if isinstance(start, datetime) else moment.date())
        if len(found) == COUNT:
            break
    return found


@pytest.mark.parametrize(("due", "rule"), SCHEDULES)
async def test_the_rule_of_a_to_do_gives_the_dues_of_the_series(client: Client, due: dict[str, Any], rule: str) -> None:
    await client.create(**due, repeat={"rule": rule, **IN_BERLIN, "from": "each"})
    read = await client.read((await client.key())["path"])

    expected = await dues_of_the_series(client)

    assert occurrences(read) == expected


@pytest.mark.parametrize(("due", "rule"), SCHEDULES)
async def test_the_rule_of_an_event_gives_the_days_of_the_series(
    client: Client, due: dict[str, Any], rule: str
) -> None:
    await client.create(**due, repeat={"rule": rule, **IN_BERLIN, "from": "each"})
    read = await client.read((await client.key())["path"] + "&as=events&zone=Asia/Tokyo")

    expected = await dues_of_the_series(client)

    assert occurrences(read) == [_day(due) for due in expected]


def _day(due: date | datetime) -> date:
    return due.astimezone(BERLIN).date() if isinstance(due, datetime) else due


async def test_the_rule_goes_on_from_the_present_occurrence(client: Client) -> None:
    await client.create(due_on="2027-01-04", repeat={"rule": "FREQ=WEEKLY;INTERVAL=2;COUNT=4", **IN_BERLIN})
    await client.ask("PATCH", "/tasks/1", {"done": True})

    done, open_one = sorted(await client.show(), key=lambda todo: str(todo["STATUS"]))

    assert "RRULE" not in done
    assert open_one.decoded("DTSTART") == date(2027, 1, 18)
    assert open_one["RRULE"]["COUNT"] == [3]


async def test_a_due_that_was_moved_is_the_exception_to_its_series(client: Client) -> None:
    await client.create(due_at="2027-01-04T08:00:00Z", repeat={"rule": "FREQ=WEEKLY", **IN_BERLIN})
    await client.ask("PATCH", "/tasks/1", {"due_at": "2027-01-05T10:00:00Z"})

    series, moved = await client.show()

    assert series.decoded("DUE") == datetime(2027, 1, 4, 8, tzinfo=UTC)
    assert "RECURRENCE-ID" not in series
    assert moved.decoded("RECURRENCE-ID") == series.decoded("DTSTART")
    assert moved.decoded("DUE") == datetime(2027, 1, 5, 10, tzinfo=UTC)
    assert str(moved["UID"]) == str(series["UID"])
    assert "RRULE" not in moved


async def test_an_event_that_was_moved_within_its_day_is_no_exception(client: Client) -> None:
    await client.create(due_at="2027-01-04T08:00:00Z", repeat={"rule": "FREQ=WEEKLY", **IN_BERLIN})
    await client.ask("PATCH", "/tasks/1", {"due_at": "2027-01-04T10:00:00Z"})

    assert len(await client.show(query="&as=events")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"repeat": {"rule": "FREQ=DAILY", **IN_BERLIN, "from": "completion"}},
        {"repeat": None},
    ],
)
async def test_what_follows_is_left_out_where_nobody_knows_it(client: Client, fields: dict[str, Any]) -> None:
    await client.create(**fields)

    todo = await client.show_one()

    assert "RRULE" not in todo
    assert "DTSTART" not in todo


async def test_the_last_occurrence_has_no_rule(client: Client) -> None:
    await client.create(due_on="2027-01-04", repeat={"rule": "FREQ=DAILY;COUNT=2", **IN_BERLIN})
    await client.ask("POST", "/tasks/1/skip")

    todo = await client.show_one()

    assert todo.decoded("DUE") == date(2027, 1, 5)
    assert "RRULE" not in todo


async def test_a_zone_is_described_once_before_what_needs_it(client: Client) -> None:
    for _ in range(3):
        await client.create(due_at="2027-01-04T08:00:00Z", repeat={"rule": "FREQ=WEEKLY", "zone": "Asia/Tokyo"})
    await client.create(due_on="2026-01-04", repeat={"rule": "FREQ=WEEKLY", **IN_BERLIN})

    calendar = Calendar.from_ical(await client.read((await client.key())["path"]))

    assert [each.name for each in calendar.subcomponents] == ["VTIMEZONE", "VTODO", "VTODO", "VTODO", "VTODO"]
    assert str(calendar.timezones[0]["TZID"]) == "Asia/Tokyo"
    assert len(entries(calendar)) == 4


@pytest.mark.parametrize(
    "name",
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Gaza", "Asia/Kathmandu", "Etc/GMT+5"],
)
def test_a_described_zone_has_the_offsets_of_the_database(name: str) -> None:
    described: Any = tzical(StringIO(zone_component(name).decode())).get()
    hours = [datetime(2027, 1, 1) + timedelta(minutes=30 * count) for count in range(2 * 24 * 365)]

    wrong = [
        hour
        for hour in hours
        if described.fromutc(hour.replace(tzinfo=described)).replace(tzinfo=None)
        != hour.replace(tzinfo=UTC).astimezone(ZoneInfo(name)).replace(tzinfo=None)
    ]

    assert wrong == []


async def test_a_series_in_utc_needs_no_zone(client: Client) -> None:
    await client.create(due_at="2027-01-04T08:00:00Z", repeat={"rule": "FREQ=WEEKLY", "zone": "UTC"})

    read = await client.read((await client.key())["path"])

    assert b"VTIMEZONE" not in read
    assert b"DTSTART:20270104T080000Z\r\n" in read
