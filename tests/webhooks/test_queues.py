"""Lanes have their turns, few at once for each webhook, and slow ones apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest
from patience import FOREVER_SECONDS, until
from tasksvc_webhooks.lane_set import Lane
from tasksvc_webhooks.lanes import Place
from tasksvc_webhooks.queues import QUICK_MAX, WEBHOOK_MAX, Turns

from tasksvc import Position


class Work:
    """Turns that last until they are ended."""

    def __init__(self) -> None:
        self.running: list[Lane] = []
        self.done: list[Lane] = []
        self.ends: dict[Lane, asyncio.Event] = {}
        self.again: set[Lane] = set()
        self.turns = Turns(self._take_turn)

    def lane(self, webhook_id: str, workspace: str = "default") -> Lane:
        """Returns a new lane."""
        lane = Lane(webhook_id, workspace, 0.0)
        self.ends[lane] = asyncio.Event()
        return lane

    async def _take_turn(self, lane: Lane) -> bool:
        self.running.append(lane)
        try:
            with self.turns.sending(lane):
                await self.ends[lane].wait()
        finally:
            self.running.remove(lane)
        self.done.append(lane)
        return lane in self.again


@pytest.fixture
async def work() -> Work:
    return Work()


async def test_a_webhook_has_few_turns_at_once_and_others_go_on(work: Work) -> None:
    for number in range(50):
        work.turns.add(work.lane("one", f"w{number}"))
    work.turns.add(work.lane("other"))

    await until(lambda: len(work.running) == WEBHOOK_MAX + 1)

    assert Counter(lane.webhook_id for lane in work.running) == {"one": WEBHOOK_MAX, "other": 1}
    await work.turns.close(0)


async def test_turns_that_take_long_give_their_room_to_others(work: Work) -> None:
    silent = [work.lane(f"silent{number}") for number in range(QUICK_MAX)]
    for lane in silent:
        work.turns.add(lane)
    await until(lambda: len(work.running) == QUICK_MAX)
    quick = work.lane("quick")
    work.ends[quick].set()

    work.turns.add(quick)

    await until(lambda: work.done == [quick])
    assert work.running == silent
    await work.turns.close(0)


async def test_a_lane_has_one_turn_at_once_and_another_one_after_it_if_asked_for_meanwhile(work: Work) -> None:
    lane = work.lane("one")
    work.turns.add(lane)
    await until(lambda: work.running)

    work.turns.add(lane)
    work.turns.add(lane)
    work.ends[lane].set()

    await until(lambda: len(work.done) == 2)
    await asyncio.sleep(0.05)
    assert work.done == [lane, lane]


async def test_a_lane_that_has_more_waits_behind_the_others_of_its_webhook(work: Work) -> None:
    lanes = [work.lane("one", f"w{number}") for number in range(WEBHOOK_MAX + 1)]
    work.again.add(lanes[0])
    for lane in lanes:
        work.ends[lane].set()
        work.turns.add(lane)

    await until(lambda: len(work.done) > len(lanes))

    assert lanes[-1] in work.done[: len(lanes) + 1]
    work.again.clear()
    await until(lambda: not work.running)


async def test_the_end_lets_a_turn_finish_and_begins_no_other(work: Work) -> None:
    first, second = work.lane("one", "a"), work.lane("one", "b")
    work.turns.add(first)
    await until(lambda: work.running)
    asyncio.get_running_loop().call_later(0.05, work.ends[first].set)

    closing = asyncio.create_task(work.turns.close(FOREVER_SECONDS))
    await asyncio.sleep(0)
    work.turns.add(second)
    await closing

    assert (work.running, work.done) == ([], [first])


async def test_the_end_does_not_wait_for_a_lane_that_has_failed(work: Work) -> None:
    lane = work.lane("one")
    lane.place = Place(Position("g", 0), datetime.now(UTC), 1, 1, attempts=1)
    work.turns.add(lane)
    await until(lambda: work.running)

    await work.turns.close(FOREVER_SECONDS)

    assert (work.running, work.done) == ([], [])


async def test_the_end_cancels_all_turns(work: Work) -> None:
    for number in range(20):
        work.turns.add(work.lane(f"t{number}"))
    await until(lambda: len(work.running) == 20)

    await work.turns.close(0)

    assert (work.running, work.done) == ([], [])
