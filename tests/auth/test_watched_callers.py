"""Callers who have streams open: how their changes are found, and what that costs the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import ClientResponse, web
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until
from pytest_aiohttp import AiohttpClient

from auth.conftest import AuthClients, Client
from tasksvc import InMemoryRepository, Record, StoreUnavailable, TaskRepository
from tasksvc.api.app import create_app
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application.callers import Caller, Scope
from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import create_token, revoke_token, update_token

NAMES = ("one", "two", "three")


class WatchedRepository(InMemoryRepository):
    """Counts the reads of tokens, and does on demand what a store does that fails or is slow."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        """The keys of the tokens that were read."""
        self.looks = 0
        """How often it was asked whether a token had changed."""
        self.refuses = self.hangs = False
        self.after_read: asyncio.Event | None = None
        """Where it's set, what is read of the next token is given only after this."""

    async def record(self, namespace: str, key: str) -> Record | None:
        if self.refuses:
            raise StoreUnavailable("not now")
        if self.hangs:
            await asyncio.sleep(FOREVER_SECONDS)
        self.looks += namespace == "token-changes"
        record = await super().record(namespace, key)
        if namespace == "tokens":
            self.read.append(key)
            held, self.after_read = self.after_read, None
            if held is not None:
                await held.wait()
        return record


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> WatchedRepository:
    """The store of the application, which a test also uses as another process would."""
    store = WatchedRepository()

    async def open_it(url: str, *, scratch: bool) -> TaskRepository:
        return store

    monkeypatch.setattr("tasksvc.api.app.open_repository", open_it)
    return store


@pytest.fixture
async def tokens(repository: WatchedRepository, aiohttp_client: AiohttpClient, options: Options) -> AuthClients:
    """A service with a token of an administrator and some others."""
    secrets = {"admin": (await create_token(repository, "admin", Scope.ADMIN, at=now()))[0]}
    for name in NAMES:
        secrets[name], _ = await create_token(repository, name, Scope.READ, at=now(), workspaces=("a", "b"))
    client = await aiohttp_client(create_app("memory://", replace(options, tokens=TokenPolicy.ALWAYS)))
    return AuthClients(client, secrets)


async def open_stream(tokens: AuthClients, caller: str, workspace: str = "a") -> ClientResponse:
    url = f"/workspaces/{workspace}/changes/stream"
    stream = await tokens.client.get(url, headers=tokens.headers(caller))
    await stream.content.readuntil(b"\n\n")
    return stream


async def rest_of(stream: ClientResponse) -> bytes:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await stream.content.read()


async def status_of(tokens: AuthClients, caller: str) -> int:
    return (await tokens.client.get("/tasks/", headers=tokens.headers(caller))).status


async def test_all_streams_of_a_token_end_soon_after_another_process_has_revoked_it(
    tokens: AuthClients, repository: WatchedRepository
) -> None:
    streams = [await open_stream(tokens, "one") for _ in range(5)]

    await revoke_token(repository, "one", at=now())

    assert [await rest_of(stream) for stream in streams] == [b""] * 5


@pytest.mark.options(timeouts=Timeouts(token_cache=FOREVER_SECONDS, heartbeat=FOREVER_SECONDS))
async def test_streams_end_at_once_when_their_own_service_changes_their_token(tokens: AuthClients) -> None:
    in_a, in_b = await open_stream(tokens, "one", "a"), await open_stream(tokens, "one", "b")
    of_another = await open_stream(tokens, "two")
    url, admin = "/admin/tokens/one", tokens.headers("admin")

    await tokens.client.patch(url, json={"workspaces": ["b"]}, headers=admin)
    assert await rest_of(in_a) == b""
    assert not in_b.content.at_eof()
    await tokens.client.delete(url, headers=admin)

    assert await rest_of(in_b) == b""
    assert not of_another.content.at_eof()
    of_another.close()


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02, heartbeat=FOREVER_SECONDS))
async def test_streams_on_which_nothing_happens_read_no_token(
    tokens: AuthClients, repository: WatchedRepository
) -> None:
    streams = [await open_stream(tokens, name) for name in NAMES]
    repository.looks = 0
    repository.read.clear()

    await until(lambda: repository.looks >= 5)
    read, repository.read = repository.read, []
    await update_token(repository, "two", {"workspaces": ("b",)}, at=now())
    await rest_of(streams[1])

    assert read == []
    assert len(set(repository.read)) == 1, "the token that changed, and no other one"
    for stream in streams:
        stream.close()


@pytest.mark.options(timeouts=Timeouts(token_cache=0.0))
async def test_a_process_that_missed_a_change_reads_all_tokens_again(
    tokens: AuthClients, repository: WatchedRepository
) -> None:
    assert [await status_of(tokens, name) for name in NAMES] == [200] * 3

    await revoke_token(repository, "one", at=now())
    await revoke_token(repository, "two", at=now())

    assert [await status_of(tokens, name) for name in NAMES] == [401, 401, 200]


@pytest.mark.options(timeouts=Timeouts(token_cache=0.0))
async def test_a_token_that_was_read_before_its_change_is_not_kept(
    tokens: AuthClients, repository: WatchedRepository
) -> None:
    repository.after_read = held = asyncio.Event()
    before = asyncio.create_task(status_of(tokens, "one"))
    await until(lambda: repository.read)

    await revoke_token(repository, "one", at=now())
    assert await status_of(tokens, "two") == 200  # which finds the change
    held.set()

    assert await before == 200
    assert await status_of(tokens, "one") == 401


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_streams_end_when_the_store_does_not_say_whether_their_token_holds(
    tokens: AuthClients, repository: WatchedRepository, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await open_stream(tokens, "one")

    repository.refuses = True

    assert await rest_of(stream) == b""
    assert "The streams of one end, since nobody can tell who may read: not now" in caplog.text


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02, store_chunk=0.05))
async def test_streams_end_when_the_store_hangs_while_it_is_asked_for_tokens(
    tokens: AuthClients, repository: WatchedRepository, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await open_stream(tokens, "one")

    repository.hangs = True

    assert await rest_of(stream) == b""
    assert "All streams end" in caplog.text


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_stream_of_a_caller_whom_the_application_knows_ends_when_they_expire(
    aiohttp_client: AiohttpClient, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = end = now()
    monkeypatch.setattr("tasksvc.api.pipeline.application_login.now", lambda: moment)

    async def identify(request: web.BaseRequest) -> Caller | None:
        return Caller("ann", expires_at=end + timedelta(seconds=1))

    client: Client = await aiohttp_client(create_app("memory://", replace(options, identify=identify)))

    streams = [await client.get("/changes/stream") for _ in range(3)]
    for stream in streams:
        await stream.content.readuntil(b"\n\n")
    moment += timedelta(seconds=1)

    assert [await rest_of(stream) for stream in streams] == [b""] * 3
