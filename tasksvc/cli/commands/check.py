"""tasksvc check: looks for damage and contradictions in a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import click

from tasksvc.application import transfer
from tasksvc.application.plugin_namespaces import plugin_of
from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.imports import quick_imports
from tasksvc.cli.output import say
from tasksvc.cli.progress import progress_bar
from tasksvc.cli.stores import open_to_read, url_of
from tasksvc.domain.errors import TasksvcError
from tasksvc.domain.record import Record
from tasksvc.ports.store_url import StoreURL

MAX_SHOWN = 100
"""Problems that are printed; any others are only counted."""


class ProblemsFound(TasksvcError):
    """The store is damaged or contradicts itself."""


@click.command(
    "check", cls=Command, help="Look for damage and contradictions in a store, also while it is served; change nothing."
)
@store_option()
def command(store: str | None) -> None:
    """Prints a line for each problem.  Raises ProblemsFound if there is one."""
    url = url_of(store)
    found = asyncio.run(_check(url))
    if found:
        raise ProblemsFound(f"{url} has {found:,} problem{'' if found == 1 else 's'}. Restore it from a backup.")
    say(f"{url} is in order.\n")


async def _check(url: StoreURL) -> int:
    of_plugins: list[Record] = []
    found = 0
    async with open_to_read(url) as reader:
        with progress_bar() as progress:
            async for problem in transfer.check(reader, of_plugins=of_plugins, progress=progress):
                found += 1
                if found <= MAX_SHOWN:
                    say(f"{problem}\n")
    for problem in _problems_of_plugins(of_plugins) if of_plugins else ():
        found += 1
        if found <= MAX_SHOWN:
            say(f"{problem}\n")
    if found > MAX_SHOWN:
        say(f"... and {found - MAX_SHOWN:,} more.\n")
    return found


def _problems_of_plugins(records: Sequence[Record]) -> Iterator[str]:
    """Yields what the installed plugins say of their records.  Raises PluginError."""
    with quick_imports():
        from tasksvc.api.plugins.loading import load_plugins

        plugins = load_plugins()
    for plugin in plugins:
        own = [record for record in records if plugin_of(record.namespace) == plugin.name]
        for problem in plugin.check(own):
            yield f"Plugin {plugin.name}: {problem}"
