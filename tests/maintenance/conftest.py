"""Stores of every kind that the service comes with."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from stores.postgresql.server import given_or_temporary, with_parameters

from tasksvc import TaskRepository
from tasksvc.store_adapters import open_repository

KINDS = ("memory", "sqlite", "postgresql")

_numbers = itertools.count(1)

NewURL = Callable[[str], str]
"""Returns the URL of a store of a kind that doesn't exist yet."""
Open = Callable[[str], Awaitable[TaskRepository]]


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with given_or_temporary() as url:
        yield url


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewURL:
    def url_of(kind: str) -> str:
        number = next(_numbers)
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/store-{number}.db"
        if kind == "postgresql":
            server = request.getfixturevalue("server_url")  # so that only tests that need one start it
            return with_parameters(server, schema=f"operations_{os.getpid()}_{number}")
        if kind == "jsonl":
            return f"jsonl:///{tmp_path}/store-{number}.jsonl"
        return f"{kind}://"

    return url_of


@pytest.fixture
async def open_store() -> AsyncIterator[Open]:
    """Opens stores that are closed when the test ends."""
    opened: list[TaskRepository] = []

    async def open_one(url: str) -> TaskRepository:
        opened.append(await open_repository(url))
        return opened[-1]

    yield open_one
    for repository in opened:
        await repository.close()
