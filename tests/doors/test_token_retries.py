"""Idempotency-Key where tokens are administered: a repetition makes and ends nothing more."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse

from doors.conftest import Doors
from tasksvc.api.app import SERVICE
from tasksvc.application import clock, tokens
from tasksvc.application.tokens import Scope

REPLAYED = "Idempotency-Replayed"
BODY = {"name": "reporting", "scope": "read"}


async def make(doors: Doors, key: str | None = "k1", **fields: Any) -> ClientResponse:
    headers = doors.headers("admin") | ({} if key is None else {"Idempotency-Key": key})
    response: ClientResponse = await doors.client.post("/admin/tokens", json=BODY | fields, headers=headers)
    return response


async def revoke(doors: Doors, name: str = "reporting", key: str = "k2") -> ClientResponse:
    headers = doors.headers("admin") | {"Idempotency-Key": key}
    response: ClientResponse = await doors.client.delete(f"/admin/tokens/{name}", headers=headers)
    return response


async def names(doors: Doors) -> set[str]:
    response = await doors.client.get("/admin/tokens", headers=doors.headers("admin"))
    return {token["name"] for token in await response.json()} & {"reporting", "another"}


async def test_a_repetition_says_which_token_was_made_and_shows_no_secret(doors: Doors) -> None:
    first = await make(doors)
    made = await first.json()

    again = await make(doors)
    problem = await again.json()

    assert (first.status, again.status) == (201, 409)
    assert problem["type"] == "urn:tasksvc:problem:token-already-made"
    assert problem["token"] == {name: value for name, value in made.items() if name != "token"}
    assert "reporting" in problem["detail"]
    assert made["token"] not in await again.text()
    assert await names(doors) == {"reporting"}


async def test_no_secret_is_kept_with_the_key(doors: Doors) -> None:
    secret = (await (await make(doors)).json())["token"]

    kept = [entry async for entry in doors.client.app[SERVICE].repository.dump()]

    assert secret not in repr(kept)


async def test_twenty_racing_twins_make_one_token_and_show_its_secret_once(doors: Doors) -> None:
    responses = await asyncio.gather(*(make(doors) for _ in range(20)))

    assert sorted(response.status for response in responses) == [201] + [409] * 19
    assert await names(doors) == {"reporting"}


async def test_a_repetition_is_answered_so_after_the_token_was_revoked_too(doors: Doors) -> None:
    await make(doors)
    await revoke(doors)

    again = await make(doors)

    assert again.status == 409
    assert await names(doors) == set()


async def test_a_repetition_that_comes_after_the_token_has_expired_is_answered_so_too(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = datetime.now().astimezone() + timedelta(minutes=5)
    first = await make(doors, expires_at=soon.isoformat())
    monkeypatch.setattr(clock, "now", lambda: soon + timedelta(minutes=5))

    again = await make(doors, expires_at=soon.isoformat())
    new = await make(doors, "k9", name="another", expires_at=soon.isoformat())

    assert (first.status, again.status, new.status) == (201, 409, 422)


async def test_a_refused_token_does_not_use_its_key(doors: Doors) -> None:
    past = await make(doors, expires_at="2020-01-01T00:00:00Z")
    taken = await make(doors, name="write")

    made = await make(doors)

    assert (past.status, taken.status, made.status) == (422, 422, 201)


async def test_another_token_under_the_key_is_refused(doors: Doors) -> None:
    await make(doors)

    answers = [await make(doors, name="another"), await make(doors, expires_at="2020-01-01T00:00:00Z")]

    assert [(await answer.json())["type"] for answer in answers] == ["urn:tasksvc:problem:idempotency-key-reused"] * 2
    assert await names(doors) == {"reporting"}


async def test_without_a_key_a_repetition_is_refused_by_its_name(doors: Doors) -> None:
    await make(doors, None)

    again = await make(doors, None)

    assert (again.status, (await again.json())["errors"][0]["field"]) == (422, "name")


async def test_a_revocation_that_is_repeated_is_answered_as_the_first_time(doors: Doors) -> None:
    await make(doors)

    answers = [await revoke(doors) for _ in range(3)]
    without_the_key = await revoke(doors, key="another")

    assert [(answer.status, answer.headers.get(REPLAYED)) for answer in answers] == [
        (204, None),
        (204, "true"),
        (204, "true"),
    ]
    assert without_the_key.status == 404


async def test_a_revocation_that_is_repeated_spares_the_next_token_of_that_name(doors: Doors) -> None:
    await make(doors)
    await revoke(doors)
    repository = doors.client.app[SERVICE].repository
    await tokens.create_token(repository, "reporting", Scope.READ, at=clock.now())

    again = await revoke(doors)

    assert (again.status, again.headers.get(REPLAYED)) == (204, "true")
    assert await names(doors) == {"reporting"}


async def test_the_revocation_of_a_token_that_is_not_there_does_not_use_its_key(doors: Doors) -> None:
    missing = await revoke(doors)
    await make(doors)

    done = await revoke(doors)

    assert (missing.status, done.status, done.headers.get(REPLAYED)) == (404, 204, None)


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_nothing_is_done_under_what_is_no_key(doors: Doors, key: str) -> None:
    await make(doors, None)

    answers = [await make(doors, key, name="another"), await revoke(doors, key=key)]

    assert [answer.status for answer in answers] == [422, 422]
    assert await names(doors) == {"reporting"}
