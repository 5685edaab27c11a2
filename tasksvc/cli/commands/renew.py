"""tasksvc renew: gives a restored store a new generation."""

from __future__ import annotations

import asyncio

import click

from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.output import say
from tasksvc.cli.stores import open_to_read, open_to_write, url_of
from tasksvc.ports.store_url import StoreURL


@click.command(
    "renew",
    cls=Command,
    help="Give a store a new generation, where an earlier state of it was put back and the service can't notice that."
    " Clients that follow its changes start over, and ETags that they hold don't match any more.",
)
@store_option()
def command(store: str | None) -> None:
    """Renews the generation of the store, and prints what that means."""
    url = url_of(store)
    asyncio.run(_renew(url))
    say(f"{url} has a new generation, so clients that follow its changes start over.\n")


async def _renew(url: StoreURL) -> None:
    async with open_to_read(url):  # which doesn't make one that isn't there
        pass
    async with open_to_write(url) as repository:
        await repository.renew()
