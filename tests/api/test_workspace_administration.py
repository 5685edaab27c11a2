"""Administrators list the workspaces of a store, and erase them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS
from pytest_aiohttp import AiohttpClient

from api.api_client import Api, next_page
from api.conftest import connect
from tasksvc import TaskRepository
from tasksvc.api.app import RUNTIME
from tasksvc.api.options import Options
from tasksvc.api.pipeline.auth import TokenPolicy
from tasksvc.application import workspaces
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.tokens import new_secret
from tasksvc.domain.query import TaskQuery

ADMIN = new_secret()


class Administrator(Api):
    """A client whose requests carry the token of an administrator."""

    async def __call__(self, method: str, path: str, headers: Any = None, body: bytes | None = None) -> Any:
        return await super().__call__(method, path, {"Authorization": f"Bearer {ADMIN}", **(headers or {})}, body)

    @property
    def repository(self) -> TaskRepository:
        """The store of the service."""
        assert self.client.app is not None
        return self.client.app[RUNTIME].repository

    async def create(self, *names: str) -> None:
        """Creates a task in each of some workspaces."""
        for name in names:
            assert (await self.post(f"/workspaces/{name}/tasks/", {"description": f"of {name}"})).status == 201


@pytest.fixture(params=["memory", "sqlite"])
async def api(
    request: pytest.FixtureRequest, aiohttp_client: AiohttpClient, options: Options, tmp_path: Path
) -> Administrator:
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/tasks.db"
    api = await connect(aiohttp_client, store, replace(options, tokens=TokenPolicy.ALWAYS, admin_token=ADMIN))
    return Administrator(api.client, api.description)


def names(listed: Any) -> list[str]:
    return [workspace["name"] for workspace in listed.json]


# ---------------------------------------------------------------- the list


async def test_the_list_says_how_much_is_in_each_workspace_by_name(api: Administrator) -> None:
    await api.create("u_2", "u_10", "u_2")
    done = await api.patch("/workspaces/u_2/tasks/1", {"done": True})

    listed = await api.get("/workspaces/")

    assert [list(workspace.values())[:3] for workspace in listed.json] == [
        ["default", 0, 0],
        ["u_10", 1, 1],
        ["u_2", 2, 1],
    ]
    assert listed.json[0]["updated_at"] is None
    assert listed.json[2]["updated_at"] == done.json["updated_at"]
    assert "Link" not in listed.headers
    assert (await api.get("/workspaces")).body == listed.body


async def test_pages_lead_through_the_workspaces_with_a_prefix(api: Administrator) -> None:
    await api.create(*(f"u_{number}" for number in range(5)), "v")

    page = await api.get("/workspaces/?prefix=u_&limit=2")
    found = names(page)
    while (following := next_page(page)) is not None:
        page = await api.get(following)
        found += names(page)

    assert found == ["u_0", "u_1", "u_2", "u_3", "u_4"]
    assert names(page) == ["u_4"]


async def test_a_last_page_that_is_full_leads_nowhere(api: Administrator) -> None:
    await api.create("u_1", "u_2")

    assert "Link" not in (await api.get("/workspaces/?prefix=u_&limit=2")).headers
    assert names(await api.get("/workspaces/?after=u_1")) == ["u_2"]
    assert names(await api.get("/workspaces/?prefix=nobody")) == []


@pytest.mark.options(limits=Limits(stream_page=2))
async def test_a_whole_list_is_sent_page_by_page(api: Administrator) -> None:
    await api.create(*(f"u_{number}" for number in range(5)))

    whole, rest = await api.get("/workspaces/"), await api.get("/workspaces/?prefix=u_&after=u_0")

    assert names(whole) == ["default", "u_0", "u_1", "u_2", "u_3", "u_4"]
    assert names(rest) == ["u_1", "u_2", "u_3", "u_4"]
    assert "Link" not in whole.headers


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("prefix=a%2Fb", "prefix"),
        ("prefix=a%0A", "prefix"),
        ("prefix=" + "a" * 101, "prefix"),
        ("after=%C3%A9", "after"),
        ("name=u_1", "name"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_what_no_name_begins_with_is_refused(api: Administrator, query: str, field: str) -> None:
    refused = await api.get(f"/workspaces/?{query}")

    assert refused.status == 422
    assert list(refused.fields) == [field]


# ---------------------------------------------------------------- erasure


async def test_what_is_erased_is_gone_at_once_and_its_name_is_free(api: Administrator) -> None:
    await api.create("u_1", "u_2")
    before = await api.get("/workspaces/u_1/tasks/1")
    key = {"Idempotency_Key": "k"}
    await api.post("/workspaces/u_1/tasks/", {"description": "x"}, **key)
    position = (await api.get("/workspaces/u_1/changes")).json["next"]

    erased = await api.delete("/workspaces/u_1")

    assert (erased.status, erased.body) == (204, b"")
    assert names(await api.get("/workspaces/")) == ["default", "u_2"]
    listed = await api.get("/workspaces/u_1/tasks/")
    assert (listed.json, listed.headers["X-Change-Seq"]) == ([], "0")
    assert (await api.get("/workspaces/u_1/tasks/1")).status == 404
    assert (await api.get(f"/workspaces/u_1/changes?since={position}")).problem == "position-gone"
    other = await api.post("/workspaces/u_1/tasks/", {"description": "y"}, **key)
    assert (other.status, other.json["id"]) == (201, 1)
    tag = before.headers["ETag"]
    assert (await api.patch("/workspaces/u_1/tasks/1", {"done": True}, If_Match=tag)).problem == "version-conflict"
    assert (await api.get("/workspaces/u_1/tasks/1", If_None_Match=tag)).status == 200
    assert (await api.get("/workspaces/u_2/tasks/1")).status == 200


async def test_an_erasure_of_what_is_not_there_is_answered_alike(api: Administrator) -> None:
    await api.create("u_1")

    answers = [await api.delete(f"/workspaces/{name}") for name in ("u_1", "u_1", "nobody", "a" * 100)]

    assert [(answer.status, answer.body) for answer in answers] == [(204, b"")] * 4
    assert names(await api.get("/workspaces/")) == ["default"]


async def test_the_default_workspace_is_erased_and_made_again_and_tokens_stay(api: Administrator) -> None:
    await api.create("default", "u_1")
    tag = (await api.get("/tasks/1")).headers["ETag"]

    erased = await api.delete("/workspaces/default")

    assert erased.status == 204
    assert [workspace["tasks"] for workspace in (await api.get("/workspaces/")).json] == [0, 1]
    assert (await api.post("/tasks/", {"description": "x"})).json["id"] == 1
    assert (await api.delete("/tasks/1", If_Match=tag)).status == 412


@pytest.mark.parametrize("name", ["a%20b", "a%2Fb", "%C3%A9", "a" * 101])
async def test_a_name_that_no_workspace_can_have_is_refused(api: Administrator, name: str) -> None:
    refused = await api.delete(f"/workspaces/{name}")

    assert (refused.status, refused.problem, list(refused.fields)) == (422, "invalid-request", ["workspace"])


async def test_an_erasure_with_a_condition_is_refused_and_nothing_is_erased(api: Administrator) -> None:
    await api.create("u_1")

    refused = await api.delete("/workspaces/u_1", If_Match='"0123456789abcdef-1"')

    assert (refused.status, refused.problem) == (412, "condition-failed")
    assert (await api.get("/workspaces/u_1/tasks/count")).json == {"count": 1}


async def test_streams_of_an_erased_workspace_end_at_once_and_others_go_on(api: Administrator, silence: None) -> None:
    await api.create("u_1", "u_2")
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with (
        api.client.get("/workspaces/u_1/changes/stream", headers=headers) as ended,
        api.client.get("/workspaces/u_1/changes/stream?since=0", headers=headers) as caught_up,
        api.client.get("/workspaces/u_2/changes/stream", headers=headers) as other,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        first = await ended.content.readuntil(b"\n\n")
        await caught_up.content.readuntil(b'"of u_1"')
        await other.content.readuntil(b"\n\n")

        await api.delete("/workspaces/u_1")

        assert await ended.content.read() == b""
        await caught_up.content.read()
        await api.create("u_2")
        assert b"of u_2" in await other.content.readuntil(b"}\n\n")
    last = re.search(rb"id: (\S+)", first)
    assert last is not None
    comes_back = await api.get("/workspaces/u_1/changes/stream", Last_Event_ID=last[1].decode())
    assert comes_back.problem == "position-gone"


@pytest.mark.options(timeouts=Timeouts(prune_interval=1_000.0))
async def test_what_an_erased_workspace_left_is_deleted_without_waiting_for_the_interval(
    api: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.create("u_1")
    repository, pruned = api.repository, asyncio.Event()
    prune = repository.prune

    async def seen(**bounds: Any) -> bool:
        more = await prune(**bounds)
        if not more:
            pruned.set()
        return more

    monkeypatch.setattr(repository, "prune", seen)

    assert (await api.delete("/workspaces/u_1")).status == 204

    async with asyncio.timeout(PATIENCE_SECONDS):
        await pruned.wait()
    assert not await workspaces.prune_erased(repository)


async def test_writes_during_an_erasure_are_erased_or_begin_the_workspace_again(api: Administrator) -> None:
    await api.create("u_1")

    async def create() -> Any:
        return await api.post("/workspaces/u_1/tasks/", {"description": "x"})

    answers = await asyncio.gather(
        *(create() for _ in range(10)), api.delete("/workspaces/u_1"), *(create() for _ in range(10))
    )

    assert [answer.status for answer in answers if answer.status != 201] == [204]
    created = [answer.headers["ETag"] for answer in answers if answer.status == 201]
    left = (await api.get("/workspaces/u_1/tasks/")).json
    tags = [(await api.get(f"/workspaces/u_1/tasks/{task['id']}")).headers["ETag"] for task in left]
    assert len(created) == 20
    assert [task["id"] for task in left] == list(range(1, len(left) + 1))
    assert set(tags) <= set(created)
    assert await api.repository.workspace("u_1").count(TaskQuery()) == len(left)
