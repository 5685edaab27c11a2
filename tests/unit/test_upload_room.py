"""The room for large request bodies."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from patience import FOREVER_SECONDS

from tasksvc.api.requests.upload_room import UploadRoom
from tasksvc.domain.errors import Overloaded


class Request:
    """A request that lives until the tests end, since the room identifies requests by their identity."""

    _alive: ClassVar[list[Request]] = []

    def __init__(self) -> None:
        self._alive.append(self)


async def waiting(room: UploadRoom, request: Request, peer: str, size: int) -> asyncio.Task[None]:
    """A request that has asked for room and waits."""
    task = asyncio.create_task(room.enter(request, peer, size))
    await asyncio.sleep(0)
    return task


async def test_bodies_are_let_in_while_there_is_room() -> None:
    room = UploadRoom(100, timeout=FOREVER_SECONDS)

    await room.enter(Request(), "a", 60)
    await room.enter(Request(), "a", 40)

    assert not room.is_wanted


async def test_a_body_waits_until_another_one_leaves() -> None:
    room = UploadRoom(100, timeout=FOREVER_SECONDS)
    first = Request()
    await room.enter(first, "a", 60)
    second = await waiting(room, Request(), "a", 60)
    assert room.is_wanted

    room.leave(first)

    await second
    assert not room.is_wanted


async def test_the_peer_that_holds_least_is_let_in_first() -> None:
    room = UploadRoom(100, timeout=FOREVER_SECONDS)
    requests = [Request(), Request()]
    for request in requests:
        await room.enter(request, "greedy", 50)
    more = await waiting(room, Request(), "greedy", 50)
    modest = await waiting(room, Request(), "modest", 50)

    room.leave(requests[0])

    await modest
    assert not more.done()
    more.cancel()
    await asyncio.wait([more])


async def test_a_body_larger_than_the_room_is_let_in_alone() -> None:
    room = UploadRoom(100, timeout=FOREVER_SECONDS)

    await room.enter(Request(), "a", 1_000)
    other = await waiting(room, Request(), "b", 1)

    assert not other.done()
    other.cancel()
    await asyncio.wait([other])


async def test_an_upload_that_waits_too_long_is_refused_and_holds_no_room() -> None:
    room = UploadRoom(100, timeout=0.01)
    first = Request()
    await room.enter(first, "a", 100)

    with pytest.raises(Overloaded):
        await room.enter(Request(), "b", 100)

    room.leave(first)
    await room.enter(Request(), "c", 100)


async def test_a_request_that_is_cancelled_while_it_waits_holds_no_room() -> None:
    room = UploadRoom(100, timeout=FOREVER_SECONDS)
    first = Request()
    await room.enter(first, "a", 100)
    second = await waiting(room, Request(), "b", 100)

    second.cancel()
    await asyncio.wait([second])

    room.leave(first)
    await room.enter(Request(), "c", 100)


async def test_a_request_that_is_let_in_and_cancelled_at_once_holds_no_room() -> None:
    room = UploadRoom(100, timeout=FOREVER_SECONDS)
    first = Request()
    await room.enter(first, "a", 100)
    second = await waiting(room, Request(), "b", 100)

    room.leave(first)
    second.cancel()
    await asyncio.wait([second])

    await room.enter(Request(), "c", 100)


async def test_leaving_without_having_entered_changes_nothing() -> None:
    room = UploadRoom(100, timeout=FOREVER_SECONDS)
    await room.enter(Request(), "a", 100)

    room.leave(Request())

    other = await waiting(room, Request(), "b", 1)
    assert not other.done()
    other.cancel()
    await asyncio.wait([other])
