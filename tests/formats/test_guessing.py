"""A file shows its format by itself, or it must be named."""

from __future__ import annotations

import io
import zipfile

import pytest
from tasksvc_formats import Source, guess_format

from formats.reading import SAMPLES


def guess(data: bytes, name: str = "") -> str | None:
    return guess_format(Source(io.BufferedReader(io.BytesIO(data)), name))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Home [2203306141].csv", "todoist-csv"),
        ("Tasks.json", "google-takeout"),
        ("apple.ics", "ics"),
        ("nextcloud.ics", "ics"),
        ("taskwarrior.json", "taskwarrior"),
        ("thunderbird.ics", "ics"),
    ],
)
def test_a_sample_is_known_by_what_is_in_it(name: str, found: str) -> None:
    assert guess((SAMPLES / name).read_bytes()) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["data.json", "VERSION", "filters.json"], "vikunja"),
        (["Takeout/Tasks/Tasks.json"], "google-takeout"),
        (["Inbox [1].csv", "Work [2].csv"], "todoist-csv"),
        (["a.csv", "b.txt"], None),
        ([], None),
    ],
)
def test_an_archive_is_known_by_its_files(names: list[str], found: str | None) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, b"")

    assert guess(packed.getvalue()) == found


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("todo.txt", b"Buy milk\n", "todo.txt"),
        ("done.txt", b"", "todo.txt"),
        ("notes.txt", b"Buy milk\n", None),
        ("a.csv", b"name,due\n", None),
        ("a.csv", "TYPE,CONTENT,DATE\n".encode("utf-16"), "todoist-csv"),
        ("a.csv", "TYPE,CONTENT,DATE\n".encode("utf-8-sig"), "todoist-csv"),
        ("a.json", b'[{"id": 1, "title": "x"}]', None),
        ("", b"\xff\xfe\xff", None),
    ],
)
def test_a_text_is_only_guessed_where_it_is_safe(name: str, data: bytes, found: str | None) -> None:
    assert guess(data, name) == found
