"""Restoring a version of a task, deleted or not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.api_client import Answer, Api, case_id
from api.sse_client import events
from api.test_history import prune
from tasksvc.application.limits import Limits
from tasksvc.domain.relations import PARENTS_MAX

RICH: dict[str, Any] = {
    "description": "plant beans",
    "notes": "two rows",
    "due_at": "2026-11-24T15:00:00Z",
    "priority": 3,
    "labels": ["a", "b"],
    "list": "garden",
    "position": "a0",
    "metadata": {"room": 4, "deep": {"er": [1, None]}},
    "uid": "mail-7",
}
SET_BY_SERVICE = ("updated_at", "version")


async def restore(api: Api, task_id: int, version: Any, below: str = "", **headers: str) -> Answer:
    return await api.post(f"{below}/tasks/{task_id}/restore", {"version": version}, **headers)


def content(task: dict[str, Any]) -> dict[str, Any]:
    """Returns what a restored version has of the earlier one."""
    return {name: value for name, value in task.items() if name not in SET_BY_SERVICE}


# ---------------------------------------------------------------- what comes back


async def test_a_living_task_gets_all_fields_of_a_version(any_api: Api) -> None:
    first = await any_api.new(**RICH)
    emptied = {name: None for name in RICH if name not in ("description", "uid")}
    await any_api.patch("/tasks/1", {"description": "x", "done": True, **emptied})

    answer = await restore(any_api, 1, 1)

    assert answer.status == 200
    assert content(answer.json) == content(first)
    assert answer.json["version"] == 3
    shown = await any_api.get("/tasks/1")
    assert (shown.json, shown.headers["ETag"]) == (answer.json, answer.headers["ETag"])


async def test_a_deleted_task_comes_back_under_its_id(any_api: Api) -> None:
    await any_api.new(**RICH)
    second = (await any_api.patch("/tasks/1", {"priority": 9, "done": True})).json
    await any_api.delete("/tasks/1")

    answer = await restore(any_api, 1, 2)

    assert answer.status == 200
    assert content(answer.json) == content(second)
    assert answer.json["version"] == 3
    assert answer.json["updated_at"] >= second["updated_at"]
    assert (await any_api.get("/tasks/")).json == [answer.json]
    assert (await any_api.new())["id"] == 2


async def test_an_earlier_version_of_a_deleted_task_comes_back_too(any_api: Api) -> None:
    first = await any_api.new(**RICH)
    await any_api.patch("/tasks/1", {"description": "y", "labels": []})
    await any_api.delete("/tasks/1")

    answer = await restore(any_api, 1, 1)

    assert content(answer.json) == content(first)
    assert answer.json["version"] == 3
    for query in ("label=a", "list=garden", "uid=mail-7", "metadata.room=4", "q=beans"):
        assert len((await any_api.get(f"/tasks/?{query}")).json) == 1, query


async def test_the_log_has_a_restored_task_as_created_or_updated(any_api: Api) -> None:
    await any_api.new()
    await any_api.patch("/tasks/1", {"priority": 1})
    head = await any_api.position()

    await restore(any_api, 1, 1)
    await any_api.delete("/tasks/1")
    await restore(any_api, 1, 2)

    changes = (await any_api.get(f"/changes?since={head}")).json["changes"]
    assert [(change["type"], change["task"] and change["task"]["version"]) for change in changes] == [
        ("updated", 3),
        ("deleted", None),
        ("created", 4),
    ]


async def test_what_is_the_same_is_not_written_again(any_api: Api) -> None:
    await any_api.new()
    await any_api.patch("/tasks/1", {"priority": 1})
    await any_api.patch("/tasks/1", {"priority": 0})
    head = await any_api.position()

    answers = [await restore(any_api, 1, version) for version in (3, 1)]

    assert [(answer.status, answer.json["version"]) for answer in answers] == [(200, 3)] * 2
    assert await any_api.position() == head


async def test_a_restored_version_can_be_undone(any_api: Api) -> None:
    await any_api.new("one")
    await any_api.patch("/tasks/1", {"description": "two"})

    shown = [(await restore(any_api, 1, version)).json["description"] for version in (1, 2, 3, 4)]

    assert shown == ["one", "two", "one", "two"]


async def test_a_stream_shows_a_restored_task(api: Api) -> None:
    await api.new()
    async with events(api) as stream:
        await api.delete("/tasks/1")
        answer = await restore(api, 1, 1)

        deleted, restored = await stream.take(2)

    assert (deleted.data["type"], restored.data["type"]) == ("deleted", "created")
    assert restored.data["task"] == answer.json


async def test_a_task_of_a_workspace_is_restored_there(any_api: Api) -> None:
    await any_api.new("here")
    await any_api.post("/workspaces/u_42/tasks/", {"description": "there"})
    await any_api.delete("/workspaces/u_42/tasks/1")

    answer = await restore(any_api, 1, 1, "/workspaces/u_42")

    assert answer.json["description"] == "there"
    assert (await any_api.get("/tasks/1")).json["version"] == 1


# ---------------------------------------------------------------- parents, uids, series


async def test_a_parent_that_is_gone_is_not_restored(any_api: Api) -> None:
    await any_api.new()
    await any_api.new(parent_id=1)
    await any_api.delete("/tasks/1?children=delete")

    child = await restore(any_api, 2, 1)
    parent = await restore(any_api, 1, 1)
    again = await restore(any_api, 2, 1)

    assert [answer.json["parent_id"] for answer in (child, parent, again)] == [None, None, 1]


async def test_a_parent_that_would_make_a_cycle_or_too_many_levels_is_not_restored(any_api: Api) -> None:
    await any_api.new()
    await any_api.new(parent_id=1)
    await any_api.patch("/tasks/2", {"parent_id": None})
    await any_api.patch("/tasks/1", {"parent_id": 2})
    cycle = await restore(any_api, 2, 1)
    await any_api.patch("/tasks/1", {"parent_id": None})
    deep = await any_api.new(parent_id=1)
    await any_api.patch(f"/tasks/{deep['id']}", {"parent_id": None})
    parent = deep["id"]
    for _ in range(PARENTS_MAX):
        parent = (await any_api.new(parent_id=parent))["id"]

    too_deep = await restore(any_api, deep["id"], 1)

    assert (cycle.status, cycle.json["parent_id"]) == (200, None)
    assert (too_deep.status, too_deep.json["parent_id"]) == (200, None)


async def test_a_uid_that_another_task_has_by_now_keeps_a_task_deleted(any_api: Api) -> None:
    await any_api.new(uid="mail-7")
    await any_api.delete("/tasks/1")
    holder = await any_api.new(uid="mail-7")

    refused = await restore(any_api, 1, 1)
    await any_api.delete("/tasks/2")
    restored = await restore(any_api, 1, 1)

    assert (refused.status, refused.problem, refused.json["current"]) == (409, "uid-taken", holder)
    assert (restored.status, restored.json["uid"]) == (200, "mail-7")


async def test_a_repeating_task_that_is_restored_open_takes_its_next_occurrence_back(any_api: Api) -> None:
    repeat = {"rule": "FREQ=DAILY", "zone": "UTC"}
    await any_api.new(due_on="2026-11-24", repeat=repeat)
    await any_api.patch("/tasks/1", {"done": True})

    opened = await restore(any_api, 1, 1)
    after_opening = [task["id"] for task in (await any_api.get("/tasks/")).json]
    done = await restore(any_api, 1, 2)
    after_completing = [task["id"] for task in (await any_api.get("/tasks/")).json]

    assert (opened.json["done"], opened.json["next_id"], after_opening) == (False, None, [1])
    assert (done.json["done"], done.json["next_id"], after_completing) == (True, 3, [1, 3])


# ---------------------------------------------------------------- refusals


async def test_a_version_that_a_task_never_had_is_not_found(any_api: Api) -> None:
    await any_api.new()

    living = [await restore(any_api, 1, version) for version in (2, 2**63 - 1)]
    await any_api.delete("/tasks/1")
    deleted = await restore(any_api, 1, 2)

    for answer in (*living, deleted):
        assert (answer.status, answer.problem) == (404, "version-not-found")


@pytest.mark.parametrize("task_id", ["2", "9223372036854775807", "0", "01", "-1", "x", "9223372036854775808", "%D9%A1"])
async def test_a_task_that_was_never_there_is_not_restored(any_api: Api, task_id: str) -> None:
    await any_api.new()

    answer = await any_api.post(f"/tasks/{task_id}/restore", {"version": 1})

    assert (answer.status, answer.problem) == (404, "task-not-found")


async def test_a_version_that_the_log_has_no_more_is_gone(any_api: Api) -> None:
    await any_api.many([{"description": "x"}] * 2)
    await any_api.patch("/tasks/1", {"priority": 1})
    await any_api.delete("/tasks/2")
    await prune(any_api)
    await any_api.patch("/tasks/1", {"priority": 2})

    living, deleted = await restore(any_api, 1, 1), await restore(any_api, 2, 1)
    later = await restore(any_api, 1, 4)
    kept = await restore(any_api, 1, 3)

    for answer in (living, deleted):
        assert (answer.status, answer.problem) == (410, "version-gone")
    assert (later.status, later.problem) == (404, "version-not-found")
    assert (kept.status, kept.json["version"]) == (200, 3)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "version"),
        ({"version": None}, "version"),
        ({"version": 0}, "version"),
        ({"version": -1}, "version"),
        ({"version": 2**63}, "version"),
        ({"version": "1"}, "version"),
        ({"version": True}, "version"),
        ({"version": 1.5}, "version"),
        ({"version": [1]}, "version"),
        ({"version": 1, "id": 1}, "id"),
        ([], ""),
        (1, ""),
        (None, ""),
    ],
    ids=case_id,
)
async def test_a_body_that_names_no_version_is_refused(api: Api, body: Any, field: str) -> None:
    await api.new()

    answer = await api.post("/tasks/1/restore", body)

    assert (answer.status, set(answer.fields)) == (422, {field})


async def test_a_version_may_be_written_with_a_fraction_of_zero(api: Api) -> None:
    await api.new()

    assert (await restore(api, 1, 1.0)).status == 200


async def test_a_restoration_needs_a_body_of_json(api: Api) -> None:
    await api.new()

    nothing = await api("POST", "/tasks/1/restore")
    text = await api("POST", "/tasks/1/restore", {"Content-Type": "text/plain"}, b'{"version":1}')

    assert nothing.status in (400, 415)
    assert text.status == 415


# ---------------------------------------------------------------- conditions and keys


async def test_a_restoration_may_ask_for_the_version_that_is_there(any_api: Api) -> None:
    old = (await any_api.post("/tasks/", {"description": "x"})).headers["ETag"]
    current = (await any_api.patch("/tasks/1", {"description": "y"})).headers["ETag"]

    refused = await restore(any_api, 1, 1, If_Match=old)
    allowed = await restore(any_api, 1, 1, If_Match=current)

    assert (refused.status, refused.problem, refused.json["current"]["version"]) == (412, "version-conflict", 2)
    assert (allowed.status, allowed.json["version"]) == (200, 3)


async def test_a_deleted_task_has_no_version_that_a_condition_could_ask_for(any_api: Api) -> None:
    tag = (await any_api.post("/tasks/", {"description": "x"})).headers["ETag"]
    await any_api.delete("/tasks/1")

    for condition in (tag, '"other.1"', "*"):
        answer = await restore(any_api, 1, 1, If_Match=condition)
        assert (answer.status, answer.problem) == (404, "task-not-found"), condition
    assert (await any_api.get("/tasks/1")).status == 404


async def test_a_restoration_may_ask_that_the_task_is_deleted(any_api: Api) -> None:
    await any_api.new()

    living = await restore(any_api, 1, 1, If_None_Match="*")
    await any_api.delete("/tasks/1")
    both = await restore(any_api, 1, 1, If_Match="*", If_None_Match="*")
    deleted = await restore(any_api, 1, 1, If_None_Match="*")

    assert (living.status, living.problem) == (412, "version-conflict")
    assert (both.status, both.problem) == (404, "task-not-found")
    assert deleted.status == 200


async def test_a_batch_may_ask_that_a_task_it_restores_is_there(any_api: Api) -> None:
    await any_api.new()
    asked = [{"op": "restore", "id": 1, "version": 1, "if_match": "*"}]

    living = await any_api.post("/tasks/batch", asked)
    await any_api.delete("/tasks/1")
    deleted = await any_api.post("/tasks/batch", asked)

    assert (living.status, deleted.status, deleted.problem) == (200, 404, "task-not-found")


async def test_a_repeated_request_is_answered_and_not_done_again(any_api: Api) -> None:
    await any_api.new()
    await any_api.delete("/tasks/1")
    first = await restore(any_api, 1, 1, Idempotency_Key="k")
    await any_api.delete("/tasks/1")

    again = await restore(any_api, 1, 1, Idempotency_Key="k")
    other_version = await restore(any_api, 1, 2, Idempotency_Key="k")
    other_task = await restore(any_api, 2, 1, Idempotency_Key="k")

    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (200, first.body, "true")
    assert again.headers["ETag"] == first.headers["ETag"]
    for answer in (other_version, other_task):
        assert (answer.status, answer.problem) == (422, "idempotency-key-reused")
    assert (await any_api.get("/tasks/1")).status == 404


async def test_of_many_at_once_one_brings_a_task_back_and_the_others_find_it(any_api: Api) -> None:
    await any_api.new()
    await any_api.delete("/tasks/1")

    answers = await asyncio.gather(*(restore(any_api, 1, 1) for _ in range(20)))

    assert [(answer.status, answer.json["version"]) for answer in answers] == [(200, 2)] * 20
    changes = (await any_api.get("/tasks/1/changes")).json["changes"]
    assert [change["type"] for change in changes] == ["created", "deleted", "created"]


# ---------------------------------------------------------------- batches and quotas


async def test_a_batch_restores_what_it_deletes_and_changes(any_api: Api) -> None:
    first = await any_api.new("one")
    operations: list[dict[str, Any]] = [
        {"op": "update", "id": 1, "patch": {"description": "two"}},
        {"op": "delete", "id": 1},
        {"op": "restore", "id": 1, "version": 2},
        {"op": "restore", "id": 1, "version": 1},
        {"op": "create", "task": {"description": "new"}},
        {"op": "delete", "id": 2},
        {"op": "restore", "id": 2, "version": 1},
    ]

    results = (await any_api.post("/tasks/batch", operations)).json["results"]

    assert [(result["op"], result["id"]) for result in results] == [
        (operation["op"], operation.get("id", 2)) for operation in operations
    ]
    shown = [result["task"] and (result["task"]["description"], result["task"]["version"]) for result in results]
    assert shown == [("two", 2), None, ("two", 3), ("one", 4), ("new", 1), None, ("new", 2)]
    assert content((await any_api.get("/tasks/1")).json) == content(first)
    for result in (results[3], results[6]):
        assert (await any_api.get(f"/tasks/{result['id']}")).headers["ETag"] == result["etag"]


@pytest.mark.parametrize(
    ("failing", "status", "problem"),
    [
        ({"op": "restore", "id": 9, "version": 1}, 404, "task-not-found"),
        ({"op": "restore", "id": 1, "version": 9}, 404, "version-not-found"),
        ({"op": "restore", "id": 3, "version": 1}, 409, "uid-taken"),
        ({"op": "restore", "id": 2, "version": 1}, 410, "version-gone"),
        ({"op": "restore", "id": 1, "version": 1, "if_match": '"other.1"'}, 412, "version-conflict"),
    ],
    ids=case_id,
)
async def test_a_restoration_that_is_refused_undoes_its_batch(
    any_api: Api, failing: dict[str, Any], status: int, problem: str
) -> None:
    await any_api.many([{"description": "x"}] * 2)
    await any_api.delete("/tasks/2")
    await prune(any_api)
    await any_api.new(uid="mail-7")
    await any_api.delete("/tasks/3")
    await any_api.new(uid="mail-7")
    head = await any_api.position()

    answer = await any_api.post("/tasks/batch", [{"op": "create", "task": {"description": "x"}}, failing])

    assert (answer.status, answer.problem, answer.json["index"]) == (status, problem, 1)
    assert await any_api.position() == head


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ({"op": "restore", "id": 1}, "version"),
        ({"op": "restore", "version": 1}, "id"),
        ({"op": "restore", "id": 1, "version": "1"}, "version"),
        ({"op": "restore", "id": 0, "version": 1}, "id"),
        ({"op": "restore", "id": 1, "version": 1, "if_match": "x"}, "if_match"),
        ({"op": "restore", "id": 1, "version": 1, "children": "delete"}, "children"),
    ],
    ids=case_id,
)
async def test_an_operation_that_is_no_restoration_is_refused_with_the_field(
    api: Api, operation: dict[str, Any], field: str
) -> None:
    answer = await api.post("/tasks/batch", [operation])

    assert (answer.status, set(answer.fields)) == (422, {f"0.{field}"})


@pytest.mark.options(limits=Limits(workspace_tasks=2))
async def test_a_deleted_task_comes_back_only_where_there_is_room(any_api: Api) -> None:
    await any_api.many([{"description": "x"}] * 2)
    await any_api.patch("/tasks/2", {"priority": 1})
    await any_api.delete("/tasks/1")
    await any_api.new()

    full = await restore(any_api, 1, 1)
    living = await restore(any_api, 2, 1)
    await any_api.delete("/tasks/3")
    room = await restore(any_api, 1, 1)
    again = await any_api.post("/tasks/", {"description": "x"})

    assert (full.status, full.problem, full.json["limit"]) == (409, "workspace-full", 2)
    assert [answer.status for answer in (living, room, again)] == [200, 200, 409]
