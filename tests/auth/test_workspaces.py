"""A caller enters the workspaces that are theirs, and learns nothing of others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientTimeout, web
from pytest_aiohttp import AiohttpClient

from auth.conftest import AuthClients, Client
from tasksvc import CreateTask, IdempotencyKey, TaskDraft, TaskRepository
from tasksvc.api.app import RUNTIME, create_app
from tasksvc.api.options import Options
from tasksvc.application.callers import Caller, Scope
from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import create_token, update_token

WORKSPACES = {"own": "u_1", "shared": "family", "other": "u_2", "absent": "nobody"}
"""Workspaces as the tokens below see them: `other` exists, and `absent` doesn't."""
TOKENS: dict[str, tuple[Scope, tuple[str, ...] | None]] = {
    "reader": (Scope.READ, ("u_1", "family")),
    "writer": (Scope.WRITE, ("u_1", "family")),
    "everywhere": (Scope.WRITE, None),
}


def repository_of(clients: AuthClients) -> TaskRepository:
    repository: TaskRepository = clients.client.app[RUNTIME].repository
    return repository


@pytest.fixture
async def tokens(clients: AuthClients) -> AuthClients:
    repository = repository_of(clients)
    for name, (scope, workspaces) in TOKENS.items():
        clients.secrets[name], _ = await create_token(repository, name, scope, at=now(), workspaces=workspaces)
    for workspace in ("default", "u_1", "u_2", "family"):
        key = IdempotencyKey("", "k", "f")
        writes = [CreateTask(TaskDraft(f"secret of {workspace}"))]
        await repository.workspace(workspace).commit(writes, at=now(), idempotency_key=key)
    return clients


async def status_of(clients: AuthClients, method: str, url: str, caller: str) -> int:
    response = await clients.client.request(method, url, headers=clients.headers(caller), timeout=ClientTimeout(5))
    response.close()
    return response.status


# ---------------------------------------------------------------- the matrix


async def test_every_route_of_a_workspace_admits_those_whose_workspaces_hold_it(tokens: AuthClients) -> None:
    description = await (await tokens.client.get("/openapi.json")).json()
    seen = 0
    for path, operations in description["paths"].items():
        if "{workspace}" not in path:
            continue
        for method, operation in operations.items():
            if "security" not in operation:
                continue  # a calendar shows itself with a key of its own
            needed = Scope.named(operation["security"][0]["token"][0])
            for caller, (scope, workspaces) in TOKENS.items():
                for workspace in WORKSPACES.values():
                    url = path.replace("{id}", "999999").replace("{workspace}", workspace)

                    status = await status_of(tokens, method, url, caller)

                    enters = workspaces is None or workspace in workspaces
                    expected = 403 if scope < needed or not enters else "admitted"
                    found = status if status in (401, 403) else "admitted"
                    assert found == expected, f"{method} {url} by {caller}: {status}"
                    seen += 1
    assert seen >= 10 * len(TOKENS) * len(WORKSPACES)


async def test_whether_a_foreign_workspace_exists_cannot_be_told_from_the_answer(tokens: AuthClients) -> None:
    answers = set()
    for workspace in (WORKSPACES["other"], WORKSPACES["absent"], "not a name", "..."):
        for query in ("", "?limit=wrong", "?unknown=1"):
            response = await tokens.client.get(
                f"/workspaces/{workspace}/tasks/{query}", headers=tokens.headers("writer")
            )
            document = await response.json()
            answers.add((response.status, document["type"], document["detail"]))

    assert answers == {
        (403, "urn:tasksvc:problem:workspace-forbidden", "The token isn't valid in this workspace."),
    }


async def test_workspaces_are_listed_and_erased_by_administrators_alone(tokens: AuthClients) -> None:
    before = await workspaces_of(tokens)
    for caller in ("reader", "writer", "everywhere", "read", "write", "nobody"):
        answers = set()
        for method, urls in (
            ("GET", ("/workspaces/", "/workspaces", "/workspaces/?prefix=u_", "/workspaces/?limit=wrong")),
            ("DELETE", tuple(f"/workspaces/{name}" for name in (*WORKSPACES.values(), "default", "not%20a%20name"))),
        ):
            for url in urls:
                response = await tokens.client.request(method, url, headers=tokens.headers(caller))
                answers.add((response.status, await response.text()))

        ((status, text),) = answers
        assert status == (401 if caller == "nobody" else 403), caller
        assert '"name":"u_2"' not in text
    assert await workspaces_of(tokens) == before


