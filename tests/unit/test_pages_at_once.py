"""The bound on the pages that are read at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tasksvc import BEGINNING, Cursor, LedgerRepository, Page, TaskQuery
from tasksvc.api.pages_at_once import AT_ONCE, PagesAtOnce


class SlowRepository(LedgerRepository):
    """A store whose pages come when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        """The limits of the pages that are being read, or were."""
        self.may_answer = asyncio.Semaphore(0)

    async def find(
        self, query: TaskQuery, *, after: Cursor | None = None, limit: int, max_bytes: int | None = None
    ) -> Page:
        self.asked.append(limit)
        await self.may_answer.acquire()
        return Page((), None, BEGINNING)


@pytest.fixture
async def slow() -> AsyncIterator[SlowRepository]:
    repository = SlowRepository()
    yield repository
    await repository.close()


def ask(pages: PagesAtOnce, slow: SlowRepository, count: int, first: int = 1) -> list[asyncio.Task[Page]]:
    """Asks for so many pages, whose limits are `first` and so on."""
    return [asyncio.create_task(pages.find(slow, TaskQuery(), limit=number)) for number in range(first, first + count)]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_pages_are_read_at_once_than_may_be_and_each_has_its_turn(slow: SlowRepository) -> None:
    pages = PagesAtOnce()
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
    pages = PagesAtOnce()
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
