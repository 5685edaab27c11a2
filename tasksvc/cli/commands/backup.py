"""tasksvc backup: copies a store to a file, while it is served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.output import say
from tasksvc.cli.stores import url_of
from tasksvc.store_adapters import backup
from tasksvc.stores.atomic_file import atomic_write


@click.command(
    "backup",
    cls=Command,
    help="Copy a store to a file, as it is at one moment, while it is served.",
    arguments={"FILE": "the file to make; it is a store that can be served itself"},
)
@click.argument("file", type=click.Path(), metavar="FILE")
@store_option()
def command(file: str, store: str | None) -> None:
    """Makes the file, a store of the same kind with what this one holds at one moment."""
    url, path = url_of(store), Path(file).absolute()
    with atomic_write(path) as partial:
        asyncio.run(backup(url, partial))
    say(f"Backed up {url} to {path}: {path.stat().st_size:,} bytes.\n")