async def test_an_open_service_lists_and_erases_no_workspace(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app("memory://"))
    await client.post("/workspaces/u_1/tasks/", json={"description": "x"})

    statuses = [(await client.get("/workspaces/")).status, (await client.delete("/workspaces/u_1")).status]

    assert statuses == [403, 403]
    assert await (await client.get("/workspaces/u_1/tasks/count")).json() == {"count": 1}


async def test_a_token_of_an_erased_workspace_stays_and_begins_it_again(tokens: AuthClients) -> None:
    headers = tokens.headers("writer")

    erased = await tokens.client.delete("/workspaces/u_1", headers=tokens.headers("admin"))
    listed = await (await tokens.client.get("/admin/tokens?workspace=u_1", headers=tokens.headers("admin"))).json()
    created = await tokens.client.post("/tasks/", json={"description": "x"}, headers=headers)

    assert erased.status == 204
    assert {"reader", "writer"} <= {token["name"] for token in listed}
    assert (created.status, (await created.json())["id"]) == (201, 1)


async def workspaces_of(clients: AuthClients) -> list[dict[str, Any]]:
    response = await clients.client.get("/workspaces/", headers=clients.headers("admin"))
    found: list[dict[str, Any]] = await response.json()
    return found


# ---------------------------------------------------------------- what a hostile caller tries


async def whole(repository: TaskRepository, workspace: str) -> list[Any]:
    return [entry async for name, entry in repository.dump() if name == workspace]


