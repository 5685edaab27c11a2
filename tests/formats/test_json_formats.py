"""Vikunja, Taskwarrior and Google Tasks, whose exports are JSON."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
from tasksvc_formats import InvalidFile

from formats.reading import SAMPLES, fields_of, parents_of, read, read_sample, short_name, summary


def packed(name: str, data: bytes) -> bytes:
    """Returns an archive with one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, data)
    return archive.getvalue()


# ---------------------------------------------------------------- Vikunja


def test_a_task_of_vikunja_has_its_fields() -> None:
    items, _ = read("vikunja", packed("data.json", (SAMPLES / "data.json").read_bytes()))

    assert items[0].uid == "vikunja-11"
    assert items[0].fields == {
        "description": "Clean the gutter",
        "notes": "With the long ladder\n[x] gloves\n[ ] bucket & hose\n\n2026-11-03T10:00:00Z bob: Mind the bees",
        "list": "Inbox",
        "labels": ["outside"],
        "priority": 8,
        "created_at": "2026-11-01T10:00:00Z",
        "due_at": "2026-12-05T11:00:00Z",
        "repeat": {"rule": "FREQ=WEEKLY;INTERVAL=2", "zone": "Europe/Berlin", "from": "schedule"},
        "metadata": {
            "vikunja": {
                "percent_done": 0.5,
                "is_favorite": True,
                "identifier": "#1",
                "assignees": ["bob"],
                "reminders": ["2026-12-04T08:00:00Z"],
                "bucket": "Doing",
            }
        },
    }


def test_projects_below_projects_and_subtasks_are_kept() -> None:
    items, report = read_sample("vikunja", "data.json")

    assert fields_of(items)["Prune the roses"]["list"] == "Inbox/Garden"
    assert fields_of(items)["Prune the roses"]["repeat"]["rule"] == "FREQ=MONTHLY"
    assert parents_of(items)["Borrow a ladder"] == "Clean the gutter"
    assert fields_of(items)["Borrow a ladder"]["completed_at"] == "2026-11-04T10:00:00Z"
    assert {name: count for (fate, name), count in summary(report).items() if fate == "left out"} == {
        "attachments": 1,
        "relations of the kind blocking": 1,
    }


def test_later_versions_nest_projects_and_name_buckets_beside_the_tasks() -> None:
    inner = {
        "id": 2,
        "title": "Garden",
        "tasks": [{"id": 7, "title": "Prune the roses", "bucket_id": 0}],
        "buckets": [{"id": 5, "title": "Doing"}],
        "task_buckets": [{"task_id": 7, "bucket_id": 5}],
    }

    items, _ = read("vikunja", json.dumps([{"id": 1, "title": "Home", "child_projects": [inner]}]).encode())

    assert items[0].fields["list"] == "Home/Garden"
    assert items[0].fields["metadata"] == {"vikunja": {"bucket": "Doing"}}


def test_projects_in_a_circle_end() -> None:
    projects = [
        {"id": 1, "title": "a", "parent_project_id": 2, "tasks": [{"id": 1, "title": "t"}]},
        {"id": 2, "title": "b", "parent_project_id": 1},
    ]

    items, _ = read("vikunja", json.dumps(projects).encode())

    assert items[0].fields["list"] == "b/a"


# ---------------------------------------------------------------- Taskwarrior


def test_a_task_of_taskwarrior_has_its_fields() -> None:
    items, _ = read_sample("taskwarrior", "taskwarrior.json")

    assert items[0].uid == "a360fc44-315c-4366-b70c-ea7e7520b749"
    assert items[0].fields == {
        "description": "Order timber",
        "notes": "2026-11-02: Ask Bob for his trailer",
        "list": "house.shed",
        "labels": ["shop", "wood"],
        "priority": 9,
        "created_at": "2026-11-01T09:00:00Z",
        "due_on": "2026-12-05",
    }
    assert items[1].fields["metadata"]["taskwarrior"] == {
        "wait": "20270301T000000Z",
        "depends": ["a360fc44-315c-4366-b70c-ea7e7520b749"],
        "estimate": "3 days",
    }


def test_of_a_recurring_task_the_open_one_repeats() -> None:
    items, report = read_sample("taskwarrior", "taskwarrior.json")

    rent = [item.fields for item in items if item.fields["description"] == "Pay the rent"]
    assert [(task.get("done", False), "repeat" in task) for task in rent] == [(True, False), (False, True)]
    assert {name: count for (fate, name), count in summary(report).items() if fate == "left out"} == {
        "deleted tasks": 1,
        "templates of recurring tasks": 1,
        "repetition of a task that is done": 1,
    }


@pytest.mark.parametrize("text", ['{"a":\n{"b": "]["}}\n{"a": 2}\n', '[{"a":{"b":"]["}},{"a":2}]', '[\n{"a":1},\n\n]'])
def test_arrays_and_lines_of_objects_are_read(text: str) -> None:
    data = text.replace('"a"', '"status": "pending", "description"').encode()

    items, _ = read("taskwarrior", data)

    assert len(items) == text.count('{"a"')


