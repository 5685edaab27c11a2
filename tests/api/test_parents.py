"""Tasks that are parts of others: who may be whose parent, filters, and what deletions do with children."""

from __future__ import annotations

from typing import Any

import pytest

from api.api_client import Answer, Api, case_id
from tasksvc.domain.relations import PARENTS_MAX, RELATED_MAX


async def chain(api: Api, count: int) -> list[int]:
    """Creates tasks each of which is the parent of the next, and returns their ids."""
    ids: list[int] = []
    for number in range(count):
        task = await api.new(str(number), parent_id=ids[-1] if ids else None)
        ids.append(task["id"])
    return ids


async def parents(api: Api) -> dict[int, int | None]:
    """Returns the parent of each task."""
    return {task["id"]: task["parent_id"] for task in (await api.get("/tasks/")).json}


async def test_a_task_may_be_a_part_of_another(any_api: Api) -> None:
    parent = await any_api.new()

    child = await any_api.new(parent_id=parent["id"])

    assert (parent["parent_id"], child["parent_id"]) == (None, 1)
    assert (await any_api.get("/tasks/2")).json == child


@pytest.mark.parametrize("parent_id", [0, -1, 2**63, 1.5, "1", True, [1]])
async def test_a_parent_that_is_no_id_is_refused(api: Api, parent_id: Any) -> None:
    await api.new()

    made = await api.post("/tasks/", {"description": "x", "parent_id": parent_id})
    moved = await api.patch("/tasks/1", {"parent_id": parent_id})

    assert [(answer.status, set(answer.fields)) for answer in (made, moved)] == [(422, {"parent_id"})] * 2


async def test_a_parent_must_exist_in_the_workspace(any_api: Api) -> None:
    await any_api.new()
    await any_api.post("/workspaces/u_42/tasks/batch", [{"op": "create", "task": {"description": "x"}}] * 3)

    for parent_id in (3, 2**63 - 1):
        made = await any_api.post("/tasks/", {"description": "x", "parent_id": parent_id})
        moved = await any_api.patch("/tasks/1", {"parent_id": parent_id})
        for answer in (made, moved):
            assert (answer.status, answer.fields) == (422, {"parent_id": f"There is no task {parent_id}."})


async def test_a_task_is_never_below_itself(any_api: Api) -> None:
    await chain(any_api, 3)

    answers = [await any_api.patch("/tasks/1", {"parent_id": parent_id}) for parent_id in (1, 2, 3)]

    assert {(answer.status, answer.fields["parent_id"]) for answer in answers} == {
        (422, "A task can't be below itself.")
    }
    assert await parents(any_api) == {1: None, 2: 1, 3: 2}


async def test_tasks_are_at_most_eight_levels_deep(any_api: Api) -> None:
    deepest = (await chain(any_api, PARENTS_MAX + 1))[-1]
    other, below_other = await chain(any_api, 2)

    made = await any_api.post("/tasks/", {"description": "x", "parent_id": deepest})
    moved = await any_api.patch(f"/tasks/{other}", {"parent_id": deepest - 1})
    fits = await any_api.patch(f"/tasks/{other}", {"parent_id": deepest - 2})

    for answer in (made, moved):
        assert (answer.status, answer.fields) == (422, {"parent_id": "Tasks may be at most 8 levels deep."})
    assert (fits.status, fits.json["parent_id"]) == (200, deepest - 2)
    assert (await any_api.get(f"/tasks/{below_other}")).json["parent_id"] == other


async def test_a_task_is_moved_and_taken_out(any_api: Api) -> None:
    await any_api.many([{"description": "x"}] * 2)
    child = await any_api.new(parent_id=1)

    moved = await any_api.patch("/tasks/3", {"parent_id": 2.0})
    out = await any_api.patch("/tasks/3", {"parent_id": None})
    same = await any_api.patch("/tasks/3", {"parent_id": None})

    assert [answer.json["parent_id"] for answer in (moved, out, same)] == [2, None, None]
    assert [answer.json["version"] for answer in (moved, out, same)] == [2, 3, 3]
    assert child["version"] == 1


async def test_a_batch_builds_a_tree_from_what_it_has_created(any_api: Api) -> None:
    operations = [{"op": "create", "task": {"description": "x", "parent_id": parent}} for parent in (None, 1, 2)]

    made = await any_api.post("/tasks/batch", [*operations, {"op": "update", "id": 3, "patch": {"parent_id": 1}}])
    cycle = await any_api.post(
        "/tasks/batch",
        [{"op": "create", "task": {"description": "x"}}, {"op": "update", "id": 1, "patch": {"parent_id": 3}}],
    )

    assert made.status == 200
    assert (cycle.status, cycle.json["index"]) == (422, 1)
    assert await parents(any_api) == {1: None, 2: 1, 3: 1}


async def test_completing_a_parent_completes_no_child(any_api: Api) -> None:
    await chain(any_api, 2)

    await any_api.patch("/tasks/1", {"done": True})

    assert (await any_api.get("/tasks/2")).json["done"] is False


# ---------------------------------------------------------------- filters


