"""Idempotency keys: the same request is done once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from multidict import CIMultiDict

from api.api_client import JSON, Answer, Api
from api.test_list import store_of
from tasksvc import IdempotencyRecord

REPLAYED = "Idempotency-Replayed"


def same(first: Answer, again: Answer) -> bool:
    """Returns whether `again` repeats `first` and is marked as replayed."""
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
async def test_printable_characters_are_allowed_in_a_key(api: Api, key: str) -> None:
    first = await api.post("/tasks/", {"description": "x"}, Idempotency_Key=key)

    assert same(first, await api.post("/tasks/", {"description": "x"}, Idempotency_Key=key))


@pytest.mark.parametrize("key", ["", "k" * 256, "ключ", "tab\tinside"])
async def test_other_characters_are_refused_in_a_key(api: Api, key: str) -> None:
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


async def test_a_hundred_identical_requests_at_once_create_one_task(any_api: Api) -> None:
    answers = await asyncio.gather(
        *(any_api.post("/tasks/", {"description": "x"}, Idempotency_Key="k1") for _ in range(100))
    )

    assert {(answer.status, answer.body, answer.location) for answer in answers} == {(201, answers[0].body, "/tasks/1")}
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert len((await any_api.get("/tasks/")).json) == 1


async def test_racing_requests_with_one_key_and_different_bodies_create_one_task(any_api: Api) -> None:
    answers = await asyncio.gather(
        *(any_api.post("/tasks/", {"description": str(n % 2)}, Idempotency_Key="k1") for n in range(40))
    )

    assert sorted({answer.status for answer in answers}) == [201, 422]
    assert len({answer.body for answer in answers if answer.status == 201}) == 1
    assert len((await any_api.get("/tasks/")).json) == 1


# ---------------------------------------------------------------- changes and deletions

PATCH_JSON = b'{"description": "changed"}'
WRITES = {
    "create": ("POST", "/tasks/", b'{"description": "x"}'),
    "patch": ("PATCH", "/tasks/1", PATCH_JSON),
    "delete": ("DELETE", "/tasks/1", None),
    "delete by filter": ("DELETE", "/tasks/?done=true", None),
    "batch": ("POST", "/tasks/batch", b'[{"op": "delete", "id": 1}]'),
}
"""Every write of tasks, as (method, path, body), for a store with one task, which is done."""


async def write(api: Api, name: str, key: str = "k1", **headers: str) -> Answer:
    """Returns the response to one of WRITES with an idempotency key."""
    method, path, body = WRITES[name]
    kind = JSON if body is not None else {}
    return await api(method, path, {**kind, "Idempotency-Key": key, **headers}, body)


async def changes(api: Api) -> list[dict[str, Any]]:
    """Returns the whole change log."""
    found: list[dict[str, Any]] = (await api.get("/changes?limit=1000")).json["changes"]
    return found


@pytest.mark.parametrize("name", WRITES)
async def test_every_write_of_tasks_is_done_once_under_its_key(any_api: Api, name: str) -> None:
    api = any_api
    await api.new("first", done=True)

    first = await write(api, name)
    log = await changes(api)
    await api.new("made meanwhile", done=True)
    again = await write(api, name)

    assert first.status in (200, 201, 204)
    assert same(first, again)
    assert len(log) == 2, "the write was done"
    assert len(await changes(api)) == 3, "and only once"


@pytest.mark.parametrize("name", WRITES)
async def test_fifty_racing_twins_are_one_write(any_api: Api, name: str) -> None:
    await any_api.new("first", done=True)

    answers = await asyncio.gather(*(write(any_api, name) for _ in range(50)))

    assert len({(answer.status, answer.body, answer.headers.get("ETag")) for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert len(await changes(any_api)) == 2


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("key", ["", "k" * 256, "tab\tinside"])
async def test_a_write_with_an_invalid_key_is_refused(api: Api, name: str, key: str) -> None:
    await api.new("first", done=True)

    answer = await write(api, name, key)

    assert (answer.status, list(answer.fields)) == (422, ["Idempotency-Key"])
    assert len(await changes(api)) == 1


async def test_one_key_is_good_for_one_write(api: Api) -> None:
    await api.new("first", done=True)
    await write(api, "patch")

    others = [await write(api, name) for name in WRITES if name != "patch"]

    assert {(answer.status, answer.problem) for answer in others} == {(422, "idempotency-key-reused")}
    assert len(await changes(api)) == 2


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (("PATCH", "/tasks/1", PATCH_JSON), ("PATCH", "/tasks/2", PATCH_JSON)),
        (("PATCH", "/tasks/1", PATCH_JSON), ("PATCH", "/tasks/1", b'{"description":"changed"}')),
        (("DELETE", "/tasks/1", None), ("DELETE", "/tasks/2", None)),
        (("DELETE", "/tasks/?q=a", None), ("DELETE", "/tasks/?q=b", None)),
        (("DELETE", "/tasks/?q=a", None), ("DELETE", "/tasks/?q=a&done=true", None)),
        (("DELETE", "/tasks/?q=1", None), ("DELETE", "/tasks/1", None)),
    ],
)
async def test_another_path_query_or_body_is_another_request(
    api: Api, first: tuple[str, str, bytes | None], other: tuple[str, str, bytes | None]
) -> None:
    await api.many([{"description": "a"}, {"description": "b"}])
    headers = JSON | {"Idempotency-Key": "k1"}
    await api(first[0], first[1], headers, first[2])
    log = await changes(api)

    answer = await api(other[0], other[1], headers, other[2])

    assert (answer.status, answer.problem) == (422, "idempotency-key-reused")
    assert await changes(api) == log


@pytest.mark.parametrize("name", ["patch", "delete"])
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
async def test_another_condition_is_another_request(api: Api, name: str, header: str) -> None:
    await api.new("first", done=True)
    condition = '"another"' if header == "If-None-Match" else "*"

    first = await write(api, name, **{header: condition})
    without = await write(api, name)
    another = await write(api, name, **{header: '"yet-another"'})
    again = await write(api, name, **{header: condition})

    assert same(first, again)
    assert [answer.problem for answer in (without, another)] == ["idempotency-key-reused"] * 2


@pytest.mark.parametrize("name", ["patch", "delete"])
async def test_a_write_whose_condition_failed_does_not_use_its_key(any_api: Api, name: str) -> None:
    api = any_api
    await api.new("first", done=True)
    tag = (await api.get("/tasks/1")).headers["ETag"]
    await api.patch("/tasks/1", {"priority": 1})

    refused = await write(api, name, **{"If-Match": tag})
    done = await write(api, name)

    assert (refused.status, refused.problem) == (412, "version-conflict")
    assert done.status in (200, 204)
    assert REPLAYED not in done.headers


async def test_a_replay_does_not_look_at_its_condition_again(any_api: Api) -> None:
    api = any_api
    await api.new("first")
    tag = (await api.get("/tasks/1")).headers["ETag"]

    first = await write(api, "patch", **{"If-Match": tag})
    again = await write(api, "patch", **{"If-Match": tag})

    assert first.status == 200
    assert same(first, again)


async def test_a_patch_that_is_repeated_does_not_undo_what_came_after_it(any_api: Api) -> None:
    api = any_api
    await api.new("first")
    first = await write(api, "patch")
    await api.patch("/tasks/1", {"description": "changed again"})

    again = await write(api, "patch")

    assert same(first, again)
    assert (await api.get("/tasks/1")).json["description"] == "changed again"


async def test_a_deletion_that_is_repeated_is_answered_as_done_and_not_as_missing(any_api: Api) -> None:
    api = any_api
    await api.new("first")

    answers = [await write(api, "delete"), await write(api, "delete"), await api.delete("/tasks/1")]

    assert [answer.status for answer in answers] == [204, 204, 404]
    assert [answer.headers.get(REPLAYED) for answer in answers] == [None, "true", None]


async def test_a_deletion_of_what_is_not_there_does_not_use_its_key(api: Api) -> None:
    missing = await write(api, "delete")
    await api.new("first")

    done = await write(api, "delete")

    assert (missing.status, done.status, done.headers.get(REPLAYED)) == (404, 204, None)


# ---------------------------------------------------------------- deletions by a filter


async def test_a_deletion_by_filter_that_is_repeated_takes_nothing_that_was_made_meanwhile(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": "old", "done": True}] * 3)
    first = await write(api, "delete by filter")
    await api.many([{"description": "new", "done": True}] * 2)

    again = await write(api, "delete by filter")

    assert first.json == {"deleted": 3, "more": False}
    assert same(first, again)
    assert [task["description"] for task in (await api.get("/tasks/")).json] == ["new", "new"]


async def test_a_deletion_by_filter_that_found_nothing_finds_nothing_when_it_is_repeated(any_api: Api) -> None:
    api = any_api
    first = await write(api, "delete by filter")
    await api.new("made meanwhile", done=True)

    again = await write(api, "delete by filter")

    assert first.json == {"deleted": 0, "more": False}
    assert same(first, again)
    assert len((await api.get("/tasks/")).json) == 1


async def test_a_repeated_deletion_by_filter_says_again_that_there_were_more(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": "x", "done": True}] * 1_001)
    first = await write(api, "delete by filter")

    again = await write(api, "delete by filter")
    next_one = await write(api, "delete by filter", "k2")

    assert first.json == {"deleted": 1_000, "more": True}
    assert same(first, again)
    assert next_one.json == {"deleted": 1, "more": False}


async def test_both_names_of_the_list_are_one_path_of_a_deletion_by_filter(api: Api) -> None:
    await api.new("first", done=True)
    first = await write(api, "delete by filter")

    again = await api.delete("/tasks?done=true", Idempotency_Key="k1")

    assert same(first, again)


async def test_what_a_deletion_by_filter_took_is_not_kept_with_its_key(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": "confidential", "done": True}] * 3)

    await write(api, "delete by filter")

    kept = [entry async for _, entry in store_of(api).dump() if isinstance(entry, IdempotencyRecord)]
    assert len(kept) == 1
    assert "confidential" not in repr(kept)


# ---------------------------------------------------------------- reads


@pytest.mark.parametrize("path", ["/tasks/", "/tasks/1", "/tasks/count", "/changes", "/health/live", "/docs"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("key", ["k1", "k" * 256, ""])
async def test_what_reads_passes_over_the_header(api: Api, method: str, path: str, key: str) -> None:
    await api.new("first")
    plain = await api(method, path)

    first = await api(method, path, {"Idempotency-Key": key})
    await write(api, "patch")

    assert (first.status, first.body) == (plain.status, plain.body)
    assert REPLAYED not in first.headers
    assert (await api.get("/tasks/1")).json["version"] == 2, "the key was not used"
