"""tasksvc compact: rewrites a store without what was deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from tasksvc.application.workspaces import finish_erasures
from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.output import say
from tasksvc.cli.stores import check_exists, open_to_write, url_of
from tasksvc.ports.store_url import StoreURL


@click.command(
    "compact",
    cls=Command,
    help="Rewrite a store without what was deleted, such as erased workspaces, so that its files hold nothing of it and"
    " the space is free. It may take long, needs as much room again, and holds up writes.",
)
@store_option()
def command(store: str | None) -> None:
    """Compacts the store, and prints how large its file was and is, where it's one file."""
    url = url_of(store)
    before, after = asyncio.run(_compact(url))
    sizes = "" if before is None or after is None else f" It had {before:,} bytes and has {after:,} now."
    say(f"{url} is compact.{sizes}\n")


async def _compact(url: StoreURL) -> tuple[int | None, int | None]:
    await check_exists(url)
    before = _size(url)
    async with open_to_write(url) as repository:
        await finish_erasures(repository)
        await repository.compact()
    return before, _size(url)


def _size(url: StoreURL) -> int | None:
    """Returns the bytes of the store's file; None where the URL names none."""
    file = Path(url.path[1:])
    return file.stat().st_size if not url.netloc and file.is_file() else None