async def test_lists_and_counts_are_filtered_by_parent(any_api: Api) -> None:
    await any_api.many([{"description": "x", "parent_id": parent} for parent in (None, 1, 1, 2, None)])
    expected = {"1": [2, 3], "2": [4], "3": [], "none": [1, 5], "9223372036854775807": []}

    listed = {wanted: await ids(any_api, f"parent_id={wanted}") for wanted in expected}
    counted = {wanted: (await any_api.get(f"/tasks/count?parent_id={wanted}")).json["count"] for wanted in expected}

    assert listed == expected
    assert counted == {wanted: len(found) for wanted, found in expected.items()}


async def test_pages_of_tasks_without_a_parent_have_each_once(any_api: Api) -> None:
    await any_api.many([{"description": "x", "parent_id": 1 if number % 3 == 1 else None} for number in range(10)])

    first = await any_api.get("/tasks/?parent_id=none&limit=4&sort=-id")
    link = first.headers["Link"].partition(">")[0][1:]
    second = await any_api.get(first.target(link))

    assert [task["id"] for task in first.json + second.json] == [10, 9, 7, 6, 4, 3, 1]


@pytest.mark.parametrize(
    "wanted",
    ["", "0", "-1", "01", "+1", "1.0", "None", "null", "9223372036854775808", "1" * 5_000, "%D9%A1", "1%20", "1%00"],
    ids=case_id,
)
async def test_a_filter_that_is_no_parent_is_refused(api: Api, wanted: str) -> None:
    for path in ("/tasks/", "/tasks/count"):
        answer = await api.get(f"{path}?parent_id={wanted}")
        assert (answer.status, answer.fields) == (422, {"parent_id": "Must be the id of a task, or none."})


async def test_a_filter_for_the_parent_is_given_once(api: Api) -> None:
    answer = await api.get("/tasks/?parent_id=1&parent_id=none")

    assert (answer.status, set(answer.fields)) == (422, {"parent_id"})


async def test_filters_for_the_parent_select_in_several_workspaces_and_for_deletion(any_api: Api) -> None:
    for below in ("/workspaces/u_1", "/workspaces/u_2"):
        tasks = [{"op": "create", "task": {"description": "x", "parent_id": parent}} for parent in (None, 1)]
        await any_api.post(f"{below}/tasks/batch", tasks)

    children = (await any_api.get("/tasks/?workspace=u_1&workspace=u_2&parent_id=1")).json
    count = (await any_api.get("/tasks/count?workspace=u_1&workspace=u_2&parent_id=none")).json
    deleted = await any_api.delete("/workspaces/u_1/tasks/?parent_id=none")
    left = (await any_api.get("/workspaces/u_1/tasks/")).json

    assert [(task["workspace"], task["id"]) for task in children] == [("u_1", 2), ("u_2", 2)]
    assert count["count"] == 2
    assert deleted.json == {"deleted": 1, "more": False}
    assert [(task["id"], task["parent_id"]) for task in left] == [(2, None)]


# ---------------------------------------------------------------- deletions


async def test_children_of_a_deleted_task_have_no_parent(any_api: Api) -> None:
    await any_api.many([{"description": "x", "parent_id": parent} for parent in (None, 1, 1, 2)])
    head = await any_api.position()

    answer = await any_api.delete("/tasks/1")

    changes = (await any_api.get(f"/changes?since={head}")).json["changes"]
    assert answer.status == 204
    assert await parents(any_api) == {2: None, 3: None, 4: 2}
    assert [(change["type"], change["task_id"]) for change in changes] == [
        ("updated", 2),
        ("updated", 3),
        ("deleted", 1),
    ]


async def test_all_tasks_below_are_deleted_with_a_task_the_deepest_first(any_api: Api) -> None:
    await any_api.many([{"description": "x", "parent_id": parent} for parent in (None, 1, 1, 2, None)])
    head = await any_api.position()

    answer = await any_api.delete("/tasks/1?children=delete")

    changes = (await any_api.get(f"/changes?since={head}")).json["changes"]
    assert (answer.status, answer.body) == (204, b"")
    assert await parents(any_api) == {5: None}
    assert {change["type"] for change in changes} == {"deleted"}
    assert [change["task_id"] for change in changes] == [4, 2, 3, 1]


async def test_a_batch_deletes_with_children(any_api: Api) -> None:
    await chain(any_api, 3)

    answer = await any_api.post("/tasks/batch", [{"op": "delete", "id": 2, "children": "delete"}])

    assert answer.json == {"results": [{"op": "delete", "id": 2, "etag": None, "task": None}]}
    assert await parents(any_api) == {1: None}


@pytest.mark.parametrize("children", ["", "keep", "true", "Delete", "delete%00"])
async def test_no_other_word_deletes_children(api: Api, children: str) -> None:
    await chain(api, 2)

    answer = await api.delete(f"/tasks/1?children={children}")

    assert (answer.status, set(answer.fields)) == (422, {"children"})
    assert len(await parents(api)) == 2


