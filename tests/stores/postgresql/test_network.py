"""A network that stalls, cuts and half-closes: calls end in bounded time with true results, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from http_client import free_port

from stores.postgresql.proxy import Proxy
from stores.postgresql.repositories import Open
from stores.postgresql.server import Server
from tasksvc import (
    LOG_START,
    CommitResult,
    CreateTask,
    IdempotencyKey,
    OutcomeUnknown,
    StoreUnavailable,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
)
from tasksvc.application.clock import now

BOUND = 10.0
"""Seconds for a call that should end within two."""


@pytest.fixture
async def proxy(own_server: Server) -> AsyncIterator[Proxy]:
    """A proxy between a repository and the server."""
    async with Proxy(own_server.port) as between:
        yield between


@pytest.fixture
def proxied_url(own_server: Server, proxy: Proxy, schema: str) -> str:
    return f"{own_server.tcp_url(proxy.port)}?schema={schema}"


async def add(repository: TaskRepository, *, idempotency_key: IdempotencyKey | None = None) -> CommitResult:
    return await repository.commit([CreateTask(TaskDraft("x"))], at=now(), idempotency_key=idempotency_key)


async def patch(repository: TaskRepository) -> CommitResult:
    return await repository.commit([UpdateTask(1, {"done": True})], at=now())


async def count(repository: TaskRepository) -> int:
    return len((await repository.find(TaskQuery(), limit=1_000)).tasks)


async def test_every_call_ends_while_nothing_comes_through(open_store: Open, proxy: Proxy, proxied_url: str) -> None:
    repository = await open_store(proxied_url, timeout=1.5)
    await add(repository)
    proxy.stall()
    calls: list[Awaitable[object]] = [
        add(repository),
        patch(repository),
        repository.get(1),
        repository.find(TaskQuery(), limit=1),
        repository.find(TaskQuery(q="x"), limit=1),
        repository.read_changes(LOG_START, limit=1),
        repository.record("s", "n"),
        repository.prune(log_before=now(), max_changes=0, keys_before=now(), limit=1),
        anext(repository.dump()),
        repository.ping(),
    ]

    began = time.monotonic()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert time.monotonic() - began < BOUND
    assert [type(outcome) for outcome in outcomes if not isinstance(outcome, StoreUnavailable)] == []
    proxy.flow()
    await asyncio.gather(patch(repository), repository.get(1), repository.ping())


async def test_an_answer_that_is_lost_is_an_unknown_outcome(open_store: Open, proxy: Proxy, proxied_url: str) -> None:
    repository = await open_store(proxied_url, timeout=1.5)
    await add(repository)

    proxy.stall_answers(to=b"the last words")
    with pytest.raises(OutcomeUnknown, match="may be there or not"):
        await repository.commit([CreateTask(TaskDraft("the last words"))], at=now())
    proxy.cut()
    proxy.flow()

    assert await count(repository) == 2, "this one was there"


async def test_a_lost_answer_to_commit_is_an_unknown_outcome_that_an_idempotency_key_makes_safe(
    open_store: Open, proxy: Proxy, proxied_url: str
) -> None:
    repository = await open_store(proxied_url, timeout=1.5)
    key = IdempotencyKey("", "k", "f")

    proxy.stall_answers(to=b"COMMIT\0")
    with pytest.raises(OutcomeUnknown):
        await add(repository, idempotency_key=key)
    proxy.cut()
    proxy.flow()

    again = await add(repository, idempotency_key=key)
    assert again.replayed
    assert await count(repository) == 1


async def test_an_answer_before_commit_that_is_lost_means_that_nothing_was_written(
    open_store: Open, proxy: Proxy, proxied_url: str
) -> None:
    repository = await open_store(proxied_url, timeout=1.5)
    await add(repository)

    proxy.stall_answers(to=b"FOR UPDATE")
    with pytest.raises(StoreUnavailable) as failure:
        await patch(repository)
    assert not isinstance(failure.value, OutcomeUnknown)
    proxy.cut()
    proxy.flow()

    assert not (await repository.get(1)).task.done


@pytest.mark.parametrize("harm", ["cut", "half_close"])
async def test_connections_that_break_between_calls_are_replaced_unseen(
    harm: str, open_store: Open, proxy: Proxy, proxied_url: str
) -> None:
    repository = await open_store(proxied_url)
    await add(repository)

    for _ in range(5):
        getattr(proxy, harm)()
        await asyncio.sleep(0.05)
        await patch(repository)
        assert (await repository.get(1)).task.done

    assert proxy.accepted >= 6


@pytest.mark.parametrize("harm", ["cut", "half_close"])
async def test_writes_with_retry_keys_are_done_once_through_connections_that_break(
    harm: str, open_store: Open, proxy: Proxy, proxied_url: str
) -> None:
    repository = await open_store(proxied_url, timeout=1)
    stop = asyncio.Event()

    async def write(writer: int) -> list[str]:
        done: list[str] = []
        while not stop.is_set():
            key = IdempotencyKey("", f"{writer}-{len(done)}", "f")
            await until_done(lambda key=key: add(repository, idempotency_key=key))  # type: ignore[misc]
            done.append(key.value)
        return done

    writers = [asyncio.create_task(write(n)) for n in range(16)]
    for _ in range(25):
        await asyncio.sleep(0.02)
        getattr(proxy, harm)()
    stop.set()
    done = [value for values in await asyncio.gather(*writers) for value in values]

    page = await repository.read_changes(LOG_START, limit=100_000)
    assert len(page.changes) == len(done), "one task for each key"
    for value in done[::10]:
        assert (await add(repository, idempotency_key=IdempotencyKey("", value, "f"))).replayed


async def until_done(call: Callable[[], Awaitable[CommitResult]]) -> CommitResult:
    """Repeats a write until it is acknowledged; each attempt must end within a bound."""
    while True:
        began = time.monotonic()
        try:
            return await call()
        except StoreUnavailable:
            assert time.monotonic() - began < BOUND
            await asyncio.sleep(0.01)


async def test_the_live_feed_survives_a_stall(
    open_store: Open, proxy: Proxy, proxied_url: str, own_server: Server
) -> None:
    reader = await open_store(proxied_url, timeout=1.5)
    writer = await open_store(proxied_url.replace(str(proxy.port), str(own_server.port)))
    head = (await add(writer)).position
    waiting = asyncio.create_task(until_read(reader, head))
    await asyncio.sleep(0.1)

    proxy.stall()
    await add(writer)
    await asyncio.sleep(0.1)
    proxy.cut()
    proxy.flow()

    assert await asyncio.wait_for(waiting, 30) == [2]


async def until_read(reader: TaskRepository, since: object) -> list[int]:
    """Returns the next changes, however often reading fails."""
    while True:
        try:
            page = await reader.changes(since, limit=10, wait=5)  # type: ignore[arg-type]
        except StoreUnavailable:
            await asyncio.sleep(0.01)
        else:
            if page.changes:
                return [change.seq for change in page.changes]


async def test_a_server_that_hangs_does_not_keep_from_the_one_that_serves(
    own_server: Server, proxy: Proxy, open_store: Open, schema: str
) -> None:
    """This is the case of a lost machine, which doesn't even refuse connections."""
    proxy.stall()
    url = own_server.tcp_url(proxy.port, free_port(), own_server.port)

    repository = await open_store(url, schema=schema, start_timeout=0)

    await asyncio.gather(add(repository), *(repository.find(TaskQuery(priority_min=n), limit=1) for n in range(5)))


async def test_closing_ends_while_nothing_comes_through(open_store: Open, proxy: Proxy, proxied_url: str) -> None:
    repository = await open_store(proxied_url, timeout=1.5)
    await add(repository)
    proxy.stall()
    calls = [asyncio.create_task(call) for call in (add(repository), repository.get(1), count(repository))]
    await asyncio.sleep(0)

    began = time.monotonic()
    await repository.close()

    assert time.monotonic() - began < BOUND
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
