"""Tasks of a file are created once, whatever is there already and whatever the service refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tasksvc_client import Create, SyncClient
from tasksvc_formats import Item, Ordering, Report
from tasksvc_tasks.loading import BATCH_BYTES, Loading, Outcome

from formats.reading import read_sample, summary


@contextmanager
def loading(client: SyncClient, items: list[Item], **options: Any) -> Iterator[tuple[Loading, Report]]:
    """Gives what loads the items."""
    report = Report()
    with Ordering(iter(items), report) as ordering:
        yield Loading(client, ordering, report, **options), report


def load(client: SyncClient, items: list[Item], **options: Any) -> tuple[Outcome, Report]:
    with loading(client, items, **options) as (loader, report):
        return loader.load(), report


def item(uid: str, parent: str | None = None, **fields: Any) -> Item:
    """Returns a task whose description is its uid."""
    return Item(uid, parent, {"description": uid, **fields})


def position(client: SyncClient) -> str:
    """Returns the end of the change log."""
    return next(client.pages(limit=1)).position


SAMPLES = [
    ("todoist-csv", "Home [2203306141].csv", 7),
    ("todo.txt", "todo.txt", 8),
    ("ics", "nextcloud.ics", 2),
    ("ics", "apple.ics", 2),
    ("ics", "thunderbird.ics", 4),
    ("taskwarrior", "taskwarrior.json", 4),
    ("vikunja", "data.json", 4),
    ("google-takeout", "Tasks.json", 4),
]


@pytest.mark.parametrize(("name", "file", "number"), SAMPLES)
def test_each_format_is_loaded_and_a_second_run_changes_nothing(
    client: SyncClient, name: str, file: str, number: int
) -> None:
    items, _ = read_sample(name, file)

    first, report = load(client, items)
    end = position(client)
    second, _ = load(client, items)

    assert (first, second) == (Outcome(created=number), Outcome(there=number))
    assert position(client) == end
    assert summary(report) == {}
    tasks = {task.uid: task for task in client.find()}
    for uid, parent, fields in items:
        shown = tasks[uid].json
        for field, value in fields.items():
            assert shown[field] == value or field in ("labels", "repeat", "created_at", "completed_at", "due_at"), field
        assert sorted(fields.get("labels", [])) == shown["labels"]
        assert (parent and tasks[parent].id) == shown["parent_id"]
        assert (shown["repeat"] is not None) == ("repeat" in fields)


def test_times_are_kept_unless_they_are_not_wanted(client: SyncClient) -> None:
    times = {"created_at": "2020-01-01T00:00:00Z", "completed_at": "2020-01-02T00:00:00Z"}

    load(client, [item("a", done=True, **times)])
    load(client, [item("b", done=True, **times)], with_times=False)

    years = [(task.created_at.year, task.completed_at and task.completed_at.year) for task in client.find(sort="id")]
    assert years[0] == (2020, 2020)
    assert years[1][0] > 2020 < (years[1][1] or 0)


def test_more_tasks_than_a_request_takes_are_loaded_with_their_parents(client: SyncClient) -> None:
    items = [item(str(number), str(number - 1) if number % 4 else None) for number in range(2_500)]
    advanced = list[int]()

    outcome, _ = load(client, items, advance=advanced.append)

    assert outcome == Outcome(created=2_500)
    assert sum(advanced) == 2_500
    tasks = {task.id: task for task in client.find()}
    assert {str(task.uid): task.parent_id and tasks[task.parent_id].uid for task in tasks.values()} == {
        uid: parent for uid, parent, _ in items
    }


def test_tasks_too_long_for_one_request_are_loaded_in_several(client: SyncClient) -> None:
    items = [item(str(number), notes="ü" * 20_000) for number in range(BATCH_BYTES // 40_000 + 10)]

    outcome, _ = load(client, items)

    assert outcome.created == client.count() == len(items)


def test_tasks_that_are_there_are_parents_too_and_stay_as_they_are(client: SyncClient) -> None:
    there = client.create("Changed since", uid="a", priority=3)

    outcome, _ = load(client, [item("a", priority=9), item("b", "a")])

    assert outcome == Outcome(created=1, there=1)
    tasks = {task.uid: task for task in client.find()}
    assert (tasks["a"].description, tasks["a"].version) == ("Changed since", 1)
    assert tasks["b"].parent_id == there.id


def test_a_few_tasks_are_looked_up_one_by_one_among_many(client: SyncClient) -> None:
    client.batch([Create(f"other {number}") for number in range(1_000)])
    client.create("There", uid="a b/ü")

    outcome, _ = load(client, [item("a b/ü"), item("new")])

    assert outcome == Outcome(created=1, there=1)


def test_a_uid_that_somebody_takes_meanwhile_is_there(client: SyncClient) -> None:
    def take(number: int) -> None:
        if number == 0:  # those that are there have been looked for
            client.batch([Create("B", uid="b"), Create("D", uid="d")])

    outcome, _ = load(client, [item("a"), item("b"), item("c", "b")], advance=take)

    assert outcome == Outcome(created=2, there=1)
    tasks = {task.uid: task for task in client.find()}
    assert tasks["c"].parent_id == tasks["b"].id


@pytest.mark.parametrize(
    ("fields", "entry", "field"),
    [
        ({"repeat": {"rule": "FREQ=WEEKLY;BYDAY=XX", "zone": "UTC"}}, "repetitions", "repeat"),
        ({"repeat": {"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "zone": "UTC"}}, "repetitions", "repeat"),
        ({"created_at": "2999-01-01T00:00:00Z"}, "created_at", "created_at"),
        ({"position": "ä"}, "position", "position"),
    ],
)
def test_what_the_service_refuses_is_left_out_and_reported(
    client: SyncClient, fields: dict[str, Any], entry: str, field: str
) -> None:
    outcome, report = load(client, [item("a"), item("b", due_on="2026-12-01", **fields), item("c", "b")])

    assert outcome == Outcome(created=3)
    ((name, count),) = summary(report).items()
    assert (name[1], count) == (f"{entry} that the service refuses", 1)
    task = next(client.find(uid="b"))
    assert field not in fields or task.json[field] != fields[field]
    assert task.notes == (f"Repeats: {fields['repeat']['rule']}" if "repeat" in fields else "")


def test_a_task_that_the_service_refuses_whole_is_left_out(client: SyncClient) -> None:
    outcome, report = load(client, [Item("a", None, {"description": " "}), item("b", "a"), item("c")])

    assert outcome == Outcome(created=2, refused=1)
    assert summary(report) == {
        ("left out", "parents that the service refuses"): 1,
        ("left out", "tasks that the service refuses"): 1,
    }


def test_a_look_changes_nothing(client: SyncClient) -> None:
    client.create("There", uid="a")

    with loading(client, [item("a"), item("b")]) as (loader, _):
        outcome = loader.look()

    assert outcome == Outcome(created=1, there=1)
    assert client.count() == 1


def test_a_task_is_sent_as_it_was_read(client: SyncClient) -> None:
    fields: dict[str, Any] = {"notes": "a\r\n\tb\x1b", "metadata": {"a": [1, "ü"]}, "labels": ["x y"], "list": "a/b"}

    load(client, [item("a", **fields)])

    shown = next(client.find(uid="a")).json
    assert json.loads(json.dumps({name: shown[name] for name in fields})) == fields
