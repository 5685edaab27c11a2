"""Lines of todo.txt: priorities, dates, projects, contexts, keys, and lines that only look like them."""

from __future__ import annotations

import pytest

from formats.reading import fields_of, read, read_sample, summary


def test_the_head_of_a_line_has_the_completion_the_priority_and_the_dates() -> None:
    items, _ = read_sample("todo.txt", "todo.txt")

    tasks = fields_of(items)
    assert tasks["Water the plants"]["priority"] == 8
    assert tasks["Water the plants"]["created_at"] == "2026-11-01T23:00:00Z"
    assert tasks["Pay the rent"] == {
        "description": "Pay the rent",
        "done": True,
        "priority": 7,
        "created_at": "2026-11-03T23:00:00Z",
        "completed_at": "2026-11-19T23:00:00Z",
        "due_on": "2026-11-20",
    }


def test_the_first_project_is_the_list_and_contexts_and_other_projects_are_labels() -> None:
    items, _ = read_sample("todo.txt", "todo.txt")

    task = fields_of(items)["Back up the laptop"]
    assert (task["list"], task["labels"]) == ("home", ["computer", "+laptop"])


def test_tags_within_a_sentence_stay_there() -> None:
    items, _ = read_sample("todo.txt", "todo.txt")

    assert items[0].fields["description"] == "Call @phone Mum about the party"
    assert (items[0].fields["list"], items[0].fields["labels"]) == ("family", ["phone"])


@pytest.mark.parametrize(
    ("recurrence", "rule", "basis"),
    [
        ("+1w", "FREQ=WEEKLY", "schedule"),
        ("3d", "FREQ=DAILY;INTERVAL=3", "completion"),
        ("+2m", "FREQ=MONTHLY;INTERVAL=2", "schedule"),
        ("1y", "FREQ=YEARLY", "completion"),
        ("+1b", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "schedule"),
    ],
)
def test_a_recurrence_with_a_plus_counts_from_the_due(recurrence: str, rule: str, basis: str) -> None:
    items, _ = read("todo.txt", f"Water due:2026-12-01 rec:{recurrence}\n".encode())

    assert items[0].fields["repeat"] == {"rule": rule, "zone": "Europe/Berlin", "from": basis}


@pytest.mark.parametrize("recurrence", ["3b", "monthly", "+1x"])
def test_a_recurrence_that_has_no_rule_goes_to_the_notes(recurrence: str) -> None:
    items, report = read("todo.txt", f"Water due:2026-12-01 rec:{recurrence}\n".encode())

    assert items[0].fields["notes"] == f"Repeats: rec:{recurrence}"
    assert summary(report) == {("put into the notes", "repetition that tasks don't have here"): 1}


@pytest.mark.parametrize(
    "line",
    [
        "xylophone lessons",
        "X marks the spot",
        "(a) small letter",
        "(AB) two letters",
        "2026-13-01 is not a day",
        "Read https://example.org/a:b",
        "due:tomorrow is not a day",
        "note:office stays",
        "+ and @ alone",
    ],
)
def test_what_only_looks_like_a_part_of_the_format_is_text(line: str) -> None:
    items, _ = read("todo.txt", line.encode())

    assert [item.fields for item in items] == [{"description": line}]


def test_a_second_date_belongs_to_the_text_of_an_open_task() -> None:
    items, _ = read("todo.txt", b"2026-11-01 2026-11-02 is the day\n")

    assert items[0].fields == {"description": "2026-11-02 is the day", "created_at": "2026-10-31T23:00:00Z"}


def test_a_task_keeps_its_uid_when_it_is_completed() -> None:
    (open_task,), _ = read("todo.txt", b"(C) 2026-11-04 Pay the rent due:2026-11-20\n")
    (done_task,), _ = read("todo.txt", b"x 2026-11-20 2026-11-04 Pay the rent due:2026-11-20 pri:C\n")

    assert open_task.uid == done_task.uid


def test_equal_lines_are_two_tasks() -> None:
    items, _ = read_sample("todo.txt", "todo.txt")

    first, second = (item.uid for item in items if item.fields["description"] == "Buy milk")
    assert second == f"{first}-2"


def test_a_uid_in_the_line_is_that_of_the_task() -> None:
    (item,), _ = read("todo.txt", b"Buy milk uid:milk-1\n")

    assert (item.uid, item.fields) == ("milk-1", {"description": "Buy milk"})


def test_all_tasks_go_to_the_list_that_is_asked_for() -> None:
    (item,), report = read("todo.txt", b"Buy milk +shop\n", list_name="errands")

    assert item.fields["list"] == "errands"
    assert item.fields["metadata"] == {"todotxt": {"list": "shop"}}
    assert summary(report) == {("kept in the metadata", "list"): 1}