async def test_nothing_of_another_workspace_is_shown_or_changed_by_anything_that_is_sent(tokens: AuthClients) -> None:
    repository, client = repository_of(tokens), tokens.client
    before = await whole(repository, "u_2")
    headers = tokens.headers("writer")
    theirs = repository.workspace("u_2")
    found = await theirs.get(1)
    tag, position = f'"{found.generation}-1"', f"{found.generation}-0"
    key = {"Idempotency-Key": "k"}
    batch = [{"op": "update", "id": 1, "task": {"done": True}, "if_match": tag}]
    attempts: list[tuple[str, str, dict[str, str], Any]] = [
        ("GET", "/workspaces/u_2/tasks/1", {}, None),
        ("GET", "/workspaces/u%5F2/tasks/1", {}, None),
        ("GET", "/workspaces/u_1/../u_2/tasks/1", {}, None),
        ("GET", "/workspaces/u_1%2F..%2Fu_2/tasks/1", {}, None),
        ("GET", "/workspaces//u_2/tasks/", {}, None),
        ("HEAD", "/workspaces/u_2/tasks/1", {}, None),
        ("GET", "/tasks/?workspace=u_2", {}, None),
        ("GET", "/tasks/1", {"X-Workspace": "u_2", "Host": "u_2"}, None),
        ("GET", f"/changes?since={position}", {}, None),
        ("GET", "/changes/stream", {"Last-Event-ID": position}, None),
        ("PATCH", "/tasks/1", {"If-Match": tag}, {"done": True}),
        ("DELETE", "/tasks/1", {"If-Match": tag}, None),
        ("PATCH", "/workspaces/u_2/tasks/1", {"If-Match": tag}, {"done": True}),
        ("DELETE", "/workspaces/u_2/tasks/1", {}, None),
        ("DELETE", "/workspaces/u_2/tasks/?done=false", {}, None),
        ("DELETE", "/workspaces/u_2/tasks/1?children=delete", {}, None),
        ("DELETE", "/workspaces/u_2/tasks/?parent_id=none", {}, None),
        ("DELETE", "/tasks/?workspace=u_2&metadata.a=1", {}, None),
        ("GET", "/tasks/?workspace=u_1&workspace=u_2&parent_id=none", {}, None),
        ("GET", "/tasks/count?workspace=u_2&metadata.a=1", {}, None),
        ("GET", "/workspaces/u_2/tasks/1/changes", {}, None),
        ("HEAD", "/workspaces/u_2/tasks/1/changes", {}, None),
        ("GET", "/workspaces/u_1/../u_2/tasks/1/changes", {}, None),
        ("GET", f"/tasks/1/changes?since={position}", {}, None),
        ("GET", "/tasks/1/changes?workspace=u_2", {}, None),
        ("POST", "/workspaces/u_2/tasks/1/restore", {}, {"version": 1}),
        ("POST", "/workspaces/u%5F2/tasks/1/restore", key, {"version": 1}),
        ("POST", "/tasks/1/restore", {"If-Match": tag}, {"version": 1}),
        ("POST", "/tasks/1/restore?workspace=u_2", {}, {"version": 1}),
        ("POST", "/workspaces/u_2/tasks/", key, {"description": "x"}),
        ("POST", "/tasks/", key, {"description": "x", "workspace": "u_2"}),
        ("POST", "/tasks/batch", key, batch),
        ("POST", "/workspaces/u_2/tasks/batch", {}, batch),
        ("DELETE", "/workspaces/u_2", {}, None),
        ("DELETE", "/workspaces/u%5F2", {}, None),
        ("DELETE", "/workspaces/u_1/../u_2", {}, None),
        ("DELETE", "/workspaces/u_2?workspace=u_1", {}, None),
        ("POST", "/workspaces/u_2", {"X-HTTP-Method-Override": "DELETE"}, None),
        ("GET", "/workspaces/", {}, None),
        ("GET", "/workspaces/?prefix=u_2", {}, None),
        ("GET", "/workspaces/?after=u_1&limit=1", {}, None),
        ("HEAD", "/workspaces/", {}, None),
        ("GET", "/admin/tokens?workspace=u_2", {}, None),
        ("PATCH", "/admin/tokens/writer", {}, {"workspaces": None}),
        ("POST", "/admin/tokens", {}, {"name": "x", "scope": "write"}),
    ]
    for method, url, more, body in attempts:
        response = await client.request(
            method,
            url,
            headers={**headers, **more},
            data=None if body is None else json.dumps(body),
            skip_auto_headers=(),
            timeout=ClientTimeout(5),
        )
        shown = str(dict(response.headers)) if response.status == 200 and "stream" in url else await response.text()
        response.close()

        assert "secret of u_2" not in shown, f"{method} {url}"
        assert '"name":"u_2"' not in shown, f"{method} {url}"
        assert found.generation not in shown, f"{method} {url}"
    assert await whole(repository, "u_2") == before


# ---------------------------------------------------------------- homes


async def test_paths_without_a_workspace_are_those_of_the_first_one_of_the_token(tokens: AuthClients) -> None:
    for caller, workspace in (("writer", "u_1"), ("everywhere", "default"), ("admin", "default")):
        headers = tokens.headers(caller)
        listed = await (await tokens.client.get("/tasks/", headers=headers)).json()
        one = await (await tokens.client.get("/tasks/1", headers=headers)).json()
        changes = await (await tokens.client.get("/changes", headers=headers)).json()
        same = await (await tokens.client.get(f"/workspaces/{workspace}/tasks/?limit=5", headers=headers)).json()

        assert listed == [one] == [changes["changes"][0]["task"]] == same
        assert one["description"] == f"secret of {workspace}"


async def test_callers_are_told_who_they_are(tokens: AuthClients) -> None:
    shown = {}
    for caller in ("writer", "everywhere", "admin"):
        response = await tokens.client.get("/me", headers=tokens.headers(caller))
        shown[caller] = await response.json()

    assert shown["writer"] == {
        "name": "writer",
        "scope": "write",
        "workspaces": ["u_1", "family"],
        "home": "u_1",
        "expires_at": None,
    }
    assert shown["everywhere"]["workspaces"] is None
    assert (shown["admin"]["scope"], shown["admin"]["home"]) == ("admin", "default")


