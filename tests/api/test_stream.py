"""The live stream of changes, over Server-Sent Events."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from heads import generation_of
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until
from pytest_aiohttp.plugin import AiohttpClient
from tasksvc_memory import MemoryRepository

from api.api_client import JSON, Api
from api.conftest import connect
from api.sse_client import Event, Events, events
from tasksvc import ChangePage, CreateTask, Position, StoreEntry, StoreUnavailable, TaskDraft
from tasksvc.api import RUNTIME, Options
from tasksvc.application.clock import now
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.domain.workspace import DEFAULT_WORKSPACE


def seqs(taken: list[Event]) -> list[int]:
    return [event.data["seq"] for event in taken]


async def test_a_stream_gives_what_the_log_gives(api: Api) -> None:
    await api.new()
    await api.patch("/tasks/1", {"done": True})
    await api.delete("/tasks/1")
    page = (await api.get("/changes")).json

    async with events(api, since="0") as stream:
        taken = await stream.take(3)

    assert [event.data for event in taken] == page["changes"]
    assert [event.id for event in taken] == [change["position"] for change in page["changes"]]
    assert taken[-1].id == page["next"]


async def test_a_stream_without_since_says_first_where_the_log_ends(any_api: Api) -> None:
    api = any_api
    await api.new("before")

    async with events(api) as stream:
        start = stream.start

    assert start == await api.position()


async def test_a_client_that_saw_no_event_comes_back_with_the_id_that_came_first(any_api: Api) -> None:
    api = any_api
    await api.new("before")
    async with events(api) as stream:
        start = stream.start
    await api.new("missed")

    async with events(api, last=start) as stream:
        event = await stream.next()

    assert (stream.start, event.data["task"]["description"]) == (start, "missed")


async def test_a_stream_of_everything_begins_with_a_position_of_this_store(api: Api) -> None:
    await api.many([{"description": str(n)} for n in range(3)])
    generation = (await api.position()).partition("-")[0]

    async with events(api, since="0") as stream:
        taken = await stream.take(3)

    assert stream.start == f"{generation}-0"
    assert seqs(taken) == [1, 2, 3]


async def test_the_first_id_of_a_new_store_leads_to_its_first_change(any_api: Api) -> None:
    api = any_api
    async with events(api) as stream:
        start = stream.start
    await api.new("the first")

    async with events(api, last=start) as stream:
        event = await stream.next()

    assert event.data["task"]["description"] == "the first"


async def test_the_first_id_outlasts_a_pruning_of_all_that_came_before_it(api: Api) -> None:
    await api.many([{"description": str(n)} for n in range(10)])
    async with events(api) as stream:
        start = stream.start
    assert api.client.app is not None
    repository = api.client.app[RUNTIME].repository
    await repository.prune(log_before=now() + timedelta(1), max_changes=0, keys_before=now(), limit=1_000)
    await api.new("after")

    async with events(api, last=start) as stream:
        event = await stream.next()

    assert event.data["task"]["description"] == "after"


async def test_the_first_id_is_gone_where_the_log_was_pruned_past_it(api: Api) -> None:
    async with events(api) as stream:
        start = stream.start
    await api.many([{"description": str(n)} for n in range(10)])
    assert api.client.app is not None
    repository = api.client.app[RUNTIME].repository
    await repository.prune(log_before=now() + timedelta(1), max_changes=0, keys_before=now(), limit=1_000)

    answer = await api.get("/changes/stream", Last_Event_ID=start)

    assert (answer.status, answer.problem) == (410, "position-gone")


async def test_a_stream_begins_now_where_nothing_is_named(api: Api) -> None:
    await api.new("before")

    async with events(api) as stream:
        await api.new("after")
        event = await stream.next()

    assert event.data["task"]["description"] == "after"


async def test_a_stream_is_told_to_caches_and_proxies(api: Api) -> None:
    async with events(api) as stream:
        headers = stream.response.headers

    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")


async def test_a_client_that_comes_back_goes_on_where_it_was(api: Api) -> None:
    await api.many([{"description": str(n)} for n in range(10)])
    async with events(api, since="0") as stream:
        first = await stream.take(4)
    await api.new("missed")

    async with events(api, since="0", last=first[-1].id) as stream:
        rest = await stream.take(7)
        await api.new("live")
        rest.append(await stream.next())

    assert seqs(first + rest) == list(range(1, 13))


async def test_a_last_event_id_that_is_none_is_refused(api: Api) -> None:
    malformed = await api.get("/changes/stream", Last_Event_ID="x")
    gone = await api.get("/changes/stream", Last_Event_ID="0123456789abcdef-1")

    assert (malformed.status, list(malformed.fields)) == (422, ["Last-Event-ID"])
    assert (gone.status, gone.problem) == (410, "position-gone")


async def test_a_stream_that_is_requested_during_shutdown_gets_a_retry_after(api: Api) -> None:
    assert api.client.app is not None
    await api.client.app[RUNTIME].feeds.close()

    for path in ("/changes/stream", "/changes/stream?since=0", "/workspaces/u_42/changes/stream"):
        response = await api.get(path)
        assert (response.status, response.problem) == (503, "store-unavailable"), path


@pytest.mark.options(limits=Limits(feed_chunk_bytes=100))
async def test_a_client_that_is_behind_costs_one_chunk_of_memory(api: Api) -> None:
    for number in range(30):
        await api.new(f"task {number}")

    assert api.client.app is not None
    service = api.client.app[RUNTIME]
    start = Position(await generation_of(service.repository), 0)
    taken = []
    async with service.feeds.follow(DEFAULT_WORKSPACE, asyncio.Event()) as feed:
        for _ in range(30):
            chunk, start = await feed.next(start)
            taken.append(b"".join(chunk))

    assert [re.findall(rb'"seq":(\d+)', chunk) for chunk in taken] == [[b"%d" % seq] for seq in range(1, 31)]


async def test_head_opens_no_stream(api: Api) -> None:
    head = await api("HEAD", "/changes/stream")

    assert (head.status, head.type, head.body) == (200, "text/event-stream", b"")


@pytest.mark.options(timeouts=Timeouts(heartbeat=0.05))
async def test_silence_is_broken_by_a_comment(api: Api) -> None:
    async with events(api) as stream:
        lines = [await stream.line() for _ in range(4)]
        await api.new()
        event = await stream.next()

    assert lines == [":"] * 4, "no empty line, which some clients take for the end of an empty event"
    assert event.data["seq"] == 1


@pytest.mark.options(timeouts=Timeouts(heartbeat=0.05))
async def test_comments_are_not_framed_for_clients_of_http_1_0(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.client.port)
    writer.write(b"GET /changes/stream HTTP/1.0\r\nHost: localhost\r\n\r\n")

    async with asyncio.timeout(PATIENCE_SECONDS):
        await reader.readuntil(b"id: ")
        await reader.readuntil(b"\n\n")
        comments = await reader.readexactly(8)

    assert comments == b":\n" * 4
    writer.close()


@pytest.mark.options(timeouts=Timeouts(heartbeat=FOREVER_SECONDS))
async def test_streams_that_began_together_have_their_first_comment_at_random_moments(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: 2 * most)  # earlier than it ever is

    async with events(api) as stream:
        comment = await stream.line()

    assert comment == ":"


@pytest.mark.options(timeouts=Timeouts(store_chunk=0.1))
async def test_a_stream_whose_store_hangs_is_broken_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.new()
    read = MemoryRepository.read_changes

    async def hanging(self: MemoryRepository, since: Position, **page: Any) -> ChangePage:
        if page["limit"] > 1:  # not when it is only asked whether the position is still there
            await asyncio.sleep(FOREVER_SECONDS)
        return await read(self, since, **page)

    monkeypatch.setattr(MemoryRepository, "read_changes", hanging)
    async with events(api, since="0") as stream:
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.next()


@pytest.mark.options(limits=Limits(feed_events=20, changes_read=7))
async def test_a_stream_that_is_behind_catches_up_and_goes_on_live(any_api: Api) -> None:
    api = any_api
    await api.many([{"description": str(n)} for n in range(100)])

    async with events(api, since="0") as behind, events(api) as live:
        await api.many([{"description": str(n)} for n in range(50)])
        ahead = await live.take(50)
        taken = await behind.take(120)
        await api.new()
        taken += await behind.take(31)

    assert seqs(ahead) == list(range(101, 151))
    assert seqs(taken) == list(range(1, 152))


async def test_streams_see_each_change_once_while_64_write(any_api: Api) -> None:
    api = any_api
    total = 64 * 5

    async def write(number: int) -> None:
        task = await api.new(str(number))
        for priority in range(1, 4):
            await api.patch(f"/tasks/{task['id']}", {"priority": priority})
        await api.delete(f"/tasks/{task['id']}")

    async def follow(stream: Events) -> list[Event]:
        return await stream.take(total)

    async with events(api, since="0") as first, events(api) as second:
        followers = [asyncio.create_task(follow(stream)) for stream in (first, second)]
        await asyncio.gather(*(write(number) for number in range(64)))
        taken = [await follower for follower in followers]

    assert [seqs(each) for each in taken] == [list(range(1, total + 1))] * 2


async def test_a_hundred_streams_see_a_change_at_once(aiohttp_client: AiohttpClient) -> None:
    options = Options(timeouts=Timeouts(feed_wait=FOREVER_SECONDS))  # a stream that polls would see it then
    api = await connect(aiohttp_client, "memory://", options, connector=aiohttp.TCPConnector(limit=0))
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(events(api)) for _ in range(100)]
        waiting = [asyncio.create_task(stream.next()) for stream in streams]
        await api.new()
        seen = await asyncio.gather(*waiting)

    assert len({event.id for event in seen}) == 1


@pytest.mark.parametrize("timeout", [0.5, FOREVER_SECONDS], ids=["is cut off", "holds up nobody"])
async def test_a_client_that_reads_nothing(timeout: float, aiohttp_client: AiohttpClient) -> None:
    api = await connect(aiohttp_client, "memory://", Options(timeouts=Timeouts(stalled=timeout)))
    batch = json.dumps([{"op": "create", "task": {"description": "x" * 9_000}}] * 400).encode()
    assert api.client.app is not None
    feeds = api.client.app[RUNTIME].feeds
    reader, writer = await asyncio.open_connection("127.0.0.1", api.client.port, limit=1_000)
    writer.write(b"GET /changes/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\n\n")

    for _ in range(3):
        async with api.client.post("/tasks/batch", data=io.BytesIO(batch), headers=JSON) as made:
            assert made.status == 200

    if timeout == FOREVER_SECONDS:
        async with events(api, since="0") as stream:
            assert seqs(await stream.take(1_200)) == list(range(1, 1_201))
        assert feeds.streams >= 1
    else:
        await until(lambda: feeds.streams == 0)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    writer.close()


@pytest.mark.options(timeouts=Timeouts(heartbeat=0.05))
async def test_a_client_that_leaves_is_noticed(api: Api) -> None:
    assert api.client.app is not None
    feeds = api.client.app[RUNTIME].feeds
    async with events(api):
        assert feeds.streams == 1

    async with asyncio.timeout(PATIENCE_SECONDS):
        while feeds.streams:
            await asyncio.sleep(0.01)


async def test_a_shutdown_ends_streams_in_order(api: Api) -> None:
    async with events(api, since="0") as stream:
        await api.new()
        await stream.next()

        closing = asyncio.create_task(api.client.server.close())
        with pytest.raises(EOFError):
            await stream.next()
        await closing


async def test_a_stream_goes_on_over_a_restart(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/tasks.db"
    before = await connect(aiohttp_client, store)
    await before.many([{"description": str(n)} for n in range(5)])
    async with events(before, since="0") as stream:
        taken = await stream.take(3)
        await before.client.server.close()
        with pytest.raises(EOFError):
            taken += [await stream.next() for _ in range(10)]

    after = await connect(aiohttp_client, store)
    await after.new()
    async with events(after, last=taken[-1].id) as stream:
        taken += await stream.take(6 - len(taken))
        await after.new()
        taken.append(await stream.next())

    assert seqs(taken) == list(range(1, 8))


@pytest.mark.options(limits=Limits(changes_read=1))
async def test_a_stream_ends_where_the_log_was_pruned_under_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is behind the pruned part is disconnected; it reconnects and has to sync again."""
    await api.many([{"description": str(n)} for n in range(10)])
    read = MemoryRepository.read_changes

    async def pruning(self: MemoryRepository, since: Position, **page: Any) -> ChangePage:
        if since.seq == 3:
            await self.prune(log_before=now() + timedelta(1), max_changes=0, keys_before=now(), limit=1_000)
        return await read(self, since, **page)

    monkeypatch.setattr(MemoryRepository, "read_changes", pruning)
    async with events(api, since="0") as stream:
        taken = await stream.take(3)
        with pytest.raises(EOFError):
            await stream.next()

    answer = await api.get("/changes/stream", Last_Event_ID=taken[-1].id)

    assert seqs(taken) == [1, 2, 3]
    assert (answer.status, answer.problem) == (410, "position-gone")


