"""tasksvc copy: copies all that a store holds to another one."""

from __future__ import annotations

import asyncio

import click

from tasksvc.cli.command import Command
from tasksvc.cli.importing import import_from_store
from tasksvc.cli.output import say
from tasksvc.cli.stores import describe
from tasksvc.ports.store_url import StoreURL


@click.command(
    "copy",
    cls=Command,
    help="Copy all that a store holds to another one, which must be empty, and compare the copy.",
    arguments={"FROM": "the URL of the store to read", "TO": "the URL of the store to fill; it is made if missing"},
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def command(source: str, target: str) -> None:
    """Copies, reads the copy again to compare, and prints what it holds."""
    source_url, target_url = StoreURL(source), StoreURL(target)
    summary = asyncio.run(import_from_store(source_url, target_url))
    say(f"Copied {source_url} to {target_url}: {describe(summary)}.\n")