async def test_an_open_service_knows_nobodys_name(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app("memory://"))

    response = await client.get("/me")

    assert await response.json() == {
        "name": None,
        "scope": "write",
        "workspaces": None,
        "home": "default",
        "expires_at": None,
    }


async def test_answers_to_callers_who_enter_some_workspaces_are_private(tokens: AuthClients) -> None:
    for url in ("/tasks/1", "/tasks/", "/changes", "/changes/stream", "/me", "/tasks/999", "/workspaces/u_2/tasks/"):
        for caller, private in (("writer", True), ("everywhere", False)):
            response = await tokens.client.get(url, headers=tokens.headers(caller))
            response.close()
            assert response.headers["Cache-Control"].startswith("private, ") is private, (url, caller)


# ---------------------------------------------------------------- tokens that change


@pytest.mark.options(timeouts=Timeouts(token_cache=1_000.0))
async def test_a_change_of_a_token_holds_at_once(tokens: AuthClients) -> None:
    admin, url = tokens.headers("admin"), "/admin/tokens/writer"
    assert await status_of(tokens, "GET", "/workspaces/u_1/tasks/", "writer") == 200

    response = await tokens.client.patch(url, json={"workspaces": ["u_2"]}, headers=admin)

    assert response.status == 200
    assert (await response.json())["workspaces"] == ["u_2"]
    assert await status_of(tokens, "GET", "/workspaces/u_1/tasks/", "writer") == 403
    assert await status_of(tokens, "GET", "/workspaces/u_2/tasks/", "writer") == 200
    listed = await (await tokens.client.get("/tasks/", headers=tokens.headers("writer"))).json()
    assert [task["description"] for task in listed] == ["secret of u_2"]

    await tokens.client.patch(url, json={"scope": "read", "workspaces": None}, headers=admin)

    assert await status_of(tokens, "GET", "/workspaces/u_1/tasks/", "writer") == 200
    assert await status_of(tokens, "DELETE", "/workspaces/u_1/tasks/1", "writer") == 403


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_stream_goes_on_while_its_workspace_is_the_tokens_and_ends_when_it_is_not(tokens: AuthClients) -> None:
    repository = repository_of(tokens)
    stream = await tokens.client.get("/workspaces/family/changes/stream", headers=tokens.headers("reader"))
    await stream.content.readuntil(b"\n\n")

    await update_token(repository, "reader", {"workspaces": ("family", "u_9")}, at=now())
    await repository.workspace("family").commit([CreateTask(TaskDraft("still seen"))], at=now())
    event = await stream.content.readuntil(b"\n\n")
    await update_token(repository, "reader", {"workspaces": ("u_9",)}, at=now())
    rest = await stream.content.read()

    assert b"still seen" in event
    assert rest == b""


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scope": "admin"}, "workspaces"),
        ({"workspaces": []}, "workspaces"),
        ({"workspaces": ["a/b"]}, "workspaces"),
        ({"workspaces": [f"u_{n}" for n in range(101)]}, "workspaces"),
        ({"workspaces": "u_1"}, "workspaces"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "another"}, "name"),
        ({"scope": None}, "scope"),
    ],
)
async def test_a_change_that_no_token_can_have_is_refused_and_changes_nothing(
    tokens: AuthClients, change: dict[str, Any], field: str
) -> None:
    admin = tokens.headers("admin")
    before = await (await tokens.client.get("/admin/tokens", headers=admin)).json()

    response = await tokens.client.patch("/admin/tokens/writer", json=change, headers=admin)

    document = await response.json()
    assert response.status == 422
    assert [error["field"] for error in document["errors"]] == [field]
    assert await (await tokens.client.get("/admin/tokens", headers=admin)).json() == before


async def test_a_change_is_repeated_with_its_key_and_is_not_done_again(tokens: AuthClients) -> None:
    headers = {**tokens.headers("admin"), "Idempotency-Key": "once"}
    first = await tokens.client.patch("/admin/tokens/writer", json={"workspaces": ["u_2"]}, headers=headers)
    await update_token(repository_of(tokens), "writer", {"workspaces": ("u_3",)}, at=now())

    second = await tokens.client.patch("/admin/tokens/writer", json={"workspaces": ["u_2"]}, headers=headers)

    assert (second.status, second.headers["Idempotency-Replayed"]) == (200, "true")
    assert await second.json() == await first.json()
    listed = await (await tokens.client.get("/admin/tokens?workspace=u_3", headers=tokens.headers("admin"))).json()
    assert "writer" in [token["name"] for token in listed]


