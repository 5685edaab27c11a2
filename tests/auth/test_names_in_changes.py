"""Changes name who made them, whichever way they showed who they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from auth.conftest import AuthClients, Client
from tasksvc.api.app import create_app
from tasksvc.api.options import Options
from tasksvc.application.callers import Caller
from tasksvc.domain.rules import BY_MAX

Send = Callable[[str, str, Any], Awaitable[Any]]


async def names(client: Client, headers: Any = None, path: str = "/changes") -> list[str | None]:
    """Returns who made each change."""
    response = await client.get(path, headers=headers)
    assert response.status == 200
    return [change["by"] for change in (await response.json())["changes"]]


async def write_in_every_way(client: Client, headers: Any) -> int:
    """Sends each request that changes tasks, and returns the number of changes."""
    for method, path, body in (
        (
            "POST",
            "/tasks/",
            {"description": "x", "due_on": "2026-11-24", "repeat": {"rule": "FREQ=DAILY", "zone": "UTC"}},
        ),
        ("PATCH", "/tasks/1", {"priority": 1}),
        ("POST", "/tasks/1/skip", None),
        ("POST", "/tasks/1/restore", {"version": 1}),
        ("PATCH", "/tasks/1", {"done": True}),
        ("POST", "/tasks/batch", [{"op": "create", "task": {"description": "child", "parent_id": 2}}]),
        ("DELETE", "/tasks/2", None),
        ("POST", "/tasks/2/restore", {"version": 1}),
        ("PATCH", "/tasks/3", {"parent_id": 2}),
        ("PATCH", "/lists/inbox", {"name": "garden"}),
        ("DELETE", "/tasks/2?children=delete", None),
        ("DELETE", "/tasks/?done=true", None),
        ("POST", "/tasks/", {"description": "x", "list": "old"}),
        ("DELETE", "/lists/old", None),
    ):
        response = await client.request(method, path, json=body, headers=headers)
        assert response.status in (200, 201, 204), (method, path, await response.text())
    assert await (await client.get("/tasks/", headers=headers)).json() == []
    return len(await names(client, headers))


async def test_every_write_of_a_token_has_its_name_in_the_log(clients: AuthClients) -> None:
    headers = clients.headers("write")

    count = await write_in_every_way(clients.client, headers)

    assert await names(clients.client, headers) == ["write"] * count
    assert set(await names(clients.client, headers, "/tasks/3/changes")) == {"write"}


async def test_every_write_where_requests_need_no_token_is_nobodys(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app("memory://"))

    count = await write_in_every_way(client, None)

    assert await names(client) == [None] * count


async def test_each_change_has_the_name_of_the_one_who_made_it(clients: AuthClients) -> None:
    await clients.client.post("/tasks/", json={"description": "x"}, headers=clients.headers("admin"))
    await clients.client.patch("/tasks/1", json={"priority": 1}, headers=clients.headers("write"))

    shown = await names(clients.client, clients.headers("read"), "/tasks/1/changes")

    assert len(shown) == 2
    assert shown[1] == "write"
    assert shown[0] not in (None, "write")


async def test_a_name_stays_when_its_token_is_revoked(clients: AuthClients) -> None:
    await clients.client.post("/tasks/", json={"description": "x"}, headers=clients.headers("write"))

    await clients.client.delete("/admin/tokens/write", headers=clients.headers("admin"))

    assert await names(clients.client, clients.headers("admin")) == ["write"]


async def test_a_client_cannot_say_who_it_is(clients: AuthClients) -> None:
    headers = clients.headers("write")

    in_body = await clients.client.post("/tasks/", json={"description": "x", "by": "admin"}, headers=headers)
    await clients.client.post(
        "/tasks/", json={"description": "x"}, headers={**headers, "X-Forwarded-User": "admin", "By": "admin"}
    )

    assert in_body.status == 422
    assert await names(clients.client, headers) == ["write"]


async def test_a_repeated_request_of_another_time_changes_no_name(clients: AuthClients) -> None:
    headers = {**clients.headers("write"), "Idempotency-Key": "k"}
    for _ in range(2):
        await clients.client.post("/tasks/", json={"description": "x"}, headers=headers)

    assert await names(clients.client, headers) == ["write"]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *[(name, name) for name in (None, "", "ann", "Zażółć <gęślą>", "a\nb", 'a"b\\', "x" * BY_MAX)],
        ("語" * (BY_MAX + 1), "語" * BY_MAX),
        ("x" * 100_000, "x" * BY_MAX),
    ],
    ids=lambda name: ascii(name)[:20],
)
async def test_a_user_of_an_application_is_named_as_the_application_does(
    aiohttp_client: AiohttpClient, options: Options, tmp_path: Path, store: str, name: str | None, expected: str | None
) -> None:
    async def identify(request: web.BaseRequest) -> Caller | None:
        return Caller(name)

    url = "memory://" if store == "memory" else f"sqlite:///{tmp_path}/tasks.db"
    client = await aiohttp_client(create_app(url, replace(options, identify=identify)))

    response = await client.post("/tasks/", json={"description": "x"})

    assert response.status == 201
    (shown,) = await names(client)
    assert shown == expected
