"""Clients that are cancelled, shared among tasks and threads, or idle for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clients.cutting_proxy import CuttingProxy
from patience import until
from tasksvc_client import Client, OutcomeUnknown, SyncClient

from client.canned import SILENCE, Canned, answer
from client.conftest import Connect, Service, new_workspace
from client.cutting import CutAt


async def test_a_write_that_is_cancelled_is_done_once_with_its_key(service: Service) -> None:
    async with Client(service.url, service.token, new_workspace()) as direct, CutAt(service.port, answers=0) as proxy:
        client = Client(proxy.url, service.token, direct.workspace)
        writing = asyncio.create_task(client.create("x", key="k"))
        await until(lambda: proxy.passed["requests"])
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing

        task = await client.create("x", key="k")
        await client.close()

        assert (task.id, [change.type async for change in direct.changes()]) == (1, ["created"])


async def test_a_call_that_is_cancelled_leaves_no_connection(service: Service) -> None:
    async with Canned(SILENCE) as server, Client(server.url) as client:
        calls = [asyncio.create_task(call) for call in (client.create("x"), client.me(), anext(client.follow()))]
        await until(lambda: server.open == 3)

        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

        await until(lambda: server.open == 0)


async def test_a_client_does_many_things_at_once(connect: Connect) -> None:
    client = connect()

    made = await asyncio.gather(*(client.create(f"task {number}") for number in range(200)))

    assert sorted(task.id for task in made) == list(range(1, 201))


async def test_calls_after_each_other_use_one_connection(connect: Connect, service: Service) -> None:
    async with CuttingProxy(service.port) as proxy:
        client = connect(proxy.url)
        for _ in range(3):
            await client.create("x")
            await client.in_workspace(new_workspace()).count()

    assert proxy.taken == 1


def test_threads_share_a_blocking_client(service: Service) -> None:
    with SyncClient(service.url, service.token, new_workspace()) as client, ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: client.create(f"task {number}"), range(100)))
        read = list(threads.map(lambda task: client.get(task.id), made))

        assert read == made
        assert sorted(task.id for task in made) == list(range(1, 101))


async def test_a_connection_that_was_closed_while_idle_is_replaced(connect: Connect, service: Service) -> None:
    async with CuttingProxy(service.port) as proxy:
        client = connect(proxy.url)
        await client.create("x")
        await until(proxy.cut)

        webhook = await client.create_webhook("http://127.0.0.1:1/hook")
        await until(proxy.cut)
        await client.rotate_webhook_secret(webhook.id)  # which is sent once


@pytest.mark.parametrize(
    "write",
    [
        lambda client: client.rotate_webhook_secret("wh_1"),
        lambda client: client.test_webhook("wh_1"),
        lambda client: client.erase_workspace("u_42"),
    ],
)
async def test_what_is_not_safe_to_repeat_is_sent_once(connect: Connect, write: Callable[[Client], Any]) -> None:
    async with Canned(b"HTTP/1.1 2") as server:
        with pytest.raises(OutcomeUnknown) as error:
            await write(connect(server.url))

    assert (error.value.key, len(server.requests)) == (None, 1)


async def test_a_webhook_whose_deletion_lost_its_answer_is_deleted(connect: Connect, service: Service) -> None:
    webhook = await connect().create_webhook("http://127.0.0.1:1/hook")
    async with CutAt(service.port, answers=20) as proxy:
        await connect(proxy.url).delete_webhook(webhook.id)

        assert proxy.taken > 1


async def test_a_service_is_reached_through_a_socket(connect: Connect, tmp_path: Path) -> None:
    path = f"{tmp_path}/a socket"
    async with Canned(answer(200, b'{"count": 7}', Content_Type="application/json"), path=path) as server:
        assert await connect(f"unix:{path}", workspace=None).count() == 7

    assert server.requests[0].startswith(b"GET /tasks/count HTTP/1.1\r\nHost: localhost\r\n")
