"""tasksvc export: writes all that a store holds to a file of JSON Lines."""

from __future__ import annotations

import asyncio
from typing import BinaryIO

import click

from tasksvc.application import transfer
from tasksvc.application.transfer import Summary
from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.exporting import open_output
from tasksvc.cli.output import say, tell
from tasksvc.cli.progress import progress_bar
from tasksvc.cli.stores import describe, open_to_read, url_of
from tasksvc.ports.store_url import StoreURL


@click.command(
    "export",
    cls=Command,
    help="Write all that a store holds to a file of JSON Lines, also while it is served.",
    arguments={"FILE": "the file to make, or - for standard output"},
)
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE")
@store_option()
def command(file: str, store: str | None) -> None:
    """Writes the file, or to standard output, and prints what it holds."""
    url = url_of(store)
    with open_output(file) as output:
        summary = asyncio.run(_export(url, output))
    report = tell if file == "-" else say
    report(f"Exported {url}: {describe(summary)}.\n")


async def _export(url: StoreURL, output: BinaryIO) -> Summary:
    async with open_to_read(url) as source:
        with progress_bar() as progress:
            return await transfer.export_to(output, source, progress=progress)
