"""Filling an empty store, for the commands that do so."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import BinaryIO

from tasksvc.application import transfer
from tasksvc.application.transfer import Summary
from tasksvc.cli.progress import progress_bar
from tasksvc.cli.stores import open_to_read, open_to_write
from tasksvc.domain.errors import StoreNotEmpty
from tasksvc.ports.store import TaskRepository
from tasksvc.ports.store_url import StoreURL
from tasksvc.stores.atomic_file import OutputRefused


async def import_from_store(source_url: StoreURL, target_url: StoreURL) -> Summary:
    """Copies what a store holds to an empty one, and returns what that is.

    Raises StoreNotEmpty and CopyVerificationFailed.
    """
    async with open_to_read(source_url) as source, _open_empty(target_url) as target:
        with progress_bar() as progress:
            return await transfer.copy(source, target, progress=progress)


async def import_from_export(file: BinaryIO, target_url: StoreURL) -> Summary:
    """Fills an empty store from an export, which is read twice.

    Raises InvalidExport, StoreNotEmpty and CopyVerificationFailed.
    """
    with progress_bar() as progress:
        await transfer.verify(file, progress=progress)  # before the store is made, if it is not there
        async with _open_empty(target_url) as target:
            return await transfer.import_from(file, target, progress=progress)


@asynccontextmanager
async def _open_empty(url: StoreURL) -> AsyncIterator[TaskRepository]:
    try:
        async with open_to_write(url) as repository:
            yield repository
    except StoreNotEmpty:
        raise StoreNotEmpty(f"{url} holds something already, and was left as it is. Name a new store.") from None


@contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Opens the file at `path` for reading.  Raises OutputRefused where it can't be read, until the block ends."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise OutputRefused(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def open_export(path: str) -> Iterator[BinaryIO]:
    """Opens the export at `path` for reading, or a copy of standard input if it's -.  Raises OutputRefused."""
    with _standard_input() if path == "-" else open_file(path) as file:
        yield file


@contextmanager
def _standard_input() -> Iterator[BinaryIO]:
    """Gives a copy of standard input on disk, since an export is read twice.  Raises OutputRefused."""
    with tempfile.TemporaryFile() as file:
        try:
            shutil.copyfileobj(sys.stdin.buffer, file)
        except OSError as error:
            raise OutputRefused(
                f"Standard input could not be kept in {tempfile.gettempdir()}: {error.strerror}."
                " Name a folder with more room in TMPDIR."
            ) from error
        yield file
