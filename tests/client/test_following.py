"""Following the change log: nothing is left out or repeated, whatever breaks."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from clients.cutting_proxy import CuttingProxy
from patience import PATIENCE_SECONDS, until
from service_process import RunningService
from tasksvc_client import (
    Change,
    Client,
    NotTasksvc,
    PositionGone,
    Unauthorized,
    Unreachable,
    WorkspaceForbidden,
    WorkspaceLeft,
)

from client.canned import Canned, answer
from client.conftest import Connect, Service, new_workspace, taken

pytestmark = pytest.mark.slow

TYPE = "application/problem+json"
PROBLEM = b'{"type": "urn:tasksvc:problem:unauthorized", "status": 401, "detail": "A token is needed."}'


async def test_changes_are_followed_from_a_position(tasks: Client) -> None:
    for text in ("a", "b", "c"):
        await tasks.create(text)
    [first, *_] = [change async for change in tasks.changes()]

    found = await taken(tasks.follow(first.position), 2)

    assert [(change.seq, change.type, change.task.description) for change in found] == [
        (2, "created", "b"),
        (3, "created", "c"),
    ]
    assert [change.resume for change in found] == [change.position for change in found]


async def test_the_log_has_what_became_of_a_task(tasks: Client) -> None:
    await tasks.create("x")
    await tasks.create("other")
    await tasks.update(1, done=True)
    await tasks.delete(1)

    history = [change async for change in tasks.history(1)]

    assert [(change.seq, change.type, change.task_id) for change in history] == [
        (1, "created", 1),
        (3, "updated", 1),
        (4, "deleted", 1),
    ]
    assert history[2].task is None
    assert history[0].by is not None


async def test_without_a_position_it_begins_now(tasks: Client) -> None:
    await tasks.create("before")
    changes = tasks.follow()
    waiting = asyncio.create_task(taken(changes, 1))

    async def create_until_seen() -> None:
        while not waiting.done():
            await tasks.create("after")
            await asyncio.wait([waiting], timeout=0.1)

    await create_until_seen()

    [change] = await waiting
    assert change.task.description == "after"


async def test_a_position_of_another_workspace_is_gone(connect: Connect) -> None:
    here = connect()
    await here.create("x")
    [change] = [change async for change in here.changes()]

    with pytest.raises(PositionGone):
        await taken(here.in_workspace(new_workspace()).follow(change.position), 1)


async def test_a_caller_who_is_refused_is_told(connect: Connect) -> None:
    with pytest.raises(Unauthorized):
        await taken(connect(token=None).follow(), 1)


async def test_a_service_that_is_not_there_at_first_is_unreachable(connect: Connect) -> None:
    with pytest.raises(Unreachable):
        await taken(connect("http://127.0.0.1:1", deadline=0.2).follow("0"), 1)


async def test_a_stream_goes_on_after_cuts_and_after_pages_of_a_proxy(connect: Connect, service: Service) -> None:
    async with CuttingProxy(service.port) as proxy:
        direct, seen = connect(), list[Change]()
        follower = connect(proxy.url, workspace=direct.workspace)

        async def follow() -> None:
            async for change in follower.follow("0"):
                seen.append(change)
                if change.seq == 60:
                    return

        following = asyncio.create_task(follow())
        for number in range(60):
            await direct.create(f"task {number}")
            if number % 10 == 5:
                proxy.cut()
        await asyncio.wait_for(following, PATIENCE_SECONDS)

    assert [change.seq for change in seen] == list(range(1, 61))


async def test_a_stream_that_is_cut_within_an_event_goes_on_before_it(connect: Connect) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1000\nid: g-0\n\n"
    html = answer(502, b"<html>", Content_Type="text/html")
    other = answer(200, b"<html>", Content_Type="text/html")
    async with Canned(head + b"id: g-1\nda", html, other, b"", answer(401, PROBLEM, Content_Type=TYPE)) as server:
        with pytest.raises(Unauthorized):
            await taken(connect(server.url).follow(), 1)

    ids = [request.partition(b"Last-Event-ID: ")[2].partition(b"\r\n")[0] for request in server.requests]
    assert ids == [b"", b"g-0", b"g-0", b"g-0", b"g-0"]


async def test_a_page_of_something_else_at_first_is_said(connect: Connect) -> None:
    async with Canned(answer(200, b"{}", Content_Type="application/json")) as server:
        with pytest.raises(NotTasksvc):
            await taken(connect(server.url, deadline=0.3).follow(), 1)


async def test_events_that_are_not_changes_are_errors_or_left_out(connect: Connect) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    async with Canned(head + b"event: from-the-future\ndata: 1\n\ndata: {}\n\n") as server:
        with pytest.raises(NotTasksvc):
            await taken(connect(server.url).follow(), 1)
        with pytest.raises(NotTasksvc):
            await taken(connect(server.url).follow_workspaces(["a"]), 1)


async def test_several_workspaces_are_followed_together(connect: Connect) -> None:
    names = [new_workspace(), new_workspace()]
    client = connect(workspace=None)
    for name in names:
        await client.in_workspace(name).create(name)

    both = await taken(client.follow_workspaces(names, "0"), 2)
    await client.in_workspace(names[0]).create("later")
    [later] = await taken(client.follow_workspaces(names, both[-1].resume), 1)

    assert sorted((change.workspace, change.task.description) for change in both) == sorted(
        (name, name) for name in names
    )
    assert (later.workspace, later.task.description) == (names[0], "later")


async def test_a_workspace_that_is_erased_leaves_the_others(connect: Connect) -> None:
    names = [new_workspace(), new_workspace()]
    client = connect(workspace=None)
    for name in names:
        await client.in_workspace(name).create(name)
    changes = client.follow_workspaces(names, "0")
    both = [await anext(changes), await anext(changes)]

    await client.erase_workspace(names[0])
    left = await anext(changes)
    await client.in_workspace(names[1]).create("later")
    later = await anext(changes)
    await changes.aclose()

    assert len(both) == 2
    assert isinstance(left, WorkspaceLeft)
    assert (left.workspace, left.type) == (names[0], "position-gone")
    assert isinstance(later, Change)
    assert (later.workspace, later.seq) == (names[1], 2)


async def test_a_workspace_that_may_not_be_entered_is_refused(connect: Connect) -> None:
    token = await connect().create_token(f"t{new_workspace()}", workspaces=["u_ann"])

    with pytest.raises(WorkspaceForbidden):
        await taken(connect(token=token.secret).follow_workspaces(["u_ann", "u_bob"]), 1)


async def test_a_stream_goes_on_after_the_service_was_killed(connect: Connect, tmp_path: Path) -> None:
    with RunningService("--store", "sqlite:///tasks.db", folder=tmp_path) as running:
        direct, seen = connect(running.url, token=None, workspace=None), list[int]()

        async def follow() -> None:
            async for change in connect(running.url, token=None, workspace=None).follow("0"):
                seen.append(change.seq)
                if change.seq == 2:
                    return

        following = asyncio.create_task(follow())
        await direct.create("before")
        await until(lambda: seen == [1])
        running.kill()
        creating = asyncio.create_task(direct.create("while it is down"))
        await asyncio.to_thread(running.start)
        await creating
        await asyncio.wait_for(following, PATIENCE_SECONDS)

    assert seen == [1, 2]


async def test_the_position_of_an_erased_workspace_is_gone_while_it_is_followed(tasks: Client) -> None:
    await tasks.create("x")
    changes = tasks.follow("0")
    await anext(changes)
    assert tasks.workspace is not None

    await tasks.erase_workspace(tasks.workspace)

    with pytest.raises(PositionGone):
        await anext(changes)
    with contextlib.suppress(StopAsyncIteration):
        await changes.aclose()
