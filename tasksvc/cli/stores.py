"""What the commands that work on stores have in common."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tasksvc.application.transfer import Summary
from tasksvc.cli.arguments import Flags
from tasksvc.domain.errors import TasksvcError
from tasksvc.plugins import open_reader, open_repository
from tasksvc.ports.store import StoreReader, TaskRepository
from tasksvc.ports.store_url import StoreURL


class StoreNotNamed(TasksvcError):
    """The command does not know which store."""


def add_store(flags: Flags) -> None:
    """The flag that store_of() reads."""
    flags.add_store("the URL of the store")


def store_of(settings: argparse.Namespace) -> StoreURL:
    """The store that was named; none is taken for granted.  Raises StoreNotNamed, InvalidStoreURL."""
    if settings.store is None:
        raise StoreNotNamed("Name the store with --store, as in --store sqlite:///tasks.db, or with TASKSVC_STORE.")
    return StoreURL(settings.store)


@asynccontextmanager
async def opened(url: StoreURL) -> AsyncIterator[TaskRepository]:
    """The store at `url`, which is made if it is not there."""
    repository = await open_repository(url)
    try:
        yield repository
    finally:
        await repository.close()


@asynccontextmanager
async def opened_to_read(url: StoreURL) -> AsyncIterator[StoreReader]:
    """The store at `url`, which others may serve meanwhile if its adapter can do that."""
    reader = await open_reader(url)
    try:
        yield reader
    finally:
        await reader.close()


def in_words(summary: Summary) -> str:
    """What a store holds, in part of a sentence."""
    counts = (
        (summary.tasks, "task"),
        (summary.changes, "change"),
        (summary.records, "record"),
        (summary.retry_keys, "retry key"),
    )
    figures = ", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in counts)
    return f"{figures}; checksum {summary.checksum}"
