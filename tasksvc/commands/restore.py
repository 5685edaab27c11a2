"""tasksvc restore: fills an empty store from a backup or an export."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from tasksvc.commands.filling import file_to_read, fill_from_export, fill_from_store
from tasksvc.commands.flags import Flags
from tasksvc.commands.open_stores import add_store, in_words, store_of
from tasksvc.new_file import FileRefused
from tasksvc.store_url import StoreURL
from tasksvc.transfer import OPENING

BACKUPS = {b"SQLite format 3\0": "sqlite"}
"""How a backup begins, and the scheme of the adapter that reads it."""


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Fills the store, which has a life of its own from then on, and prints what it holds."""
    flags = Flags("restore", "Fills an empty store from a backup or an export.", environment)
    flags.add_argument("file", metavar="FILE", help="what tasksvc backup or tasksvc export wrote")
    add_store(flags)
    settings = flags.parse_args(arguments)
    url = store_of(settings)
    with file_to_read(settings.file) as file:
        head = file.read(len(OPENING))
        schemes = [scheme for beginning, scheme in BACKUPS.items() if head.startswith(beginning)]
        if head == OPENING:
            summary = asyncio.run(fill_from_export(file, url))
        elif schemes:
            backup = StoreURL(f"{schemes[0]}:///{quote(os.path.abspath(settings.file))}")
            summary = asyncio.run(fill_from_store(backup, url))
        else:
            raise FileRefused(f"{settings.file} is neither a backup nor an export of tasksvc.")
    sys.stdout.write(
        f"Restored {url}: {in_words(summary)}. It is a new generation, so clients that follow its changes begin anew.\n"
    )