@pytest.mark.parametrize("children", [None, True, "keep", ["delete"], ""])
async def test_no_other_word_deletes_children_in_a_batch(api: Api, children: Any) -> None:
    await chain(api, 2)

    answer = await api.post("/tasks/batch", [{"op": "delete", "id": 1, "children": children}])

    assert (answer.status, set(answer.fields)) == (422, {"0.children"})
    assert len(await parents(api)) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/tasks/1"), ("PATCH", "/tasks/1"), ("DELETE", "/tasks/"), ("POST", "/tasks/1/restore")],
)
async def test_children_are_named_in_the_deletion_of_one_task_alone(api: Api, method: str, path: str) -> None:
    await api.new()

    answer = await api(method, f"{path}?children=delete", {"Content-Type": "application/json"}, b"{}")

    assert (answer.status, set(answer.fields)) == (422, {"children"})


async def test_a_deletion_with_children_needs_the_version_of_the_task_itself(any_api: Api) -> None:
    await chain(any_api, 2)

    other = await any_api.delete("/tasks/1?children=delete", If_Match='"other.1"')
    tag = (await any_api.get("/tasks/1")).headers["ETag"]
    same = await any_api.delete("/tasks/1?children=delete", If_Match=tag)

    assert (other.status, same.status) == (412, 204)


async def test_a_deletion_with_children_and_one_without_are_two_requests(any_api: Api) -> None:
    await chain(any_api, 2)
    first = await any_api.delete("/tasks/1?children=delete", Idempotency_Key="k")

    again = await any_api.delete("/tasks/1?children=delete", Idempotency_Key="k")
    encoded = await any_api.delete("/tasks/1?children=%64elete", Idempotency_Key="k")
    without = await any_api.delete("/tasks/1", Idempotency_Key="k")

    assert (first.status, again.status, encoded.status) == (204, 204, 204)
    assert again.headers["Idempotency-Replayed"] == encoded.headers["Idempotency-Replayed"] == "true"
    assert (without.status, without.problem) == (422, "idempotency-key-reused")


# ---------------------------------------------------------------- bounds


async def with_children(api: Api, count: int) -> None:
    """Creates task 1, and `count` tasks below it."""
    await api.many([{"description": "x"}, *[{"description": "x", "parent_id": 1}] * count])


def is_too_many(answer: Answer) -> bool:
    return (answer.status, answer.problem, answer.json["limit"]) == (409, "too-many-related", RELATED_MAX)


async def test_a_thousand_children_are_released_or_deleted_and_no_more(any_api: Api) -> None:
    await with_children(any_api, RELATED_MAX + 1)
    head = await any_api.position()

    refused = [
        await any_api.delete("/tasks/1"),
        await any_api.delete("/tasks/1?children=delete"),
        await any_api.delete("/tasks/?parent_id=none"),
        await any_api.post("/tasks/batch", [{"op": "delete", "id": 1}]),
        await any_api.post("/tasks/batch", [{"op": "delete", "id": 1, "children": "delete"}]),
    ]

    assert all(map(is_too_many, refused))
    assert await any_api.position() == head
    await any_api.delete("/tasks/2")
    assert (await any_api.delete("/tasks/1")).status == 204
    assert (await any_api.get("/tasks/count?parent_id=none")).json["count"] == RELATED_MAX


async def test_a_task_with_too_many_below_it_is_not_moved(any_api: Api) -> None:
    await with_children(any_api, RELATED_MAX + 1)
    other = await any_api.new()

    moved = await any_api.patch("/tasks/1", {"parent_id": other["id"]})
    changed = await any_api.patch("/tasks/1", {"priority": 3})

    assert is_too_many(moved)
    assert changed.status == 200


async def test_a_deletion_by_a_filter_stops_before_it_changes_too_many_others(any_api: Api) -> None:
    heads = [{"description": "head"} for _ in range(3)]
    children = [{"description": "x", "parent_id": parent} for parent in (1, 2, 3) for _ in range(500)]
    await any_api.many([*heads, *children])

    deleted, more = 0, True
    while more:
        answer = await any_api.delete("/tasks/?q=head")
        assert answer.status == 200
        assert answer.json["deleted"] > 0
        deleted, more = deleted + answer.json["deleted"], answer.json["more"]

    assert deleted == 3
    assert (await any_api.get("/tasks/count?parent_id=none")).json["count"] == len(children)


# ---------------------------------------------------------------- tasks that repeat


async def test_the_next_occurrence_of_a_task_is_below_the_same_parent(any_api: Api) -> None:
    await any_api.new()
    task = await any_api.new(
        parent_id=1, due_on="2026-11-24", repeat={"rule": "FREQ=DAILY", "zone": "UTC"}, uid="mail-7"
    )

    done = (await any_api.patch("/tasks/2", {"done": True})).json

    following = (await any_api.get(f"/tasks/{done['next_id']}")).json
    assert (task["uid"], done["uid"], following["uid"]) == ("mail-7", "mail-7", None)
    assert following["parent_id"] == 1


async def ids(api: Api, query: str) -> list[int]:
    """Returns the ids of the tasks that match."""
    return [task["id"] for task in (await api.get(f"/tasks/?{query}")).json]
