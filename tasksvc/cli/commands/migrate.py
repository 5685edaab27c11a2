"""tasksvc migrate: makes a store, or brings its schema up to date."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence

from tasksvc.cli.arguments import Flags
from tasksvc.cli.output import say
from tasksvc.cli.stores import add_store, opened, store_of
from tasksvc.ports.store_url import StoreURL


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Opens the store, which migrates it, and prints what its adapter did."""
    flags = Flags(
        "migrate", "Makes a store, or brings its schema up to date, as the service does at its start.", environment
    )
    add_store(flags)
    url = store_of(flags.parse_args(arguments))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    asyncio.run(_migrate(url))


async def _migrate(url: StoreURL) -> None:
    async with opened(url):
        pass
    say(f"{url} is up to date.\n")
