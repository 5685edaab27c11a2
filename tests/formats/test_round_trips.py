"""What is written is read again as the same tasks, as far as the format can carry them."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tasksvc_formats import Item, Report, writer_of

from formats.reading import BERLIN, read, summary

BARE: dict[str, Any] = {
    **dict.fromkeys(("completed_at", "due_at", "due_on", "parent_id", "position", "repeat", "uid")),
    "id": 1,
    "description": "Water the plants",
    "notes": "",
    "done": False,
    "priority": 0,
    "labels": [],
    "list": "inbox",
    "metadata": {},
    "version": 1,
    **dict.fromkeys(("created_at", "updated_at"), "2026-11-24T15:00:00.123456Z"),
}
"""A task as the API shows it."""
UNSET: dict[str, Any] = {"notes": "", "done": False, "priority": 0, "labels": [], "list": "inbox", "metadata": {}}
"""What a field is that a reader doesn't name."""


def written(name: str, *tasks: dict[str, Any]) -> tuple[str, Report]:
    """Returns the text of tasks in a format."""
    out, report = io.StringIO(), Report()
    writer_of(name)(iter(tasks), out, BERLIN, report)
    return out.getvalue(), report


def again(name: str, *tasks: dict[str, Any]) -> list[Item]:
    """Returns tasks that have been written and read."""
    text, _ = written(name, *tasks)
    items, _ = read(name, text.encode())
    return items


def repeat(rule: str, **members: Any) -> dict[str, Any]:
    """Returns a repetition as the API shows it."""
    known = {"zone": "Europe/Berlin", "from": "schedule", "start": "", "occurrence": "", "remaining": None}
    return {"rule": rule, **known, **members}


# ---------------------------------------------------------------- tasks that the API may show

# iCalendar has one kind of line break.
PLAIN = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")
TEXTS = st.text(PLAIN, min_size=1, max_size=80).filter(lambda text: not text.isspace())
WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2026, 11, 27), timezones=st.just(UTC))
DUES = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.just(UTC))
METADATA = st.dictionaries(TEXTS, st.recursive(st.booleans() | st.integers(-9, 9) | TEXTS, st.lists), max_size=3)


def shown(at: datetime | None) -> str | None:
    """Returns a time as the API shows it."""
    return None if at is None else at.isoformat(timespec="microseconds").replace("+00:00", "Z")


@st.composite
def tasks(draw: st.DrawFn, *, texts: st.SearchStrategy[str], tags: st.SearchStrategy[str]) -> dict[str, Any]:
    """Draws a task without a parent and a repetition."""
    done, kind = draw(st.booleans()), draw(st.sampled_from(("", "due_at", "due_on")))
    return {
        **BARE,
        "description": draw(texts),
        "notes": draw(st.just("") | TEXTS),
        "done": done,
        "completed_at": shown(draw(TIMES)) if done else None,
        "due_at": shown(draw(DUES)) if kind == "due_at" else None,
        "due_on": draw(st.dates()).isoformat() if kind == "due_on" else None,
        "priority": draw(st.integers(0, 9)),
        "labels": sorted(draw(st.sets(tags, max_size=4))),
        "list": draw(st.just("inbox") | tags),
        "position": draw(st.none() | st.from_regex(r"[0-9A-Za-z]{1,20}", fullmatch=True)),
        "metadata": draw(METADATA),
        "uid": draw(st.none() | WORDS.filter(str.isprintable)),
        "created_at": shown(draw(TIMES)),
    }


QUICK = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def in_seconds(at: str | None) -> str | None:
    """Returns a time to the second, as iCalendar has it."""
    return at and at.partition(".")[0] + "Z"


# ---------------------------------------------------------------- iCalendar


@QUICK
@given(tasks(texts=TEXTS, tags=TEXTS))
def test_icalendar_carries_everything_to_the_second(task: dict[str, Any]) -> None:
    (item,) = again("ics", task)

    known = {**UNSET, **item.fields}
    for name in ("description", "notes", "done", "due_on", "priority", "list", "position", "metadata"):
        assert known.get(name) == task[name], name
    assert sorted(known["labels"]) == task["labels"]
    for name in ("created_at", "completed_at", "due_at"):
        assert known.get(name) == in_seconds(task[name]), name
    assert item.uid == (task["uid"] or item.uid)


@pytest.mark.parametrize(
    ("rule", "members", "due"),
    [
        ("FREQ=WEEKLY;BYDAY=MO", {}, {"due_at": "2026-11-30T08:00:00.000000Z"}),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", {"from": "each"}, {"due_on": "2026-11-30"}),
        ("FREQ=DAILY", {"from": "completion", "zone": "UTC"}, {"due_at": "2026-11-30T08:00:00.000000Z"}),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", {"zone": "Asia/Tokyo"}, {"due_at": "2026-11-30T08:00:00Z"}),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=-1MO;WKST=SU", {}, {"due_on": "2026-11-30"}),
        ("FREQ=DAILY;UNTIL=20271231T225959Z", {}, {"due_at": "2026-11-30T08:00:00.000000Z"}),
        ("FREQ=DAILY;UNTIL=20271231", {}, {"due_on": "2026-11-30"}),
    ],
)
def test_icalendar_carries_repetitions(rule: str, members: dict[str, Any], due: dict[str, str]) -> None:
    (item,) = again("ics", {**BARE, **due, "repeat": repeat(rule, **members)})

    found = item.fields["repeat"]
    assert {tuple(sorted(found.pop("rule").split(";")))} == {tuple(sorted(rule.split(";")))}
    zone = members.get("zone", "Europe/Berlin")
    assert found == {"zone": zone, "from": members.get("from", "schedule")}


