"""Tables on standard output, in columns."""

from __future__ import annotations

from collections.abc import Sequence

from tasksvc.cli.output import say


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows of cells, the first of which are headings, in columns that are as wide as their longest cell.

    Raises OutputFailed.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(line.rstrip() + "\n")
