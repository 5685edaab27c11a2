"""tasksvc export: writes all that a store holds to a file of JSON lines."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from tasksvc.application import transfer
from tasksvc.application.transfer import Summary
from tasksvc.cli.arguments import Flags
from tasksvc.cli.output import say, tell
from tasksvc.cli.progress import progress_bar
from tasksvc.cli.stores import add_store, in_words, opened_to_read, store_of
from tasksvc.ports.store_url import StoreURL
from tasksvc.stores.atomic_file import FileRefused, new_file


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Writes the file, or to standard output, and says what it holds."""
    flags = Flags("export", "Writes all that a store holds to a file of JSON lines.", environment)
    flags.add_argument("file", metavar="FILE", help="the file to make, or - for standard output")
    add_store(flags)
    settings = flags.parse_args(arguments)
    url = store_of(settings)
    if settings.file == "-":
        try:
            with open(sys.stdout.fileno(), "wb", closefd=False) as output:
                summary = asyncio.run(_export(url, output))
        except OSError as error:
            raise FileRefused(f"The export could not be written to standard output: {error.strerror}.") from error
    else:
        with new_file(Path(settings.file)) as partial, partial.open("wb") as output:
            summary = asyncio.run(_export(url, output))
    report = tell if settings.file == "-" else say
    report(f"Exported {url}: {in_words(summary)}.\n")


async def _export(url: StoreURL, output: BinaryIO) -> Summary:
    async with opened_to_read(url) as source:
        with progress_bar() as progress:
            return await transfer.export_to(output, source, progress=progress)
