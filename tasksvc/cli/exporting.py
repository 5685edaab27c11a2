"""Where exports go, for the commands that write them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tasksvc.stores.atomic_file import OutputRefused, atomic_write


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Opens a new file, which is there when the block ends; if `path` is -, standard output.  Raises OutputRefused."""
    if path != "-":
        with atomic_write(Path(path)) as partial, partial.open("wb") as output:
            yield output
        return
    try:
        with open(sys.stdout.fileno(), "wb", closefd=False) as output:
            yield output
    except OSError as error:
        raise OutputRefused(f"The export could not be written to standard output: {error.strerror}.") from error
