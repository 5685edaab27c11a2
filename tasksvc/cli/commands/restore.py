"""tasksvc restore: fills an empty store from a backup or an export."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from tasksvc.application.transfer import OPENING
from tasksvc.cli.arguments import Flags
from tasksvc.cli.importing import file_to_read, fill_from_export, fill_from_store
from tasksvc.cli.output import say
from tasksvc.cli.stores import add_store, in_words, store_of
from tasksvc.plugins import recognize_backup
from tasksvc.ports.hookspecs import BACKUP_HEAD_BYTES
from tasksvc.ports.store_url import StoreURL
from tasksvc.stores.atomic_file import FileRefused


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Fills the store, which has a life of its own from then on, and prints what it holds."""
    flags = Flags("restore", "Fills an empty store from a backup or an export.", environment)
    flags.add_argument("file", metavar="FILE", help="what tasksvc backup or tasksvc export wrote")
    add_store(flags)
    settings = flags.parse_args(arguments)
    url = store_of(settings)
    with file_to_read(settings.file) as file:
        head = file.read(BACKUP_HEAD_BYTES)
        if head.startswith(OPENING):
            summary = asyncio.run(fill_from_export(file, url))
        else:
            summary = asyncio.run(fill_from_store(_backup(settings.file, head, url), url))
    say(
        f"Restored {url}: {in_words(summary)}. It is a new generation, so clients that follow its changes begin anew.\n"
    )


def _backup(file: str, head: bytes, target: StoreURL) -> StoreURL:
    """The backup in `file`, as a store to read.  Raises FileRefused where no adapter recognizes it."""
    scheme, problems = recognize_backup(head, first=target.scheme)
    if scheme is None:
        refusal = f"{file} isn't an export of tasksvc, and no installed adapter recognizes it as a backup of its own."
        raise FileRefused(" ".join([refusal, *problems]))
    return StoreURL(f"{scheme}:///{quote(os.fsencode(os.path.abspath(file)))}")
