"""Filling a store, for the commands that do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import BinaryIO

from tasksvc.application import transfer
from tasksvc.application.transfer import Summary
from tasksvc.cli.progress import progress_bar
from tasksvc.cli.stores import opened, opened_to_read
from tasksvc.domain.errors import StoreNotEmpty
from tasksvc.ports.store import TaskRepository
from tasksvc.ports.store_url import StoreURL
from tasksvc.stores.atomic_file import FileRefused


async def fill_from_store(source_url: StoreURL, target_url: StoreURL) -> Summary:
    """Copies what a store holds to one that is empty."""
    async with opened_to_read(source_url) as source, _opened_empty(target_url) as target:
        with progress_bar() as progress:
            return await transfer.copy(source, target, progress=progress)


async def fill_from_export(file: BinaryIO, target_url: StoreURL) -> Summary:
    """Takes an export, which can be read twice, into a store that is empty."""
    with progress_bar() as progress:
        await transfer.verify(file, progress=progress)  # before the store is made, if it is not there
        async with _opened_empty(target_url) as target:
            return await transfer.import_from(file, target, progress=progress)


@asynccontextmanager
async def _opened_empty(url: StoreURL) -> AsyncIterator[TaskRepository]:
    try:
        async with opened(url) as repository:
            yield repository
    except StoreNotEmpty:
        raise StoreNotEmpty(f"{url} holds something already, and was left as it is. Name a new store.") from None


@contextmanager
def file_to_read(path: str) -> Iterator[BinaryIO]:
    """The file at `path`.  Raises FileRefused where it cannot be read, until the block ends."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}.") from error
