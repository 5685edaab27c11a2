"""Lists: filters, orders, pages, JSON Lines, and lists that are streamed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import tasksvc_memory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit import strategies as some

from api.api_client import Api, lines_of, next_page
from tasksvc import (
    CreateTask,
    Page,
    SortField,
    StoreUnavailable,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    UpdateTask,
    select,
)
from tasksvc.api import RUNTIME
from tasksvc.api.app import IN_FLIGHT
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.domain.json_text import dumps, loads

DAYS = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]


def store_of(api: Api) -> TaskRepository:
    """Returns the store that the service of `api` has opened."""
    assert api.client.app is not None
    return api.client.app[RUNTIME].repository


async def fill(api: Api, count: int, description: str = "x") -> None:
    """Creates `count` tasks in the store."""
    for start in range(0, count, 1000):
        writes = [
            CreateTask(TaskDraft(f"{description} {n}", priority=n % 10)) for n in range(start, min(start + 1000, count))
        ]
        await store_of(api).commit(writes, at=DAYS[0] + timedelta(seconds=start))


async def walk(api: Api, path: str) -> AsyncIterator[dict[str, Any]]:
    """Returns the tasks of all pages from `path` on."""
    at: str | None = path
    while at is not None:
        answer = await api.get(at)
        assert answer.status == 200, answer
        for task in answer.json:
            yield task
        at = next_page(answer)


# ---------------------------------------------------------------- the whole list


async def test_the_list_is_a_bare_array_ordered_by_id(api: Api) -> None:
    empty = await api.get("/tasks/")
    made = [await api.new(str(n)) for n in range(3)]

    full = await api.get("/tasks/")

    assert (empty.status, empty.json, full.json) == (200, [], made)
    assert full.type == "application/json"
    assert "Link" not in full.headers


async def test_the_list_has_its_position_in_the_change_log(api: Api) -> None:
    await api.new("before")
    listed = await api.get("/tasks/")
    after = await api.new("after")

    changes = await api.get(f"/changes?since={listed.headers['X-Change-Seq']}")

    assert [change["task"] for change in changes.json["changes"]] == [after]


@pytest.mark.parametrize("count", [Limits().stream_page - 1, Limits().stream_page, Limits().stream_page + 1, 5_000])
async def test_a_long_list_is_whole(api: Api, count: int) -> None:
    await fill(api, count)

    answer, lines = await api.get("/tasks/"), await api.get("/tasks/", Accept="application/x-ndjson")

    assert [task["id"] for task in answer.json] == list(range(1, count + 1))
    assert lines.type == "application/x-ndjson"
    assert lines_of(lines) == answer.json
    streamed = count > Limits().stream_page
    assert (answer.headers.get("Transfer-Encoding") == "chunked") is streamed
    assert ("Content-Length" in answer.headers) is not streamed
    assert answer.headers["X-Change-Seq"].endswith(f"-{count}")


async def test_a_long_list_is_sent_page_by_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(api, 5 * Limits().stream_page)
    may_go_on = asyncio.Event()
    find = tasksvc_memory.MemoryRepository.find
    asked = 0

    async def waiting(self: Any, query: TaskQuery, **page: Any) -> Page:
        nonlocal asked
        asked += 1
        if asked == 3:
            await may_go_on.wait()
        return await find(self, query, **page)

    monkeypatch.setattr(tasksvc_memory.MemoryRepository, "find", waiting)
    async with asyncio.timeout(10), api.client.get("/tasks/") as response:
        first = await response.content.readany()
        while b'"id":300' not in first:
            first += await response.content.readany()
        may_go_on.set()
        rest = await response.content.read()

    assert asked == 5
    assert [task["id"] for task in json.loads(first + rest)] == list(range(1, 5 * Limits().stream_page + 1))


async def test_head_of_a_long_list_has_no_body(api: Api) -> None:
    await fill(api, 1_000)

    head = await api("HEAD", "/tasks/")

    assert (head.status, head.body, head.type) == (200, b"", "application/json")
    assert (await api.get("/tasks/?limit=1")).status == 200  # the connection is still in order


# ---------------------------------------------------------------- lists that end before their end


@pytest.fixture
def broken_at_the_third_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails when the third page of a list is read."""
    find = tasksvc_memory.MemoryRepository.find
    asked = 0

    async def failing(self: Any, query: TaskQuery, **page: Any) -> Page:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise StoreUnavailable("The disk is on fire.")
        return await find(self, query, **page)

    monkeypatch.setattr(tasksvc_memory.MemoryRepository, "find", failing)


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
@pytest.mark.usefixtures("broken_at_the_third_page")
async def test_a_list_that_fails_half_way_breaks_the_connection(
    api: Api, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(api, 1_000)

    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get("/tasks/", Accept=accept)

    (record,) = caplog.records
    assert record.getMessage() == "The answer to GET /tasks/ broke off."


@pytest.mark.usefixtures("broken_at_the_third_page")
async def test_even_to_a_client_that_knows_no_chunks_it_does_not_look_complete(api: Api) -> None:
    await fill(api, 1_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.client.port)
    writer.write(b"GET /tasks/ HTTP/1.0\r\nHost: localhost\r\n\r\n")

    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)

    writer.close()


