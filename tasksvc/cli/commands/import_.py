"""tasksvc import: fills an empty store from an export."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from tasksvc.cli.arguments import Flags
from tasksvc.cli.importing import file_to_read, fill_from_export
from tasksvc.cli.output import say
from tasksvc.cli.stores import add_store, in_words, store_of
from tasksvc.stores.atomic_file import FileRefused


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Reads the file, or standard input, fills the store, and prints what it holds."""
    flags = Flags("import", "Fills an empty store from an export.", environment)
    flags.add_argument("file", metavar="FILE", help="what tasksvc export wrote, or - for standard input")
    add_store(flags)
    settings = flags.parse_args(arguments)
    url = store_of(settings)
    with _standard_input() if settings.file == "-" else file_to_read(settings.file) as file:
        summary = asyncio.run(fill_from_export(file, url))
    say(f"Imported into {url}: {in_words(summary)}.\n")


@contextmanager
def _standard_input() -> Iterator[BinaryIO]:
    """A copy of it on disk, since an export is read twice.  Raises FileRefused."""
    with tempfile.TemporaryFile() as file:
        try:
            shutil.copyfileobj(sys.stdin.buffer, file)
        except OSError as error:
            raise FileRefused(
                f"Standard input could not be kept in {tempfile.gettempdir()}: {error.strerror}."
                " Name a folder with more room in TMPDIR."
            ) from error
        yield file
