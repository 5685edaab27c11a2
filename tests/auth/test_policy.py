"""Whether tokens are required, where that depends on whether any exist."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiohttp import web
from patience import until
from pytest_aiohttp import AiohttpClient

from auth.conftest import Client
from tasksvc import Capability, InMemoryRepository, Record, StoreUnavailable, TaskRepository
from tasksvc.api.app import IN_FLIGHT, create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import SPACE, create_token
from tasksvc.domain.errors import NoTokens


class WatchedRepository(InMemoryRepository):
    """Counts the reads of tokens, and refuses them on demand."""

    looks = 0
    refuses = False

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def records(self, namespace: str, *, after: str = "", limit: int) -> Sequence[Record]:
        if namespace == SPACE:
            self.looks += 1
            await self.answers.wait()
            if self.refuses:
                raise StoreUnavailable("not now")
        return await super().records(namespace, after=after, limit=limit)


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> WatchedRepository:
    """The store of the application that is created next, to which the test can write too."""
    store = WatchedRepository()

    async def open_it(url: str, *, scratch: bool) -> TaskRepository:
        return store

    monkeypatch.setattr("tasksvc.api.app.open_repository", open_it)
    return store


looks_at_once = pytest.mark.options(timeouts=Timeouts(token_cache=0.0, heartbeat=0.02))


@pytest.fixture
async def client(repository: WatchedRepository, aiohttp_client: AiohttpClient, options: Options) -> Client:
    """A client of a service that is open as long as there are no tokens."""
    return await aiohttp_client(create_app("memory://", replace(options, tokens=TokenPolicy.WHEN_TOKENS_EXIST)))


async def status_of(client: Client, secret: str | None = None) -> int:
    response = await client.get("/tasks/", headers={} if secret is None else {"Authorization": f"Bearer {secret}"})
    await response.read()
    return response.status


async def test_a_token_that_another_process_creates_closes_an_open_service(
    client: Client, repository: WatchedRepository
) -> None:
    assert await status_of(client) == 200

    secret, _ = await create_token(repository, "first", Scope.READ, at=now())

    async with asyncio.timeout(30):
        while await status_of(client) == 200:
            await asyncio.sleep(0.05)
    assert (await status_of(client), await status_of(client, secret)) == (401, 200)


@looks_at_once
async def test_it_is_closed_from_the_next_look_on_and_stays_so(client: Client, repository: WatchedRepository) -> None:
    assert await status_of(client) == 200

    await create_token(repository, "first", Scope.READ, at=now())

    assert [await status_of(client) for _ in range(3)] == [401] * 3


@pytest.mark.options(timeouts=Timeouts(token_cache=1_000.0))
async def test_the_store_is_not_asked_with_every_request(client: Client, repository: WatchedRepository) -> None:
    repository.looks = 0

    statuses = [await status_of(client) for _ in range(20)]

    assert statuses == [200] * 20
    assert repository.looks == 0, "that there are no tokens was found at the start"


@looks_at_once
async def test_requests_that_come_together_share_a_look(client: Client, repository: WatchedRepository) -> None:
    repository.looks = 0
    repository.answers.clear()
    assert client.app is not None
    in_flight = client.app[IN_FLIGHT]

    requests = [asyncio.create_task(status_of(client)) for _ in range(20)]
    await until(lambda: len(in_flight) == 20)
    repository.answers.set()

    assert await asyncio.gather(*requests) == [200] * 20
    assert repository.looks == 1


@looks_at_once
async def test_requests_are_refused_while_tokens_cannot_be_read(client: Client, repository: WatchedRepository) -> None:
    repository.refuses = True

    statuses = await asyncio.gather(*(status_of(client) for _ in range(3)))
    repository.refuses = False

    assert (statuses, await status_of(client)) == ([503] * 3, 200)


@looks_at_once
async def test_a_stream_that_was_opened_without_a_token_ends_when_there_is_one(
    client: Client, repository: WatchedRepository
) -> None:
    stream = await client.get("/changes/stream")
    await stream.content.readuntil(b"\n\n")

    await create_token(repository, "first", Scope.READ, at=now())

    async with asyncio.timeout(30):
        rest = await stream.content.read()
    assert set(rest.split(b"\n")) <= {b"", b":"}, "nothing but heartbeats"


class PlainRepository(InMemoryRepository):
    """A store without records, which can't have tokens."""

    capabilities = InMemoryRepository.capabilities - {Capability.RECORDS}


@pytest.fixture
def _keeps_no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_it(url: str, *, scratch: bool) -> TaskRepository:
        return PlainRepository()

    monkeypatch.setattr("tasksvc.api.app.open_repository", open_it)


@pytest.mark.usefixtures("_keeps_no_records")
@looks_at_once
@pytest.mark.parametrize("policy", [TokenPolicy.WHEN_TOKENS_EXIST, TokenPolicy.NEVER])
async def test_a_store_that_can_keep_no_tokens_is_open(
    policy: TokenPolicy, aiohttp_client: AiohttpClient, options: Options
) -> None:
    client = await aiohttp_client(create_app("plain://", replace(options, tokens=policy)))

    assert [await status_of(client) for _ in range(2)] == [200, 200]


@pytest.mark.usefixtures("_keeps_no_records")
async def test_a_store_that_can_keep_no_tokens_is_not_served_where_they_are_needed() -> None:
    runner = web.AppRunner(create_app("plain://", Options(tokens=TokenPolicy.ALWAYS)))

    with pytest.raises(NoTokens, match="plain: stores can't keep any"):
        await runner.setup()


async def test_a_service_that_is_open_in_any_case_asks_the_store_nothing(
    repository: WatchedRepository, aiohttp_client: AiohttpClient
) -> None:
    await create_token(repository, "first", Scope.READ, at=now())
    client = await aiohttp_client(create_app("memory://", Options(tokens=TokenPolicy.NEVER)))

    assert (await status_of(client), repository.looks) == (200, 0)
