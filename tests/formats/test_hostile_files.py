"""Whatever is in a file, it's read or refused with one sentence, and what is read is what the API takes."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tasksvc_formats import READABLE, InvalidFile, Item

from formats.reading import SAMPLES, read
from tasksvc.domain import rules

OF_FORMATS = {
    "todoist-csv": ["Home [2203306141].csv"],
    "todo.txt": ["todo.txt"],
    "ics": ["nextcloud.ics", "apple.ics", "thunderbird.ics"],
    "taskwarrior": ["taskwarrior.json"],
    "vikunja": ["data.json"],
    "google-takeout": ["Tasks.json"],
}
BITS = rb"""
\0 \xff \xef\xbb\xbf \xff\xfe \r \n \n\n " ' , : ; \\ [ ] { } null -1 1e999 99999999999999999999 \\ud800 \xed\xa0\x80
\xe2\x80\xa8 \x85 \x0b 0001-01-01 9999-12-31T23:59:59-23:59 10000-01-01 00000000 99991231T235959 TZID= P9999W <p &#0;
BEGIN:VTODO\n END:VTODO\n RRULE:FREQ=DAILY;UNTIL=0\n every!every every\x2099\x20weeks\x20on\x20mon ( ) + @ x\x20
due:0001-01-01T00:00 due:9999-12-31T23:59 rec:999y
""".split()
"""What is put into files, with escapes."""


def mutated(data: bytes, seed: int) -> bytes:
    """Returns a file with some parts deleted, doubled, moved, or replaced by something awkward."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(data) + 1)
        end = min(start + chance.choice((0, 1, 5, 40)), len(data))
        put = chance.choice((b"", data[start:end] * 2, *(_unescaped(chance.choice(BITS)) for _ in range(3))))
        data = data[:start] + put + data[end:]
    return data


def _unescaped(text: bytes) -> bytes:
    return text.decode("unicode_escape").encode("latin-1")


def check(items: list[Item]) -> None:
    """Fails unless the API takes the fields of all tasks."""
    for uid, _, fields in items:
        assert rules.uid_error(uid) is None
        assert rules.description_error(fields["description"]) is None
        assert rules.notes_error(fields.get("notes", "")) is None
        assert rules.list_error(fields.get("list", "inbox")) is None
        assert rules.labels_error(fields.get("labels", [])) is None
        assert rules.metadata_error(fields.get("metadata", {})) is None
        assert 0 <= fields.get("priority", 0) <= rules.PRIORITY_MAX
        for name in ("created_at", "completed_at", "due_at"):
            assert name not in fields or rules.parse_timestamp(fields[name]) is not None
        assert "due_on" not in fields or rules.parse_date(fields["due_on"]) is not None
        assert not {"due_at", "due_on"} <= fields.keys()
        assert "repeat" not in fields or {"due_at", "due_on"} & fields.keys()


def read_or_refuse(name: str, data: bytes) -> None:
    try:
        items, _ = read(name, data, file="Some [1].file")
    except InvalidFile as error:
        said = str(error)
    else:
        said = "."
        check(items)
    assert said.endswith("."), said
    assert "\n" not in said


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, files in OF_FORMATS.items() for file in files])
@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damaged_files_are_read_or_refused(name: str, file: str, seed: int) -> None:
    read_or_refuse(name, mutated((SAMPLES / file).read_bytes(), seed))


@pytest.mark.parametrize("name", READABLE)
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.binary(max_size=300))
@example(data=b"")
@example(data=b"\xff\xfe")
@example(data=b"\xff\xfea")
@example(data=b"PK\3\4" + b"\0" * 30)
@example(data=b"PK\5\6" + b"\0" * 18)
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    read_or_refuse(name, data)


@pytest.mark.parametrize("name", ["todoist-csv", "vikunja", "google-takeout"])
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damaged_archives_are_read_or_refused(name: str, seed: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(OF_FORMATS[name][0], (SAMPLES / OF_FORMATS[name][0]).read_bytes())

    read_or_refuse(name, mutated(packed.getvalue(), seed))


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def fuzzed(document: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """Returns a document in which some values are others."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON_VALUES)
    if isinstance(document, dict):
        return {name: fuzzed(value, draw) for name, value in document.items()}
    if isinstance(document, list):
        return [fuzzed(value, draw) for value in document]
    return document


@pytest.mark.parametrize("name", ["taskwarrior", "vikunja", "google-takeout"])
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_values_of_any_type_are_read_or_refused(name: str, data: st.DataObject) -> None:
    document = json.loads((SAMPLES / OF_FORMATS[name][0]).read_bytes())
    read_or_refuse(name, json.dumps(fuzzed(document, data.draw)).encode())


HEADER = b"TYPE,CONTENT,DATE\n"
SLOW = {
    "spaces in a name": ("todoist-csv", HEADER + b"task,a" + b" " * 120_000 + b"@b c\n"),
    "labels": ("todoist-csv", HEADER + b"task," + b"@a " * 40_000 + b"\n"),
    "weekdays": ("todoist-csv", HEADER + b"task,a,every " + b"mon " * 20_000 + b"x\n"),
    "files": ("todoist-csv", HEADER + b"task,a\nnote," + b"[[file {" * 15_000 + b"\n"),
    "words": ("todo.txt", b"due:1 +a " * 100_000),
    "lines of an object": ("taskwarrior", b'{"a": 1,\n' + b'"b": 1,\n' * 130_000 + b"}"),
    "names": (
        "taskwarrior",
        b'{"description": "a", "status": "pending"'
        + b"".join(b', "n%d": "x"' % number for number in range(50_000))
        + b"}",
    ),
    "backslashes": (
        "ics",
        b"BEGIN:VCALENDAR\nBEGIN:VTODO\nCATEGORIES:" + b"\\\\," * 300_000 + b"\nEND:VTODO\nEND:VCALENDAR",
    ),
    "daily rules of a zone": (
        "ics",
        b"BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:X\n"
        + b"BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0300\nTZOFFSETTO:+0400\nRRULE:FREQ=DAILY\n"
        b"END:STANDARD\n"
        * 10_000
        + b"END:VTIMEZONE\nBEGIN:VTODO\nDUE;TZID=X:20260101T000000\nEND:VTODO\nEND:VCALENDAR\n",
    ),
}


@pytest.mark.parametrize("kind", SLOW)
def test_nothing_makes_a_reader_slow(kind: str) -> None:
    """Otherwise these take minutes to hours."""
    read_or_refuse(*SLOW[kind])
