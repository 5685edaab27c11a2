"""Batches: several operations, done completely or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.api_client import JSON, Api, case_id


def create(description: str = "x", **fields: Any) -> dict[str, Any]:
    return {"op": "create", "task": {"description": description, **fields}}


def update(task_id: int, patch: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"op": "update", "id": task_id, "patch": patch, **more}


def delete(task_id: int, **more: Any) -> dict[str, Any]:
    return {"op": "delete", "id": task_id, **more}


async def test_the_results_come_in_order(api: Api) -> None:
    await api.new("one")
    await api.new("two")

    answer = await api.post("/tasks/batch", [create("three", priority=3), update(1, {"done": True}), delete(2)])

    assert answer.status == 200
    made, changed, gone = answer.json["results"]
    assert (made["op"], made["id"], made["task"]["description"], made["task"]["priority"]) == ("create", 3, "three", 3)
    assert (changed["op"], changed["id"], changed["task"]["done"], changed["task"]["version"]) == ("update", 1, True, 2)
    assert gone == {"op": "delete", "id": 2, "etag": None, "task": None}
    assert (await api.get("/tasks/")).json == [changed["task"], made["task"]]
    for result in (made, changed):
        assert (await api.get(f"/tasks/{result['id']}")).headers["ETag"] == result["etag"]


async def test_each_operation_sees_those_before_it(api: Api) -> None:
    await api.new(metadata={"n": 0})

    answer = await api.post(
        "/tasks/batch", [*(update(1, {"metadata": {str(n): n}}) for n in range(3)), create(), update(2, {"done": True})]
    )

    results = answer.json["results"]
    assert [result["task"]["version"] for result in results] == [2, 3, 4, 1, 2]
    assert results[2]["task"]["metadata"] == {"n": 0, "0": 0, "1": 1, "2": 2}


async def test_the_tags_of_a_batch_hold_in_the_same_batch(api: Api) -> None:
    tag = (await api.post("/tasks/", {"description": "x"})).headers["ETag"]

    twice = await api.post("/tasks/batch", [update(1, {"done": True}, if_match=tag), delete(1, if_match=tag)])

    assert (twice.status, twice.json["index"], twice.json["current"]["version"]) == (412, 1, 2)
    assert (await api.get("/tasks/1")).headers["ETag"] == tag


@pytest.mark.parametrize(
    ("failing", "status", "problem"),
    [
        (update(99, {"done": True}), 404, "task-not-found"),
        (delete(99), 404, "task-not-found"),
        (delete(2**63 - 1), 404, "task-not-found"),
        (update(1, {"done": True}, if_match='"other"'), 412, "version-conflict"),
        (delete(1, if_match='W/"other", "another"'), 412, "version-conflict"),
        (update(1, {"metadata": {"more": "x" * 10_000}}), 422, "invalid-request"),
    ],
    ids=case_id,
)
async def test_if_one_operation_fails_nothing_is_done_and_its_index_is_named(
    any_api: Api, failing: dict[str, Any], status: int, problem: str
) -> None:
    api = any_api
    await api.new(metadata={"first": "x" * 10_000})
    before, head = (await api.get("/tasks/")).json, await api.position()

    answer = await api.post("/tasks/batch", [create(), update(1, {"priority": 1}), failing, delete(1)])

    assert (answer.status, answer.problem, answer.json["index"]) == (status, problem, 2)
    assert (await api.get("/tasks/")).json == before
    assert await api.position() == head
    assert (await api.get(f"/changes?since={head}")).json["changes"] == []
    if status == 412:
        assert answer.json["current"]["version"] == 2  # as the batch would have left it


async def test_what_is_refused_for_its_form_names_index_and_field(api: Api) -> None:
    answer = await api.post(
        "/tasks/batch",
        [
            create(),
            create(""),
            {"op": "create"},
            {"op": "create", "task": {"description": "x", "id": 1}},
            update(0, {}),
            {"op": "update", "id": 1, "patch": {"priority": "high"}, "colour": 1},
            update(1, {}, if_match="other"),
            delete(1, if_match=7),
            {"op": "delete"},
            {"op": "upsert"},
            {},
            "create",
            None,
        ],
    )

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert set(answer.fields) == {
        "1.task.description",
        "2.task",
        "3.task.id",
        "4.id",
        "5.patch.priority",
        "5.colour",
        "6.if_match",
        "7.if_match",
        "8.id",
        "9.op",
        "10.op",
        "11.op",
        "12.op",
    }
    assert (await api.get("/tasks/")).json == []


@pytest.mark.parametrize("body", [{}, [], None, "x", 1, [create()] * 1001], ids=case_id)
async def test_a_batch_has_one_to_a_thousand_operations(api: Api, body: Any) -> None:
    answer = await api.post("/tasks/batch", body)

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert (await api.get("/tasks/")).json == []


async def test_a_thousand_operations_are_done_at_once(any_api: Api) -> None:
    answer = await any_api.post("/tasks/batch", [create(str(n)) for n in range(1000)])

    assert answer.status == 200
    assert [result["id"] for result in answer.json["results"]] == list(range(1, 1001))


async def test_a_batch_may_have_eight_mebibytes(api: Api) -> None:
    operations = [create("x" * 8_000) for _ in range(1000)]
    body = json.dumps(operations).encode()
    padding = b" " * (8 * 1024 * 1024 - len(body))

    just = await api("POST", "/tasks/batch", JSON, body + padding)
    over = await api("POST", "/tasks/batch", JSON, body + padding + b" ")

    assert (just.status, over.status, over.problem) == (200, 413, "body-too-large")
    assert len((await api.get("/tasks/")).json) == 1000


async def test_an_operation_may_have_as_many_bytes_as_a_body(api: Api) -> None:
    def padded(size: int) -> str:
        operation = json.dumps(create())
        return operation[:-1] + " " * (size - len(operation)) + "}"

    just = await api("POST", "/tasks/batch", JSON, f"[{padded(262_144)},{padded(262_144)}]".encode())
    over = await api("POST", "/tasks/batch", JSON, f"[{padded(262_144)},{padded(262_145)}]".encode())

    assert (just.status, over.status, over.problem) == (200, 413, "body-too-large")
    assert "operation 1, counted from 0" in over.json["detail"]
    assert len((await api.get("/tasks/")).json) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[" + "{}," * 30_000 + "{}", 422),  # for it has more than a thousand operations, whatever follows
        ("[" + '{"op":"create"}, ' * 5_000 + "]", 422),
        ('{"a":"' + "x" * 300_000, 422),
        ('{"a":"' + "x" * 100_000, 400),
        ('"' + "x" * 300_000, 400),
        ("[" + json.dumps(create("x" * 9_000)) + "," + " " * 100_000 + "]", 400),
        ("[" + "[" * 100 + "]" * 100 + " " * 100_000 + "]", 400),
        ("[" + "[" * 100 + "]" * 100 + " " * 100_000 + "x", 400),
        ("[" + " " * 100_000 + "]", 422),
    ],
    ids=case_id,
)
async def test_a_large_body_that_is_not_a_batch_is_refused(api: Api, body: str, status: int) -> None:
    answer = await api("POST", "/tasks/batch", JSON, body.encode())

    assert answer.status == status
    assert (await api.get("/tasks/")).json == []


async def test_a_batch_that_changes_nothing_logs_nothing(api: Api) -> None:
    await api.new()
    head = await api.position()

    answer = await api.post("/tasks/batch", [update(1, {"done": False}), update(1, {})])

    assert [result["task"]["version"] for result in answer.json["results"]] == [1, 1]
    assert await api.position() == head


async def test_a_batch_of_small_patches_to_a_large_task_is_bounded(api: Api) -> None:
    await api.new("ж" * 10_000)
    patches = [{"op": "update", "id": 1, "patch": {"priority": number % 10}} for number in range(1_000)]

    refused = await api.post("/tasks/batch", patches)

    assert (refused.status, refused.problem) == (413, "commit-too-large")
    assert 64 < refused.json["index"] < 1_000
    assert (await api.get("/tasks/1")).json["version"] == 1
