"""Deleting all tasks that match a filter."""

from __future__ import annotations

import pytest

from api.api_client import Api


async def test_what_matches_goes_and_the_rest_stays(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": str(n), "done": n % 2 == 0, "labels": ["x"] if n < 5 else []} for n in range(10)])

    answer = await api.delete("/tasks/?done=true&label=x")

    assert (answer.status, answer.json) == (200, {"deleted": 3, "more": False})
    assert [task["description"] for task in (await api.get("/tasks/")).json] == ["1", "3", "5", "6", "7", "8", "9"]


async def test_without_a_filter_nothing_goes(api: Api) -> None:
    await api.new()

    answer = await api.delete("/tasks/")

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert len((await api.get("/tasks/")).json) == 1


@pytest.mark.parametrize("query", ["sort=id", "limit=1", "after=x", "done=true&limit=1", "done=yes", "label="])
async def test_an_unknown_filter_is_refused(api: Api, query: str) -> None:
    await api.new(done=True)

    answer = await api.delete(f"/tasks/?{query}")

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert len((await api.get("/tasks/")).json) == 1


async def test_a_thousand_go_at_once_in_the_order_of_their_ids(api: Api) -> None:
    await api.many([{"description": "x", "done": n != 3} for n in range(1_006)])

    first = await api.delete("/tasks/?done=true")
    left = (await api.get("/tasks/")).json
    second = await api.delete("/tasks/?done=true")
    third = await api.delete("/tasks/?done=true")

    assert (first.json, second.json, third.json) == (
        {"deleted": 1000, "more": True},
        {"deleted": 5, "more": False},
        {"deleted": 0, "more": False},
    )
    assert [task["id"] for task in left] == [4, *range(1_002, 1_007)]


async def test_each_that_went_is_in_the_log(api: Api) -> None:
    await api.many([{"description": "x"} for _ in range(3)])
    head = await api.position()

    await api.delete("/tasks/?q=X")

    changes = (await api.get(f"/changes?since={head}")).json["changes"]
    assert [(change["type"], change["task_id"], change["task"]) for change in changes] == [
        ("deleted", 1, None),
        ("deleted", 2, None),
        ("deleted", 3, None),
    ]
