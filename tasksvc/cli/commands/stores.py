"""tasksvc stores: lists the installed adapters."""

from __future__ import annotations

import click

from tasksvc.cli.command import Command
from tasksvc.cli.tables import print_table
from tasksvc.store_adapters import installed_stores


@click.command("stores", cls=Command, help="List the installed adapters: for which URLs, from where, and their state.")
def command() -> None:
    """Prints each adapter, the distribution that it came from, and whether it can be loaded."""
    rows = [("SCHEME", "DISTRIBUTION", "MODULE", "STATE")]
    rows += [
        (store.scheme, f"{store.distribution} {store.version}", store.module, store.problem or "ready")
        for store in installed_stores()
    ]
    print_table(rows)
