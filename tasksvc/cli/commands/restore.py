"""tasksvc restore: fills an empty store from a backup or an export."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import quote

import click

from tasksvc.application.transfer import OPENING
from tasksvc.cli.arguments import store_option
from tasksvc.cli.command import Command
from tasksvc.cli.importing import import_from_export, import_from_store, open_file
from tasksvc.cli.output import say
from tasksvc.cli.stores import describe, url_of
from tasksvc.ports.hookspecs import BACKUP_HEAD_BYTES
from tasksvc.ports.store_url import StoreURL
from tasksvc.store_adapters import recognize_backup
from tasksvc.stores.atomic_file import OutputRefused


@click.command(
    "restore",
    cls=Command,
    help="Fill an empty store from a backup or an export.",
    arguments={"FILE": "what 'tasksvc backup' or 'tasksvc export' wrote"},
)
@click.argument("file", type=click.Path(), metavar="FILE")
@store_option("The URL of the store to fill; it is made if it is missing.")
def command(file: str, store: str | None) -> None:
    """Fills the store, which gets a new generation, and prints what it holds."""
    url = url_of(store)
    with open_file(file) as source:
        head = source.read(BACKUP_HEAD_BYTES)
        if head.startswith(OPENING):
            summary = asyncio.run(import_from_export(source, url))
        else:
            summary = asyncio.run(import_from_store(_backup(file, head, url), url))
    restored = f"Restored {url}: {describe(summary)}."
    say(f"{restored} It has a new generation, so clients that follow its changes start over.\n")


def _backup(file: str, head: bytes, target: StoreURL) -> StoreURL:
    """Returns the URL of the backup in `file`, as a store to read.

    Raises OutputRefused if no adapter recognizes it.
    """
    scheme, problems = recognize_backup(head, first=target.scheme)
    if scheme is None:
        refusal = f"{file} isn't an export of tasksvc, and no installed adapter recognizes it as a backup of its own."
        raise OutputRefused(" ".join([refusal, *problems]))
    return StoreURL(f"{scheme}:///{quote(os.fsencode(os.path.abspath(file)))}")
