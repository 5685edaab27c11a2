"""Idempotency keys in the administration of tokens: a repeated request creates and revokes nothing more."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse

from auth.conftest import AuthClients
from tasksvc.api.app import RUNTIME
from tasksvc.application import clock, tokens
from tasksvc.application.callers import Scope

REPLAYED = "Idempotency-Replayed"
BODY = {"name": "reporting", "scope": "read"}


async def make(clients: AuthClients, key: str | None = "k1", **fields: Any) -> ClientResponse:
    headers = clients.headers("admin") | ({} if key is None else {"Idempotency-Key": key})
    response: ClientResponse = await clients.client.post("/admin/tokens", json=BODY | fields, headers=headers)
    return response


async def revoke(clients: AuthClients, name: str = "reporting", key: str = "k2") -> ClientResponse:
    headers = clients.headers("admin") | {"Idempotency-Key": key}
    response: ClientResponse = await clients.client.delete(f"/admin/tokens/{name}", headers=headers)
    return response


async def names(clients: AuthClients) -> set[str]:
    response = await clients.client.get("/admin/tokens", headers=clients.headers("admin"))
    return {token["name"] for token in await response.json()} & {"reporting", "another"}


async def test_a_replay_names_the_created_token_and_shows_no_secret(clients: AuthClients) -> None:
    first = await make(clients)
    made = await first.json()

    again = await make(clients)
    problem = await again.json()

    assert (first.status, again.status) == (201, 409)
    assert problem["type"] == "urn:tasksvc:problem:token-already-made"
    assert problem["token"] == {name: value for name, value in made.items() if name != "token"}
    assert "reporting" in problem["detail"]
    assert made["token"] not in await again.text()
    assert await names(clients) == {"reporting"}


async def test_no_secret_is_kept_with_the_key(clients: AuthClients) -> None:
    secret = (await (await make(clients)).json())["token"]

    kept = [entry async for entry in clients.client.app[RUNTIME].repository.dump()]

    assert secret not in repr(kept)


async def test_twenty_identical_requests_at_once_create_one_token_and_show_its_secret_once(
    clients: AuthClients,
) -> None:
    responses = await asyncio.gather(*(make(clients) for _ in range(20)))

    assert sorted(response.status for response in responses) == [201] + [409] * 19
    assert await names(clients) == {"reporting"}


async def test_a_repetition_is_answered_so_after_the_token_was_revoked_too(clients: AuthClients) -> None:
    await make(clients)
    await revoke(clients)

    again = await make(clients)

    assert again.status == 409
    assert await names(clients) == set()


async def test_a_repetition_that_comes_after_the_token_has_expired_is_answered_so_too(
    clients: AuthClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = datetime.now().astimezone() + timedelta(minutes=5)
    first = await make(clients, expires_at=soon.isoformat())
    monkeypatch.setattr(clock, "now", lambda: soon + timedelta(minutes=5))

    again = await make(clients, expires_at=soon.isoformat())
    new = await make(clients, "k9", name="another", expires_at=soon.isoformat())

    assert (first.status, again.status, new.status) == (201, 409, 422)


async def test_a_refused_token_does_not_use_its_key(clients: AuthClients) -> None:
    past = await make(clients, expires_at="2020-01-01T00:00:00Z")
    taken = await make(clients, name="write")

    made = await make(clients)

    assert (past.status, taken.status, made.status) == (422, 422, 201)


async def test_another_token_under_the_key_is_refused(clients: AuthClients) -> None:
    await make(clients)

    answers = [await make(clients, name="another"), await make(clients, expires_at="2020-01-01T00:00:00Z")]

    assert [(await answer.json())["type"] for answer in answers] == ["urn:tasksvc:problem:idempotency-key-reused"] * 2
    assert await names(clients) == {"reporting"}


async def test_without_a_key_a_repetition_is_refused_by_its_name(clients: AuthClients) -> None:
    await make(clients, None)

    again = await make(clients, None)

    assert (again.status, (await again.json())["errors"][0]["field"]) == (422, "name")


async def test_a_revocation_that_is_repeated_is_answered_as_the_first_time(clients: AuthClients) -> None:
    await make(clients)

    answers = [await revoke(clients) for _ in range(3)]
    without_the_key = await revoke(clients, key="another")

    assert [(answer.status, answer.headers.get(REPLAYED)) for answer in answers] == [
        (204, None),
        (204, "true"),
        (204, "true"),
    ]
    assert without_the_key.status == 404


async def test_a_revocation_that_is_repeated_spares_the_next_token_of_that_name(clients: AuthClients) -> None:
    await make(clients)
    await revoke(clients)
    repository = clients.client.app[RUNTIME].repository
    await tokens.create_token(repository, "reporting", Scope.READ, at=clock.now())

    again = await revoke(clients)

    assert (again.status, again.headers.get(REPLAYED)) == (204, "true")
    assert await names(clients) == {"reporting"}


async def test_the_revocation_of_a_token_that_is_not_there_does_not_use_its_key(clients: AuthClients) -> None:
    missing = await revoke(clients)
    await make(clients)

    done = await revoke(clients)

    assert (missing.status, done.status, done.headers.get(REPLAYED)) == (404, 204, None)


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_nothing_is_done_with_an_invalid_key(clients: AuthClients, key: str) -> None:
    await make(clients, None)

    answers = [await make(clients, key, name="another"), await revoke(clients, key=key)]

    assert [answer.status for answer in answers] == [422, 422]
    assert await names(clients) == {"reporting"}
