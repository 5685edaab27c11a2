"""A server for all tests behind a pooler, and a separate schema for each of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from stores.pooler.bouncer import Bouncer
from stores.postgresql.repositories import Open, repositories
from stores.postgresql.server import FAST, Server, memory

MODES = ("session", "transaction")
"""Modes of pooling that a store works with."""

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
    """The name of a schema that doesn't exist yet."""
    return f"pooled_{os.getpid()}_{next(_numbers)}"


@pytest.fixture
async def open_store(schema: str) -> AsyncIterator[Open]:
    """Opens repositories of the schema, which are closed when the test ends."""
    async with repositories(schema=schema) as open_one:
        yield open_one


@pytest.fixture
async def database(server: Server) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the server itself."""
    connection = await asyncpg.connect(server.url)
    yield connection
    await connection.close()
