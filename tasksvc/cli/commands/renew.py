"""tasksvc renew: gives a store that was put back a new generation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tasksvc.cli.arguments import Flags
from tasksvc.cli.output import say
from tasksvc.cli.stores import add_store, opened, opened_to_read, store_of
from tasksvc.ports.store_url import StoreURL


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Renews the generation of the store, and prints what that means."""
    flags = Flags(
        "renew",
        "Gives a store a new generation, where an earlier state of it was put back and the service can't notice that."
        " Clients that follow its changes start over, and ETags that they hold don't match any more.",
        environment,
    )
    add_store(flags)
    url = store_of(flags.parse_args(arguments))
    asyncio.run(_renew(url))
    say(f"{url} has a new generation, so clients that follow its changes start over.\n")


async def _renew(url: StoreURL) -> None:
    async with opened_to_read(url):  # which doesn't make one that isn't there
        pass
    async with opened(url) as repository:
        await repository.renew()
