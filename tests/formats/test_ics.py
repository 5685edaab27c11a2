"""Files of Nextcloud, Apple and Thunderbird: times and zones, relations, repetitions, and broken files."""

from __future__ import annotations

import pytest
from tasksvc_formats import InvalidFile

from formats.reading import fields_of, parents_of, read, read_sample, short_name, summary


def calendar(*lines: str) -> bytes:
    """Returns a calendar with one to-do of these lines."""
    inside = ["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VTODO", "UID:1", *lines, "END:VTODO", "END:VCALENDAR"]
    return ("\r\n".join(inside) + "\r\n").encode()


def test_the_properties_of_a_to_do_have_their_fields() -> None:
    items, _ = read_sample("ics", "nextcloud.ics")

    assert items[0].uid == "5c1f6f0e-0001"
    assert items[0].fields == {
        "description": "Plan the trip, with Ann",
        "notes": "Where to?\nBy train; not by plane. A long line that is folded as RFC 5545 asks for it.",
        "list": "Personal",
        "labels": ["travel", "family, close"],
        "priority": 9,
        "created_at": "2026-11-01T08:00:00Z",
        "due_at": "2026-12-15T17:00:00Z",
        "metadata": {"ics": {"status": "IN-PROCESS", "percent-complete": "40", "location": "Kitchen"}},
    }


def test_a_day_a_completion_and_a_parent_are_read() -> None:
    items, _ = read_sample("ics", "nextcloud.ics")

    task = fields_of(items)["Book seats"]
    assert (task["due_on"], task["done"], task["completed_at"]) == ("2026-12-10", True, "2026-11-05T10:11:12Z")
    assert parents_of(items)["Book seats"] == "Plan the trip, with Ann"


def test_what_is_no_to_do_and_what_is_unknown_is_reported() -> None:
    _, report = read_sample("ics", "nextcloud.ics")

    lost = {name: count for (fate, name), count in summary(report).items() if fate == "left out"}
    assert lost == {"X-OC-HIDESUBTASKS": 1, "components VEVENT": 1}


def test_a_rule_repeats_in_the_zone_of_its_due() -> None:
    items, _ = read_sample("ics", "apple.ics")

    assert items[0].fields["repeat"] == {
        "rule": "FREQ=DAILY;INTERVAL=2;UNTIL=20271231T225959Z",
        "zone": "Europe/Berlin",
        "from": "schedule",
    }


def test_a_rule_that_tasks_do_not_have_goes_to_the_notes() -> None:
    items, _ = read_sample("ics", "apple.ics")

    assert "repeat" not in items[1].fields
    assert items[1].fields["notes"] == "Repeats: FREQ=HOURLY;INTERVAL=8"


@pytest.mark.parametrize(
    ("title", "due"),
    [
        ("Write the report", "2026-12-01T08:00:00Z"),
        ("Send the report", "2026-12-02T14:00:00Z"),
        ("Archive the report", "2026-12-03T08:00:00Z"),
        ("Forget the report", "2026-12-04T08:00:00Z"),
    ],
    ids=["defined in the file", "with the path of a program", "of Windows", "unknown"],
)
def test_zones_are_found_by_all_their_names(title: str, due: str) -> None:
    items, _ = read_sample("ics", "thunderbird.ics")

    assert fields_of(items)[title]["due_at"] == due


def test_an_unknown_zone_is_reported() -> None:
    _, report = read_sample("ics", "thunderbird.ics")

    assert summary(report)["changed", "unknown zones, whose times are read in yours"] == 1


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (["SUMMARY:C:\\\\new\\nline\\; \\, end"], {"description": "C:\\new\nline; , end"}),
        (["SUMMARY;LANGUAGE=de:a:b;c"], {"description": "a:b;c"}),
        (["SUMMARY:a", 'X-A;P="x:y;z":1'], {"description": "a"}),
        (["SUMMARY:a", "CATEGORIES:b\\,c,d", "CATEGORIES:d,e"], {"description": "a", "labels": ["b,c", "d", "e"]}),
        (["SUMMARY:a", "DUE:20261201T090000"], {"description": "a", "due_at": "2026-12-01T08:00:00Z"}),
        (["SUMMARY:a", "DUE:19690101T000000Z"], {"description": "a", "due_at": "1969-01-01T00:00:00Z"}),
        (["SUMMARY:a", "DUE:10000101T000000Z"], {"description": "a", "due_at": "1000-01-01T00:00:00Z"}),
        (["SUMMARY:a", "DUE:00010101T000000"], {"description": "a"}),
        (["SUMMARY:a", "DUE:20261399"], {"description": "a"}),
        (["SUMMARY:a", "DUE:100000101T000000Z"], {"description": "a"}),
        (["SUMMARY:a", "DUE:20261201T235960Z"], {"description": "a", "due_at": "2026-12-01T23:59:59Z"}),
        (["SUMMARY:a", "CREATED:20991201T000000Z"], {"description": "a"}),
        (["SUMMARY:a", "PRIORITY:99"], {"description": "a"}),
        (["SUMMARY:\x00\x1b[31mred"], {"description": "\ufffd\x1b[31mred"}),
        ([], {"description": "(untitled)"}),
        (["summary:small letters"], {"description": "small letters"}),
        (
            ["SUMMARY:a", "DUE;VALUE=DATE:20261201", "RRULE:FREQ=WEEKLY;UNTIL=20270101T000000Z"],
            {
                "description": "a",
                "due_on": "2026-12-01",
                "repeat": {"rule": "FREQ=WEEKLY;UNTIL=20270101", "zone": "Europe/Berlin", "from": "schedule"},
            },
        ),
    ],
)
def test_a_value_is_read_as_the_rfc_says_or_left_out(lines: list[str], fields: dict[str, object]) -> None:
    items, _ = read("ics", calendar(*lines))

    assert [item.fields for item in items] == [fields]


def test_an_instance_of_a_repetition_is_a_task_of_its_own() -> None:
    text = calendar("SUMMARY:a", "DUE:20261201T090000Z", "RRULE:FREQ=DAILY").decode()
    instance = text.replace("RRULE:FREQ=DAILY", "RECURRENCE-ID:20261202T090000Z").replace("SUMMARY:a", "SUMMARY:b")

    items, _ = read("ics", (text + instance).encode())

    assert [(item.uid, item.fields["description"]) for item in items] == [("1", "a"), ("1/20261202T090000Z", "b")]
    assert "repeat" not in items[1].fields


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello\n", "line 1: It isn't a line of iCalendar: 'hello'."),
        (b"SUMMARY:a\n", "line 1: It must begin with BEGIN:VCALENDAR."),
        (calendar("SUMMARY:a")[:-28], "line 5: It ends within a VTODO: a part of it is missing."),
        (calendar("END:VEVENT"), "line 5: 'END:VEVENT' doesn't end what was begun last."),
        (b"BEGIN:VCALENDAR\n" + b"BEGIN:X\n" * 1_000_000, "line 11: Its components are nested too deeply."),
        (calendar("SUMMARY:" + "x" * 2**20), "line 5: The line is longer than 1 MiB."),
        (calendar("SUMMARY:a" + "\r\n b" * 2**20), "line 5: The line is longer than 1 MiB."),
        (calendar(*["COMMENT:" + "x" * 2**19] * 10), "line 12: The VTODO is too long."),
    ],
    ids=short_name,
)
def test_a_broken_file_is_named_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        read("ics", data)

    assert str(caught.value) == message
