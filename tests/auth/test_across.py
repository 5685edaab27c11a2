"""Lists, counts and streams of several workspaces, for callers who may enter some."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import ClientResponse, ClientTimeout
from patience import PATIENCE_SECONDS

from auth.conftest import AuthClients
from tasksvc import CreateTask, TaskDraft, TaskRepository
from tasksvc.api.app import RUNTIME
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import create_token, revoke_token, update_token

PATHS = ("/tasks/", "/tasks", "/tasks/count", "/changes/stream")
OWN, OTHER, ABSENT = ("u_1", "family"), "u_2", "nobody"
WHAT_IS_WRONG_ELSEWHERE = (
    "",
    "&limit=wrong",
    "&unknown=1",
    "&after=x",
    "&since=x",
    "&workspace=a%2Fb",
    "&workspace=u_1",
)


def repository_of(clients: AuthClients) -> TaskRepository:
    repository: TaskRepository = clients.client.app[RUNTIME].repository
    return repository


async def write(clients: AuthClients, workspace: str, description: str) -> None:
    await repository_of(clients).workspace(workspace).commit([CreateTask(TaskDraft(description))], at=now())


@pytest.fixture
async def tokens(clients: AuthClients) -> AuthClients:
    """Callers who may enter two workspaces, or all, and a task in each workspace."""
    repository = repository_of(clients)
    clients.secrets["own"], _ = await create_token(repository, "own", Scope.READ, at=now(), workspaces=OWN)
    clients.secrets["all"], _ = await create_token(repository, "all", Scope.READ, at=now())
    for workspace in (*OWN, OTHER, "default"):
        await write(clients, workspace, f"secret of {workspace}")
    return clients


async def get(clients: AuthClients, url: str, caller: str, **more: str) -> ClientResponse:
    headers = {**clients.headers(caller), **more}
    return await clients.client.get(url, headers=headers, timeout=ClientTimeout(PATIENCE_SECONDS))


async def block(stream: ClientResponse) -> dict[str, str]:
    """Returns the fields of the next block of a stream that has an event or an id; {} at its end."""
    found: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line := (await stream.content.readline()).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if value:
                found[name] = value
            elif line == "\n" and found:
                return found
    return {}


# ---------------------------------------------------------------- who may ask


@pytest.mark.parametrize("path", PATHS)
async def test_all_workspaces_that_are_named_must_be_the_callers(tokens: AuthClients, path: str) -> None:
    for names, own in (
        (("u_1",), True),
        (("family",), True),
        (OWN, True),
        ((OTHER,), False),
        ((ABSENT,), False),
        (("u_1", OTHER), False),
        ((ABSENT, "family"), False),
        (("default",), False),
    ):
        for caller, allowed in (("own", own), ("all", True), ("admin", True)):
            response = await get(tokens, f"{path}?{'&'.join(f'workspace={name}' for name in names)}", caller)
            response.close()

            assert response.status == (200 if allowed else 403), (names, caller)
            if caller == "own":
                assert response.headers["Cache-Control"].startswith("private, ")


@pytest.mark.parametrize("path", PATHS)
async def test_a_foreign_workspace_is_refused_before_anything_else_is_looked_at(tokens: AuthClients, path: str) -> None:
    answers = set()
    for foreign in (OTHER, ABSENT, "not%20a%20name", "", "x" * 200):
        for more in WHAT_IS_WRONG_ELSEWHERE:
            for query in (f"workspace=u_1&workspace={foreign}{more}", f"workspace={foreign}&workspace={foreign}"):
                response = await get(tokens, f"{path}?{query}", "own", **{"Last-Event-ID": "x"})
                document = await response.json()
                answers.add((response.status, document["type"], document["detail"]))

    assert answers == {(403, "urn:tasksvc:problem:workspace-forbidden", "The token isn't valid in this workspace.")}


async def test_callers_are_refused_alike_whatever_they_send_of_another_workspace(tokens: AuthClients) -> None:
    theirs = f"workspace=u_1&workspace={OTHER}"
    cursor = (await get(tokens, f"/tasks/?{theirs}&limit=1", "all")).headers["Link"].partition("after=")[2]
    cursor = cursor.partition(">")[0]
    position = (await get(tokens, f"/tasks/?{theirs}", "all")).headers["X-Change-Seq"]
    attempts: list[tuple[str, dict[str, str], int]] = [
        (f"/tasks/?{theirs}&after={cursor}", {}, 403),
        (f"/tasks/?workspace=u_1&after={cursor}", {}, 422),
        (f"/tasks/?workspace=u_1&workspace=family&after={cursor}", {}, 422),
        (f"/tasks/?after={cursor}", {}, 422),
        (f"/changes/stream?{theirs}&since={position}", {}, 403),
        (f"/changes/stream?{theirs}", {"Last-Event-ID": position}, 403),
        (f"/changes/stream?since={position}", {}, 422),
        (f"/tasks/?workspace=u_1,{OTHER}", {}, 403),
        (f"/tasks/?workspace[]={OTHER}", {}, 422),
        (f"/tasks/?workspace=u_1;workspace={OTHER}", {}, 403),
        (f"/workspaces/u_1/tasks/?workspace={OTHER}", {}, 422),
        (f"/changes?workspace={OTHER}", {}, 422),
    ]
    for url, headers, status in attempts:
        response = await get(tokens, url, "own", **headers)
        shown = await response.text()

        assert response.status == status, url
        assert f"secret of {OTHER}" not in shown


async def test_a_position_of_more_workspaces_shows_only_those_that_are_the_callers(tokens: AuthClients) -> None:
    names = f"workspace=u_1&workspace={OTHER}"
    position = (await get(tokens, f"/tasks/?{names}", "all")).headers["X-Change-Seq"]
    await write(tokens, OTHER, "unseen")
    await write(tokens, "u_1", "seen")

    stream = await get(tokens, "/changes/stream?workspace=u_1", "own", **{"Last-Event-ID": position})
    blocks = [await block(stream) for _ in range(2)]
    stream.close()

    assert len(blocks[0]["id"].split(".")) == 1
    assert json.loads(blocks[1]["data"])["task"]["description"] == "seen"


async def test_paths_without_names_are_those_of_the_home(tokens: AuthClients) -> None:
    for query in ("", "?limit=5", "?done=false"):
        listed = await (await get(tokens, f"/tasks/{query}", "own")).json()
        assert [task["description"] for task in listed] == ["secret of u_1"]
        assert "workspace" not in listed[0]


# ---------------------------------------------------------------- rights that end


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_right_that_ends_takes_its_workspace_out_of_the_stream_and_no_other(tokens: AuthClients) -> None:
    stream = await get(tokens, "/changes/stream?workspace=u_1&workspace=family", "own")
    start = await block(stream)

    await update_token(repository_of(tokens), "own", {"workspaces": ("u_1",)}, at=now())
    notice = await block(stream)
    await write(tokens, "family", "unseen")
    await write(tokens, "u_1", "seen")
    event = await block(stream)
    stream.close()

    assert notice["event"] == "workspace-forbidden"
    assert json.loads(notice["data"]) == {
        "workspace": "family",
        "type": "workspace-forbidden",
        "detail": "The token isn't valid in this workspace.",
    }
    assert json.loads(event["data"])["task"]["description"] == "seen"
    assert len(start["id"].split(".")) == len(event["id"].split(".")) == 2


@pytest.mark.options(timeouts=Timeouts(token_cache=0.0))
async def test_a_client_goes_on_with_its_id_in_what_it_may_still_enter(tokens: AuthClients) -> None:
    both = "/changes/stream?workspace=u_1&workspace=family"
    stream = await get(tokens, f"{both}&since=0", "own")
    last = [await block(stream) for _ in range(3)][-1]["id"]
    stream.close()
    await update_token(repository_of(tokens), "own", {"workspaces": ("u_1",)}, at=now())
    await write(tokens, "u_1", "missed")

    refused = await get(tokens, both, "own", **{"Last-Event-ID": last})
    stream = await get(tokens, "/changes/stream?workspace=u_1", "own", **{"Last-Event-ID": last})
    event = [await block(stream) for _ in range(2)][-1]
    stream.close()

    assert refused.status == 403
    assert json.loads(event["data"])["task"]["description"] == "missed"


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_stream_ends_with_the_last_right_to_any_of_its_workspaces(tokens: AuthClients) -> None:
    stream = await get(tokens, "/changes/stream?workspace=u_1&workspace=family", "own")
    await block(stream)

    await update_token(repository_of(tokens), "own", {"workspaces": ("u_9",)}, at=now())
    notices = [await block(stream) for _ in range(2)]
    end = await block(stream)

    assert {json.loads(notice["data"])["workspace"] for notice in notices} == set(OWN)
    assert end == {}


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_stream_of_several_workspaces_ends_when_its_token_is_revoked(tokens: AuthClients) -> None:
    stream = await get(tokens, "/changes/stream?workspace=u_1&workspace=family", "own")
    await block(stream)

    await revoke_token(repository_of(tokens), "own", at=now())

    assert await block(stream) == {}
