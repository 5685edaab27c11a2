"""A server for all tests that don't harm it, and a separate schema for each of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from stores.postgresql.repositories import Open, repositories
from stores.postgresql.server import Server, given_or_temporary, with_parameters

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    with given_or_temporary() as url:
        yield url


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    """A server that tests may reconfigure, kill and restart; it keeps acknowledged writes."""
    with Server() as server:
        yield server


@pytest.fixture
def schema() -> str:
    """The name of a schema that doesn't exist yet."""
    return f"test_{os.getpid()}_{next(_numbers)}"


@pytest.fixture
def store_url(server_url: str, schema: str) -> str:
    """The URL of a store that doesn't exist yet."""
    return with_parameters(server_url, schema=schema)


@pytest.fixture
async def open_store() -> AsyncIterator[Open]:
    """Opens repositories that are closed when the test ends."""
    async with repositories() as open_one:
        yield open_one


@pytest.fixture
async def database(server_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the server of `store_url`, beside the adapter."""
    connection = await asyncpg.connect(server_url)
    yield connection
    await connection.close()
