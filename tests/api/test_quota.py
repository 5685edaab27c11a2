"""The number of tasks that a workspace may have is bounded, where the operator says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from api.api_client import Api
from api.conftest import connect
from tasksvc.api import Options
from tasksvc.application.limits import Limits

TASKS_MAX = 3
CREATE = {"op": "create", "task": {"description": "x"}}
pytestmark = pytest.mark.options(limits=Limits(workspace_tasks=TASKS_MAX))


async def count(api: Api, workspace: str = "") -> int:
    found: int = (await api.get(f"{workspace}/tasks/count")).json["count"]
    return found


async def test_a_task_more_than_a_workspace_may_have_is_refused_with_the_limit(any_api: Api) -> None:
    for _ in range(TASKS_MAX):
        await any_api.new()

    refused = await any_api.post("/tasks/", {"description": "x"})
    elsewhere = await any_api.post("/workspaces/u_42/tasks/", {"description": "x"})

    assert (refused.status, refused.problem, refused.json["limit"]) == (409, "workspace-full", TASKS_MAX)
    assert elsewhere.status == 201
    assert await count(any_api) == TASKS_MAX


async def test_what_makes_room_or_takes_none_is_done_in_a_full_workspace(any_api: Api) -> None:
    for _ in range(TASKS_MAX):
        await any_api.new()

    updated = await any_api.patch("/tasks/1", {"done": True})
    deleted = await any_api.delete("/tasks/?done=true")
    created = await any_api.post("/tasks/", {"description": "x"})
    swapped = await any_api.post("/tasks/batch", [{"op": "delete", "id": 2}, CREATE])

    assert [updated.status, deleted.status, created.status, swapped.status] == [200, 200, 201, 200]
    assert await count(any_api) == TASKS_MAX


async def test_a_batch_that_would_exceed_the_limit_does_nothing_and_names_the_operation(any_api: Api) -> None:
    await any_api.new()

    refused = await any_api.post("/tasks/batch", [CREATE, {"op": "delete", "id": 1}, CREATE, CREATE, CREATE])

    assert (refused.status, refused.problem) == (409, "workspace-full")
    assert (refused.json["index"], refused.json["limit"]) == (4, TASKS_MAX)
    assert await count(any_api) == 1


async def test_a_repetition_of_what_was_created_is_answered_though_the_workspace_is_full(any_api: Api) -> None:
    first = await any_api.post("/tasks/", {"description": "x"}, Idempotency_Key="k")
    await any_api.post("/tasks/batch", [CREATE, CREATE])

    again = await any_api.post("/tasks/", {"description": "x"}, Idempotency_Key="k")

    assert (again.status, again.body) == (201, first.body)


async def test_of_many_at_once_as_many_are_created_as_there_is_room_for(any_api: Api) -> None:
    answers = await asyncio.gather(*(any_api.post("/tasks/", {"description": "x"}) for _ in range(20)))

    assert sorted(answer.status for answer in answers) == [201] * TASKS_MAX + [409] * (20 - TASKS_MAX)
    assert await count(any_api) == TASKS_MAX


async def test_a_workspace_that_has_more_than_a_limit_set_later_keeps_them(
    aiohttp_client: AiohttpClient, tmp_path: Path, options: Options
) -> None:
    store = f"sqlite:///{tmp_path}/tasks.db"
    before = await connect(aiohttp_client, store)
    await before.post("/workspaces/u_42/tasks/batch", [CREATE] * (TASKS_MAX + 2))
    await before.client.close()

    api = await connect(aiohttp_client, store, options)
    refused = [(await api.post("/workspaces/u_42/tasks/", {"description": "x"})).status]
    for task_id in (1, 2, 3):
        await api.delete(f"/workspaces/u_42/tasks/{task_id}")
        refused.append((await api.post("/workspaces/u_42/tasks/", {"description": "x"})).status)

    assert refused == [409, 409, 409, 201]
    assert await count(api, "/workspaces/u_42") == TASKS_MAX
