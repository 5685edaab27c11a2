"""tasksvc check: looks for damage and contradictions in a store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tasksvc.application import transfer
from tasksvc.cli.arguments import Flags
from tasksvc.cli.output import say
from tasksvc.cli.progress import progress_bar
from tasksvc.cli.stores import add_store, opened_to_read, store_of
from tasksvc.domain.errors import TasksvcError
from tasksvc.ports.store_url import StoreURL

SHOWN = 100
"""Problems at the most."""


class ProblemsFound(TasksvcError):
    """The store is not in order."""


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Prints a line for each problem, and raises ProblemsFound where there is one."""
    flags = Flags("check", "Looks for damage and contradictions in a store, and changes nothing.", environment)
    add_store(flags)
    url = store_of(flags.parse_args(arguments))
    found = asyncio.run(_check(url))
    if found:
        raise ProblemsFound(f"{url} has {found:,} problem{'' if found == 1 else 's'}. Restore it from a backup.")
    say(f"{url} is in order.\n")


async def _check(url: StoreURL) -> int:
    found = 0
    async with opened_to_read(url) as reader:
        with progress_bar() as progress:
            async for problem in transfer.check(reader, progress=progress):
                found += 1
                if found <= SHOWN:
                    say(f"{problem}\n")
    if found > SHOWN:
        say(f"... and {found - SHOWN:,} more.\n")
    return found
