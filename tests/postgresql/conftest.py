"""A server for all tests that do it no harm, and a schema of its own for each of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from postgresql.server import given_or_temporary, with_parameters
from tasksvc import TaskRepository
from tasksvc.plugins import open_repository

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with given_or_temporary() as url:
        yield url


@pytest.fixture
def store_url(server_url: str) -> str:
    """The URL of a store that is not there yet."""
    return with_parameters(server_url, schema=new_schema())


def new_schema() -> str:
    """The name of a schema that no other test uses."""
    return f"test_{os.getpid()}_{next(_numbers)}"


Open = Callable[..., Awaitable[TaskRepository]]


@pytest.fixture
async def open_store() -> AsyncIterator[Open]:
    """Opens repositories that are closed when the test ends."""
    opened: list[TaskRepository] = []

    async def open_one(url: str, **parameters: object) -> TaskRepository:
        repository = await open_repository(with_parameters(url, **parameters) if parameters else url)
        opened.append(repository)
        return repository

    yield open_one
    for repository in opened:
        await repository.close()
