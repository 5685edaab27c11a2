"""Todoist's CSV: projects, sections, levels, comments, dates and equal rows."""

from __future__ import annotations

import io
import zipfile

import pytest
from tasksvc_formats import InvalidFile

from formats.reading import SAMPLES, fields_of, parents_of, read, read_sample, short_name, summary

SAMPLE = "Home [2203306141].csv"
HEADER = b"TYPE,CONTENT,PRIORITY,INDENT,DATE\n"


def test_a_project_is_a_list_and_its_sections_are_lists_below_it() -> None:
    items, _ = read_sample("todoist-csv", SAMPLE)

    assert [item.fields["list"] for item in items] == ["Home"] * 3 + ["Home/Repairs"] * 4


def test_levels_become_parents() -> None:
    items, _ = read_sample("todoist-csv", SAMPLE)

    assert {part: parent for part, parent in parents_of(items).items() if parent} == {
        "Buy a washer": "Fix the tap",
        "Measure it": "Buy a washer",
        "Call the plumber": "Fix the tap",
    }


def test_labels_priorities_notes_and_comments_have_their_fields() -> None:
    items, _ = read_sample("todoist-csv", SAMPLE)

    tasks = fields_of(items)
    assert tasks["Water the plants"]["labels"] == ["garden", "weekly"]
    assert tasks["Water the plants"]["notes"] == "Also the fern, in the hall"
    assert [tasks[name].get("priority", 0) for name in ("Water the plants", "Fix the tap", "Buy a washer")] == [9, 6, 3]
    assert tasks["Buy a washer"]["notes"] == (
        "2026-11-20 10:00:00 Bob (2): Half an inch, says the plumber\n\ntap.jpg https://files.example/tap.jpg"
    )


def test_dates_are_read_in_the_zone_of_their_row() -> None:
    items, _ = read_sample("todoist-csv", SAMPLE)

    tasks = fields_of(items)
    assert tasks["Water the plants"]["due_at"] == "2026-11-30T08:00:00Z"
    assert tasks["Water the plants"]["repeat"]["rule"] == "FREQ=WEEKLY;BYDAY=MO"
    assert tasks["Fix the tap"]["due_at"] == "2026-12-05T17:30:00Z"
    assert tasks["Measure it"]["due_on"] == "2026-12-08"


def test_what_has_no_place_is_reported_and_kept() -> None:
    items, report = read_sample("todoist-csv", SAMPLE)

    assert items[1].fields["metadata"] == {
        "todoist": {"author": "Ann (1)", "responsible": "Bob (2)", "duration": "30 minute"}
    }
    assert fields_of(items)["Call the plumber"]["notes"] == "Date: wenn der Mond scheint"
    assert summary(report) == {
        ("left out", "rows of type meta"): 1,
        ("put into the notes", "dates that can't be read"): 1,
        ("kept in the metadata", "author"): 7,
        ("kept in the metadata", "duration"): 1,
        ("kept in the metadata", "responsible"): 1,
    }


def test_equal_rows_are_two_tasks_and_the_same_two_in_each_run() -> None:
    first, _ = read_sample("todoist-csv", SAMPLE)
    second, _ = read_sample("todoist-csv", SAMPLE)

    uids = [item.uid for item in first]
    assert len(set(uids)) == len(uids) == 7
    assert [item.uid for item in second] == uids
    assert uids[2] == f"{uids[1]}-2"


def test_the_uids_stay_the_same_in_later_versions() -> None:
    items, _ = read_sample("todoist-csv", SAMPLE)

    assert items[0].uid == "todoist-b1a5689dbcb3e85ad859dc06db574cc2"


def test_an_archive_has_a_project_in_each_file() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(SAMPLE, (SAMPLES / SAMPLE).read_bytes())
        archive.writestr("Work [1].csv", HEADER + b"task,Buy milk,4,1,\n")

    items, _ = read("todoist-csv", packed.getvalue(), file="backup.zip")

    assert len(items) == 8
    assert (items[-1].fields["description"], items[-1].fields["list"]) == ("Buy milk", "Work")
    assert items[-1].uid not in {item.uid for item in items[:-1]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_encodings_of_spreadsheets_are_read(encoding: str, end: str) -> None:
    text = f'TYPE,CONTENT,PRIORITY,INDENT,DATE{end}task,"Grüße, an Zoë 🎈",1,1,{end}'

    items, _ = read("todoist-csv", text.encode(encoding))

    assert [item.fields for item in items] == [{"description": "Grüße, an Zoë 🎈", "priority": 9}]


def test_levels_that_skip_one_are_below_the_row_before() -> None:
    items, _ = read("todoist-csv", HEADER + b"task,a,4,1,\ntask,b,4,3,\ntask,c,4,x,\n")

    assert parents_of(items) == {"a": None, "b": "a", "c": None}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: The first line must name the columns, with TYPE and CONTENT among them."),
        (b"a,b\n", "line 1: The first line must name the columns, with TYPE and CONTENT among them."),
        (
            HEADER + b"task,Gr\xfc\xdfe,4,1,\n",
            "line 2: The byte 0xfc isn't UTF-8. Save the file in UTF-8, and try again.",
        ),
        (
            HEADER + b'task,"' + b"x" * 200_000 + b'",4,1,\n',
            "line 2: It isn't CSV: field larger than field limit (131072).",
        ),
    ],
    ids=short_name,
)
def test_a_broken_file_is_named_with_its_line(data: bytes, message: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        read("todoist-csv", data)

    assert str(caught.value) == message


def test_a_broken_file_in_an_archive_is_named() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Home.csv", HEADER + b"task,\xff,4,1,\n")

    with pytest.raises(InvalidFile, match=r"^Home\.csv, line 2: The byte 0xff isn't UTF-8"):
        read("todoist-csv", packed.getvalue())
