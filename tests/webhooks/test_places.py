"""Where lanes begin, and where they go on when their positions are gone."""

from __future__ import annotations

import pytest
from tasksvc_webhooks.lanes import Place
from tasksvc_webhooks.places import Found, position_after_gone, position_of_start
from tasksvc_webhooks.subscriptions import Start

from tasksvc import LOG_START, Position
from tasksvc.testing.samples import NOW, later
from webhooks.samples import Logs

CHANGES = 100


async def logs_with(count: int = CHANGES) -> Logs:
    """Returns logs of which that of the workspace "a" has a change in each second after NOW."""
    logs = Logs()
    await logs.write("a", [later(number) for number in range(1, count + 1)])
    return logs


def place_at(position: Position, seconds: float) -> Place:
    return Place(position, later(seconds), start=1, round=1)


@pytest.mark.parametrize(
    ("seconds", "seq"), [(-60, 0), (1, 0), (1.5, 1), (50, 49), (99.5, 99), (100, 99), (101, 100), (9_999, 100)]
)
async def test_a_start_by_time_comes_before_the_first_change_that_is_not_earlier(seconds: float, seq: int) -> None:
    logs = await logs_with()

    position = await position_of_start(logs, "a", Start(1, later(seconds)))

    assert position == Position((await logs.end_of_log("a")).generation, seq)


async def test_a_start_near_the_end_of_a_long_log_takes_few_reads() -> None:
    logs = await logs_with(2_000)

    await position_of_start(logs, "a", Start(1, later(1_999)))

    assert logs.reads <= 4


async def test_a_start_by_time_before_what_was_pruned_is_the_start_of_what_is_left() -> None:
    logs = await logs_with()
    await logs.prune(keep=10)

    assert (await position_of_start(logs, "a", Start(1, NOW))).seq == CHANGES - 10


async def test_a_start_in_a_workspace_that_nobody_has_written_to_is_the_start_of_its_log() -> None:
    assert await position_of_start(Logs(), "a", Start(1, NOW)) == LOG_START


async def test_pruned_changes_are_counted_as_lost() -> None:
    logs = await logs_with()
    end = await logs.end_of_log("a")
    await logs.prune(keep=10)

    found = await position_after_gone(logs, "a", place_at(Position(end.generation, 30), 30))

    assert found == Found(Position(end.generation, 90), 60)


async def test_a_lane_that_began_before_the_first_change_has_lost_what_was_pruned() -> None:
    logs = await logs_with()
    end = await logs.end_of_log("a")
    await logs.prune(keep=10)

    assert await position_after_gone(logs, "a", place_at(LOG_START, 0)) == Found(Position(end.generation, 90), 90)


async def test_a_log_that_is_pruned_completely_goes_on_at_its_end() -> None:
    logs = await logs_with()
    end = await logs.end_of_log("a")
    await logs.prune(keep=0)

    assert await position_after_gone(logs, "a", place_at(end._replace(seq=30), 30)) == Found(end, 70)


async def test_an_erased_workspace_has_no_place() -> None:
    logs = await logs_with()
    end = await logs.end_of_log("a")
    await logs.store.workspace("a").erase()

    assert await position_after_gone(logs, "a", place_at(end, 100)) is None


async def test_a_workspace_that_was_erased_and_made_again_begins_with_its_first_change() -> None:
    logs = await logs_with()
    end = await logs.end_of_log("a")
    await logs.store.workspace("a").erase()
    await logs.write("a", [later(200), later(201)])

    found = await position_after_gone(logs, "a", place_at(end, 100))

    again = await logs.end_of_log("a")
    assert again.generation != end.generation
    assert found == Found(again._replace(seq=0), 0)


async def test_a_renewed_store_goes_on_some_minutes_before_the_last_delivery_and_not_at_its_start() -> None:
    logs = await logs_with(1_000)
    old = await logs.end_of_log("a")
    await logs.store.renew()

    found = await position_after_gone(logs, "a", place_at(old._replace(seq=900), 900))

    assert found is not None
    assert found.position.generation != old.generation
    assert found.position.seq == 900 - 5 * 60 - 1


async def test_a_position_beyond_the_end_goes_on_by_time() -> None:
    logs = await logs_with(1_000)
    end = await logs.end_of_log("a")

    found = await position_after_gone(logs, "a", place_at(end._replace(seq=5_000), 1_000))

    assert found == Found(end._replace(seq=699), 0)
