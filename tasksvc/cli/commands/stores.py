"""tasksvc stores: lists the installed adapters."""

from __future__ import annotations

import click

from tasksvc.cli.command import Command
from tasksvc.cli.output import say
from tasksvc.store_adapters import installed_stores


@click.command("stores", cls=Command, help="List the installed adapters: for which URLs, from where, and their state.")
def command() -> None:
    """Prints each adapter, the distribution that it came from, and whether it can be loaded."""
    rows = [("SCHEME", "DISTRIBUTION", "MODULE", "STATE")]
    rows += [
        (store.scheme, f"{store.distribution} {store.version}", store.module, store.problem or "ready")
        for store in installed_stores()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(line.rstrip() + "\n")
