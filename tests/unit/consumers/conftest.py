"""Stores of both kinds that one process serves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tasksvc import InMemoryRepository, TaskRepository
from tasksvc.store_adapters import open_repository

Reopen = Callable[[], Awaitable[TaskRepository]]


@pytest.fixture(params=["memory", "sqlite"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Opens a store of each kind, which is closed before it's opened again; the one in memory stays as it is."""
    in_memory = InMemoryRepository()
    async with contextlib.AsyncExitStack() as opened:

        async def open_again() -> TaskRepository:
            if request.param == "memory":
                return in_memory
            await opened.aclose()
            store = await open_repository(f"sqlite:///{tmp_path / 'tasks.db'}")
            opened.push_async_callback(store.close)
            return store

        yield open_again


@pytest.fixture
async def store(reopen: Reopen) -> TaskRepository:
    return await reopen()
