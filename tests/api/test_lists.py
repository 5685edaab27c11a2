"""The lists that tasks are in: which there are, and renaming and deleting them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.api_client import Answer, Api, next_page
from tasksvc.api.app import RUNTIME
from tasksvc.application.limits import Limits


async def create(api: Api, *names: str, done: bool = False, path: str = "") -> None:
    """Creates a task in each of some lists."""
    for name in names:
        answer = await api.post(f"{path}/tasks/", {"description": f"of {name}", "list": name, "done": done})
        assert answer.status == 201


async def lists(api: Api, path: str = "") -> dict[str, tuple[int, int]]:
    """Returns the numbers of open and of all tasks of each list."""
    return {each["name"]: (each["open"], each["total"]) for each in (await api.get(f"{path}/lists/")).json}


async def tasks_in(api: Api, name: str) -> list[int]:
    """Returns the ids of the tasks of a list."""
    return [task["id"] for task in (await api.get(f"/tasks/?list={name}")).json]


def names(listed: Answer) -> list[str]:
    return [each["name"] for each in listed.json]


# ---------------------------------------------------------------- which there are


async def test_lists_come_by_name_with_the_numbers_of_their_tasks(any_api: Api) -> None:
    await create(any_api, "garden", "Garden", "été", "inbox", "garden")
    await create(any_api, "garden", done=True)

    listed = await any_api.get("/lists/")

    assert listed.json == [
        {"name": "Garden", "open": 1, "total": 1},
        {"name": "garden", "open": 2, "total": 3},
        {"name": "inbox", "open": 1, "total": 1},
        {"name": "été", "open": 1, "total": 1},
    ]
    assert "Link" not in listed.headers
    assert (await any_api.get("/lists")).body == listed.body


async def test_without_a_task_there_is_no_list(any_api: Api) -> None:
    assert (await any_api.get("/lists/")).json == []
    assert (await any_api.get("/workspaces/u_1/lists/?limit=1")).json == []


async def test_each_workspace_has_lists_of_its_own(any_api: Api) -> None:
    await create(any_api, "garden")
    await create(any_api, "garden", "shopping", path="/workspaces/u_1")

    assert await lists(any_api) == {"garden": (1, 1)}
    assert await lists(any_api, "/workspaces/u_1") == {"garden": (1, 1), "shopping": (1, 1)}
    assert (await any_api.get("/workspaces/u_1/lists")).json == (await any_api.get("/workspaces/u_1/lists/")).json


async def test_pages_lead_through_all_lists(any_api: Api) -> None:
    await create(any_api, *(f"list & {number}" for number in range(5)))

    page = await any_api.get("/lists/?limit=2")
    found = names(page)
    while (following := next_page(page)) is not None:
        page = await any_api.get(following)
        found += names(page)

    assert found == [f"list & {number}" for number in range(5)]
    assert names(page) == ["list & 4"]


@pytest.mark.options(limits=Limits(stream_page=2))
async def test_all_lists_are_sent_page_by_page(any_api: Api) -> None:
    await create(any_api, *"abcde")

    whole, rest = await any_api.get("/lists/"), await any_api.get("/lists/?after=a")

    assert (names(whole), names(rest)) == (list("abcde"), list("bcde"))
    assert "Link" not in whole.headers


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("after=", "after"), ("after=" + "a" * 101, "after"), ("x=1", "x")],
)
async def test_a_page_that_cannot_be_is_refused(api: Api, query: str, field: str) -> None:
    refused = await api.get(f"/lists/?{query}")

    assert (refused.status, list(refused.fields)) == (422, [field])


# ---------------------------------------------------------------- renaming


@pytest.mark.options(limits=Limits(list_step=2))
async def test_a_renamed_list_has_its_tasks_under_the_new_name(any_api: Api) -> None:
    await create(any_api, "garden", "garden", "inbox", "garden", "garden")
    await create(any_api, "garden", done=True)

    renamed = await any_api.patch("/lists/garden", {"name": "allotment"})

    assert (renamed.status, renamed.json) == (200, {"name": "allotment", "open": 4, "total": 5})
    assert await lists(any_api) == {"allotment": (4, 5), "inbox": (1, 1)}
    assert await tasks_in(any_api, "allotment") == [1, 2, 4, 5, 6]


async def test_a_list_with_the_name_of_another_one_becomes_one_with_it(any_api: Api) -> None:
    await create(any_api, "garden", "allotment", "garden")

    renamed = await any_api.patch("/lists/garden", {"name": "allotment"})

    assert renamed.json == {"name": "allotment", "open": 3, "total": 3}
    assert await lists(any_api) == {"allotment": (3, 3)}


async def test_a_repeated_renaming_is_answered_alike_and_changes_nothing(any_api: Api) -> None:
    await create(any_api, "garden")
    first = await any_api.patch("/lists/garden", {"name": "allotment"})
    before = (await any_api.get("/tasks/1")).json

    second = await any_api.patch("/lists/garden", {"name": "allotment"})
    same = await any_api.patch("/lists/allotment", {"name": "allotment"})

    assert first.body == second.body == same.body
    assert (await any_api.get("/tasks/1")).json == before
    assert before["version"] == 2


async def test_a_renaming_between_lists_without_tasks_is_not_found(any_api: Api) -> None:
    await create(any_api, "inbox")

    answers = [await any_api.patch(f"/lists/{name}", {"name": to}) for name, to in (("a", "b"), ("a", "a"), ("b", "a"))]

    assert [(answer.status, answer.problem) for answer in answers] == [(404, "list-not-found")] * 3


async def test_a_list_that_others_empty_as_soon_as_it_is_renamed_was_renamed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(api, "garden")
    assert api.client.app is not None
    jobs = api.client.app[RUNTIME].list_jobs
    rename = jobs.rename

    async def rename_and_delete(workspace: str, name: str, to: str, *, by: str | None) -> bool:
        was_renamed = await rename(workspace, name, to, by=by)
        await jobs.delete(workspace, to, by=None)
        return was_renamed

    monkeypatch.setattr(jobs, "rename", rename_and_delete)

    renamed = await api.patch("/lists/garden", {"name": "allotment"})

    assert (renamed.status, renamed.json) == (200, {"name": "allotment", "open": 0, "total": 0})


async def test_the_inbox_is_renamed_and_deleted_like_any_list(any_api: Api) -> None:
    await any_api.new("in the list by default")

    renamed = await any_api.patch("/lists/inbox", {"name": "later"})
    await any_api.new("in the list by default")
    deleted = await any_api.delete("/lists/inbox")

    assert renamed.json == {"name": "later", "open": 1, "total": 1}
    assert deleted.status == 204
    assert await lists(any_api) == {"later": (1, 1)}


async def test_the_change_feed_has_the_tasks_of_a_renamed_and_of_a_deleted_list(any_api: Api) -> None:
    await create(any_api, "garden", "garden")

    await any_api.patch("/lists/garden", {"name": "allotment"})
    await any_api.delete("/lists/allotment")

    changes = (await any_api.get("/changes?since=0")).json["changes"]
    assert [(change["type"], change["task_id"]) for change in changes[2:]] == [
        ("updated", 1),
        ("updated", 2),
        ("deleted", 1),
        ("deleted", 2),
    ]
    assert [change["task"]["list"] for change in changes[2:4]] == ["allotment"] * 2


async def test_what_a_client_has_cached_of_a_renamed_list_is_not_current_any_more(any_api: Api) -> None:
    await create(any_api, "garden")
    tag = (await any_api.get("/tasks/1")).headers["ETag"]
    assert (await any_api.get("/tasks/?list=garden")).json

    await any_api.patch("/lists/garden", {"name": "allotment"})

    again = await any_api.get("/tasks/1", If_None_Match=tag)
    assert (again.status, again.json["list"]) == (200, "allotment")
    assert (await any_api.get("/tasks/?list=garden")).json == []


async def test_only_the_list_of_the_workspace_in_the_path_is_renamed_or_deleted(any_api: Api) -> None:
    for path in ("", "/workspaces/u_1", "/workspaces/u_2"):
        await create(any_api, "garden", path=path)

    renamed = await any_api.patch("/workspaces/u_1/lists/garden", {"name": "allotment"})
    deleted = await any_api.delete("/workspaces/u_2/lists/garden")

    assert (renamed.status, deleted.status) == (200, 204)
    assert await lists(any_api) == {"garden": (1, 1)}
    assert await lists(any_api, "/workspaces/u_1") == {"allotment": (1, 1)}
    assert await lists(any_api, "/workspaces/u_2") == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "a\0"}, "name"),
        ({"name": 1}, "name"),
        ({"name": "a", "open": 1}, "open"),
    ],
)
async def test_a_new_name_that_no_list_can_have_is_refused(api: Api, body: Any, field: str) -> None:
    await create(api, "garden")

    refused = await api.patch("/lists/garden", body)

    assert (refused.status, list(refused.fields)) == (422, [field])
    assert await lists(api) == {"garden": (1, 1)}


# ---------------------------------------------------------------- deleting


@pytest.mark.options(limits=Limits(list_step=2))
async def test_a_deleted_list_is_gone_with_its_tasks(any_api: Api) -> None:
    await create(any_api, "garden", "garden", "inbox", "garden", "garden", "garden")

    deleted = await any_api.delete("/lists/garden")

    assert (deleted.status, deleted.body) == (204, b"")
    assert await lists(any_api) == {"inbox": (1, 1)}
    assert (await any_api.delete("/lists/garden")).status == 204


async def test_children_in_other_lists_stay_when_the_list_of_their_parent_is_deleted(api: Api) -> None:
    await create(api, "garden")
    await api.patch("/tasks/1", {"done": True})
    child = await api.new("of another list", parent_id=1)

    await api.delete("/lists/garden")

    left = (await api.get("/tasks/")).json
    assert [(task["id"], task["parent_id"]) for task in left] == [(child["id"], None)]


async def test_renamings_to_and_fro_at_once_come_one_after_the_other(any_api: Api) -> None:
    await create(any_api, *["a", "b"] * 5)

    answers = await asyncio.gather(
        *(any_api.patch(f"/lists/{name}", {"name": to}) for name, to in [("a", "b"), ("b", "a")] * 5)
    )

    assert [answer.status for answer in answers] == [200] * 10
    assert list((await lists(any_api)).values()) == [(10, 10)]


# ---------------------------------------------------------------- names in a path


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("a/b", "a%2Fb"),
        ("a/b", "a%2fb"),
        ("a//", "a%2F%2F"),
        ("50%", "50%25"),
        ("%2F", "%252F"),
        ("a b+c", "a%20b+c"),
        ("a?b#c", "a%3Fb%23c"),
        ("{list}", "%7Blist%7D"),
        ("été", "%C3%A9t%C3%A9"),
        ("☃", "%E2%98%83"),
        ("a\nb", "a%0Ab"),
        ("a;b=c", "a;b=c"),
        ("count", "count"),
        ("x" * 100, "x" * 100),
    ],
)
async def test_any_name_of_a_list_can_stand_in_a_path(any_api: Api, name: str, encoded: str) -> None:
    await create(any_api, name, "inbox")

    renamed = await any_api.patch(f"/lists/{encoded}", {"name": "new"})
    back = await any_api.patch("/lists/new", {"name": name})
    deleted = await any_api.delete(f"/workspaces/default/lists/{encoded}")

    assert renamed.json == {"name": "new", "open": 1, "total": 1}
    assert back.json == {"name": name, "open": 1, "total": 1}
    assert deleted.status == 204
    assert await lists(any_api) == {"inbox": (1, 1)}


@pytest.mark.parametrize("encoded", ["%20", "a%00", "x" * 101, "%E3%80%80"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_name_in_a_path_that_no_list_can_have_is_refused(api: Api, encoded: str, method: str) -> None:
    headers = {"Content-Type": "application/json"}

    refused = await api(method, f"/lists/{encoded}", headers, b'{"name": "a"}' if method == "PATCH" else None)

    assert (refused.status, refused.problem, list(refused.fields)) == (422, "invalid-request", ["list"])


@pytest.mark.parametrize("encoded", ["%FF", "a%", "%2", "%ED%A0%80"])
async def test_a_path_that_is_not_utf_8_is_malformed(api: Api, encoded: str) -> None:
    refused = await api.delete(f"/lists/{encoded}")

    assert (refused.status, refused.problem) == (400, "malformed-request")


async def test_a_condition_is_refused_and_nothing_is_done(any_api: Api) -> None:
    await create(any_api, "garden")
    tag = (await any_api.get("/tasks/1")).headers["ETag"]

    renamed = await any_api.patch("/lists/garden", {"name": "allotment"}, If_Match=tag)
    deleted = await any_api.delete("/lists/garden", If_Match=tag)

    assert [answer.problem for answer in (renamed, deleted)] == ["condition-failed"] * 2
    assert await lists(any_api) == {"garden": (1, 1)}


async def test_other_methods_are_not_there(api: Api) -> None:
    listing, one = await api.post("/lists/", {"name": "a"}), await api.get("/lists/garden")

    assert (listing.status, listing.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (one.status, one.headers["Allow"]) == (405, "DELETE, OPTIONS, PATCH")
