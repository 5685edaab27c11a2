"""Every route for every kind of caller, from the service's own description."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientTimeout

from auth.conftest import AuthClients
from tasksvc.api.app import RUNTIME
from tasksvc.application.callers import Scope
from tasksvc.application.clock import now
from tasksvc.application.limits import Timeouts
from tasksvc.application.tokens import create_token, new_secret, revoke_token

PUBLIC = {
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/calendar/{list}.ics"),  # it takes a key of its own
    ("GET", "/workspaces/{workspace}/calendar/{list}.ics"),
}
"""The operations that need no token. All others must state their scope in the description."""
CALLERS = ("nobody", "stranger", "read", "write", "admin")


async def operations(clients: AuthClients) -> list[tuple[str, str, dict[str, Any]]]:
    description = await (await clients.client.get("/openapi.json")).json()
    return [
        (method.upper(), path, operation)
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    ]


async def test_every_route_allows_only_the_scopes_in_its_description(clients: AuthClients) -> None:
    clients.secrets["stranger"] = new_secret()
    seen = 0
    for method, path, operation in await operations(clients):
        security = operation.get("security")
        assert (security is None) == ((method, path) in PUBLIC), f"{method} {path} needs a rule"
        needed = Scope.named(security[0]["token"][0]) if security else None
        for caller in CALLERS:
            has = Scope.named(caller) if caller in ("read", "write", "admin") else 0
            allowed = needed is None or has >= needed
            url = path.replace("{id}", "999999").replace("{name}", "nobody-has-this").replace("{workspace}", "u_1")
            response = await clients.client.request(
                method, url, headers=clients.headers(caller), timeout=ClientTimeout(5)
            )
            status = response.status
            response.close()

            expected = "admitted" if allowed else "401" if caller in ("nobody", "stranger") else "403"
            found = str(status) if status in (401, 403) else "admitted"
            assert found == expected, f"{method} {path} by {caller}: {status}"
            seen += 1
    assert seen >= 60


@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS"])
async def test_a_method_that_no_route_has_does_nothing_for_anybody(clients: AuthClients, method: str) -> None:
    for path in ("/tasks/", "/tasks/1", "/admin/tokens"):
        response = await clients.client.request(method, path)
        assert response.status in (204, 405)


async def test_every_failure_to_show_a_good_token_gets_the_same_answer(clients: AuthClients) -> None:
    good = clients.secrets["read"]
    expired = new_secret()
    shown = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {good}"},
        {"Authorization": f"Bearer {good[:-1]}{'y' if good.endswith('x') else 'x'}"},
        {"Authorization": f"Bearer {good} {good}"},
        {"Authorization": f"Bearer {new_secret()}"},
        {"Authorization": f"Bearer {expired}"},
        {"Authorization": "Bearer ' OR 1=1"},
    ]

    answers = set()
    for headers in shown:
        response = await clients.client.get("/tasks/", headers=headers)
        answers.add((response.status, response.headers["WWW-Authenticate"], await response.text()))

    assert len(answers) == 1
    ((status, challenge, text),) = answers
    assert status == 401
    assert challenge.startswith("Bearer")
    assert good not in text


async def test_the_scheme_is_written_in_any_case(clients: AuthClients) -> None:
    response = await clients.client.get("/tasks/", headers={"Authorization": f"bEaReR {clients.secrets['read']}"})

    assert response.status == 200


@pytest.mark.options(timeouts=Timeouts(token_cache=1_000.0))
async def test_a_token_that_is_revoked_ends_at_once(clients: AuthClients) -> None:
    headers = clients.headers("read")
    assert (await clients.client.get("/tasks/", headers=headers)).status == 200

    response = await clients.client.delete("/admin/tokens/read", headers=clients.headers("admin"))

    assert response.status == 204
    assert (await clients.client.get("/tasks/", headers=headers)).status == 401


@pytest.mark.options(timeouts=Timeouts(token_cache=0.0))
async def test_a_token_that_another_process_revokes_ends_with_the_next_look(clients: AuthClients) -> None:
    headers = clients.headers("read")
    assert (await clients.client.get("/tasks/", headers=headers)).status == 200

    await revoke_token(clients.client.app[RUNTIME].repository, "read", at=now())

    assert (await clients.client.get("/tasks/", headers=headers)).status == 401


@pytest.mark.options(timeouts=Timeouts(token_cache=0.02))
async def test_a_stream_ends_when_its_token_is_revoked(clients: AuthClients) -> None:
    stream = await clients.client.get("/changes/stream", headers=clients.headers("read"))
    await stream.content.readuntil(b"\n\n")

    await revoke_token(clients.client.app[RUNTIME].repository, "read", at=now())

    assert await stream.content.read() == b""


async def test_a_created_token_works_and_its_secret_is_shown_once(clients: AuthClients) -> None:
    body = {"name": "reporting", "scope": "read", "expires_at": "2999-01-01T00:00:00Z"}
    made = await clients.client.post("/admin/tokens", json=body, headers=clients.headers("admin"))
    document = await made.json()

    listed = await clients.client.get("/admin/tokens", headers=clients.headers("admin"))

    assert made.status == 201
    assert made.headers["Cache-Control"] == "no-store"
    assert document["token"] not in await listed.text()
    assert "reporting" in [token["name"] for token in await listed.json()]
    read = await clients.client.get("/tasks/", headers={"Authorization": f"Bearer {document['token']}"})
    assert read.status == 200


@pytest.mark.parametrize(
    ("field", "wrong"), [("name", {"name": "read"}), ("expires_at", {"expires_at": "2020-01-01T00:00:00Z"})]
)
async def test_a_token_that_is_refused_blames_what_was_wrong(
    clients: AuthClients, field: str, wrong: dict[str, str]
) -> None:
    body = {"name": "reporting", "scope": "read"} | wrong
    response = await clients.client.post("/admin/tokens", json=body, headers=clients.headers("admin"))

    assert response.status == 422
    assert [error["field"] for error in (await response.json())["errors"]] == [field]


async def test_retry_keys_of_two_callers_never_meet(clients: AuthClients) -> None:
    secret, _ = await create_token(clients.client.app[RUNTIME].repository, "other", Scope.WRITE, at=now())
    clients.secrets["other"] = secret
    ids = []
    for caller in ("write", "other", "write"):
        headers = {**clients.headers(caller), "Idempotency-Key": "the-same"}
        response = await clients.client.post("/tasks/", json={"description": "x"}, headers=headers)
        ids.append((await response.json())["id"])

    assert ids == [1, 2, 1]
