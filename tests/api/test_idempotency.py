"""Retry keys: the same request is done once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from multidict import CIMultiDict

from api.calling import JSON, Answer, Api

REPLAYED = "Idempotency-Replayed"


def same(first: Answer, again: Answer) -> bool:
    """Whether `again` is what `first` said, and says so."""
    headers = ("Content-Type", "ETag")
    return (
        (again.status, again.body, again.location) == (first.status, first.body, first.location)
        and all(again.headers.get(name) == first.headers.get(name) for name in headers)
        and REPLAYED not in first.headers
        and again.headers.get(REPLAYED) == "true"
    )


async def test_the_same_request_is_done_once_and_answered_as_the_first_time(api: Api) -> None:
    first = await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")

    again = await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")

    assert first.status == 201
    assert same(first, again)
    assert len((await api.get("/tasks/")).json) == 1


async def test_the_two_names_of_the_list_are_one(api: Api) -> None:
    first = await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")

    assert same(first, await api.post("/tasks", {"description": "x"}, Idempotency_Key="k1"))


async def test_a_key_is_answered_after_the_task_was_changed_and_deleted(any_api: Api) -> None:
    api = any_api
    first = await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")

    await api.patch("/tasks/1", {"description": "y"})
    changed = await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")
    await api.delete("/tasks/1")
    deleted = await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")

    assert same(first, changed)
    assert same(first, deleted)
    assert (await api.get("/tasks/")).json == []


async def test_another_request_under_the_key_is_refused(api: Api) -> None:
    await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")

    other_body = await api.post("/tasks/", {"description": "y"}, Idempotency_Key="k1")
    other_path = await api.post("/tasks/batch", [{"op": "create", "task": {"description": "x"}}], Idempotency_Key="k1")

    for answer in (other_body, other_path):
        assert (answer.status, answer.problem) == (422, "idempotency-key-reused")
    assert len((await api.get("/tasks/")).json) == 1


async def test_the_bytes_of_the_body_count(api: Api) -> None:
    headers = JSON | {"Idempotency-Key": "k1"}
    await api("POST", "/tasks/", headers, b'{"description": "x"}')

    answer = await api("POST", "/tasks/", headers, b'{"description":"x"}')

    assert (answer.status, answer.problem) == (422, "idempotency-key-reused")


async def test_without_a_key_each_request_is_done(api: Api) -> None:
    first, second = await api.post("/tasks/", {"description": "x"}), await api.post("/tasks/", {"description": "x"})

    assert first.json["id"] != second.json["id"]
    assert REPLAYED not in second.headers


async def test_a_refused_request_does_not_use_its_key(api: Api) -> None:
    wrong = await api.post("/tasks/", {"description": ""}, Idempotency_Key="k1")
    conflict = await api.post("/tasks/batch", [{"op": "delete", "id": 9}], Idempotency_Key="k1")

    right = await api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1")

    assert (wrong.status, conflict.status, right.status) == (422, 404, 201)
    assert REPLAYED not in right.headers


@pytest.mark.parametrize("key", ["k", "k" * 255, '"quoted"', "with spaces", "~!@#$%^&*()"])
async def test_printable_characters_make_a_key(api: Api, key: str) -> None:
    first = await api.post("/tasks/", {"description": "x"}, Idempotency_Key=key)

    assert same(first, await api.post("/tasks/", {"description": "x"}, Idempotency_Key=key))


@pytest.mark.parametrize("key", ["", "k" * 256, "ключ", "tab\tinside"])
async def test_nothing_else_makes_a_key(api: Api, key: str) -> None:
    answer = await api.post("/tasks/", {"description": "x"}, Idempotency_Key=key)

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert [(error["in"], error["field"]) for error in answer.json["errors"]] == [("header", "Idempotency-Key")]
    assert (await api.get("/tasks/")).json == []


async def test_two_keys_are_none(api: Api) -> None:
    headers = CIMultiDict([*JSON.items(), ("Idempotency-Key", "k1"), ("Idempotency-Key", "k2")])

    answer = await api("POST", "/tasks/", headers, b'{"description": "x"}')

    assert (answer.status, list(answer.fields)) == (422, ["Idempotency-Key"])


async def test_a_batch_is_done_once_too(any_api: Api) -> None:
    api = any_api
    await api.new("old")
    operations: list[dict[str, Any]] = [
        {"op": "create", "task": {"description": "x"}},
        {"op": "update", "id": 1, "patch": {"done": True}},
        {"op": "delete", "id": 1},
    ]

    first = await api.post("/tasks/batch", operations, Idempotency_Key="k1")
    again = await api.post("/tasks/batch", operations, Idempotency_Key="k1")

    assert first.status == 200
    assert same(first, again)
    assert [task["description"] for task in (await api.get("/tasks/")).json] == ["x"]


async def test_a_hundred_racing_twins_make_one_task(any_api: Api) -> None:
    answers = await asyncio.gather(
        *(any_api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1") for _ in range(100))
    )

    assert {(answer.status, answer.body, answer.location) for answer in answers} == {(201, answers[0].body, "/tasks/1")}
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert len((await any_api.get("/tasks/")).json) == 1


async def test_racing_requests_with_one_key_and_different_bodies_make_one_task(any_api: Api) -> None:
    answers = await asyncio.gather(
        *(any_api.post("/tasks/", {"description": str(n % 2)}, Idempotency_Key="k1") for n in range(40))
    )

    assert sorted({answer.status for answer in answers}) == [201, 422]
    assert len({answer.body for answer in answers if answer.status == 201}) == 1
    assert len((await any_api.get("/tasks/")).json) == 1
