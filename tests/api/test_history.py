"""The history of one task: its changes, as far as the change log has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from api.api_client import Api
from api.conftest import connect
from tasksvc.api import RUNTIME
from tasksvc.application.clock import now
from tasksvc.application.limits import Limits
from tasksvc.application.retention import Retention, prune_step


async def prune(api: Api) -> None:
    """Removes all changes from the log."""
    assert api.client.app is not None
    while await prune_step(
        api.client.app[RUNTIME].repository, Retention(max_age=timedelta(0)), at=now() + timedelta(1)
    ):
        pass


async def busy(api: Api) -> None:
    """Creates task 1, and changes it four times among changes of other tasks."""
    await api.new()
    for priority in range(1, 5):
        await api.new("another")
        await api.patch("/tasks/1", {"priority": priority})
        await api.patch("/tasks/2", {"priority": priority})


def numbers(page: dict[str, Any]) -> list[int]:
    """Returns the version of the task that each change left."""
    return [change["task"]["version"] for change in page["changes"]]


async def test_the_history_of_a_task_is_its_part_of_the_log(any_api: Api) -> None:
    await busy(any_api)
    await any_api.delete("/tasks/1")

    history = (await any_api.get("/tasks/1/changes")).json

    log = (await any_api.get("/changes?limit=1000")).json
    assert history["changes"] == [change for change in log["changes"] if change["task_id"] == 1]
    assert [change["type"] for change in history["changes"]] == ["created", *["updated"] * 4, "deleted"]
    assert (history["next"], history["more"]) == (log["next"], False)


async def test_a_reader_of_a_history_goes_on_where_the_page_ended(any_api: Api) -> None:
    await busy(any_api)

    first = (await any_api.get("/tasks/1/changes?limit=2")).json
    second = (await any_api.get(f"/tasks/1/changes?limit=2&since={first['next']}")).json
    third = (await any_api.get(f"/tasks/1/changes?limit=2&since={second['next']}")).json
    fourth = (await any_api.get(f"/tasks/1/changes?limit=2&since={third['next']}")).json

    assert [numbers(page) for page in (first, second, third, fourth)] == [[1, 2], [3, 4], [5], []]
    assert [page["more"] for page in (first, second, third, fourth)] == [True, True, False, False]
    assert third["next"] == fourth["next"] == await any_api.position()


async def test_a_history_is_read_from_the_position_of_any_change_and_of_a_list(any_api: Api) -> None:
    await busy(any_api)
    log = (await any_api.get("/changes?limit=1000")).json["changes"]

    for index, change in enumerate(log):
        page = (await any_api.get(f"/tasks/1/changes?since={change['position']}")).json
        assert page["changes"] == [later for later in log[index + 1 :] if later["task_id"] == 1]
    assert (await any_api.get(f"/tasks/1/changes?since={await any_api.position()}")).json["changes"] == []
    assert numbers((await any_api.get("/tasks/1/changes?since=0")).json) == [1, 2, 3, 4, 5]


async def test_a_task_that_was_never_there_has_no_history(any_api: Api) -> None:
    await any_api.new()
    await any_api.delete("/tasks/1")

    found = await any_api.get("/tasks/1/changes")
    missing = [await any_api.get(f"/tasks/{number}/changes") for number in (2, 2**63 - 1)]
    elsewhere = await any_api.get("/workspaces/u_42/tasks/1/changes")

    assert [change["type"] for change in found.json["changes"]] == ["created", "deleted"]
    for answer in (*missing, elsewhere):
        assert (answer.status, answer.problem) == (404, "task-not-found")


@pytest.mark.parametrize(
    "task_id", ["0", "01", "-1", "x", "1.0", "9223372036854775808", "%D9%A1", "count", "1" * 5_000]
)
async def test_what_is_no_id_has_no_history(api: Api, task_id: str) -> None:
    await api.new()

    answer = await api.get(f"/tasks/{task_id}/changes")

    assert (answer.status, answer.problem) == (404, "task-not-found")


async def test_the_history_of_a_task_in_a_workspace_is_its_own(any_api: Api) -> None:
    await busy(any_api)
    await any_api.post("/workspaces/u_42/tasks/", {"description": "there"})

    page = (await any_api.get("/workspaces/u_42/tasks/1/changes")).json

    assert [change["task"]["description"] for change in page["changes"]] == ["there"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "since=1", "since=x", "since=0&since=0", "until=0", "done=true"]
)
async def test_a_parameter_that_is_wrong_is_named(api: Api, query: str) -> None:
    await api.new()

    answer = await api.get(f"/tasks/1/changes?{query}")

    assert (answer.status, list(answer.fields)) == (422, [query.partition("=")[0]])


async def test_a_position_that_the_log_does_not_have_is_gone(any_api: Api) -> None:
    await any_api.new()
    generation = (await any_api.position()).partition("-")[0]

    for since in ("0123456789abcdef-0", f"{generation}-2"):
        answer = await any_api.get(f"/tasks/1/changes?since={since}")
        assert (answer.status, answer.problem) == (410, "position-gone")


async def test_a_pruned_log_has_what_came_since(any_api: Api) -> None:
    await busy(any_api)
    before = (await any_api.get("/tasks/1/changes?limit=1")).json["next"]
    await prune(any_api)

    empty = (await any_api.get("/tasks/1/changes")).json
    gone = await any_api.get(f"/tasks/1/changes?since={before}")
    await any_api.new("later")
    await any_api.patch("/tasks/1", {"priority": 9})
    await any_api.delete("/tasks/1")
    since = (await any_api.get("/tasks/1/changes")).json
    new = (await any_api.get("/tasks/6/changes")).json

    assert (empty["changes"], empty["more"]) == ([], False)
    assert (gone.status, gone.problem) == (410, "position-gone")
    assert [change["type"] for change in since["changes"]] == ["updated", "deleted"]
    assert [change["type"] for change in new["changes"]] == ["created"]


async def test_a_deleted_task_of_which_the_log_has_nothing_any_more_is_not_found(any_api: Api) -> None:
    await busy(any_api)
    await any_api.delete("/tasks/1")
    await prune(any_api)

    deleted, living = await any_api.get("/tasks/1/changes"), await any_api.get("/tasks/2/changes")

    assert (deleted.status, deleted.problem) == (404, "task-not-found")
    assert (living.status, living.json["changes"]) == (200, [])


async def test_a_page_of_a_history_is_bounded_in_number_and_in_bytes(any_api: Api) -> None:
    await any_api.new("語" * 10_000)
    for start in range(0, 200, 50):
        patches = [{"op": "update", "id": 1, "patch": {"priority": n % 9 + 1}} for n in range(start, start + 50)]
        await any_api.post("/tasks/batch", patches)

    by_itself = await any_api.get("/tasks/1/changes")
    found, since, more = list(by_itself.json["changes"]), by_itself.json["next"], by_itself.json["more"]
    assert len(by_itself.body) <= Limits().page_bytes + 2 * 40_000
    assert (len(found) <= 100, more) == (True, True)
    while more:
        page = (await any_api.get(f"/tasks/1/changes?limit=1000&since={since}")).json
        found, since, more = found + page["changes"], page["next"], page["more"]

    assert [change["task"]["version"] for change in found] == list(range(1, len(found) + 1))
    assert len(found) == (await any_api.get("/tasks/1")).json["version"]


async def test_a_task_that_was_deleted_and_restored_has_one_history(any_api: Api) -> None:
    await busy(any_api)
    await any_api.delete("/tasks/1")
    await any_api.post("/tasks/1/restore", {"version": 2})
    await any_api.delete("/tasks/1")
    await any_api.post("/tasks/1/restore", {"version": 6})

    changes = (await any_api.get("/tasks/1/changes")).json["changes"]

    assert [change["type"] for change in changes][4:] == ["updated", "deleted", "created", "deleted", "created"]
    assert [change["task"]["version"] for change in changes if change["task"]][-3:] == [5, 6, 7]


async def test_a_service_that_starts_again_has_the_same_history(aiohttp_client: AiohttpClient, tmp_path: Any) -> None:
    store = f"sqlite:///{tmp_path}/tasks.db"
    before = await connect(aiohttp_client, store)
    await busy(before)
    await before.delete("/tasks/1")
    expected = (await before.get("/tasks/1/changes")).json
    await before.client.close()

    after = await connect(aiohttp_client, store)

    assert (await after.get("/tasks/1/changes")).json == expected


async def test_a_head_request_for_a_history_has_its_headers(api: Api) -> None:
    await api.new()

    answer = await api("HEAD", "/tasks/1/changes")

    assert (answer.status, answer.body) == (200, b"")
    assert (await api("HEAD", "/tasks/2/changes")).status == 404


async def test_on_an_open_service_changes_name_nobody(any_api: Api) -> None:
    await busy(any_api)

    log = (await any_api.get("/changes")).json["changes"]

    assert {change["by"] for change in log} == {None}
    assert list(log[0]) == ["seq", "position", "type", "task_id", "task", "at", "by"]
