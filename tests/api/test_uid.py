"""The uid of a task: what another system calls it, unique in a workspace."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from api.api_client import Api, case_id


@pytest.mark.parametrize(
    "uid",
    ["x", "20261124T150000Z-7@mail.example", "a b", '"quoted\\"', "zażółć", "語" * 255, "x" * 255, "👩", "none"],
    ids=case_id,
)
async def test_a_task_is_found_by_its_uid(any_api: Api, uid: str) -> None:
    await any_api.new()
    made = await any_api.new(uid=uid)

    listed = (await any_api.get(f"/tasks/?uid={quote(uid)}")).json
    count = (await any_api.get(f"/tasks/count?uid={quote(uid)}")).json["count"]

    assert made["uid"] == uid
    assert (listed, count) == ([made], 1)


@pytest.mark.parametrize(
    "uid", ["", "x" * 256, "a\nb", "a\0b", "\u200b", "\x7f", "\u2028", 7, True, ["x"]], ids=case_id
)
async def test_what_is_no_uid_is_refused(api: Api, uid: Any) -> None:
    made = await api.post("/tasks/", {"description": "x", "uid": uid})

    assert (made.status, set(made.fields)) == (422, {"uid"})
    if isinstance(uid, str):
        listed = await api.get(f"/tasks/?uid={quote(uid)}")
        assert (listed.status, set(listed.fields)) == (422, {"uid"})


async def test_a_uid_is_compared_exactly(any_api: Api) -> None:
    for uid in ("a", "A", "é", "e\u0301", "a "):
        await any_api.new(uid=uid)

    assert len((await any_api.get("/tasks/")).json) == 5


async def test_a_uid_that_is_taken_is_answered_with_the_task_that_has_it(any_api: Api) -> None:
    holder = await any_api.new(uid="mail-7")

    refused = await any_api.post("/tasks/", {"description": "other", "uid": "mail-7"})

    assert (refused.status, refused.problem, refused.json["current"]) == (409, "uid-taken", holder)
    assert len((await any_api.get("/tasks/")).json) == 1


async def test_a_uid_is_free_in_another_workspace_and_after_a_deletion(any_api: Api) -> None:
    await any_api.new(uid="mail-7")

    elsewhere = await any_api.post("/workspaces/u_42/tasks/", {"description": "x", "uid": "mail-7"})
    await any_api.delete("/tasks/1")
    again = await any_api.post("/tasks/", {"description": "x", "uid": "mail-7"})

    assert (elsewhere.status, again.status, again.json["id"]) == (201, 201, 2)


async def test_a_batch_knows_the_uids_of_what_it_has_created_and_deleted(any_api: Api) -> None:
    create = {"op": "create", "task": {"description": "x", "uid": "mail-7"}}

    twice = await any_api.post("/tasks/batch", [create, create])
    replaced = await any_api.post("/tasks/batch", [create, {"op": "delete", "id": 1}, create])

    assert (twice.status, twice.problem, twice.json["index"]) == (409, "uid-taken", 1)
    assert twice.json["current"]["id"] == 1
    assert [result["id"] for result in replaced.json["results"]] == [1, 1, 2]


async def test_a_uid_never_changes(any_api: Api) -> None:
    await any_api.new(uid="mail-7")

    for patch in ({"uid": "mail-8"}, {"uid": None}, {"uid": "mail-7"}):
        answer = await any_api.patch("/tasks/1", patch)
        assert (answer.status, set(answer.fields)) == (422, {"uid"})


async def test_of_many_at_once_one_gets_the_uid(any_api: Api) -> None:
    body = {"description": "x", "uid": "mail-7"}

    answers = await asyncio.gather(*(any_api.post("/tasks/", body) for _ in range(20)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    assert {answer.json["current"]["id"] for answer in answers if answer.status == 409} == {1}


async def test_a_repeated_request_gets_its_task_though_the_uid_is_taken(any_api: Api) -> None:
    body = {"description": "x", "uid": "mail-7"}
    first = await any_api.post("/tasks/", body, Idempotency_Key="k")

    again = await any_api.post("/tasks/", body, Idempotency_Key="k")

    assert (again.status, again.json) == (201, first.json)


async def test_the_task_with_a_uid_is_deleted_by_it(any_api: Api) -> None:
    await any_api.many([{"description": "x", "uid": f"mail-{number}"} for number in range(3)])

    deleted = await any_api.delete("/tasks/?uid=mail-1")

    assert deleted.json == {"deleted": 1, "more": False}
    assert [task["id"] for task in (await any_api.get("/tasks/")).json] == [1, 3]
