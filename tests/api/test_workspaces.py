"""Workspaces over HTTP: each is a task service of its own below its path."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NamedTuple

import pytest
from patience import until
from pytest_aiohttp.plugin import AiohttpClient
from tasksvc_memory import MemoryRepository

from api.api_client import JSON, Answer, Api, next_page
from api.conftest import connect
from api.sse_client import events
from tasksvc import TaskRepository
from tasksvc.api import RUNTIME
from tasksvc.application.runtime import Runtime
from tasksvc.domain.workspace import DEFAULT_WORKSPACE

PREFIX = "/workspaces/u_42"
OTHER = "/workspaces/u_43"
INVALID_NAMES = {
    "an empty one": "",
    "a dot": "%2E",  # escaped, since a client would resolve it
    "two dots": "%2E%2e",
    "a slash": "a%2Fb",
    "a space": "a%20b",
    "a letter beyond ASCII": "%C3%A9",
    "a null character": "a%00",
    "a line break at the end": "a%0A",
    "braces": "a%7Bb%7D",
    "a plus": "a+b",
    "a colon": "a:b",
    "too many characters": "a" * 101,
}
VALID_NAMES = ["a", "...", "~", "-", "A.b_c~d-9", "tasks", "changes", "default", "a" * 100]


class Asked(NamedTuple):
    """A request within a workspace."""

    method: str
    path: str
    """The path below that of the workspace."""
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012


REQUESTS = [
    Asked("GET", "/tasks/"),
    Asked("POST", "/tasks/", {"description": "Water the plants", "labels": ["home"]}),
    Asked("POST", "/tasks", {"description": "Feed the cat"}, {"Idempotency-Key": "cat"}),
    Asked("POST", "/tasks", {"description": "Feed the cat"}, {"Idempotency-Key": "cat"}),
    Asked("POST", "/tasks/", {"description": "Feed the dog"}, {"Idempotency-Key": "cat"}),
    Asked("POST", "/tasks/", {"text": "x"}),
    Asked("POST", "/tasks/batch", [{"op": "create", "task": {"description": "Paint"}}, {"op": "delete", "id": 2}]),
    Asked("POST", "/tasks/batch", [{"op": "delete", "id": 2}]),
    Asked("PATCH", "/tasks/1", {"done": True}),
    Asked("PATCH", "/tasks/1", {"done": True}, {"If-Match": '"0123456789abcdef.1"'}),
    Asked("GET", "/tasks/1"),
    Asked("GET", "/tasks/1", headers={"If-None-Match": "*"}),
    Asked(
        "PATCH", "/tasks/1", {"done": False, "due_on": "2026-12-01", "repeat": {"rule": "FREQ=DAILY", "zone": "UTC"}}
    ),
    Asked("POST", "/tasks/1/skip"),
    Asked("POST", "/tasks/2/skip"),
    Asked("HEAD", "/tasks/1"),
    Asked("GET", "/tasks/2"),
    Asked("GET", "/tasks/x"),
    Asked("GET", "/tasks/"),
    Asked("GET", "/tasks"),
    Asked("HEAD", "/tasks/"),
    Asked("GET", "/tasks/", headers={"Accept": "application/x-ndjson"}),
    Asked("GET", "/tasks/?limit=2&sort=-priority"),
    Asked("GET", "/tasks/?q=PLANTS"),
    Asked("GET", "/tasks/?colour=red"),
    Asked("GET", "/tasks/?after=nonsense"),
    Asked("GET", "/tasks/count"),
    Asked("GET", "/tasks/count?done=true"),
    Asked("DELETE", "/tasks/?done=true"),
    Asked("DELETE", "/tasks/"),
    Asked("DELETE", "/tasks/3"),
    Asked("DELETE", "/tasks/3"),
    Asked("GET", "/changes"),
    Asked("GET", "/changes?since=0&limit=1"),
    Asked("GET", "/changes?since=0123456789abcdef-1"),
    Asked("HEAD", "/changes/stream"),
    Asked("GET", "/changes/stream?since=1"),
    Asked("GET", "/changes/"),
    Asked("GET", "/tasks/1/"),
    Asked("GET", ""),
    Asked("PUT", "/tasks/1"),
    Asked("OPTIONS", "/tasks/"),
    Asked("OPTIONS", "/tasks/1"),
    Asked("GET", "/tasks/"),
]


async def ask(api: Api, workspace: str, asked: Asked) -> Answer:
    """Sends a request below the path `workspace`."""
    body = None if asked.body is None else json.dumps(asked.body).encode()
    headers = asked.headers if body is None else JSON | asked.headers
    return await api(asked.method, f"{workspace}{asked.path}", headers, body)


def comparable(answer: Answer) -> tuple[int, dict[str, str], str]:
    """Returns `answer` without what differs between two workspaces."""

    def plain(text: str) -> str:
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
        text = re.sub(r"after=[\w-]+", "after=CURSOR", text)
        text = text.replace(", after, workspace.", ", after.")  # a parameter of paths without a workspace
        return re.sub(r"\b[0-9a-f]{16}\b", "GENERATION", text)

    ignored = ("Date", "Content-Length", "X-Request-ID")
    headers = {name: plain(value) for name, value in answer.headers.items() if name not in ignored}
    return answer.status, headers, plain(answer.body.decode())


def runtime_of(api: Api) -> Runtime:
    assert api.client.app is not None
    return api.client.app[RUNTIME]


async def new(api: Api, workspace: str, description: str = "buy milk") -> Answer:
    """Creates a task in the workspace of that path."""
    answer = await api.post(f"{workspace}/tasks/", {"description": description})
    assert answer.status == 201, answer
    return answer


async def made(api: Api) -> list[str]:
    """Returns the names of the workspaces that are made."""
    return [workspace.name for workspace in await runtime_of(api).repository.workspaces(limit=100)]


# ---------------------------------------------------------------- the same API


@pytest.mark.options(plugins=[])
async def test_a_workspace_answers_what_the_default_one_answers(any_api: Api) -> None:
    await any_api.post("/workspaces/neighbour/tasks/", {"description": "x"}, Idempotency_Key="cat")
    default, named = [
        [comparable(await ask(any_api, workspace, asked)) for asked in REQUESTS] for workspace in ("", PREFIX)
    ]

    # Only the first answer differs: nothing has been written to the named workspace yet.
    position_of_empty = [answer[1].pop("X-Change-Seq") for answer in (default[0], named[0])]
    assert position_of_empty == ["GENERATION-0", "0"]
    for asked, expected, answer in zip(REQUESTS, default, named, strict=True):
        if asked.path:
            assert answer == expected, asked
        else:
            assert (expected[0], answer[0]) == (302, 405), (
                "the docs of the service, and a workspace, which is only erased"
            )
    assert {answer[0] for answer in named} == {200, 201, 204, 304, 404, 405, 410, 412, 422}


async def test_what_a_client_is_led_to_stays_in_the_workspace(any_api: Api) -> None:
    with_slash, without = [
        await any_api.post(f"{PREFIX}{path}", {"description": "x"}) for path in ("/tasks/", "/tasks")
    ]
    page = await any_api.get(f"{PREFIX}/tasks/?limit=1")
    following = next_page(page)

    assert (with_slash.location, without.location) == (f"{PREFIX}/tasks/1", f"{PREFIX}/tasks/2")
    assert following is not None
    assert following.startswith(f"{PREFIX}/tasks/?limit=1&after=")
    assert [task["id"] for task in (await any_api.get(following)).json] == [2]


@pytest.mark.parametrize("name", VALID_NAMES)
async def test_a_name_of_unreserved_characters_is_a_workspace(api: Api, name: str) -> None:
    answer = await new(api, f"/workspaces/{name}")

    assert (answer.json["id"], answer.location) == (1, f"/workspaces/{name}/tasks/1")
    assert set(await made(api)) == {DEFAULT_WORKSPACE, name}


async def test_names_are_compared_exactly_once_they_are_decoded(api: Api) -> None:
    await new(api, "/workspaces/u_42")

    escaped = await api.get("/workspaces/u%5F42/tasks/1")
    in_capitals = await api.get("/workspaces/U_42/tasks/1")

    assert (escaped.status, in_capitals.status) == (200, 404)


@pytest.mark.parametrize("name", INVALID_NAMES.values(), ids=INVALID_NAMES)
@pytest.mark.parametrize(
    "asked",
    [
        Asked("GET", "/tasks/"),
        Asked("GET", "/tasks"),
        Asked("POST", "/tasks/", {"description": "x"}),
        Asked("DELETE", "/tasks/?done=true"),
        Asked("GET", "/tasks/1"),
        Asked("PATCH", "/tasks/1", {"done": True}),
        Asked("DELETE", "/tasks/1"),
        Asked("GET", "/tasks/count"),
        Asked("POST", "/tasks/batch", [{"op": "delete", "id": 1}]),
        Asked("GET", "/changes"),
        Asked("GET", "/changes/stream"),
    ],
    ids=lambda asked: f"{asked.method} {asked.path}",
)
async def test_another_name_is_refused(api: Api, name: str, asked: Asked) -> None:
    answer = await ask(api, f"/workspaces/{name}", asked)

    assert (answer.status, answer.problem) == (422, "invalid-request")
    assert [(error["in"], error["field"]) for error in answer.json["errors"]] == [("path", "workspace")]
    assert await made(api) == [DEFAULT_WORKSPACE]


async def test_the_default_workspace_has_two_paths(any_api: Api) -> None:
    await any_api.many([{"description": str(number)} for number in range(3)])
    unprefixed, named = [await any_api.get(f"{path}/tasks/?limit=1") for path in ("", "/workspaces/default")]

    assert (unprefixed.json, unprefixed.headers["X-Change-Seq"]) == (named.json, named.headers["X-Change-Seq"])
    assert unprefixed.headers["Link"] == named.headers["Link"]
    assert [task["id"] for task in (await any_api.get(next_page(named) or "")).json] == [2]


async def test_metrics_name_the_route_and_not_the_workspace(api: Api) -> None:
    await new(api, PREFIX)
    await api.get(f"{PREFIX}/tasks/1")
    await api.get(f"{PREFIX}/tasks/count")

    metrics = (await api.get("/metrics")).body.decode()

    routes = {
        "/workspaces/{workspace}/tasks/",
        "/workspaces/{workspace}/tasks/{id}",
        "/workspaces/{workspace}/tasks/count",
    }
    assert routes <= set(re.findall(r'route="([^"]*)"', metrics))
    assert "u_42" not in metrics


# ---------------------------------------------------------------- isolation


async def test_each_workspace_has_tasks_and_ids_of_its_own(any_api: Api) -> None:
    for workspace in ("", PREFIX, OTHER):
        await new(any_api, workspace, f"in {workspace}")
    await any_api.patch(f"{PREFIX}/tasks/1", {"done": True})
    await any_api.delete(f"{OTHER}/tasks/1")

    lists = [(await any_api.get(f"{workspace}/tasks/")).json for workspace in ("", PREFIX, OTHER)]

    assert [[(task["description"], task["done"]) for task in tasks] for tasks in lists] == [
        [("in ", False)],
        [(f"in {PREFIX}", True)],
        [],
    ]
    assert (await new(any_api, OTHER)).json["id"] == 2


async def test_a_workspace_without_a_write_is_an_empty_list_at_a_position_that_stays_valid(any_api: Api) -> None:
    empty = await any_api.get(f"{PREFIX}/tasks/")
    log = await any_api.get(f"{PREFIX}/changes")
    count = await any_api.get(f"{PREFIX}/tasks/count")
    missing = [
        await any_api.get(f"{PREFIX}/tasks/1"),
        await any_api.patch(f"{PREFIX}/tasks/1", {"done": True}),
        await any_api.delete(f"{PREFIX}/tasks/1"),
    ]
    deleted = await any_api.delete(f"{PREFIX}/tasks/?done=true")
    refused = await any_api.post(f"{PREFIX}/tasks/", {"description": ""})
    made_by_then = await made(any_api)
    await new(any_api, PREFIX, "the first")
    position = empty.headers["X-Change-Seq"]
    after = await any_api.get(f"{PREFIX}/changes?since={position}")

    assert (empty.json, position, log.json) == ([], "0", {"changes": [], "next": "0", "more": False})
    assert count.json == {"count": 0}
    assert [answer.status for answer in missing] == [404] * 3
    assert (deleted.json, refused.status) == ({"deleted": 0, "more": False}, 422)
    assert made_by_then == [DEFAULT_WORKSPACE], "neither reading nor what is refused makes a workspace"
    assert [change["task"]["description"] for change in after.json["changes"]] == ["the first"]


@pytest.mark.parametrize("path", ["/changes", "/changes/stream"])
async def test_a_position_of_another_workspace_is_gone(any_api: Api, path: str) -> None:
    for workspace in ("", PREFIX, OTHER):
        await new(any_api, workspace)
    positions = [(await any_api.get(f"{place}/tasks/")).headers["X-Change-Seq"] for place in ("", PREFIX)]

    elsewhere = [
        await any_api.get(f"{place}{path}?since={position}")
        for place, position in [(PREFIX, positions[0]), ("", positions[1]), (OTHER, positions[1])]
    ]
    unmade = await any_api.get(f"/workspaces/unmade{path}?since={positions[1]}")
    last_event_id = await any_api.get(f"{OTHER}/changes/stream", Last_Event_ID=positions[1])

    for answer in (*elsewhere, unmade, last_event_id):
        assert (answer.status, answer.problem) == (410, "position-gone")


@pytest.mark.parametrize("order", ["", "&sort=-due_at", "&done=false"])
async def test_a_cursor_of_another_workspace_is_refused(any_api: Api, order: str) -> None:
    cursors = []
    for workspace in ("", PREFIX, OTHER):
        for number in range(3):
            await new(any_api, workspace, str(number))
        page = await any_api.get(f"{workspace}/tasks/?limit=1{order}")
        cursors.append((next_page(page) or "").partition("?")[2])

    for workspace, query in [(PREFIX, cursors[0]), ("", cursors[1]), (OTHER, cursors[1])]:
        answer = await any_api.get(f"{workspace}/tasks/?{query}")
        assert (answer.status, answer.fields) == (422, {"after": "This cursor belongs to another workspace."})


async def test_a_cursor_of_before_workspaces_is_one_of_the_default_workspace(api: Api) -> None:
    for workspace in ("", PREFIX):
        for number in range(2):
            await new(api, workspace, str(number))
    cursor = "WyJpZCIsZmFsc2UsMSwxXQ"  # ["id",false,1,1]

    unprefixed = await api.get(f"/tasks/?after={cursor}")
    elsewhere = await api.get(f"{PREFIX}/tasks/?after={cursor}")

    assert [task["id"] for task in unprefixed.json] == [2]
    assert elsewhere.status == 422


async def test_an_entity_tag_of_another_workspace_does_not_match(any_api: Api) -> None:
    for workspace in ("", PREFIX, OTHER):
        await new(any_api, workspace)
    tags = [(await any_api.get(f"{workspace}/tasks/1")).headers["ETag"] for workspace in ("", PREFIX, OTHER)]

    conflicts = [
        await any_api.patch(f"{PREFIX}/tasks/1", {"done": True}, If_Match=tags[0]),
        await any_api.delete("/tasks/1", If_Match=tags[1]),
        await any_api.get(f"{OTHER}/tasks/1", If_Match=tags[1]),
        await any_api.post(f"{OTHER}/tasks/batch", [{"op": "delete", "id": 1, "if_match": tags[1]}]),
    ]
    unknown = await any_api.get(f"{OTHER}/tasks/1", If_None_Match=tags[1])
    own = await any_api.get(f"{OTHER}/tasks/1", If_None_Match=tags[2])

    assert len(set(tags)) == 3
    assert [(answer.status, answer.problem) for answer in conflicts] == [(412, "version-conflict")] * 4
    assert conflicts[0].headers["ETag"] == tags[1]
    assert (unknown.status, own.status) == (200, 304)


async def test_an_idempotency_key_belongs_to_its_workspace(any_api: Api) -> None:
    body = {"description": "once"}
    first, second = [
        [await any_api.post(f"{workspace}/tasks/", body, Idempotency_Key="key") for _ in range(2)]
        for workspace in ("", PREFIX)
    ]
    another = await any_api.post(f"{OTHER}/tasks/", {"description": "something else"}, Idempotency_Key="key")

    for answers in (first, second):
        assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
    assert (another.status, another.json["id"]) == (201, 1)


async def test_lists_that_wait_for_their_turn_together_are_of_their_own_workspaces(any_api: Api) -> None:
    places = ["", *(f"/workspaces/{number}" for number in range(20))]
    for place in places:
        await new(any_api, place, f"in {place}")

    answers = await asyncio.gather(*(any_api.get(f"{place}/tasks/?limit=5") for place in places * 5))

    assert [[task["description"] for task in answer.json] for answer in answers] == [
        [f"in {place}"] for place in places * 5
    ]


# ---------------------------------------------------------------- streams


async def test_a_stream_has_the_changes_of_its_workspace_alone(any_api: Api) -> None:
    async with events(any_api, below=PREFIX) as stream, events(any_api) as default:
        await new(any_api, OTHER, "elsewhere")
        await new(any_api, PREFIX, "here")
        await new(any_api, "", "in the default workspace")
        seen, seen_in_default = await stream.next(), await default.next()
        await new(any_api, PREFIX, "here again")
        again = await stream.next()

    assert [event.data["task"]["description"] for event in (seen, again)] == ["here", "here again"]
    assert [event.data["seq"] for event in (seen, again)] == [1, 2]
    assert seen_in_default.data["task"]["description"] == "in the default workspace"


async def test_a_stream_of_a_workspace_without_a_write_goes_on_from_its_first_id(any_api: Api) -> None:
    async with events(any_api, below=PREFIX) as stream:
        start = stream.start
    await new(any_api, PREFIX, "missed")

    async with events(any_api, below=PREFIX, last=start) as stream:
        missed = await stream.next()
        await new(any_api, PREFIX, "live")
        live = await stream.next()

    assert start == "0"
    assert [event.data["task"]["description"] for event in (missed, live)] == ["missed", "live"]


async def test_a_feed_is_there_as_long_as_somebody_follows_its_workspace(api: Api) -> None:
    def readers() -> int:
        return sum("_read_for_ever" in repr(task.get_coro()) for task in asyncio.all_tasks())

    runtime = runtime_of(api)
    async with events(api, below=PREFIX), events(api, below=OTHER):
        async with events(api, below=PREFIX) as second:
            await new(api, PREFIX)
            await second.next()
            while_three_follow = runtime.feeds.streams, readers()
        await until(lambda: runtime.feeds.streams == 2)
        while_two_follow = readers()
    await until(lambda: runtime.feeds.streams == 0 and not readers())

    async with events(api, below=PREFIX, since="0") as stream:
        again = await stream.next()

    assert (while_three_follow, while_two_follow) == ((3, 2), 2)
    assert again.data["seq"] == 1


async def test_a_shutdown_ends_the_streams_of_all_workspaces(api: Api) -> None:
    async with events(api, below=PREFIX) as one, events(api, below=OTHER) as other:
        await runtime_of(api).feeds.close()

        for stream in (one, other):
            with pytest.raises(EOFError):
                await stream.next()


# ---------------------------------------------------------------- stores


async def test_a_store_without_workspaces_has_the_default_one(
    aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryRepository, "workspace", TaskRepository.workspace)
    api = await connect(aiohttp_client, "memory://")

    named = [await api.get(f"{PREFIX}{path}") for path in ("/tasks/", "/tasks/1", "/changes", "/changes/stream")]
    default = await new(api, "/workspaces/default")
    invalid = await api.get("/workspaces/a%20b/tasks/")

    assert [(answer.status, answer.problem) for answer in named] == [(501, "not-supported")] * 4
    assert default.json["id"] == 1
    assert invalid.status == 422


async def test_a_store_that_gives_another_workspace_is_found_out(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MemoryRepository, "workspace", lambda self, name: self)

    for path in ("/tasks/", "/tasks/1", "/changes", "/changes/stream"):
        async with api.client.get(f"{PREFIX}{path}") as response:
            assert response.status == 500, path

    assert "Asked for the workspace 'u_42', the store gave 'default'." in caplog.text
