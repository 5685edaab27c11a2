"""tasksvc import: fills an empty store from an export."""

from __future__ import annotations

import asyncio

import click

from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.importing import import_from_export, open_export
from tasksvc.cli.output import say
from tasksvc.cli.stores import describe, url_of


@click.command(
    "import",
    cls=Command,
    help="Fill an empty store from an export.",
    arguments={"FILE": "an export, as 'tasksvc export' writes it, or - for standard input"},
)
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE")
@store_option("The URL of the store to fill; it is made if it is missing.")
def command(file: str, store: str | None) -> None:
    """Reads the file, or standard input, fills the store, and prints what it holds."""
    url = url_of(store)
    with open_export(file) as export:
        summary = asyncio.run(import_from_export(export, url))
    say(f"Imported into {url}: {describe(summary)}.\n")
