"""tasksvc migrate: creates a store, or brings its schema up to date."""

from __future__ import annotations

import asyncio
import logging
import sys

import click

from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.output import say
from tasksvc.cli.stores import open_to_write, url_of
from tasksvc.ports.store_url import StoreURL


@click.command(
    "migrate", cls=Command, help="Create a store, or upgrade its schema, as the service does when it starts."
)
@store_option()
def command(store: str | None) -> None:
    """Opens the store, which migrates it, and prints what its adapter did."""
    url = url_of(store)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    asyncio.run(_migrate(url))


async def _migrate(url: StoreURL) -> None:
    async with open_to_write(url):
        pass
    say(f"{url} is up to date.\n")
