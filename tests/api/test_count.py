"""GET /tasks/count returns how many tasks match a filter."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from unit import strategies as some

from api.api_client import Api
from api.test_list import fill_with_ties, parameters, store_of
from tasksvc import TaskQuery


async def test_it_says_how_many_tasks_there_are(any_api: Api) -> None:
    api = any_api
    empty = await api.get("/tasks/count")
    await api.many([{"description": "x"}] * 12)

    answer = await api.get("/tasks/count")

    assert (empty.status, empty.json) == (200, {"count": 0})
    assert (answer.status, answer.type, answer.json) == (200, "application/json", {"count": 12})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=some.queries.filter(lambda query: query.q != ""))
async def test_it_counts_what_the_list_shows_under_the_same_filters(any_api: Api, query: TaskQuery) -> None:
    if not await store_of(any_api).count(TaskQuery()):
        await fill_with_ties(store_of(any_api))
    filters = urlencode([(name, value) for name, value in parameters(query) if name != "sort"])

    counted = await any_api.get(f"/tasks/count?{filters}")
    listed = await any_api.get(f"/tasks/?{filters}")

    assert counted.json == {"count": len(listed.json)}


@pytest.mark.parametrize("query", ["sort=id", "limit=1", "after=x", "priority=10", "done=yes", "q=", "count=1"])
async def test_an_unknown_filter_is_refused_and_named(api: Api, query: str) -> None:
    answer = await api.get(f"/tasks/count?{query}")

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert list(answer.fields) == [query.partition("=")[0]]


async def test_head_has_the_headers_of_get(api: Api) -> None:
    got = await api.get("/tasks/count")
    head = await api("HEAD", "/tasks/count")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_other_method_is_taken_for_one_of_a_task(api: Api, method: str) -> None:
    answer = await api(method, "/tasks/count")

    assert (answer.status, answer.problem) == (405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_options_says_what_the_path_takes(api: Api) -> None:
    answer = await api("OPTIONS", "/tasks/count")

    assert (answer.status, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_a_deletion_takes_the_filters_of_the_priority_too(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": "x", "priority": n} for n in range(10)])

    exact = await api.delete("/tasks/?priority=4")
    most = await api.delete("/tasks/?priority_max=2")

    assert (exact.json["deleted"], most.json["deleted"]) == (1, 3)
    assert [task["priority"] for task in (await api.get("/tasks/")).json] == [3, 5, 6, 7, 8, 9]


async def test_a_count_is_of_the_present(any_api: Api) -> None:
    api = any_api
    due = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    task = await api.new(due_at=due)
    query = "/tasks/count?" + urlencode({"due_before": "2027-01-01T00:00:00Z"})

    before = await api.get(query)
    await api.patch(f"/tasks/{task['id']}", {"due_at": None})
    after = await api.get(query)

    assert (before.json, after.json) == ({"count": 1}, {"count": 0})