async def test_a_client_that_leaves_half_way_leaves_nothing_behind(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    await fill(api, 5_000, "x" * 2_000)
    assert api.client.app is not None
    in_flight = api.client.app[IN_FLIGHT]
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.client.port)
        writer.write(b"GET /tasks/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.read(1_000)
        writer.close()

    async with asyncio.timeout(10):
        while in_flight:
            await asyncio.sleep(0.01)

    assert (await api.new())["id"] == 5_001
    assert caplog.records == []


@pytest.mark.options(timeouts=Timeouts(stalled=0.5))
async def test_a_client_that_reads_nothing_blocks_nobody_and_is_cut_off(api: Api) -> None:
    await fill(api, 10_000, "x" * 2_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.client.port, limit=1_000)
    writer.write(b"GET /tasks/ HTTP/1.1\r\nHost: localhost\r\n\r\n")

    async with asyncio.timeout(10):
        written = [await api.new(str(n)) for n in range(20)]
        assert api.client.app is not None
        while api.client.app[IN_FLIGHT]:
            await asyncio.sleep(0.01)

    assert len(written) == 20
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()


# ---------------------------------------------------------------- pages


async def test_pages_lead_from_one_to_the_next(api: Api) -> None:
    made = [await api.new(str(n)) for n in range(5)]

    first = await api.get("/tasks/?limit=2")
    second = await api.get(next_page(first) or "")
    third = await api.get(next_page(second) or "")

    assert first.json + second.json + third.json == made
    assert [len(page.json) for page in (first, second, third)] == [2, 2, 1]
    assert next_page(third) is None


@pytest.mark.options(limits=Limits(page_bytes=2_000, stream_bytes=2_000))
async def test_a_page_ends_where_it_gets_too_long_and_leads_on(api: Api) -> None:
    await fill(api, 30)
    whole = (await api.get("/tasks/")).json

    for accept in ("*/*", "application/x-ndjson"):
        page = await api.get("/tasks/?limit=30&sort=-priority", Accept=accept)
        assert 1_000 < len(page.body) < 2_000
        assert next_page(page) is not None
    walked = [task async for task in walk(api, "/tasks/?limit=30&sort=-priority")]

    assert sorted(task["id"] for task in walked) == [task["id"] for task in whole]
    assert [task["priority"] for task in walked] == sorted((task["priority"] for task in whole), reverse=True)
    assert (await api.get("/tasks/")).json == whole
    assert lines_of(await api.get("/tasks/", Accept="application/x-ndjson")) == whole


@pytest.mark.options(limits=Limits(stream_bytes=5_000))
async def test_what_waits_for_a_client_that_reads_nothing_is_one_chunk_however_large_the_tasks(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(api, 2 * Limits().stream_page, "x" * 500)
    chunks: list[int] = []
    write = aiohttp.web.StreamResponse.write

    async def noted(self: aiohttp.web.StreamResponse, data: bytes) -> None:
        chunks.append(len(data))
        await write(self, data)

    monkeypatch.setattr(aiohttp.web.StreamResponse, "write", noted)
    assert len((await api.get("/tasks/")).json) == 2 * Limits().stream_page

    assert max(chunks) < 6_000


async def test_a_page_that_is_just_full_is_the_last(api: Api) -> None:
    await fill(api, 4)

    second = await api.get(next_page(await api.get("/tasks/?limit=2")) or "")

    assert len(second.json) == 2
    assert next_page(second) is None


async def test_the_link_keeps_filter_and_order(api: Api) -> None:
    await api.many([{"description": f"a&b={n}", "labels": ["x y", "z+"], "priority": n % 3} for n in range(7)])
    await fill(api, 3)
    query = urlencode([("label", "x y"), ("label", "z+"), ("q", "A&B="), ("sort", "-priority"), ("limit", "2")])

    walked = [task async for task in walk(api, f"/tasks/?{query}")]

    assert [task["description"] for task in walked] == [f"a&b={n}" for n in (5, 2, 4, 1, 6, 3, 0)]


async def test_a_walk_in_lines_gives_the_same(api: Api) -> None:
    await fill(api, 5)
    walked: list[Any] = []
    at: str | None = "/tasks/?limit=2"
    while at is not None:
        page = await api.get(at, Accept="application/x-ndjson")
        walked += lines_of(page)
        at = next_page(page)

    assert walked == (await api.get("/tasks/")).json


@pytest.mark.parametrize(
    ("accept", "lines"),
    [
        ("application/x-ndjson", True),
        ("Application/X-NDJSON ; q=0.5", True),
        ("application/json;q=0.4, application/x-ndjson;q=0.5", True),
        ("text/html, application/x-ndjson, */*;q=0.1", True),
        ("application/json, application/x-ndjson;q=0.5", False),
        ("application/x-ndjson;q=0", False),
        ("application/x-ndjson;q=all", False),
        ("application/x-ndjson-not", False),
        ("*/*", False),
        ("", False),
    ],
)
async def test_lines_are_for_those_who_prefer_them(api: Api, accept: str, *, lines: bool) -> None:
    await api.new()

    answer = await api.get("/tasks/", Accept=accept)

    assert (answer.type == "application/x-ndjson") is lines
    assert answer.headers["Vary"] == "Accept"


async def test_a_cursor_belongs_to_its_order(api: Api) -> None:
    await fill(api, 3)
    link = next_page(await api.get("/tasks/?limit=1&sort=priority")) or ""

    for other in ("id", "-priority", "due_at"):
        answer = await api.get(link.replace("sort=priority", f"sort={other}"))

        assert (answer.status, answer.fields) == (422, {"after": "This cursor belongs to another sort."})


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "0",
        "%00",
        "W10",
        "bnVsbA",
        "eyJhIjoxfQ",
        "WyJpZCIsZmFsc2UsMSwwXQ",
        "WyJpZCIsZmFsc2UsIjEiLDFd",
        "A" * 5_000,
        "é",
    ],
)
async def test_an_invalid_cursor_is_refused(api: Api, cursor: str) -> None:
    answer = await api.get("/tasks/?after=" + (cursor if cursor.startswith("%") else urlencode({"": cursor})[1:]))

    assert (answer.status, list(answer.fields)) == (422, ["after"])


