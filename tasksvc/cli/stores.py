"""What the commands that work on stores have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tasksvc.application.transfer import Summary
from tasksvc.domain.errors import TasksvcError
from tasksvc.ports.store import StoreReader, TaskRepository
from tasksvc.ports.store_url import StoreURL
from tasksvc.store_adapters import open_reader, open_repository


class StoreNotNamed(TasksvcError):
    """The command got no store to work on."""


def url_of(store: str | None) -> StoreURL:
    """Returns the URL of the store in --store; there is no default.  Raises StoreNotNamed, InvalidStoreURL."""
    if store is None:
        raise StoreNotNamed("Name the store with --store, as in --store sqlite:///tasks.db, or with TASKSVC_STORE.")
    return StoreURL(store)


@asynccontextmanager
async def open_to_write(url: StoreURL) -> AsyncIterator[TaskRepository]:
    """Opens the store at `url`, which is made if it isn't there, and closes it.  Raises what open_repository() does."""
    repository = await open_repository(url)
    try:
        yield repository
    finally:
        await repository.close()


@asynccontextmanager
async def open_to_read(url: StoreURL) -> AsyncIterator[StoreReader]:
    """Opens the store at `url`, beside a process that serves it if its adapter can do that, and closes it.

    Raises what open_reader() raises.
    """
    reader = await open_reader(url)
    try:
        yield reader
    finally:
        await reader.close()


async def check_exists(url: StoreURL) -> None:
    """Returns if there is a store at `url`, and creates none.  Raises what open_reader() raises."""
    async with open_to_read(url):
        pass


def describe(summary: Summary) -> str:
    """Returns what a store holds, as a part of a sentence."""
    counts = (
        (summary.tasks, "task"),
        (summary.changes, "change"),
        (summary.records, "record"),
        (summary.idempotency_keys, "idempotency key"),
        *([(summary.workspaces, "workspace")] if summary.workspaces > 1 else []),
    )
    figures = ", ".join(f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in counts)
    plural = "" if summary.secrets == 1 else "s"
    left_out = f"; without {summary.secrets:,} secret{plural} of plugins" if summary.secrets else ""
    return f"{figures}; checksum {summary.checksum}{left_out}"
