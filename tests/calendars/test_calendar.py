"""What a calendar shows of tasks, as two libraries read it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import vobject
from icalendar import Calendar

from calendars.client import Client, entries, todos_by_vobject

DUE = "2026-12-01T09:30:15.999999Z"
ODD_TEXTS = [
    "Pay; rent, now",
    "C:\\New\\notes",
    "ends in a backslash\\",
    "ends in spaces  ",
    " begins with one",
    '"quoted": ^n %0A \\n \\N',
    "BEGIN:VEVENT",
    "é" * 74 + "🌱" * 40,
    "x" * 74 + "\\" * 5,
    "tab\tand no-break\u00a0space",
    "\u202eright to left",
    "a" * 10_000,
]


async def test_a_due_task_is_a_to_do(client: Client) -> None:
    task = await client.create(
        description="Pay the rent", due_at=DUE, notes="By bank.", priority=9, labels=["a,b", "c"]
    )
    await client.ask("PATCH", "/tasks/1", {"notes": "By cheque."})

    todo = await client.show_one()

    assert todo.name == "VTODO"
    assert (str(todo["SUMMARY"]), str(todo["DESCRIPTION"])) == ("Pay the rent", "By cheque.")
    assert todo.decoded("DUE") == datetime(2026, 12, 1, 9, 30, 15, tzinfo=UTC)
    assert (int(todo["PRIORITY"]), int(todo["SEQUENCE"])) == (1, 1)
    assert [str(each) for each in todo.categories] == ["a,b", "c"]
    assert todo["STATUS"] == "NEEDS-ACTION"
    created = datetime.fromisoformat(task["created_at"]).replace(microsecond=0)
    assert todo.decoded("CREATED") == created
    assert todo.decoded("DTSTAMP") == todo.decoded("LAST-MODIFIED") >= created
    assert "RRULE" not in todo
    assert "RELATED-TO" not in todo


async def test_a_day_without_a_time_stays_one(client: Client) -> None:
    await client.create(due_on="2026-12-01")

    todo = await client.show_one()

    assert todo["DUE"].params["VALUE"] == "DATE"
    assert todo.decoded("DUE") == date(2026, 12, 1)


async def test_tasks_without_a_due_and_those_of_other_lists_are_left_out(client: Client) -> None:
    await client.ask("POST", "/tasks/", {"description": "some day"}, status=201)
    await client.create(description="of another list", list="garden")
    await client.create("u_42", description="of another workspace")
    await client.create(description="shown")

    assert [str(todo["SUMMARY"]) for todo in await client.show()] == ["shown"]


@pytest.mark.parametrize(("ours", "theirs"), [(0, None), (1, 9), (5, 5), (9, 1)])
async def test_the_most_urgent_priority_is_1_and_none_is_absent(client: Client, ours: int, theirs: int | None) -> None:
    await client.create(priority=ours)

    todo = await client.show_one()

    assert (int(todo["PRIORITY"]) if "PRIORITY" in todo else None) == theirs


async def test_a_task_that_is_done_is_a_completed_to_do_and_no_event(client: Client) -> None:
    await client.create()
    done = await client.ask("PATCH", "/tasks/1", {"done": True})

    todo = await client.show_one()

    assert (str(todo["STATUS"]), int(todo["PERCENT-COMPLETE"])) == ("COMPLETED", 100)
    assert todo.decoded("COMPLETED") == datetime.fromisoformat(done["completed_at"]).replace(microsecond=0)
    assert await client.show(query="&as=events") == []


@pytest.mark.parametrize(("query", "shown"), [("", 2), ("&done=false", 1), ("&done=true", 1), ("&as=events", 1)])
async def test_tasks_can_be_chosen_by_whether_they_are_done(client: Client, query: str, shown: int) -> None:
    await client.create()
    await client.create(done=True)

    assert len(await client.show(query=query)) == shown


async def test_the_uid_is_that_of_the_task_or_one_that_stays_the_same(client: Client) -> None:
    await client.create(uid="of;another,system\\x")
    await client.create()
    await client.create("u_42")

    first, again = await client.show(), await client.show()
    other = await client.show((await client.key(workspace="u_42"))["path"])

    uids = [str(todo["UID"]) for todo in first]
    assert uids[0] == "of;another,system\\x"
    assert uids == [str(todo["UID"]) for todo in again]
    assert len({*uids, str(other[0]["UID"])}) == 3


async def test_a_part_names_the_to_do_that_it_is_a_part_of_in_the_same_list(client: Client) -> None:
    parent = await client.create(uid="whole")
    elsewhere = await client.create(list="garden")
    await client.create(parent_id=parent["id"], description="part")
    await client.create(parent_id=elsewhere["id"], description="of another list")

    todos = {str(todo["SUMMARY"]): todo for todo in await client.show()}

    assert (str(todos["part"]["RELATED-TO"]), todos["part"]["RELATED-TO"].params["RELTYPE"]) == ("whole", "PARENT")
    assert "RELATED-TO" not in todos["of another list"]


async def test_a_parent_on_another_page_is_named(client: Client) -> None:
    parent = await client.create(due_on="2026-01-01", uid="whole")
    part = {"op": "create", "task": {"description": "part", "due_on": "2026-12-01", "parent_id": parent["id"]}}
    await client.ask("POST", "/tasks/batch", [part] * 600)

    todos = await client.show()

    assert len(todos) == 601
    assert {str(todo["RELATED-TO"]) for todo in todos[1:]} == {"whole"}


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_every_text_comes_back_as_it_was(client: Client, text: str) -> None:
    await client.create(description=text, notes=text, labels=[text[:100], "z"])

    read = await client.read((await client.key())["path"])

    (todo,) = entries(Calendar.from_ical(read))
    assert (str(todo["SUMMARY"]), str(todo["DESCRIPTION"])) == (text, text)
    assert [str(each) for each in todo.categories] == sorted([text[:100], "z"])
    (other,) = todos_by_vobject(read)
    assert (other.summary.value, other.description.value) == (text, text)
    assert max(map(len, read.split(b"\r\n"))) <= 75
    assert read.replace(b"\r\n", b"").count(b"\n") == 0


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
async def test_every_end_of_a_line_is_a_line_feed(client: Client, end: str) -> None:
    await client.create(notes=f"one{end}BEGIN:VTODO{end}")

    read = await client.read((await client.key())["path"])

    (todo,) = entries(Calendar.from_ical(read))
    assert str(todo["DESCRIPTION"]) == "one\nBEGIN:VTODO\n"
    assert [todo.description.value for todo in todos_by_vobject(read)] == ["one\nBEGIN:VTODO\n"]


async def test_control_characters_which_no_text_may_have_are_left_out(client: Client) -> None:
    await client.create(description="a\x01b\x7fc\x1fd\te")

    assert str((await client.show_one())["SUMMARY"]) == "abcd\te"


@pytest.mark.parametrize("name", ["inbox", "a/b", "Garten & Hof", "50%", "ü?#;:@", "..", ".ics", "keys", " x ", "a\nb"])
async def test_a_list_of_any_name_has_a_calendar(client: Client, name: str) -> None:
    await client.create(list=name)
    made = await client.key(name)

    read = await client.read(made["path"])

    assert len(entries(Calendar.from_ical(read))) == 1
    contents = vobject.readOne(read.decode()).contents
    assert [contents[each][0].value for each in ("name", "x-wr-calname")] == [name, name]


async def test_a_list_without_due_tasks_has_a_valid_calendar(client: Client) -> None:
    read = await client.read((await client.key("empty"))["path"])

    calendar = Calendar.from_ical(read)
    assert [each.name for each in calendar.subcomponents] == ["VTIMEZONE"]
    assert todos_by_vobject(read) == []


async def test_a_list_of_thousands_of_tasks_is_shown_whole(client: Client) -> None:
    for start in range(0, 2_000, 1_000):
        tasks = [
            {"op": "create", "task": {"description": str(number), "due_on": f"2026-12-{number % 28 + 1:02}"}}
            for number in range(start, start + 1_000)
        ]
        await client.ask("POST", "/tasks/batch", tasks)

    todos = await client.show()

    assert sorted(int(todo["SUMMARY"]) for todo in todos) == list(range(2_000))


# ---------------------------------------------------------------- events


@pytest.mark.parametrize(
    ("fields", "query", "day"),
    [
        ({"due_on": "2026-12-01"}, "", date(2026, 12, 1)),
        ({"due_on": "2026-12-01"}, "&zone=America/New_York", date(2026, 12, 1)),
        ({"due_at": "2026-12-01T03:00:00Z"}, "", date(2026, 12, 1)),
        ({"due_at": "2026-12-01T03:00:00Z"}, "&zone=America/New_York", date(2026, 11, 30)),
        ({"due_at": "2026-12-01T23:30:00Z"}, "&zone=Europe/Berlin", date(2026, 12, 2)),
        ({"due_at": "9999-12-31T23:30:00Z"}, "&zone=Europe/Berlin", date(9999, 12, 31)),
        ({"due_on": "0001-01-02"}, "", date(1, 1, 2)),
    ],
)
async def test_an_event_is_on_the_day_on_which_the_task_is_due(
    client: Client, fields: dict[str, Any], query: str, day: date
) -> None:
    await client.create(**fields)

    event = await client.show_one(f"&as=events{query}")

    assert event.name == "VEVENT"
    assert event.decoded("DTSTART") == day
    if day < date.max:
        assert event.decoded("DTEND") == day + timedelta(days=1)
    assert event["TRANSP"] == "TRANSPARENT"
    assert "STATUS" not in event


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "localtime", "Europe", "x" * 5_000])
async def test_an_unknown_zone_is_refused(client: Client, zone: str) -> None:
    made = await client.key()

    problem = await client.ask("GET", f"{made['path']}&as=events&zone={zone}", status=422)

    assert problem["errors"][0]["field"] == "zone"
    assert made["key"] not in str(problem)


async def test_an_unknown_parameter_is_refused_with_those_that_are_known(client: Client) -> None:
    made = await client.key()

    problem = await client.ask("GET", f"{made['path']}&kind=events", status=422)

    assert "Known are key, done, zone, as." in problem["errors"][0]["message"]