@pytest.mark.parametrize(
    ("sort", "place"),
    [
        ("id", '["id",false,0.5,1]'),
        ("id", '["id",false,1,0]'),
        ("id", '["id",false,1,9223372036854775808]'),
        ("priority", '["priority",false,10,1]'),
        ("priority", '["priority",false,null,1]'),
        ("due_at", '["due_at",false,"tomorrow",1]'),
        ("created_at", '["created_at",false,null,1]'),
        ("updated_at", '["updated_at",false,0,1]'),
    ],
)
async def test_a_cursor_with_values_that_cannot_be_is_refused(api: Api, sort: str, place: str) -> None:
    cursor = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")

    answer = await api.get(f"/tasks/?sort={sort}&after={cursor}")

    assert (answer.status, list(answer.fields)) == (422, ["after"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=%2B1", "limit"),
        ("limit=01", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=1&limit=1", "limit"),
        ("done=yes", "done"),
        ("done=TRUE", "done"),
        ("done=1", "done"),
        ("priority=10", "priority"),
        ("priority=-1", "priority"),
        ("priority=1&priority=2", "priority"),
        ("priority_min=10", "priority_min"),
        ("priority_max=10", "priority_max"),
        ("priority_max=none", "priority_max"),
        ("label=", "label"),
        ("label=%00", "label"),
        ("label=" + "x" * 101, "label"),
        ("q=", "q"),
        ("q=a%00b", "q"),
        ("q=a&q=b", "q"),
        ("due_before=2026-11-31", "due_before"),
        ("due_before=20261124", "due_before"),
        ("list=", "list"),
        ("list=%20", "list"),
        ("list=a&list=b", "list"),
        ("due_after=2026-11-24T15:00:00", "due_after"),
        ("created_after=2026-11-24T15:00:00+01:00", "created_after"),
        ("updated_after=now", "updated_after"),
        ("sort=description", "sort"),
        ("sort=%2Bid", "sort"),
        ("sort=--id", "sort"),
        ("Limit=1", "Limit"),
        ("=1", ""),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(api: Api, query: str, field: str) -> None:
    answer = await api.get(f"/tasks/?{query}")

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert [(error["in"], error["field"]) for error in answer.json["errors"]] == [("query", field)]


@pytest.mark.parametrize("query", ["q=%FF", "q=%ED%A0%80", "q=%zz", "q=%", "label=%C3", "%FF=1"])
async def test_a_query_that_is_not_utf_8_is_malformed(api: Api, query: str) -> None:
    answer = await api.get(f"/tasks/?{query}")

    assert (answer.status, answer.problem) == (400, "malformed-request")


# ---------------------------------------------------------------- the same as the domain says


def parameters(query: TaskQuery) -> list[tuple[str, str]]:
    """Returns `query` as the parameters that a client sends."""
    shown = [("label", label) for label in query.labels]
    times = {"created_after": query.created_after, "updated_after": query.updated_after}
    times |= {name: due.at for name in ("due_before", "due_after") if (due := getattr(query, name)) is not None}
    shown += [(name, moment.isoformat()) for name, moment in times.items() if moment is not None]
    if query.list is not None:
        shown.append(("list", query.list))
    if query.done is not None:
        shown.append(("done", "true" if query.done else "false"))
    numbers = ("priority", "priority_min", "priority_max")
    shown += [(name, str(value)) for name in numbers if (value := getattr(query, name)) is not None]
    if query.parent_id is not None or query.without_parent:
        shown.append(("parent_id", "none" if query.without_parent else str(query.parent_id)))
    if query.uid is not None:
        shown.append(("uid", query.uid))
    shown += [(f"metadata.{path}", json.dumps(value)) for path, value in query.metadata]
    if query.q is not None:
        shown.append(("q", query.q))
    return [*shown, ("sort", ("-" if query.descending else "") + query.sort)]


METADATA: list[dict[str, Any]] = [{}, {"n": 1}, {"n": 1.0}, {"n": {"deep": True}}]


def can_be_sent(query: TaskQuery) -> bool:
    """Returns whether a client can ask for `query`."""
    return query.q != "" and not (query.without_parent and query.parent_id is not None)


async def fill_with_ties(repository: TaskRepository) -> None:
    """Creates tasks that differ in few values, so that ties are common."""
    for n in range(80):
        draft = TaskDraft(
            ["Straße", "STRASSE", "задача", "ЗАДАЧА", "milk"][n % 5],
            done=n % 3 == 0,
            due_at=[None, *DAYS][n % 5],
            priority=n % 4,
            labels=(("a",), ("a", "b"), ("b", "c"), ())[n % 4],
            parent_id=None if n < 4 or n % 2 else n % 3 + 1,
            metadata=METADATA[n % 4],
        )
        await repository.commit([CreateTask(draft)], at=DAYS[n % 3])
    for n in range(1, 80, 7):
        await repository.commit([UpdateTask(n, {"metadata": {"n": n}})], at=DAYS[3])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=some.queries.filter(can_be_sent), limit=st.none() | st.integers(1, 30))
async def test_a_list_is_what_the_domain_selects(any_api: Api, query: TaskQuery, limit: int | None) -> None:
    repository = store_of(any_api)
    if not (await repository.find(TaskQuery(), limit=1)).tasks:
        await fill_with_ties(repository)
    everything = (await repository.find(TaskQuery(), limit=1000)).tasks
    expected, _ = select(everything, query, None, 1000)
    page = [] if limit is None else [("limit", str(limit))]

    walked = [task async for task in walk(any_api, "/tasks/?" + urlencode(parameters(query) + page))]

    assert walked == loads(dumps(expected))


@pytest.mark.parametrize("sort", ["id", "-id", "-created_at", "priority", "-priority", "due_at", "-due_at"])
async def test_a_walk_sees_each_task_once_while_others_are_written(any_api: Api, sort: str) -> None:
    repository = store_of(any_api)
    await fill_with_ties(repository)
    staying = {task.id for task in (await repository.find(TaskQuery(), limit=1000)).tasks if task.id % 5}
    seen: list[int] = []
    at: str | None = f"/tasks/?limit=3&sort={sort}"
    victims = iter(range(5, 81, 5))

    while at is not None:
        page = await any_api.get(at)
        seen += [task["id"] for task in page.json]
        at = next_page(page)
        await asyncio.gather(
            any_api.new(priority=len(seen) % 4, due_at=DAYS[len(seen) % 4].isoformat()),
            any_api.delete(f"/tasks/{next(victims, 5)}"),
            any_api.patch(f"/tasks/{len(seen) % 4 + 1}", {"description": str(len(seen))}),
        )

    assert len(seen) == len(set(seen))
    assert staying <= set(seen)


async def test_sorting_goes_by_all_that_is_offered() -> None:
    assert {field.value for field in SortField} == {
        "id",
        "created_at",
        "updated_at",
        "due_at",
        "priority",
        "position",
    }