@pytest.mark.options(timeouts=Timeouts(feed_retry=0.05))
async def test_a_stream_outlasts_a_store_that_fails_for_a_while(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    healthy = MemoryRepository.changes
    failures = iter([StoreUnavailable("The disk is on fire."), RuntimeError("nobody expected this")])

    async def failing(self: MemoryRepository, since: Position, **page: Any) -> ChangePage:
        for failure in failures:
            raise failure
        return await healthy(self, since, **page)

    monkeypatch.setattr(MemoryRepository, "changes", failing)
    async with events(api) as stream:
        await api.many([{"description": str(n)} for n in range(3)])
        taken = await stream.take(3)

    assert seqs(taken) == [1, 2, 3]
    assert "The disk is on fire." in caplog.text


@pytest.mark.options(plugins=[])  # nothing is restored into a store with records of one
async def test_a_stream_ends_when_the_store_gets_a_new_generation(api: Api) -> None:
    assert api.client.app is not None
    repository = api.client.app[RUNTIME].repository

    async def another_store() -> AsyncIterator[StoreEntry]:
        donor = MemoryRepository()
        await donor.commit([CreateTask(TaskDraft("restored"))], at=now())
        async for entry in donor.dump():
            yield entry
        await donor.close()

    async with events(api) as stream:
        start = stream.start
        await repository.restore(another_store())
        with pytest.raises(EOFError):
            await stream.next()
    gone = await api.get("/changes/stream", Last_Event_ID=start)
    await api.new("after")
    async with events(api, since="0") as stream:
        taken = await stream.take(2)

    assert (gone.status, gone.problem) == (410, "position-gone")
    assert [event.data["task"]["description"] for event in taken] == ["restored", "after"]


@pytest.mark.options(plugins=[])
async def test_a_stream_without_since_begins_now_even_before_a_new_generation_is_noticed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader of the log waits for a change after a position that the store doesn't have any more."""
    assert api.client.app is not None
    repository = api.client.app[RUNTIME].repository
    asleep = asyncio.Event()

    async def hang(self: MemoryRepository, since: Position, **page: Any) -> ChangePage:
        asleep.set()
        await asyncio.sleep(3_600)
        raise AssertionError("It was cancelled long before.")

    async def another_store() -> AsyncIterator[StoreEntry]:
        donor = MemoryRepository()
        await donor.commit([CreateTask(TaskDraft("restored"))], at=now())
        async for entry in donor.dump():
            yield entry
        await donor.close()

    monkeypatch.setattr(MemoryRepository, "changes", hang)
    async with events(api):
        await asleep.wait()
        await repository.restore(another_store())

        async with events(api) as stream:
            start = stream.start

    assert start == await api.position()
