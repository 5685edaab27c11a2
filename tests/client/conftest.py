"""One running service for all tests of the client library, and both clients behind one interface."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, cast

import pytest
from patience import PATIENCE_SECONDS
from service_process import RunningService
from tasksvc_client import Client, SyncClient

from tasksvc.application.tokens import new_secret

ITERATORS = {"changes", "find", "follow", "follow_workspaces", "history", "pages", "webhooks", "workspaces"}
"""The methods that yield."""
_numbers = itertools.count(1)

Connect = Callable[..., Client]
"""Makes a client of one kind, with the methods of Client. It takes what Client() takes."""


class Blocking:
    """A SyncClient with the methods of Client, each of which runs in a thread."""

    def __init__(self, client: SyncClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in ("in_workspace", "within"):
            return lambda value: Blocking(found(value))
        if not callable(found):
            return found
        return (lambda *values, **named: _items(found(*values, **named))) if name in ITERATORS else _in_thread(found)


def _in_thread(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*values: Any, **named: Any) -> Any:
        return await asyncio.to_thread(method, *values, **named)

    return call


async def _items(items: Generator[Any, None, None]) -> AsyncGenerator[Any, None]:
    end = object()
    try:
        while (item := await asyncio.to_thread(next, items, end)) is not end:
            yield item
    finally:
        items.close()


class Service(NamedTuple):
    """The service that runs for all tests."""

    url: str
    port: int
    token: str
    """A token with the scope admin."""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder, token = tmp_path_factory.mktemp("service"), new_secret()
    (folder / "token").write_text(token)
    environment = {"TASKSVC_ADMIN_TOKEN_FILE": str(folder / "token")}
    options = ("--store", "memory://", "--plugins", "webhooks", "--webhook-allow", "127.0.0.0/8")
    with RunningService(*options, folder=folder, environment=environment) as running:
        yield Service(running.url, running.port, token)


@pytest.fixture(params=["Client", "SyncClient"])
async def connect(request: pytest.FixtureRequest, service: Service) -> AsyncIterator[Connect]:
    """Makes clients of either kind: with the token, a workspace of their own and patience, unless others are given."""
    made: list[Client] = []

    def make(url: str | None = None, **options: Any) -> Client:
        limits = {"deadline": PATIENCE_SECONDS, "timeout": PATIENCE_SECONDS}
        options = {"token": service.token, "workspace": new_workspace(), **limits, **options}
        url = service.url if url is None else url
        if request.param == "Client":
            made.append(Client(url, **options))
        else:
            made.append(cast(Client, Blocking(SyncClient(url, **options))))
        return made[-1]

    yield make
    for client in made:
        await client.close()


@pytest.fixture
def tasks(connect: Connect) -> Client:
    """A client of either kind, in a workspace of its own."""
    return connect()


def new_workspace() -> str:
    """Returns the name of a workspace that no other test uses."""
    return f"w{next(_numbers)}"


async def taken(items: AsyncGenerator[Any, None], count: int) -> list[Any]:
    """Returns the first items of an iterator, and closes it."""
    found = []
    try:
        for _ in range(count):
            with suppress(StopAsyncIteration):
                found.append(await anext(items))
    finally:
        await items.aclose()
    return found
