"""Says what became of the parts of a file that have no place of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tasksvc_tasks.text import harmless

if TYPE_CHECKING:
    from tasksvc_formats import Report


def report_lines(report: Report) -> Iterator[str]:
    """Yields a line for each entry, with how often it was and what became of it, and lines with examples below it."""
    entries = list(report)
    if not entries:
        return
    fates = max(len(fate.value) for fate, _, _ in entries)
    counts = max(len(f"{entry.count:,}") for _, _, entry in entries)
    yield "What has no place of its own:"
    for fate, name, entry in entries:
        yield f"  {entry.count:{counts},}  {fate.value:{fates}}  {harmless(name)}"
        for example in entry.examples:
            yield f"  {'':{counts}}  {'':{fates}}    {harmless(example)}"
