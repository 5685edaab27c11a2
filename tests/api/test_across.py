"""Lists, counts and streams of several workspaces together."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from patience import until
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from api.api_client import Api, lines_of, next_page
from api.conftest import connect
from api.sse_client import Event, Events
from tasksvc import Position, TaskRepository
from tasksvc.api import RUNTIME
from tasksvc.api.pipeline.rate_limit import RateLimits
from tasksvc.api.requests.positions import format_positions, parse_positions
from tasksvc.application.clock import now
from tasksvc.application.limits import Limits, Timeouts

BOTH = "workspace=u_42&workspace=family"
MANY = [f"w{number:02}" for number in range(100)]
HEADER_BYTES = 8 * 1024
"""The most bytes of a header that common proxies take."""


def repository_of(api: Api) -> TaskRepository:
    assert api.client.app is not None
    repository: TaskRepository = api.client.app[RUNTIME].repository
    return repository


async def new(api: Api, workspace: str, description: str = "buy milk", **fields: Any) -> None:
    answer = await api.post(f"/workspaces/{workspace}/tasks/", {"description": description, **fields})
    assert answer.status == 201, answer


async def fill(api: Api, workspace: str, count: int, **fields: Any) -> None:
    operations = [{"op": "create", "task": {"description": f"{workspace} {n}", **fields}} for n in range(count)]
    answer = await api.post(f"/workspaces/{workspace}/tasks/batch", operations)
    assert answer.status == 200, answer


async def prune(api: Api) -> None:
    """Deletes all changes from all logs."""
    await repository_of(api).prune(log_before=now() + timedelta(1), max_changes=0, keys_before=now(), limit=1_000)


def named(workspaces: Iterable[str]) -> str:
    return "&".join(f"workspace={name}" for name in workspaces)


def places(tasks: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(task["workspace"], task["id"]) for task in tasks]


async def walk(api: Api, path: str | None) -> list[dict[str, Any]]:
    """Returns the tasks of a list from page to page."""
    found = []
    while path is not None:
        page = await api.get(path)
        assert page.status == 200, page
        found += page.json
        path = next_page(page)
    return found


# ---------------------------------------------------------------- lists


async def test_tasks_of_several_workspaces_are_one_list_in_one_order(any_api: Api) -> None:
    api = any_api
    await fill(api, "u_42", 2, priority=3)
    await fill(api, "family", 2, priority=5)
    await fill(api, "stranger", 2)

    by_id = await api.get(f"/tasks/?{BOTH}")
    by_priority = await api.get(f"/tasks/?{BOTH}&sort=-priority")

    assert places(by_id.json) == [("family", 1), ("u_42", 1), ("family", 2), ("u_42", 2)]
    assert places(by_priority.json) == [("family", 2), ("family", 1), ("u_42", 2), ("u_42", 1)]


async def test_a_task_is_shown_as_in_its_own_workspace_with_the_name_of_that(any_api: Api) -> None:
    await new(any_api, "u_42", "Water the plants", labels=["home"], metadata={"room": 4})
    own = (await any_api.get("/workspaces/u_42/tasks/")).json

    for query in (BOTH, f"{BOTH}&limit=5"):
        assert (await any_api.get(f"/tasks/?{query}")).json == [{**own[0], "workspace": "u_42"}]


async def test_the_order_in_which_workspaces_are_named_means_nothing(api: Api) -> None:
    await fill(api, "u_42", 3)
    await fill(api, "family", 3)

    one = await api.get("/tasks/?workspace=u_42&workspace=family&limit=4")
    other = await api.get("/tasks/?workspace=family&workspace=u_42&limit=4")

    assert one.body == other.body
    assert (next_page(one) or "").partition("after=")[2] == (next_page(other) or "").partition("after=")[2]


@pytest.mark.parametrize("sort", ["id", "-id", "priority", "-priority", "due_at", "-due_at", "-created_at"])
async def test_pages_of_any_size_make_the_whole_list(any_api: Api, sort: str) -> None:
    for number, workspace in enumerate(("u_42", "family", "empty", "team")):
        for n in range(0 if workspace == "empty" else 7):
            due = f"2026-11-{1 + n % 3:02}T00:00:00Z" if (n + number) % 3 else None
            await new(any_api, workspace, priority=n % 3, due_at=due)
    query = f"{named(('team', 'u_42', 'empty', 'family', 'absent'))}&sort={sort}"

    whole = (await any_api.get(f"/tasks/?{query}")).json
    pages = [await walk(any_api, f"/tasks/?{query}&limit={limit}") for limit in (1, 2, 5, 1000)]

    assert len(whole) == 21
    assert pages == [whole] * 4


async def test_filters_hold_in_all_workspaces(any_api: Api) -> None:
    await fill(any_api, "u_42", 3, labels=["home"])
    await fill(any_api, "family", 3, done=True)
    await new(any_api, "family", "PLANTS")

    assert len((await any_api.get(f"/tasks/?{BOTH}&done=false")).json) == 4
    assert len((await any_api.get(f"/tasks/?{BOTH}&label=home&limit=2")).json) == 2
    assert places((await any_api.get(f"/tasks/?{BOTH}&q=plants")).json) == [("family", 4)]


@pytest.mark.options(limits=Limits(stream_page=7, stream_bytes=4_000))
async def test_a_whole_list_is_streamed_from_page_to_page(any_api: Api) -> None:
    await fill(any_api, "u_42", 50)
    await fill(any_api, "family", 20)
    await fill(any_api, "team", 1)
    query = named(("u_42", "family", "team", "absent"))

    whole = await any_api.get(f"/tasks/?{query}")
    lines = await any_api.get(f"/tasks/?{query}", Accept="application/x-ndjson")

    assert places(whole.json) == sorted(places(whole.json), key=lambda place: (place[1], place[0]))
    assert len(whole.json) == 71
    assert lines_of(lines) == whole.json
    assert lines.type == "application/x-ndjson"


@pytest.mark.options(limits=Limits(stream_page=2))
async def test_the_rest_of_a_list_is_streamed_from_a_cursor_on(api: Api) -> None:
    await fill(api, "u_42", 5)
    await fill(api, "family", 5)
    whole = (await api.get(f"/tasks/?{BOTH}")).json
    following = next_page(await api.get(f"/tasks/?{BOTH}&limit=3"))
    assert following is not None

    rest = await api.get(following.replace("limit=3&", ""))

    assert rest.json == whole[3:]


async def test_a_list_of_no_tasks_is_empty_in_every_form(any_api: Api) -> None:
    for query in (BOTH, f"{BOTH}&limit=2", f"{BOTH}&done=true"):
        answer = await any_api.get(f"/tasks/?{query}")
        assert (answer.body, next_page(answer)) == (b"[]\n", None)
        assert (await any_api.get(f"/tasks/?{query}", Accept="application/x-ndjson")).body == b""


@pytest.mark.options(limits=Limits(page_bytes=20_000))
async def test_a_page_of_large_tasks_ends_earlier_and_leads_on(any_api: Api) -> None:
    for number in range(6):
        await new(any_api, "u_42" if number % 2 else "family", "x" * 9_000)

    page = await any_api.get(f"/tasks/?{BOTH}&limit=100")
    whole = await walk(any_api, f"/tasks/?{BOTH}&limit=100")

    assert 1 <= len(page.json) <= 3
    assert len(whole) == 6


async def test_a_page_of_small_tasks_is_full_even_if_most_are_in_one_of_many_workspaces(api: Api) -> None:
    await fill(api, MANY[50], 80)

    page = await api.get(f"/tasks/?{named(MANY)}&limit=70")

    assert len(page.json) == 70


async def test_a_walk_misses_and_repeats_nothing_that_was_there_throughout(any_api: Api) -> None:
    api = any_api
    await fill(api, "u_42", 12)
    await fill(api, "family", 12)
    stays = {(workspace, n) for workspace in ("u_42", "family") for n in range(1, 13) if n % 4}
    found: list[tuple[str, int]] = []
    path: str | None = f"/tasks/?{BOTH}&limit=5"
    number = 0
    while path is not None:
        page = await api.get(path)
        found += places(page.json)
        path = next_page(page)
        number += 1
        for workspace in ("u_42", "family"):
            await new(api, workspace)
            await api.delete(f"/workspaces/{workspace}/tasks/{4 * number}")
        if number > 20:
            break

    assert [place for place in found if place in stays] == sorted(stays, key=lambda place: (place[1], place[0]))
    assert len(set(found)) == len(found)


async def test_the_position_of_a_list_is_one_for_each_workspace(any_api: Api) -> None:
    await fill(any_api, "u_42", 3)
    expected = {}
    for workspace in ("u_42", "family"):
        answer = await any_api.get(f"/workspaces/{workspace}/tasks/?limit=1")
        generation, _, seq = answer.headers["X-Change-Seq"].rpartition("-")
        expected[workspace] = Position(generation, int(seq))

    for query in (BOTH, f"{BOTH}&limit=1"):
        shown = (await any_api.get(f"/tasks/?{query}")).headers["X-Change-Seq"]
        assert parse_positions(shown, ("u_42", "family"), where="", field="") == expected


async def test_a_count_is_that_of_all_workspaces_together(any_api: Api) -> None:
    await fill(any_api, "u_42", 3)
    await fill(any_api, "family", 2, done=True)

    assert (await any_api.get(f"/tasks/count?{BOTH}")).json == {"count": 5}
    assert (await any_api.get(f"/tasks/count?{BOTH}&done=false")).json == {"count": 3}
    assert (await any_api.get("/tasks/count?workspace=absent")).json == {"count": 0}


async def test_a_search_over_a_hundred_workspaces_takes_one_turn(any_api: Api) -> None:
    await fill(any_api, MANY[7], 3)

    found = await any_api.get(f"/tasks/?{named(MANY)}&q=w07&limit=10")
    counted = await any_api.get(f"/tasks/count?{named(MANY)}&q=w07")

    assert places(found.json) == [(MANY[7], n) for n in (1, 2, 3)]
    assert counted.json == {"count": 3}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize("path", ["/tasks/", "/tasks", "/tasks/count", "/changes/stream"])
async def test_names_that_cannot_be_are_refused(api: Api, path: str) -> None:
    refused = {
        "workspace=u_42&workspace=u_42": "Each workspace must be named once.",
        named([*MANY, "one-more"]): "At most 100 workspaces can be named.",
        "workspace=": "'' cannot be the name of a workspace.",
        "workspace=u_42&workspace=a%2Fb": "'a/b' cannot be the name of a workspace.",
        "workspace=..": "'..' cannot be the name of a workspace.",
    }
    for query, message in refused.items():
        answer = await api.get(f"{path}?{query}")
        assert (answer.status, list(answer.fields)) == (422, ["workspace"]), query
        assert answer.fields["workspace"].startswith(message)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/workspaces/u_42/tasks/"),
        ("GET", "/workspaces/u_42/tasks/count"),
        ("GET", "/workspaces/u_42/changes/stream"),
        ("GET", "/changes"),
        ("GET", "/tasks/1"),
        ("DELETE", "/tasks/"),
        ("POST", "/tasks/"),
    ],
)
async def test_nothing_else_takes_workspaces(api: Api, method: str, path: str) -> None:
    answer = await api(method, f"{path}?workspace=u_42")

    assert (answer.status, list(answer.fields)) == (422, ["workspace"])


async def test_a_cursor_belongs_to_its_workspaces_and_order(api: Api) -> None:
    await fill(api, "u_42", 3)
    await fill(api, "family", 3)
    await api.many([{"description": "x"}] * 3)

    async def cursor_of(path: str) -> str:
        return str(URL(next_page(await api.get(path)) or "").query["after"])

    both, one, home = [await cursor_of(f"/tasks/?limit=1{query}") for query in (f"&{BOTH}", "&workspace=u_42", "")]
    other = "This cursor belongs to other workspaces."
    for query, cursor, message in (
        ("workspace=u_42", both, other),
        (f"{BOTH}&workspace=team", both, other),
        (BOTH, one, other),
        (BOTH, home, other),
        ("", both, "This cursor belongs to another workspace."),
        (f"{BOTH}&sort=-id", both, "This cursor belongs to another sort."),
    ):
        answer = await api.get(f"/tasks/?{query}&after={cursor}")
        assert (answer.status, answer.fields) == (422, {"after": message}), query
    assert (await api.get(f"/tasks/?{BOTH}&after={both}")).status == 200


async def test_a_cursor_that_was_changed_is_refused_or_leads_to_a_place(api: Api) -> None:
    await fill(api, "u_42", 3)
    await fill(api, "family", 3)
    page = await api.get(f"/tasks/?{BOTH}&limit=1")
    cursor = URL(next_page(page) or "").query["after"]
    padded = cursor + "=" * (-len(cursor) % 4)
    sort, descending, value, task_id, workspace, digest = json.loads(urlsafe_b64decode(padded))
    changed: list[tuple[list[Any], int]] = [
        ([sort, descending, value, task_id, "stranger", digest], 422),
        ([sort, descending, value, task_id, workspace, "0" * 16], 422),
        ([sort, descending, value, task_id, workspace], 422),
        ([sort, descending, value, task_id, workspace, digest, digest], 422),
        ([sort, descending, value, task_id, digest, workspace], 422),
        ([sort, descending, value, task_id, 7, digest], 422),
        ([sort, descending, value, task_id, [workspace], digest], 422),
        ([sort, descending, value, 0, workspace, digest], 422),
        ([sort, descending, -1, task_id, workspace, digest], 422),
        ([sort, descending, 2**63 - 1, 2**63 - 1, workspace, digest], 200),
    ]
    for data, status in changed:
        answer = await api.get(f"/tasks/?{BOTH}&after={urlsafe_b64encode(json.dumps(data).encode()).decode()}")
        assert answer.status == status, data


# ---------------------------------------------------------------- streams


class Notice(NamedTuple):
    """An event with a name of its own, which says why a workspace has left."""

    name: str
    data: dict[str, Any]


class Streamed:
    """An open stream of several workspaces."""

    def __init__(self, lines: Events) -> None:
        self._lines = lines
        self.start = ""
        """The id that came first."""

    async def next(self) -> Event | Notice:
        """Returns the next event.  Raises EOFError at the end of the stream."""
        found: dict[str, str] = {}
        while True:
            line = await self._lines.line()
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                found[name] = value
            elif not line and "event" in found:
                return Notice(found["event"], json.loads(found["data"]))
            elif not line and "data" in found:
                return Event(found["id"], json.loads(found["data"]))
            elif not line and "id" in found:
                self.start = found.pop("id")
                return await self.next()

    async def take(self, count: int) -> list[Event]:
        """Returns the next `count` events, all of which are changes."""
        taken = [await self.next() for _ in range(count)]
        return [event for event in taken if isinstance(event, Event)]

    async def comment(self) -> str:
        """Returns the next line that isn't empty."""
        while not (line := await self._lines.line()):
            pass
        return line


