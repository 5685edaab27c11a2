"""The limit on the number of pages that are read at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tasksvc import LOG_START, Cursor, InMemoryRepository, Page, TaskQuery
from tasksvc.application.pages_at_once import PagesAtOnce

AT_ONCE = 4


class SlowRepository(InMemoryRepository):
    """A store whose pages are returned when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        """The limits of the pages that were requested."""
        self.may_answer = asyncio.Semaphore(0)

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        self.asked.append(limit)
        await self.may_answer.acquire()
        return Page((), None, LOG_START)


@pytest.fixture
async def slow() -> AsyncIterator[SlowRepository]:
    repository = SlowRepository()
    yield repository
    await repository.close()


def ask(pages: PagesAtOnce, slow: SlowRepository, count: int, first: int = 1) -> list[asyncio.Task[Page]]:
    """Requests `count` pages, whose limits are `first` and so on."""
    return [asyncio.create_task(pages.find(slow, TaskQuery(), limit=number)) for number in range(first, first + count)]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_pages_are_read_at_once_than_may_be_and_each_has_its_turn(slow: SlowRepository) -> None:
    pages = PagesAtOnce(AT_ONCE)
    asking = ask(pages, slow, AT_ONCE + 3)
    await settle()
    assert slow.asked == list(range(1, AT_ONCE + 1))

    slow.may_answer.release()
    await settle()
    assert slow.asked == list(range(1, AT_ONCE + 2))

    for _ in asking:
        slow.may_answer.release()
    await asyncio.gather(*asking)
    assert slow.asked == list(range(1, AT_ONCE + 4))


async def test_what_is_cancelled_takes_no_turn_and_gives_its_own_to_the_next(slow: SlowRepository) -> None:
    pages = PagesAtOnce(AT_ONCE)
    reading = ask(pages, slow, AT_ONCE)
    waiting = ask(pages, slow, 2, first=100)
    await settle()

    waiting[0].cancel()
    reading[0].cancel()
    await settle()
    assert slow.asked[AT_ONCE:] == [101]

    for _ in range(AT_ONCE):
        slow.may_answer.release()
    await asyncio.gather(*reading[1:], waiting[1])
    again = ask(pages, slow, AT_ONCE, first=200)
    await settle()
    assert slow.asked[AT_ONCE + 1 :] == list(range(200, 200 + AT_ONCE))
    for _ in again:
        slow.may_answer.release()
    await asyncio.gather(*again)


async def test_requests_that_wait_for_the_same_page_have_one_turn_together(slow: SlowRepository) -> None:
    pages = PagesAtOnce(AT_ONCE)
    reading = ask(pages, slow, AT_ONCE)
    same = [asyncio.create_task(pages.find(slow, TaskQuery(), limit=100)) for _ in range(50)]
    other = ask(pages, slow, 1, first=101)
    await settle()

    same[0].cancel()
    slow.may_answer.release()
    await settle()
    assert slow.asked[AT_ONCE:] == [100] * 49

    for _ in range(AT_ONCE - 1 + 49):
        slow.may_answer.release()
    await asyncio.gather(*reading, *same[1:])
    await settle()
    assert slow.asked[AT_ONCE + 49 :] == [101]
    slow.may_answer.release()
    await asyncio.gather(*other)


async def test_the_same_page_of_two_workspaces_is_two_pages(slow: SlowRepository) -> None:
    pages, another = PagesAtOnce(1), SlowRepository()
    another.workspace_name = "another"
    reading = ask(pages, slow, 1)
    waiting = [asyncio.create_task(pages.find(place, TaskQuery(), limit=100)) for place in (slow, another)]
    await settle()

    slow.may_answer.release()
    await settle()
    asked = [slow.asked, list(another.asked)]

    slow.may_answer.release()
    another.may_answer.release()
    await asyncio.gather(*reading, *waiting)
    await another.close()
    assert asked == [[1, 100], []]


async def test_a_page_that_everybody_stopped_waiting_for_is_not_read(slow: SlowRepository) -> None:
    pages = PagesAtOnce(1)
    (reading,) = ask(pages, slow, 1)
    waiting = [asyncio.create_task(pages.find(slow, TaskQuery(), limit=100)) for _ in range(3)]
    await settle()

    for request in waiting:
        request.cancel()
    slow.may_answer.release()
    await reading
    (following,) = ask(pages, slow, 1, first=5)
    slow.may_answer.release()
    await following

    assert slow.asked == [1, 5]