def test_icalendar_carries_how_many_occurrences_are_left() -> None:
    task = {**BARE, "due_on": "2026-11-30", "repeat": repeat("FREQ=DAILY;COUNT=10", remaining=3)}

    (item,) = again("ics", task)

    assert item.fields["repeat"]["rule"] == "FREQ=DAILY;COUNT=4"


def test_icalendar_carries_parents_wherever_they_come() -> None:
    later = (datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=1)).isoformat()

    items = again("ics", {**BARE, "parent_id": 2}, {**BARE, "id": 2, "description": "House", "created_at": later})

    assert [item.fields["description"] for item in items] == ["House", "Water the plants"]
    assert items[1].parent == items[0].uid


def test_a_task_without_a_uid_has_the_same_one_each_time() -> None:
    assert again("ics", BARE)[0].uid == again("ics", BARE)[0].uid == "tasksvc-1-6e39310080ec"


def test_a_calendar_defines_each_zone_once_and_folds_its_lines() -> None:
    due, earlier = ({"due_at": f"{year}-11-30T08:00:00Z", "repeat": repeat("FREQ=DAILY")} for year in (2026, 2020))

    text, _ = written("ics", {**BARE, **due}, {**BARE, "id": 2, "description": "ü" * 100, **earlier})

    assert text.count("BEGIN:VTIMEZONE") == 1
    assert "DTSTART:20201130T000000" in text
    assert text.index("BEGIN:VTIMEZONE") < text.index("BEGIN:VTODO")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_a_parent_that_is_not_written_is_reported() -> None:
    _, report = written("ics", {**BARE, "parent_id": 7})

    assert summary(report) == {("left out", "parents that aren't among the tasks"): 1}


# ---------------------------------------------------------------- todo.txt

SENTENCES = (
    st.lists(WORDS.filter(lambda word: word[0] not in "+@" and ":" not in word), min_size=1, max_size=6)
    .map(" ".join)
    .filter(lambda text: text == text.strip())
)
TAGS = WORDS.filter(lambda word: word[0] not in "+@" and not any(map(str.isspace, word)))


@QUICK
@given(tasks(texts=SENTENCES, tags=TAGS))
def test_todo_txt_carries_what_it_has_words_for(task: dict[str, Any]) -> None:
    (item,) = again("todo.txt", task)

    known = {**UNSET, **item.fields}
    for name in ("description", "done", "due_on", "priority", "list"):
        assert known.get(name) == task[name], name
    assert sorted(known["labels"]) == task["labels"]
    for name in ("created_at", "completed_at"):
        assert day_of(known.get(name)) == day_of(task[name]), name
    assert known.get("due_at", "").rstrip("Z") == (task["due_at"] or "").removesuffix(".000000Z").rstrip("Z")
    assert item.uid == (task["uid"] or item.uid)


def day_of(at: str | None) -> date | None:
    """Returns the day in Berlin."""
    return None if at is None else datetime.fromisoformat(at).astimezone(BERLIN).date()


@pytest.mark.parametrize(
    ("rule", "basis", "key"),
    [
        ("FREQ=DAILY;INTERVAL=2", "schedule", "rec:+2d"),
        ("FREQ=WEEKLY;BYDAY=MO", "schedule", "rec:+1w"),
        ("FREQ=MONTHLY;BYMONTHDAY=30", "schedule", "rec:+1m"),
        ("FREQ=YEARLY;BYMONTH=11;BYMONTHDAY=30", "schedule", "rec:+1y"),
        ("FREQ=WEEKLY", "completion", "rec:1w"),
        ("FREQ=WEEKLY;BYDAY=MO,TU", "schedule", None),
        ("FREQ=WEEKLY;BYDAY=TU", "schedule", None),
        ("FREQ=WEEKLY;BYDAY=MO", "each", None),
        ("FREQ=DAILY;COUNT=3", "schedule", None),
    ],
)
def test_todo_txt_carries_repetitions_that_mean_the_same(rule: str, basis: str, key: str | None) -> None:
    text, report = written("todo.txt", {**BARE, "due_on": "2026-11-30", "repeat": repeat(rule, **{"from": basis})})

    assert text == f"2026-11-24 Water the plants due:2026-11-30{f' {key}' if key else ''}\n"
    assert summary(report) == ({} if key else {("left out", "repetitions that todo.txt can't say"): 1})


def test_what_todo_txt_cannot_carry_is_reported() -> None:
    task = {**BARE, "description": "a\nb +c", "notes": "n", "parent_id": 3, "list": "My list", "position": "V"}

    text, report = written("todo.txt", {**task, "metadata": {"a": 1}, "labels": ["x"], "uid": "a b"})

    assert text == "2026-11-24 a b +c +My_list @x\n"
    assert summary(report) == {
        ("left out", "metadata"): 1,
        ("left out", "notes"): 1,
        ("left out", "parent_id"): 1,
        ("left out", "position"): 1,
        ("left out", "uids with spaces"): 1,
        ("changed", "line breaks and spaces around descriptions"): 1,
        ("changed", "spaces in lists and labels, which become _"): 1,
        ("changed", "words in descriptions that todo.txt reads as tags or keys"): 1,
    }
