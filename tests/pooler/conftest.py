"""A server for all tests behind a pooler, and a schema of its own for each of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest
from postgresql.server import FAST, Server, memory, with_parameters

from pooler.bouncer import Bouncer
from tasksvc import TaskRepository
from tasksvc.plugins import open_repository

PATIENCE = 20.0
"""Seconds that a call has, since the machine may be busy."""
MODES = ("session", "transaction")
"""Of pooling, that a store works with."""

Open = Callable[..., Awaitable[TaskRepository]]
"""Opens the repository of a URL, to which parameters can be added."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server(FAST, parent=memory()) as server:
        yield server


@pytest.fixture(scope="session", params=MODES)
def bouncer(request: pytest.FixtureRequest, server: Server) -> Iterator[Bouncer]:
    """A PgBouncer as Debian sets it up, in each mode."""
    with Bouncer(server, pool_mode=request.param) as bouncer:
        yield bouncer


@pytest.fixture
def schema() -> str:
    """The name of a schema that is not there yet."""
    return f"pooled_{os.getpid()}_{next(_numbers)}"


@pytest.fixture
async def open_store(schema: str) -> AsyncIterator[Open]:
    """Opens repositories of the schema, which are closed when the test ends."""
    opened: list[TaskRepository] = []

    async def open_one(url: str, **parameters: object) -> TaskRepository:
        url = with_parameters(url, **({"schema": schema, "timeout": PATIENCE} | parameters))
        repository = await open_repository(url)
        opened.append(repository)
        return repository

    yield open_one
    for repository in opened:
        await repository.close()


@pytest.fixture
async def database(server: Server) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the server itself."""
    connection = await asyncpg.connect(server.url)
    yield connection
    await connection.close()
