"""The service on its stores, for the tests of the API."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from api.api_client import Api, Description
from tasksvc.api import Options, create_app

_descriptions: list[Description] = []


@pytest.fixture
async def api(aiohttp_client: AiohttpClient, options: Options) -> Api:
    """A client of the service on a store in memory."""
    return await connect(aiohttp_client, "memory://", options)


@pytest.fixture(params=["memory", "sqlite"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of each kind."""
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db"


@pytest.fixture
async def any_api(aiohttp_client: AiohttpClient, any_store: str, options: Options) -> Api:
    """A client of the service on each kind of store."""
    return await connect(aiohttp_client, any_store, options)


@pytest.fixture
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails if the service logs an error: nothing that a client sends is one."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def connect(aiohttp_client: AiohttpClient, store: str, options: Options | None = None, **more: Any) -> Api:
    """Returns a client of the service on `store`. `more` are arguments of the test client."""
    client = await aiohttp_client(create_app(store, options), **more)
    if not _descriptions:  # the same for all
        async with client.get("/openapi.json") as response:
            _descriptions.append(Description(await response.json()))
    return Api(client, _descriptions[0])
