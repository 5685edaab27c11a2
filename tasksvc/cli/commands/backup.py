"""tasksvc backup: copies a store to a file, while it is served."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasksvc.cli.arguments import Flags
from tasksvc.cli.output import say
from tasksvc.cli.stores import add_store, store_of
from tasksvc.plugins import back_up
from tasksvc.stores.atomic_file import new_file


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Makes the file, which is a store of the same kind, as this one is at one moment."""
    flags = Flags("backup", "Copies a store to a file, as it is at one moment, while it is served.", environment)
    flags.add_argument("file", metavar="FILE", help="the file to make; it is a store that can be served itself")
    add_store(flags)
    settings = flags.parse_args(arguments)
    url, file = store_of(settings), Path(settings.file).absolute()
    with new_file(file) as partial:
        asyncio.run(back_up(url, partial))
    say(f"Backed up {url} to {file}: {file.stat().st_size:,} bytes.\n")
