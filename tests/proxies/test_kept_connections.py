"""Proxies that keep their connections to the service: each request gets its own response, and none a 502."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from clients.cutting_proxy import CuttingProxy
from http_client import Connection, ask, free_port
from reverse_proxies import PROXIES
from service_process import RunningService

from proxies.conftest import KEEPING

CLIENTS = 8
REQUESTS = 40
"""The number of requests that each client sends."""
UPGRADE = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
LONG = "600s"
"""A duration longer than any test."""


@pytest.mark.parametrize("every", [1, 2], ids=["each wants to upgrade", "every other one wants to upgrade"])
@pytest.mark.parametrize("name", KEEPING)
async def test_pipelined_requests_with_an_upgrade_among_them_get_their_own_answers(
    service: RunningService, name: str, every: int, tmp_path: Path
) -> None:
    mark, port = uuid.uuid4().hex, free_port()

    async def client(number: int) -> list[tuple[int, str, str]]:
        async with Connection(port) as connection:
            for request in range(REQUESTS):
                headers = {"X-Request-ID": f"{number}-{request}", **(UPGRADE if request % every == 0 else {})}
                if request % 3 == 0:
                    connection.send("GET", "/tasks/1", headers=headers)
                else:
                    connection.send("POST", "/tasks/", {"description": f"{mark} {number}-{request}"}, headers)
            answers = [await connection.answer() for _ in range(REQUESTS)]
        return [
            (answer.status, answer.headers["x-request-id"], answer.document["description"].removeprefix(f"{mark} "))
            for answer in answers
        ]

    ask(service.url, "POST", "/tasks/", {"description": "the first"})
    async with CuttingProxy(service.port) as counted:
        sites = KEEPING[name].format(listen=port, service=counted.port, idle=LONG)
        with PROXIES[name.split()[0]](sites, folder=tmp_path, port=port):
            seen = await asyncio.gather(*map(client, range(CLIENTS)))
    made = ask(service.url, "GET", f"/tasks/?q={mark}").document

    numbers = [(number, request) for number in range(CLIENTS) for request in range(REQUESTS)]
    assert [answer for answers in seen for answer in answers] == [
        (200, f"{number}-{request}", "the first")
        if request % 3 == 0
        else (201, f"{number}-{request}", f"{number}-{request}")
        for number, request in numbers
    ]
    assert len(made) == sum(request % 3 != 0 for _, request in numbers)
    assert counted.taken < len(numbers), "the proxy uses its connections again"


async def test_a_proxy_that_ends_idle_connections_first_never_gives_502(tmp_path: Path) -> None:
    port, mark = free_port(), uuid.uuid4().hex

    async def client(number: int) -> list[int]:
        statuses = []
        for pause in range(6):
            async with Connection(port) as connection:
                answer = await connection.request("POST", "/tasks/", {"description": f"{mark} {number}"})
            statuses.append(answer.status)
            await asyncio.sleep(0.085 + 0.005 * pause + 0.001 * number)  # about as long as the proxy keeps connections
        return statuses

    with RunningService("--store", "memory://", "--keep-alive", "60", folder=tmp_path) as service:
        async with CuttingProxy(service.port) as counted:
            sites = KEEPING["nginx"].format(listen=port, service=counted.port, idle="100ms")
            with PROXIES["nginx"](sites, folder=tmp_path, port=port):
                statuses = await asyncio.gather(*map(client, range(CLIENTS)))
        made = ask(service.url, "GET", f"/tasks/?q={mark}").document

    assert statuses == [[201] * 6] * CLIENTS
    assert len(made) == 6 * CLIENTS
