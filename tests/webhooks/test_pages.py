"""Pages of logs are read once for all lanes, and never hide a change."""

from __future__ import annotations

import asyncio

import pytest
from tasksvc_webhooks.pages import LogPages

from tasksvc import LOG_START, Position, PositionGone
from tasksvc.testing.samples import later
from webhooks.samples import Logs


async def logs_with(count: int) -> tuple[Logs, LogPages, str]:
    """Returns logs with changes in the workspace "a", their pages, and the generation."""
    logs = Logs()
    await logs.write("a", [later(number) for number in range(count)])
    return logs, LogPages(logs), (await logs.end_of_log("a")).generation


async def test_lanes_at_one_position_read_once() -> None:
    logs, pages, generation = await logs_with(5)

    found = await asyncio.gather(*(pages.read("a", Position(generation, 2)) for _ in range(10)))
    found.append(await pages.read("a", Position(generation, 2)))

    assert logs.reads == 1
    assert [[each.change.seq for each in page.changes] for page in found] == [[3, 4, 5]] * 11


async def test_a_lane_within_a_page_reads_nothing() -> None:
    logs, pages, generation = await logs_with(150)

    whole = await pages.read("a", Position(generation, 0))
    part = await pages.read("a", Position(generation, 60))
    after = await pages.read("a", Position(generation, 100))

    assert logs.reads == 2
    assert (part.next, part.more) == (whole.next, True)
    assert [each.change.seq for each in part.changes] == list(range(61, 101))
    assert part.changes == whole.changes[60:]
    assert [each.change.seq for each in after.changes] == list(range(101, 151))


async def test_the_end_of_a_log_is_read_again_once_there_may_be_more() -> None:
    logs, pages, generation = await logs_with(2)
    await pages.read("a", Position(generation, 0))
    await pages.read("a", Position(generation, 2))
    await logs.write("a", [later(9)])

    before = await pages.read("a", Position(generation, 1))
    pages.forget_ends("a")
    after = await pages.read("a", Position(generation, 1))

    assert [each.change.seq for each in before.changes] == [2]
    assert [each.change.seq for each in after.changes] == [2, 3]
    assert len((await pages.read("a", Position(generation, 2))).changes) == 1


async def test_a_read_that_began_before_a_change_is_not_kept_as_the_end() -> None:
    logs, pages, generation = await logs_with(2)
    reading = asyncio.create_task(pages.read("a", Position(generation, 0)))
    await asyncio.sleep(0)

    pages.forget_ends("a")
    await logs.write("a", [later(9)])
    await reading

    assert len((await pages.read("a", Position(generation, 0))).changes) == 3


async def test_a_position_that_is_gone_is_not_kept() -> None:
    logs, pages, _ = await logs_with(2)

    for _ in range(2):
        with pytest.raises(PositionGone):
            await pages.read("a", Position("other", 1))

    assert logs.reads == 2
    assert len((await pages.read("a", LOG_START)).changes) == 2