async def test_a_token_that_is_not_there_cannot_be_changed(tokens: AuthClients) -> None:
    response = await tokens.client.patch("/admin/tokens/nobody", json={}, headers=tokens.headers("admin"))

    assert response.status == 404


async def test_the_tokens_of_a_workspace_are_those_that_may_enter_it(tokens: AuthClients) -> None:
    found = {}
    for workspace in ("u_1", "u_2", ""):
        response = await tokens.client.get(f"/admin/tokens?workspace={workspace}", headers=tokens.headers("admin"))
        found[workspace] = response.status, await response.json()

    names = {
        workspace: [token["name"] for token in listed] for workspace, (status, listed) in found.items() if status == 200
    }
    assert set(names["u_1"]) - set(names["u_2"]) == {"reader", "writer"}
    assert "everywhere" in names["u_2"]
    assert found[""][0] == 422


async def test_a_token_is_made_for_workspaces_over_http(tokens: AuthClients) -> None:
    body = {"name": "ann", "scope": "write", "workspaces": ["u_7", "family", "u_7"]}

    made = await (await tokens.client.post("/admin/tokens", json=body, headers=tokens.headers("admin"))).json()

    assert made["workspaces"] == ["u_7", "family"]
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert (await (await tokens.client.get("/me", headers=headers)).json())["home"] == "u_7"


# ---------------------------------------------------------------- an application that knows its users


async def identify(request: web.BaseRequest) -> Caller | None:
    user = request.cookies.get("user")
    return None if user is None else Caller(user, workspaces=(f"u_{user}", "family"))


async def embedded(aiohttp_client: AiohttpClient, options: Options) -> Client:
    return await aiohttp_client(create_app("memory://", replace(options, identify=identify)))


async def test_an_application_says_which_of_its_users_sends_a_request(
    aiohttp_client: AiohttpClient, options: Options
) -> None:
    client = await embedded(aiohttp_client, options)

    for user in ("ann", "bob"):
        await client.post("/tasks/", json={"description": f"of {user}"}, headers={"Cookie": f"user={user}"})
    shown = await (await client.get("/tasks/", headers={"Cookie": "user=bob"})).json()
    foreign = await client.get("/workspaces/u_ann/tasks/", headers={"Cookie": "user=bob"})
    nobody = await client.get("/tasks/")
    admin = await client.get("/admin/tokens", headers={"Cookie": "user=bob"})
    me = await (await client.get("/me", headers={"Cookie": "user=bob"})).json()

    assert [task["description"] for task in shown] == ["of bob"]
    assert (foreign.status, nobody.status, admin.status) == (403, 401, 403)
    assert me == {
        "name": "bob",
        "scope": "write",
        "workspaces": ["u_bob", "family"],
        "home": "u_bob",
        "expires_at": None,
    }


async def test_idempotency_keys_of_two_users_of_an_application_never_meet(
    aiohttp_client: AiohttpClient, options: Options
) -> None:
    client = await embedded(aiohttp_client, options)

    for user in ("ann", "bob"):
        response = await client.post(
            "/workspaces/family/tasks/",
            json={"description": f"of {user}"},
            headers={"Cookie": f"user={user}", "Idempotency-Key": "k"},
        )
        assert response.status == 201
    shown = await (await client.get("/workspaces/family/tasks/", headers={"Cookie": "user=ann"})).json()

    assert [task["description"] for task in shown] == ["of ann", "of bob"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"workspaces": ()},
        {"workspaces": ("u_1",), "home": "u_2"},
        {"workspaces": ("a b",)},
        {"scope": Scope.ADMIN, "workspaces": ("u_1",)},
    ],
)
def test_a_caller_that_contradicts_itself_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"home|name of a workspace|administrator|workspaces"):
        Caller("x", **wrong)
