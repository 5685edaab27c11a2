"""Todoist's CSV: a file for each project, as its backups and the export of a project have it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from tasksvc_formats.drafts import Context, Draft, Item, finish
from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.report import Fate
from tasksvc_formats.sources import Source, read_lines
from tasksvc_formats.times import find_zone
from tasksvc_formats.todoist_dates import read_when
from tasksvc_formats.uids import DerivedUids

PRIORITIES: Final = {"1": 9, "2": 6, "3": 3}
"""The priorities here by those of the column PRIORITY, of which 1 is the highest; 4 is none."""
READ: Final = frozenset(
    ("TYPE", "CONTENT", "DESCRIPTION", "PRIORITY", "INDENT", "DATE", "DATE_LANG", "TIMEZONE", "DURATION_UNIT")
)
"""The columns that are read; others go to the metadata."""

_FILE = re.compile(r"\[\[file (\{.*\})\]\]", re.DOTALL)
_PROJECT = re.compile(r"(.*?)\s*\[[\w-]+\]").fullmatch


def read_todoist(source: Source, context: Context) -> Iterator[Item]:
    """Yields the tasks of a CSV file, or of all CSV files in an archive."""
    uids = DerivedUids(context.source)
    if not source.is_zip:
        yield from _Project(source.stem, context, uids).read(source.open())
        return
    with source.archive() as archive:
        names = [name for name in archive.names() if name.lower().endswith(".csv")]
        if not names:
            raise InvalidFile("It has no CSV files.")
        for name in names:
            with archive.open(name) as file:
                try:
                    yield from _Project(PurePosixPath(name).stem, context, uids).read(file)
                except InvalidFile as error:
                    raise error.within(name) from None


class _Project:
    """Reads the file of one project."""

    def __init__(self, stem: str, context: Context, uids: DerivedUids) -> None:
        """Takes the name of the file, which is that of the project, with its id in brackets in backups."""
        match = _PROJECT(stem)
        self._stem, self._context, self._uids = stem, context, uids
        self._name = (match[1] if match else stem) or None
        self._section = ""
        self._above: list[str] = []
        """The uids of the last task of each level."""

    def read(self, file: io.BufferedReader) -> Iterator[Item]:
        """Yields the tasks.  Raises InvalidFile."""
        rows = csv.reader(read_lines(file))
        draft: Draft | None = None
        try:
            header = [name.strip().upper() for name in next(rows, [])]
            if not {"TYPE", "CONTENT"} <= set(header):
                raise InvalidFile("The first line must name the columns, with TYPE and CONTENT among them.", line=1)
            for cells in rows:
                row = dict(zip(header, cells, strict=False))
                kind = row.get("TYPE", "").strip().lower()
                if kind == "note" and draft is not None:
                    self._add_note(draft, row)
                elif kind in ("task", "section"):
                    if draft is not None:
                        yield finish(draft, self._context)
                    draft = self._task(row) if kind == "task" else None
                    if kind == "section":
                        self._section, self._above = row.get("CONTENT", "").strip(), []
                elif any(cell.strip() for cell in cells):
                    self._context.report.add(Fate.LEFT_OUT, f"rows of type {kind or '(none)'}", row.get("CONTENT", ""))
        except csv.Error as error:
            raise InvalidFile(f"It isn't CSV: {error}.", line=rows.line_num) from None
        if draft is not None:
            yield finish(draft, self._context)

    def _task(self, row: Mapping[str, str]) -> Draft:
        content = row.get("CONTENT", "")
        indent = row.get("INDENT", "").strip()
        level = int(indent) if indent.isascii() and indent.isdigit() and 0 < len(indent) < 4 else 1
        if level > len(self._above) + 1:
            level = len(self._above) + 1
        del self._above[level - 1 :]
        parent = self._above[-1] if self._above else None
        draft = Draft(self._uids.of(self._stem, self._section, parent or "", content), content, parent)
        self._above.append(draft.uid)
        draft.description, draft.labels = _split_labels(content)
        draft.notes = [row.get("DESCRIPTION", "")]
        draft.priority = PRIORITIES.get(row.get("PRIORITY", "").strip(), 0)
        if self._name is not None:
            draft.list = f"{self._name}/{self._section}" if self._section else self._name
        self._set_when(draft, row)
        for name, value in row.items():
            if name and name not in READ and value.strip():
                unit = row.get("DURATION_UNIT", "").strip() if name == "DURATION" else ""
                draft.rest[name.lower()] = f"{value} {unit}".strip()
        return draft

    def _set_when(self, draft: Draft, row: Mapping[str, str]) -> None:
        text = row.get("DATE", "").strip()
        if not text:
            return
        context = self._context
        zone = find_zone(row.get("TIMEZONE", "").strip()) or context.zone
        when = read_when(text, zone, context.now.astimezone(zone).date())
        if when.due is None and when.repeat is None:
            context.report.add(Fate.IN_NOTES, "dates that can't be read", f"{draft.description}: {text}")
            draft.notes.append(f"Date: {text}")
        draft.due, draft.repeat = when

    def _add_note(self, draft: Draft, row: Mapping[str, str]) -> None:
        text = _FILE.sub(_file_line, row.get("CONTENT", "")).strip()
        author, day = row.get("AUTHOR", "").strip(), row.get("DATE", "").strip()
        head = " ".join(part for part in (day, author) if part)
        draft.notes.append(f"{head}: {text}" if head else text)


def _split_labels(content: str) -> tuple[str, list[str]]:
    """Returns the name of a task without the labels at its end, such as @home, and these."""
    text, labels = content, list[str]()
    while True:
        before, _, word = text.rstrip().rpartition(" ")
        if not before.strip() or word[:1] != "@" or len(word) < 2:
            return (text.rstrip() if labels else content), labels[::-1]
        text = before
        labels.append(word[1:])


def _file_line(match: re.Match[str]) -> str:
    """Returns the name and the address of a file that is attached to a comment."""
    try:
        file = json.loads(match[1])
    except (ValueError, RecursionError):
        return match[0]
    return " ".join(str(file[name]) for name in ("file_name", "file_url") if file.get(name))
