"""The change log, read page by page."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from api.api_client import Answer, Api
from tasksvc.api import RUNTIME
from tasksvc.application.clock import now
from tasksvc.application.limits import Limits
from tasksvc.application.retention import Retention, prune_step


async def read_on(api: Api, since: str, limit: int = 100) -> tuple[list[dict[str, Any]], str]:
    """Returns all changes after `since`, and the position after them."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        page = (await api.get(f"/changes?since={since}&limit={limit}")).json
        found += page["changes"]
        since, more = page["next"], page["more"]
    return found, since


async def test_a_new_store_has_no_changes(api: Api) -> None:
    page = (await api.get("/changes?since=0")).json

    assert (page["changes"], page["more"]) == ([], False)
    assert (await api.get(f"/changes?since={page['next']}")).json == page


async def test_each_write_is_a_change_with_the_task_as_it_then_was(api: Api) -> None:
    made = await api.new()
    changed = (await api.patch("/tasks/1", {"done": True})).json
    await api.delete("/tasks/1")

    page = (await api.get("/changes")).json

    assert [(change["seq"], change["type"], change["task_id"], change["task"]) for change in page["changes"]] == [
        (1, "created", 1, made),
        (2, "updated", 1, changed),
        (3, "deleted", 1, None),
    ]
    assert [change["at"] for change in page["changes"]][:2] == [made["created_at"], changed["updated_at"]]
    assert page["more"] is False


async def test_a_reader_goes_on_where_the_page_ended(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": str(n)} for n in range(25)])

    first = (await api.get("/changes?since=0&limit=10")).json
    second = (await api.get(f"/changes?since={first['next']}&limit=10")).json
    third = (await api.get(f"/changes?since={second['next']}&limit=10")).json

    assert [[change["seq"] for change in page["changes"]] for page in (first, second, third)] == [
        list(range(1, 11)),
        list(range(11, 21)),
        list(range(21, 26)),
    ]
    assert [page["more"] for page in (first, second, third)] == [True, True, False]


async def test_a_reader_goes_on_from_the_position_of_any_change(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": str(n)} for n in range(4)])
    page = (await api.get("/changes")).json
    second = page["changes"][1]

    rest = (await api.get(f"/changes?since={second['position']}")).json

    assert rest["changes"] == page["changes"][2:]
    assert rest["next"] == page["next"] == page["changes"][-1]["position"]


@pytest.mark.parametrize("path", ["/changes", "/changes/stream"])
async def test_a_seq_is_not_a_position_and_the_answer_says_what_is(api: Api, path: str) -> None:
    await api.new()

    answer = await api.get(f"{path}?since=1")

    assert answer.status == 422
    assert "1 is the `seq` of a change" in answer.fields["since"]
    assert "take its `position`" in answer.fields["since"]


async def test_a_page_has_a_hundred_changes_where_nothing_else_is_asked(api: Api) -> None:
    await api.many([{"description": "x"}] * 450)

    by_itself = (await api.get("/changes")).json
    asked = (await api.get("/changes?limit=300")).json

    assert (len(by_itself["changes"]), by_itself["more"]) == (100, True)
    assert ([change["seq"] for change in asked["changes"]], asked["more"]) == (list(range(1, 301)), True)


async def test_a_page_is_bounded_in_bytes(api: Api) -> None:
    await api.many([{"description": "語" * 10_000}] * 150)

    page = await api.get("/changes?limit=1000")
    rest, _ = await read_on(api, page.json["next"], limit=1000)

    largest, bound = 4 * 10_000, Limits().page_bytes
    assert bound <= len(page.body) <= bound + 2 * largest
    assert page.json["more"] is True
    assert [change["seq"] for change in page.json["changes"] + rest] == list(range(1, 151))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/changes", "/changes/stream"])
async def test_a_position_of_another_generation_is_gone(api: Api, method: str, path: str) -> None:
    answer = await api(method, f"{path}?since=0123456789abcdef-0")

    assert answer.status == 410
    if method == "GET":
        assert answer.problem == "position-gone"
        assert answer.json["resync"] == "GET the list of tasks, then go on from its X-Change-Seq"


@pytest.mark.parametrize("path", ["/changes", "/changes/stream"])
async def test_a_position_beyond_the_head_is_gone(api: Api, path: str) -> None:
    generation = (await api.position()).partition("-")[0]
    await api.new()

    answers = [await api.get(f"{path}?since={generation}-{seq}") for seq in (2, 10**17, 999_999_999_999_999_999)]

    assert {(answer.status, answer.problem) for answer in answers} == {(410, "position-gone")}


@pytest.mark.parametrize(
    "since",
    [
        "",
        "1",
        "-1",
        "00",
        "0-",
        "x",
        "G-1",
        "a-1-1",
        "a--1",
        "a-1.0",
        "a-%D9%A1",
        "%00",
        "a" * 33 + "-1",
        "a-" + "1" * 19,
    ],
)
async def test_an_invalid_position_is_refused(api: Api, since: str) -> None:
    answers: list[Answer] = [await api.get(f"{path}?since={since}") for path in ("/changes", "/changes/stream")]

    assert [(answer.status, list(answer.fields)) for answer in answers] == [(422, ["since"])] * 2


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "since=0&since=0", "until=0"])
async def test_a_parameter_that_is_wrong_is_named(api: Api, query: str) -> None:
    answer = await api.get(f"/changes?{query}")

    assert (answer.status, list(answer.fields)) == (422, [query.partition("=")[0]])


async def test_after_the_log_was_pruned_a_reader_syncs_again(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": str(n)} for n in range(10)])
    old = (await api.get("/changes?since=0&limit=2")).json["next"]
    assert api.client.app is not None
    while await prune_step(
        api.client.app[RUNTIME].repository, Retention(max_age=timedelta(0)), at=now() + timedelta(1)
    ):
        pass

    gone = [await api.get(f"/changes?since={since}") for since in ("0", old)]
    listed = await api.get("/tasks/")
    await api.new("after")
    changes, _ = await read_on(api, listed.headers["X-Change-Seq"])

    assert {(answer.status, answer.problem) for answer in gone} == {(410, "position-gone")}
    assert len(listed.json) == 10
    assert [(change["type"], change["task"]["description"]) for change in changes] == [("created", "after")]


async def test_a_poller_sees_each_change_once_while_64_write(any_api: Api) -> None:
    api = any_api
    writing = True

    async def write(number: int) -> None:
        task = await api.new(str(number))
        for priority in range(1, 4):
            await api.patch(f"/tasks/{task['id']}", {"priority": priority})
        if number % 2:
            await api.delete(f"/tasks/{task['id']}")

    async def poll() -> list[dict[str, Any]]:
        since, seen = "0", []
        while True:
            last = not writing
            changes, since = await read_on(api, since, limit=7)
            seen += changes
            if last:
                return seen
            await asyncio.sleep(0)

    poller = asyncio.create_task(poll())
    await asyncio.gather(*(write(number) for number in range(64)))
    writing = False
    seen = await poller

    assert [change["seq"] for change in seen] == list(range(1, 64 * 4 + 32 + 1))
    known: dict[int, Any] = {}
    for change in seen:
        known[change["task_id"]] = change["task"]
    assert [task for task in known.values() if task] == sorted(
        (await api.get("/tasks/")).json, key=lambda t: list(known).index(t["id"])
    )
