"""Which formats there are, and which one a file has."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final, Protocol, TextIO, cast
from zoneinfo import ZoneInfo

from tasksvc_formats.drafts import Context, Item
from tasksvc_formats.report import Report
from tasksvc_formats.sources import Source

Reader = Callable[[Source, Context], Iterator[Item]]


class Writer(Protocol):
    """Writes tasks as the API shows them, in the order of their ids."""

    def __call__(self, tasks: Iterable[Mapping[str, Any]], out: TextIO, zone: ZoneInfo, report: Report) -> None:
        """Takes the `zone` of days, and reports what the format has no place for."""


_READERS: Final = {
    "todoist-csv": "todoist.read_todoist",
    "vikunja": "vikunja.read_vikunja",
    "taskwarrior": "taskwarrior.read_taskwarrior",
    "todo.txt": "todotxt_reader.read_todotxt",
    "ics": "ics_reader.read_ics",
    "google-takeout": "google_tasks.read_google_tasks",
}
_WRITERS: Final = {"todo.txt": "todotxt_writer.write_todotxt", "ics": "ics_writer.write_ics"}
READABLE: Final = tuple(_READERS)
"""The names of the formats that can be read."""
WRITABLE: Final = tuple(_WRITERS)
"""The names of the formats that can be written."""
START: Final = 4096
"""Bytes by which a format is guessed."""


def reader_of(name: str) -> Reader:
    """Returns the reader of a format."""
    return cast("Reader", _load(_READERS[name]))


def writer_of(name: str) -> Writer:
    """Returns the writer of a format."""
    return cast("Writer", _load(_WRITERS[name]))


def _load(path: str) -> object:
    module, _, name = path.partition(".")
    return getattr(importlib.import_module(f"tasksvc_formats.{module}"), name)


def guess_format(source: Source) -> str | None:
    """Returns the format that a file shows by itself; None if it could be several, or none.

    Any text is a todo.txt, so it's one only by its name.  Raises InvalidFile for an archive that is damaged.
    """
    if source.is_zip:
        return _guess_archive(source)
    name = source.name.lower()
    if name in ("todo.txt", "done.txt") or name.endswith((".todo.txt", ".todotxt")):
        return "todo.txt"
    start = source.open().read(START)
    text = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "ignore").lstrip()
    if re.match(r"BEGIN:VCALENDAR\s", text, re.IGNORECASE):
        return "ics"
    if re.match(r'"?TYPE"?,"?CONTENT"?,', text):
        return "todoist-csv"
    if re.match(r'\{\s*"kind"\s*:\s*"tasks#taskLists"', text):
        return "google-takeout"
    if re.match(r"\[?\s*\{", text) and all(f'"{key}"' in text for key in ("description", "status", "uuid")):
        return "taskwarrior"
    return None


def _guess_archive(source: Source) -> str | None:
    with source.archive() as archive:
        names = archive.names()
    if "data.json" in names:
        return "vikunja"
    if any(PurePosixPath(name).name == "Tasks.json" for name in names):
        return "google-takeout"
    if names and all(name.lower().endswith(".csv") for name in names):
        return "todoist-csv"
    return None
