"""Reads files as the command does, in a fixed zone and at a fixed time."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tasksvc_formats import Context, Item, Ordering, Report, Source, reader_of

SAMPLES = Path(__file__).parent / "samples"
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
"""The time of all tests, on a Saturday."""


def short_name(value: object) -> str:
    """Returns the name of a parameter of a test: a text as it is, and no bytes, which can be many."""
    return value if isinstance(value, str) else ""


def read(name: str, data: bytes, *, file: str = "", list_name: str | None = None) -> tuple[list[Item], Report]:
    """Returns the tasks of a file in the format `name`, parents first, and the report."""
    report = Report()
    context = Context(name, BERLIN, NOW, report, list_name)
    source = Source(io.BufferedReader(io.BytesIO(data)), file)
    with Ordering(reader_of(name)(source, context), report) as items:
        return list(items), report


def read_sample(name: str, file: str) -> tuple[list[Item], Report]:
    """Returns what is in a file of the folder samples/."""
    return read(name, (SAMPLES / file).read_bytes(), file=file)


def fields_of(items: list[Item]) -> dict[str, dict[str, Any]]:
    """Returns the fields of tasks by their descriptions."""
    return {item.fields["description"]: item.fields for item in items}


def parents_of(items: list[Item]) -> dict[str, str | None]:
    """Returns the descriptions of parents by those of their parts."""
    names = {item.uid: item.fields["description"] for item in items}
    return {item.fields["description"]: item.parent and names[item.parent] for item in items}


def summary(report: Report) -> dict[tuple[str, str], int]:
    """Returns the counts of a report by fate and field."""
    return {(fate.value, name): entry.count for fate, name, entry in report}