@pytest.mark.parametrize(
    ("recur", "rule"),
    [
        ("weekly", "FREQ=WEEKLY"),
        ("2w", "FREQ=WEEKLY;INTERVAL=2"),
        ("3 days", "FREQ=DAILY;INTERVAL=3"),
        ("quarterly", "FREQ=MONTHLY;INTERVAL=3"),
        ("biannual", "FREQ=YEARLY;INTERVAL=2"),
        ("weekdays", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("P1M", "FREQ=MONTHLY"),
        ("4hours", None),
    ],
)
def test_a_period_becomes_a_rule(recur: str, rule: str | None) -> None:
    task = {"description": "a", "status": "pending", "due": "20261201T120000Z", "recur": recur}

    (item,), _ = read("taskwarrior", json.dumps([task]).encode())

    assert (item.fields["repeat"]["rule"] if rule else item.fields["notes"]) == (rule or f"Repeats: {recur}")


# ---------------------------------------------------------------- Google


def test_a_task_of_google_has_its_fields() -> None:
    items, report = read_sample("google-takeout", "Tasks.json")

    assert items[0].uid == "dGFzay0x"
    assert items[0].fields == {
        "description": "Book the train",
        "notes": "Window seats",
        "list": "My Tasks",
        "created_at": "2026-11-01T08:00:00.123456Z",
        "due_at": "2026-12-01T17:30:00Z",
    }
    assert summary(report) == {
        ("left out", "deleted tasks"): 1,
        ("left out", "repetition, which Google's export doesn't say"): 1,
        ("changed", "description that is empty"): 1,
    }


def test_a_parent_that_comes_later_is_put_before_its_part() -> None:
    items, _ = read("google-takeout", packed("Takeout/Tasks/Tasks.json", (SAMPLES / "Tasks.json").read_bytes()))

    assert [item.fields["description"] for item in items] == ["Book the train", "Go to the sea", "Pack", "(untitled)"]
    assert parents_of(items)["Pack"] == "Go to the sea"
    assert fields_of(items)["Pack"]["due_on"] == "2026-12-02"


# ---------------------------------------------------------------- broken files


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("vikunja", b'[\n{"a": 1},\n', "line 3: It isn't JSON: Expecting value."),
        ("vikunja", b"{}", "It must be an array of projects."),
        ("vikunja", b"[" * 1_000_000, "Its JSON is nested too deeply."),
        ("vikunja", b"[NaN]", "It isn't JSON: NaN isn't a number there."),
        ("vikunja", b'["\n\xff"]', "line 2: It isn't UTF-8. Save the file in UTF-8, and try again."),
        ("vikunja", b"[" + b"9" * 5_000 + b"]", "A number in its JSON has too many digits."),
        ("vikunja", packed("other.json", b"[]"), "It has no file data.json."),
        ("vikunja", packed("data.json", b"["), "data.json, line 1: It isn't JSON: Expecting value."),
        ("vikunja", packed("data.json", b"{}"), "data.json: It must be an array of projects."),
        ("vikunja", packed("data.json", b" " * (128 * 2**20 + 1)), "data.json: It unpacks to more than 128 MiB."),
        ("vikunja", packed("data.json", b"[]")[:-30], "It can't be unpacked: File is not a zip file."),
        ("google-takeout", b"[]", 'It must be an object with "kind": "tasks#taskLists".'),
        ("google-takeout", packed("a", b""), "It has no file Tasks.json."),
        ("taskwarrior", b'[\n{"description": "a", "status": "pending"},\n{"b": }\n]', "line 3: It isn't JSON:"),
        ("taskwarrior", b'[\n{"description": "a"', "line 2: It isn't JSON:"),
        ("taskwarrior", b"[1]", "line 1: It must have an object for each task."),
        ("taskwarrior", b'[{"a": 1}]', 'line 1: It must have objects with "description" and "status".'),
        ("taskwarrior", b'{"a":' * 100_000, "line 1: Its JSON is nested too deeply."),
        ("taskwarrior", b'{"a": "' + b"x" * 2**20 + b'"}', "line 1: The line is longer than 1 MiB."),
        ("taskwarrior", b'{"a":\n' + b'"b",\n' * 10 + b"}", "line 3: It isn't JSON:"),
    ],
    ids=short_name,
)
def test_a_broken_file_is_one_sentence_with_its_line(name: str, data: bytes, message: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        read(name, data)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_values_of_the_wrong_type_are_read_as_missing() -> None:
    task = {"id": True, "title": 7, "labels": {"a": 1}, "comments": [1, None], "due_date": [], "priority": 10**30}

    (item,), _ = read("vikunja", json.dumps([{"id": [], "tasks": [task]}]).encode())

    assert item.fields == {"description": "(untitled)", "priority": 9}


def test_unknown_values_that_metadata_cannot_hold_are_kept_as_text() -> None:
    task = {"description": "a", "status": "pending", "big": 10**30, "deep": {"a": [1]}, "inf": 1, "lone": "\ud800"}
    data = json.dumps([task]).replace('"inf": 1', '"inf": 1e999').encode()

    (item,), _ = read("taskwarrior", data)

    assert item.fields["metadata"]["taskwarrior"] == {
        "big": str(10**30),
        "deep": '{"a": [1]}',
        "inf": "Infinity",
        "lone": "?",
    }
