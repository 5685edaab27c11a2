"""Repositories that a test opens, and that are closed when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from stores.postgresql.server import with_parameters
from tasksvc import TaskRepository
from tasksvc.store_adapters import open_repository

PATIENCE = 20.0
"""The timeout in seconds of calls in tests that aren't about time, since the machine may be busy."""

Open = Callable[..., Awaitable[TaskRepository]]
"""Opens the repository of a URL, to which parameters are added; the default timeout of calls is `PATIENCE`."""


@asynccontextmanager
async def repositories(**defaults: object) -> AsyncIterator[Open]:
    """Opens repositories until the block ends; `defaults` are parameters of their URLs."""
    opened: list[TaskRepository] = []

    async def open_one(url: str, **parameters: object) -> TaskRepository:
        repository = await open_repository(with_parameters(url, **({"timeout": PATIENCE} | defaults | parameters)))
        opened.append(repository)
        return repository

    yield open_one
    for repository in opened:
        await repository.close()
