"""The bounds of the API: what is longer is cut, and said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tasksvc_formats import Context, Item, Report
from tasksvc_formats.drafts import Draft, finish

from formats.reading import BERLIN, NOW, summary


def finished(draft: Draft) -> tuple[Item, dict[tuple[str, str], int]]:
    report = Report()
    return finish(replace(draft), Context("ics", BERLIN, NOW, report)), summary(report)


def test_long_texts_are_cut() -> None:
    item, report = finished(Draft("1", "d" * 10_001, notes=["n" * 20_000], labels=["l" * 101], list="i" * 101))

    assert {name: len(value) for name, value in item.fields.items()} == {
        "description": 10_000,
        "list": 100,
        "labels": 1,
        "notes": 20_000,
    }
    assert item.fields["notes"].startswith("d\n\nn")
    assert report == {
        ("put into the notes", "description from character 10,000 on"): 1,
        ("cut", "notes of more than 20,000 characters"): 1,
        ("cut", "label of more than 100 characters"): 1,
        ("cut", "list of more than 100 characters"): 1,
    }


def test_labels_are_different_and_at_most_fifty() -> None:
    item, report = finished(Draft("1", "d", labels=["a", "a", " ", "", *map(str, range(60))]))

    assert item.fields["labels"] == ["a", *map(str, range(49))]
    assert report == {("left out", "labels after the first 50"): 11}


def test_times_that_have_not_come_yet_are_left_out() -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)

    item, report = finished(Draft("1", "d", done=True, created=later, completed=later))

    assert item.fields == {"description": "d", "done": True}
    assert report == {("left out", "created_at in the future"): 1, ("left out", "completed_at in the future"): 1}


def test_what_is_too_long_for_the_metadata_is_left_out() -> None:
    item, report = finished(Draft("1", "d", rest={"long": "x" * 17_000, "short": "y"}))

    assert item.fields["metadata"] == {"ics": {"short": "y"}}
    assert report == {("left out", "long that is too long"): 1, ("kept in the metadata", "short"): 1}


def test_metadata_of_the_source_and_the_rest_are_kept_together() -> None:
    item, _ = finished(Draft("1", "d", metadata={"a": 1, "ics": {"url": "x"}}, rest={"location": "y"}))

    assert item.fields["metadata"] == {"a": 1, "ics": {"url": "x", "location": "y"}}


def test_a_uid_that_the_service_would_refuse_is_replaced_and_parents_still_find_it() -> None:
    item, report = finished(Draft("a\nb", "d"))
    part, _ = finished(Draft("part", "d", parent="a\nb"))

    assert item.uid == part.parent
    assert item.uid.isprintable()
    assert report == {("changed", "uid"): 1}


def test_examples_are_few_short_and_without_what_controls_a_terminal() -> None:
    report = Report()
    for number in range(5):
        finish(Draft(f"\n{number}", f"{number}\x1b[31m{'x' * 100}"), Context("ics", BERLIN, NOW, report))

    ((_, _, entry),) = list(report)
    assert entry.count == 5
    assert len(entry.examples) == 3
    assert all(example.isprintable() and len(example) <= 60 for example in entry.examples)