@asynccontextmanager
async def following(api: Api, query: str, last: str | None = None) -> AsyncIterator[Streamed]:
    """Opens a stream of several workspaces."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with api.client.get(f"/changes/stream?{query}", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream"), await response.text()
        yield Streamed(Events(response))


def brief(events: Iterable[Event]) -> list[tuple[str, int]]:
    return [(event.data["workspace"], event.data["seq"]) for event in events]


def streams_of(api: Api) -> int:
    assert api.client.app is not None
    return api.client.app[RUNTIME].feeds.streams


async def test_a_change_is_streamed_as_its_own_log_gives_it_with_the_name_of_its_workspace(any_api: Api) -> None:
    await fill(any_api, "u_42", 2)
    await fill(any_api, "family", 1)
    await any_api.delete("/workspaces/u_42/tasks/1")
    logs = {
        workspace: (await any_api.get(f"/workspaces/{workspace}/changes")).json["changes"]
        for workspace in ("u_42", "family")
    }

    async with following(any_api, f"{BOTH}&since=0") as stream:
        taken = await stream.take(4)

    for workspace, changes in logs.items():
        own = [event.data for event in taken if event.data["workspace"] == workspace]
        assert own == [{"workspace": workspace, **change} for change in changes]


async def test_a_stream_without_since_begins_now_in_all_workspaces(any_api: Api) -> None:
    await fill(any_api, "u_42", 2)

    async with following(any_api, BOTH) as stream:
        await new(any_api, "u_42")
        first = await stream.next()
        await new(any_api, "family")  # which was never written to before
        second = await stream.next()

    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert brief([first, second]) == [("u_42", 3), ("family", 1)]


async def test_a_client_that_comes_back_goes_on_in_all_workspaces(any_api: Api) -> None:
    api = any_api
    await fill(api, "u_42", 3)
    await fill(api, "family", 3)
    seen: list[tuple[str, int]] = []
    last: str | None = None
    for number in range(6):  # it is cut off after each event
        async with following(api, f"{BOTH}&since=0", last) as stream:
            event = await stream.next()
        assert isinstance(event, Event)
        seen += brief([event])
        last = event.id
        if number == 2:
            await new(api, "family", "missed")

    async with following(api, f"{BOTH}&since=0", last) as stream:
        await new(api, "u_42", "live")
        seen += brief(await stream.take(2))

    assert sorted(seen) == [("family", n) for n in range(1, 5)] + [("u_42", n) for n in range(1, 5)]
    for workspace in ("family", "u_42"):
        assert [seq for name, seq in seen if name == workspace] == [1, 2, 3, 4]


async def test_a_client_that_saw_no_event_comes_back_with_the_id_that_came_first(any_api: Api) -> None:
    await fill(any_api, "u_42", 2)
    async with following(any_api, BOTH) as stream:
        await new(any_api, "u_42")
        await stream.next()
        start = stream.start
    await new(any_api, "family")

    async with following(any_api, BOTH, start) as stream:
        taken = await stream.take(2)

    assert sorted(brief(taken)) == [("family", 1), ("u_42", 3)]


async def test_a_stream_goes_on_from_the_position_of_a_list(any_api: Api) -> None:
    await fill(any_api, "u_42", 2)
    since = (await any_api.get(f"/tasks/?{BOTH}&limit=1")).headers["X-Change-Seq"]
    await new(any_api, "u_42")
    await new(any_api, "family")

    async with following(any_api, f"{BOTH}&since={since}") as stream:
        taken = await stream.take(2)

    assert sorted(brief(taken)) == [("family", 1), ("u_42", 3)]


async def test_an_id_leads_on_in_fewer_workspaces_and_in_others_from_now_on(api: Api) -> None:
    await fill(api, "u_42", 2)
    await fill(api, "team", 2)
    async with following(api, f"{BOTH}&since=0") as stream:
        (event, *_) = await stream.take(1)
    await new(api, "family")

    async with following(api, "workspace=u_42&workspace=team", event.id) as stream:
        first = await stream.take(1)
        await new(api, "team")
        second = await stream.take(1)

    assert brief(first + second) == [("u_42", 2), ("team", 3)]


@pytest.mark.parametrize("last", ["", "x", "1", "0.0", "0123456789abcdef-1", "0123456789-0.", "0123456789-0,x"])
async def test_an_id_that_is_none_of_several_workspaces_is_refused(api: Api, last: str) -> None:
    header = await api.get(f"/changes/stream?{BOTH}", Last_Event_ID=last)
    query = await api.get(f"/changes/stream?{BOTH}&since={last}")

    assert (header.status, list(header.fields)) == (422, ["Last-Event-ID"])
    assert (query.status, list(query.fields)) == (422, ["since"])


async def test_an_id_of_several_workspaces_is_none_of_one(api: Api) -> None:
    since = (await api.get(f"/tasks/?{BOTH}")).headers["X-Change-Seq"]

    for path in ("/changes/stream", "/workspaces/u_42/changes/stream", "/changes"):
        answer = await api.get(f"{path}?since={since}")
        assert (answer.status, list(answer.fields)) == (422, ["since"])


def test_the_id_of_a_hundred_long_names_and_positions_fits_into_a_header() -> None:
    longest = {f"{number:0>100}": Position("z" * 32, 10**18 - 1) for number in range(100)}

    text = format_positions(longest)

    assert len(text) < HEADER_BYTES
    assert parse_positions(text, longest, where="", field="") == longest


async def test_a_hundred_workspaces_are_one_stream_and_one_list(
    aiohttp_client: AiohttpClient,
) -> None:
    api = await connect(aiohttp_client, "memory://")
    names = [f"{number:0>60}" for number in range(100)]
    await new(api, names[3])
    async with following(api, f"{named(names)}&since=0") as stream:
        (event,) = await stream.take(1)
    await new(api, names[99])

    async with following(api, named(names), event.id) as stream:
        (following_event,) = await stream.take(1)
    pages = await walk(api, f"/tasks/?{named(names)}&limit=1")

    assert brief([event, following_event]) == [(names[3], 1), (names[99], 1)]
    assert places(pages) == [(names[3], 1), (names[99], 1)]


@pytest.mark.options(limits=Limits(changes_read=5, feed_events=10))
async def test_a_workspace_with_many_changes_holds_up_no_other(any_api: Api) -> None:
    await fill(any_api, "family", 100)
    await fill(any_api, "u_42", 1)

    async with following(any_api, f"{BOTH}&since=0") as stream:
        taken = await stream.take(101)

    assert brief(taken).index(("u_42", 1)) <= 5
    assert [place for place in brief(taken) if place[0] == "family"] == [("family", n) for n in range(1, 101)]


@pytest.mark.options(timeouts=Timeouts(heartbeat=0.05))
async def test_silence_of_all_workspaces_is_broken_by_a_comment(api: Api) -> None:
    async with following(api, BOTH) as stream:
        lines = [await stream.comment() for _ in range(5)]
        await new(api, "u_42")
        taken = await stream.take(1)

    assert lines[:1] + lines[2:] == ["retry: 1000", ":", ":", ":"]
    assert brief(taken) == [("u_42", 1)]


async def test_streams_see_each_change_once_and_in_order_while_many_write(any_api: Api) -> None:
    api = any_api
    workspaces = [f"w{number}" for number in range(8)]

    async def write(workspace: str) -> None:
        for number in range(10):
            await new(api, workspace, str(number))

    async with following(api, f"{named(workspaces)}&since=0") as first, following(api, named(workspaces)) as second:
        followers = [asyncio.create_task(stream.take(80)) for stream in (first, second)]
        await until(lambda: streams_of(api) == 16)
        await asyncio.gather(*map(write, workspaces))
        taken = [brief(await follower) for follower in followers]

    for seen in taken:
        for workspace in workspaces:
            assert [seq for name, seq in seen if name == workspace] == list(range(1, 11))


async def test_what_follows_the_workspaces_ends_with_the_stream(any_api: Api) -> None:
    async with following(any_api, BOTH) as stream:
        await new(any_api, "u_42")
        await stream.next()
        assert streams_of(any_api) == 2

    await until(lambda: streams_of(any_api) == 0)


async def test_a_stream_of_several_workspaces_ends_with_the_service(api: Api) -> None:
    async with following(api, BOTH) as stream:
        await new(api, "u_42")
        await stream.next()
        assert api.client.app is not None
        await api.client.app[RUNTIME].feeds.close()

        with pytest.raises(EOFError):
            await stream.next()
    refused = await api.get(f"/changes/stream?{BOTH}")

    assert (refused.status, refused.problem) == (503, "store-unavailable")


@pytest.mark.options(allowance=RateLimits(streams=3))
async def test_a_stream_counts_as_one_for_each_of_its_workspaces(api: Api) -> None:
    async with following(api, BOTH):
        refused = await api.get(f"/changes/stream?{BOTH}")
        async with following(api, "workspace=u_42"):
            pass
    await until(lambda: streams_of(api) == 0)

    assert (refused.status, refused.problem) == (429, "too-many-requests")
    async with following(api, named(("u_42", "family", "team"))) as stream:
        await new(api, "team")
        assert brief(await stream.take(1)) == [("team", 1)]


async def test_head_opens_no_stream_of_several_workspaces(api: Api) -> None:
    head = await api("HEAD", f"/changes/stream?{BOTH}")

    assert (head.status, head.type, head.body) == (200, "text/event-stream", b"")
    assert streams_of(api) == 0


# ---------------------------------------------------------------- workspaces that leave a stream


async def test_a_workspace_whose_log_was_pruned_says_so_and_the_others_go_on(any_api: Api) -> None:
    api = any_api
    await fill(api, "u_42", 2)
    await fill(api, "family", 2)
    async with following(api, f"{BOTH}&since=0") as stream:
        last = (await stream.take(4))[-1].id
    await new(api, "family")
    await prune(api)
    await new(api, "u_42")

    for _ in range(2):  # as long as the client comes back with that id
        async with following(api, BOTH, last) as stream:
            notice = await stream.next()
            taken = await stream.take(1)
            await new(api, "family", "which isn't followed any more")
            await new(api, "u_42", "live")
            taken += [event async for event in _until(stream, "live")]

        assert isinstance(notice, Notice)
        assert (notice.name, notice.data["workspace"], notice.data["type"]) == (
            "position-gone",
            "family",
            "position-gone",
        )
        assert "pruned" in notice.data["detail"]
        assert {workspace for workspace, _ in brief(taken)} == {"u_42"}


async def _until(stream: Streamed, description: str) -> AsyncIterator[Event]:
    while True:
        (event,) = await stream.take(1)
        yield event
        if event.data["task"]["description"] == description:
            return


async def test_a_workspace_that_is_erased_leaves_the_stream_and_the_others_go_on(any_api: Api) -> None:
    api = any_api
    await fill(api, "u_42", 2)
    await fill(api, "family", 2)
    async with following(api, BOTH) as stream:
        await new(api, "u_42")
        await stream.take(1)

        await repository_of(api).workspace("family").erase()
        notice = await stream.next()
        await until(lambda: streams_of(api) == 1)
        await new(api, "family", "of another life")
        await new(api, "u_42")
        taken = await stream.take(1)

    assert isinstance(notice, Notice)
    assert (notice.name, notice.data["workspace"]) == ("position-gone", "family")
    assert brief(taken) == [("u_42", 4)]


async def test_a_stream_ends_when_no_workspace_is_left(any_api: Api) -> None:
    api = any_api
    await fill(api, "u_42", 1)
    await fill(api, "family", 1)
    async with following(api, BOTH) as stream:
        await new(api, "u_42")
        (event,) = await stream.take(1)
        for workspace in ("u_42", "family"):
            await repository_of(api).workspace(workspace).erase()
        notices = [await stream.next(), await stream.next()]
        with pytest.raises(EOFError):
            await stream.next()
    answer = await api.get(f"/changes/stream?{BOTH}", Last_Event_ID=event.id)

    assert {notice.data["workspace"] for notice in notices} == {"u_42", "family"}
    assert (answer.status, answer.problem) == (410, "position-gone")
