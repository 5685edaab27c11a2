"""What became of the parts of a file that have no place of their own in a task, or in a format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

EXAMPLES_MAX: Final = 3
"""Examples that are kept of each entry."""
EXAMPLE_MAX: Final = 60
"""Characters of an example."""


class Fate(Enum):
    """What became of a value."""

    LEFT_OUT = "left out"
    CUT = "cut"
    CHANGED = "changed"
    IN_NOTES = "put into the notes"
    IN_METADATA = "kept in the metadata"


@dataclass(slots=True)
class Entry:
    """How often one thing happened to one field."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


class Report:
    """Counts what happened to which field, with the first examples of each."""

    def __init__(self) -> None:
        self._entries: dict[tuple[Fate, str], Entry] = {}

    def add(self, fate: Fate, name: str, example: object = "") -> None:
        """Counts a value of the field `name`, of which `example` is shown on one line."""
        entry = self._entries.setdefault((fate, name), Entry())
        entry.count += 1
        if len(entry.examples) < EXAMPLES_MAX:
            shown = shorten(str(example))
            if shown and shown not in entry.examples:
                entry.examples.append(shown)

    def __iter__(self) -> Iterator[tuple[Fate, str, Entry]]:
        """Yields the entries by fate, what is lost first, and by field."""
        order = list(Fate)
        for fate, name in sorted(self._entries, key=lambda key: (order.index(key[0]), key[1])):
            yield fate, name, self._entries[fate, name]

    def count(self, fate: Fate, name: str) -> int:
        """Returns how often it happened."""
        entry = self._entries.get((fate, name))
        return entry.count if entry else 0


def shorten(text: str) -> str:
    """Returns the beginning of `text` on one line, without what controls a terminal."""
    line = "".join(c if c.isprintable() else " " for c in text[: EXAMPLE_MAX * 2]).strip()
    return line if len(line) <= EXAMPLE_MAX and len(text) <= EXAMPLE_MAX * 2 else line[: EXAMPLE_MAX - 1].rstrip() + "…"
