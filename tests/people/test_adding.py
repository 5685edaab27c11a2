"""tasksvc add and show."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from people.person import Person


def test_words_without_quotes_are_one_text(ann: Person) -> None:
    printed = ann.says("add", "Water", "the", "plants", "-l", "home", "--list", "garden", "-p", "7")

    assert printed == "1  Water the plants  priority 7  @home  in garden\n"
    task = ann.tasks.get(1)
    assert (task.description, task.labels, task.list, task.priority) == ("Water the plants", ("home",), "garden", 7)


def test_a_day_is_kept_as_a_day_and_a_time_in_the_zone_of_the_user(ann: Person) -> None:
    ann.says("add", "Pay", "--due", "tomorrow")
    shown = ann.says("add", "Call", "--due", "2030-12-03 18:00")

    assert shown == "2  Call  due Tue 2030-12-03 18:00\n"
    days = {datetime.now(UTC).date() + timedelta(days=number) for number in (1, 2)}  # Berlin may be a day ahead
    assert ann.tasks.get(1).due_on in days
    assert ann.tasks.get(2).due_at == datetime(2030, 12, 3, 17, 0, tzinfo=UTC)


def test_a_task_repeats_in_the_zone_of_the_user(ann: Person) -> None:
    ann.says("add", "Pay the rent", "-d", "2030-12-01", "--repeat", "FREQ=MONTHLY")

    repeat = ann.tasks.get(1).repeat
    assert repeat is not None
    assert (repeat["rule"], repeat["zone"]) == ("FREQ=MONTHLY;BYMONTHDAY=1", "Europe/Berlin")


def test_all_that_a_task_has_is_shown_and_its_due_can_be_typed(ann: Person) -> None:
    ann.says("add", "Plan\nthe trip", "-d", "2030-12-03 18:00", "-n", "Ferry\tor\ntrain?", "-l", "b", "-l", "a")
    ann.says("add", "Book", "--parent", "#1", "--repeat", "weekly", "-d", "2030-12-02")

    shown = ann.says("show", "1", "2")

    first, _, second = shown.partition("\n\n2  ")
    assert first.splitlines()[:6] == [
        *("1  Plan", "    the trip", "  due       Tue 2030-12-03 18:00", "  labels    a, b", "  list      inbox"),
        first.splitlines()[5],
    ]
    assert "\n\n  Ferry   or\n  train?\n  part      2 Book" in first
    assert "  part of   1\n" in second
    assert "  repeats   FREQ=WEEKLY;BYDAY=MO (Europe/Berlin)\n" in second
    ann.says("edit", "2", "--due", "Tue 2030-12-03 18:00")
    assert ann.tasks.get(2).due_at == ann.tasks.get(1).due_at


def test_json_is_the_task_as_the_api_gives_it(ann: Person) -> None:
    added = json.loads(ann.says("add", "a\x1b\u009bb", "--json"))
    shown = json.loads(ann.says("show", "1", "--json"))

    assert added == shown == ann.tasks.get(1).json
    assert shown["description"] == "a\x1b\u009bb"


def test_nothing_in_a_text_reaches_the_terminal_as_a_control_character(ann: Person) -> None:
    text = "a\x1b[2J\x9b\r\u202eb"
    ann.says("add", text, "-n", text, "-l", text, "--list", text)

    printed = [ann.says(*words) for words in (["ls"], ["show", "1"], ["log"], ["lists"], ["done", "1"], ["rm", "1"])]

    assert [each for each in "".join(printed) if (each < " " and each not in "\n\t") or each in "\x9b\x7f\u202e"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add"], "Missing argument 'TEXT...'."),
        (["add", " "], "The text of the task is empty."),
        (["add", "x", "-p", "10"], "-p"),
        (["add", "x", "--due", "1/12"], "can mean"),
        (["add", "x", "--due", "soonish"], "isn't a date that is understood here"),
        (["add", "x", "--repeat", "weekly"], "--repeat needs a --due to begin with."),
        (["add", "x", "--parent", "x"], "isn't the id of a task"),
        (["show", "0"], "ID...: '0' isn't the id of a task. 'tasksvc ls' shows the ids."),
        (["ls", "--done", "--all"], "say different things"),
        (["ls", "--json", "--csv"], "Give one of --json, --csv and --watch."),
        (["ls", "--watch"], "--watch needs a terminal."),
        (["edit", "1", "2"], "The editor takes one task."),
        (["add", "a\udc9bb"], "isn't valid in the encoding of this terminal"),
        (["ls", "--url", "tasks.example"], "isn't the URL of a service"),
        (["ls", "--url", "http://ann:secret@tasks.example"], "A URL with a name and a password isn't taken."),
    ],
)
def test_what_is_typed_wrong_is_one_sentence_with_status_2(words: list[str], sentence: str, ann: Person) -> None:
    done = ann(*words)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert sentence in done.stderr
    assert ann.tasks.count() == 0


def test_a_day_of_today_is_one_of_the_zone(ann: Person) -> None:
    zones = {"Pacific/Kiritimati": 14, "Pacific/Pago_Pago": -11}

    for zone in zones:
        ann.environment["TZ"] = zone
        ann.says("add", zone, "--due", "today")

    first, second = (ann.tasks.get(number).due_on for number in (1, 2))
    assert isinstance(first, date)
    assert isinstance(second, date)
    assert (first - second).days in (1, 2)
