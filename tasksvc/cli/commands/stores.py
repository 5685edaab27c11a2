"""tasksvc stores: lists the installed adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasksvc.cli.arguments import Flags
from tasksvc.cli.output import say
from tasksvc.plugins import installed_stores


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Prints each adapter, the distribution that it came from, and whether it can be loaded."""
    Flags("stores", "Lists the installed adapters.", environment).parse_args(arguments)
    rows = [("SCHEME", "DISTRIBUTION", "MODULE", "STATE")]
    rows += [
        (store.scheme, f"{store.distribution} {store.version}", store.module, store.problem or "ready")
        for store in installed_stores()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(line.rstrip() + "\n")
