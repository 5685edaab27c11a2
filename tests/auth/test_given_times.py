"""Who may say when a task was created or completed: administrators, and everybody where requests need no token."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from auth.conftest import AuthClients, Client
from tasksvc.api.app import create_app
from tasksvc.api.options import Options
from tasksvc.application.callers import Caller, Scope

TIMES = {"created_at": "2020-01-01T00:00:00Z", "completed_at": "2020-02-01T00:00:00Z"}
GIVEN: list[dict[str, Any]] = [
    {"created_at": TIMES["created_at"]},
    {"done": True, "completed_at": TIMES["completed_at"]},
    {"done": True, **TIMES},
]


async def create(client: Client, fields: dict[str, Any], headers: Any = None, below: str = "") -> tuple[int, Any]:
    response = await client.post(f"{below}/tasks/", json={"description": "x", **fields}, headers=headers)
    return response.status, await response.json()


async def batch(client: Client, fields: dict[str, Any], headers: Any = None, below: str = "") -> tuple[int, Any]:
    operations = [
        {"op": "create", "task": {"description": "first"}},
        {"op": "create", "task": {"description": "x", **fields}},
    ]
    response = await client.post(f"{below}/tasks/batch", json=operations, headers=headers)
    document = await response.json()
    return response.status, document["results"][1]["task"] if response.status == 200 else document


WAYS = pytest.mark.parametrize("write", [create, batch])
WHERE = pytest.mark.parametrize("below", ["", "/workspaces/u_42"])


@WHERE
@WAYS
@pytest.mark.parametrize("fields", GIVEN)
async def test_an_administrator_says_when_a_task_was_created_and_completed(
    clients: AuthClients, write: Any, fields: dict[str, Any], below: str
) -> None:
    status, task = await write(clients.client, fields, clients.headers("admin"), below)

    assert status in (200, 201)
    assert {name: task[name] for name in fields} == fields
    assert task["updated_at"] > "2026"


@WHERE
@WAYS
@pytest.mark.parametrize("fields", GIVEN)
@pytest.mark.parametrize("caller", ["write", "read"])
async def test_other_tokens_do_not_and_nothing_is_created(
    clients: AuthClients, write: Any, fields: dict[str, Any], caller: str, below: str
) -> None:
    status, document = await write(clients.client, fields, clients.headers(caller), below)

    assert (status, document["type"]) == (403, "urn:tasksvc:problem:forbidden")
    listed = await clients.client.get(f"{below}/tasks/", headers=clients.headers("admin"))
    assert await listed.json() == []


@WAYS
async def test_null_says_nothing_so_every_writer_may_send_it(clients: AuthClients, write: Any) -> None:
    status, task = await write(clients.client, {"done": True, **dict.fromkeys(TIMES)}, clients.headers("write"))

    assert status in (200, 201)
    assert task["created_at"] == task["completed_at"] == task["updated_at"]


@WAYS
async def test_a_form_that_is_wrong_is_refused_as_such(clients: AuthClients, write: Any) -> None:
    for caller in ("write", "admin"):
        status, document = await write(clients.client, {"created_at": "yesterday"}, clients.headers(caller))
        assert (status, document["errors"][0]["field"].rpartition(".")[2]) == (422, "created_at")


@WAYS
async def test_everybody_says_it_where_requests_need_no_token(aiohttp_client: AiohttpClient, write: Any) -> None:
    client = await aiohttp_client(create_app("memory://"))

    status, task = await write(client, {"done": True, **TIMES})

    assert status in (200, 201)
    assert {name: task[name] for name in TIMES} == TIMES


@WAYS
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"created_at": "2999-01-01T00:00:00Z"}, "created_at"),
        ({"done": True, "completed_at": "2999-01-01T00:00:00Z"}, "completed_at"),
        ({"completed_at": "2020-01-01T00:00:00Z"}, "completed_at"),
    ],
)
async def test_a_time_that_cannot_be_is_refused(
    aiohttp_client: AiohttpClient, write: Any, fields: dict[str, Any], field: str
) -> None:
    client = await aiohttp_client(create_app("memory://"))

    status, document = await write(client, fields)

    assert status == 422
    assert [error["field"].rpartition(".")[2] for error in document["errors"]] == [field]
    assert await (await client.get("/tasks/")).json() == []


@WAYS
@pytest.mark.parametrize(("scope", "allowed"), [(Scope.WRITE, False), (Scope.ADMIN, True)])
async def test_users_of_an_application_say_it_if_they_administer_it(
    aiohttp_client: AiohttpClient, options: Options, write: Any, scope: Scope, allowed: bool
) -> None:
    async def identify(request: web.BaseRequest) -> Caller | None:
        return Caller("ann", scope)

    client = await aiohttp_client(create_app("memory://", replace(options, identify=identify)))

    status, _ = await write(client, {"created_at": TIMES["created_at"]})

    assert (status in (200, 201)) is allowed
    assert (status == 403) is not allowed
