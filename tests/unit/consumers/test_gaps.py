"""Consumers of logs that lack changes: never a silent gap."""

from __future__ import annotations

import asyncio

import pytest
from patience import PATIENCE_SECONDS, until
from sharing_processes import (
    ConsumingProcess,
    Gate,
    change,
    keys,
    prune,
)

from tasksvc import LOG_START, Position, TaskRepository
from tasksvc.application.consumers import Start
from tasksvc.application.log_search import end_of_log


async def test_changes_that_were_pruned_before_they_were_handled_are_reported(
    store: TaskRepository, caplog: pytest.LogCaptureFixture
) -> None:
    first = ConsumingProcess(store)
    await change(store, "a", 2)
    await first.until_given("a", 2)
    await first.until_idle()
    await first.stop()
    generation, _ = await change(store, "a", 5)
    await prune(store, 2)

    second = ConsumingProcess(store)
    await second.until_given("a", 7)
    await second.stop()

    assert second.lost == [("a", Position(generation, 2), Position(generation, 5))]
    assert second.numbers("a") == [6, 7]
    assert "lacks changes of the workspace a: The log was pruned up to change 5." in caplog.text


async def test_a_new_consumer_of_all_changes_is_told_of_those_that_were_pruned(store: TaskRepository) -> None:
    generation, _ = await change(store, "a", 5)
    await prune(store, 2)

    process = ConsumingProcess(store)
    await process.until_given("a", 5)
    await process.stop()

    assert ("a", LOG_START, Position(generation, 3)) in process.lost
    assert process.numbers("a") == [4, 5]


async def test_a_consumer_that_began_later_is_told_where_changes_since_then_may_have_been_pruned(
    store: TaskRepository,
) -> None:
    first = ConsumingProcess(store, start=Start.NOW)
    await first.until_idle()
    await first.stop()
    generation, _ = await change(store, "a", 5)
    await change(store, "b", 1)
    await prune(store, 2)

    second = ConsumingProcess(store, start=Start.NOW)
    await second.until_given("a", 5)
    await second.until_given("b", 1)
    await second.stop()

    assert second.lost == [("a", LOG_START, Position(generation, 3))]
    assert second.numbers("a") == [4, 5]


async def test_a_consumer_is_told_nothing_of_what_was_pruned_before_it_began(store: TaskRepository) -> None:
    await change(store, "a", 5)
    await prune(store, 2)
    process = ConsumingProcess(store, start=Start.NOW)
    await process.until_idle()

    await change(store, "a", 1)
    await process.until_given("a", 6)
    await process.stop()

    assert process.lost == []
    assert process.numbers("a") == [6]


async def test_a_gap_is_reported_again_if_the_report_failed(store: TaskRepository) -> None:
    await change(store, "a", 5)
    await prune(store, 2)
    process = ConsumingProcess(store)
    reports: list[str] = []

    async def lost(workspace: str, since: Position, start: Position) -> None:
        reports.append(workspace)
        if len(reports) < 3:
            raise ZeroDivisionError("the report is broken")

    process.consumer.lost = lost
    await process.until_given("a", 5)
    await process.stop()

    assert reports.count("a") == 3
    assert process.numbers("a") == [4, 5]


async def test_an_erased_workspace_leaves_no_place_and_a_new_one_of_its_name_begins_anew(
    store: TaskRepository,
) -> None:
    process = ConsumingProcess(store)
    gate = process.handling = Gate()
    first = await change(store, "a", 2)
    await process.until_given("a", 2)
    await process.until_idle()
    gate.workspaces.add("a")
    await change(store, "a")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (await keys(store))["behind"]:
            await asyncio.sleep(0.01)
    await process.kill()
    await store.workspace("a").erase()

    second = ConsumingProcess(store)
    await until(lambda: second.lost)
    await second.until_idle()
    places = (await keys(store))["place"]
    again = await change(store, "a", 2)
    await second.until_given("a", 2)
    await second.stop()

    assert second.lost[0] == ("a", first, LOG_START)
    assert places == 0
    assert again.generation != first.generation
    assert second.numbers("a") == [1, 2]


async def test_a_workspace_that_was_erased_and_made_again_is_given_from_its_start(store: TaskRepository) -> None:
    process = ConsumingProcess(store)
    before = await change(store, "a", 2)
    await process.until_given("a", 2)
    await process.until_idle()

    await store.workspace("a").erase()
    after = await change(store, "a", 3)
    await process.until_given("a", 3)
    await process.stop()

    assert process.numbers("a") == [1, 2, 1, 2, 3]
    assert process.lost == [("a", before, Position(after.generation, 0))]


async def test_what_is_kept_of_an_erased_workspace_can_be_deleted(store: TaskRepository) -> None:
    process = ConsumingProcess(store)
    await change(store, "a")
    await change(store, "b")
    await process.until_given("a", 1)
    await process.until_given("b", 1)
    await process.until_idle()
    await store.workspace("a").erase()

    await process.consumer.forget("a")

    assert (await keys(store))["place"] == 1
    await change(store, "a")
    await until(lambda: process.numbers("a") == [1, 1])
    await process.stop()
    assert process.lost == []


async def test_a_store_that_was_renewed_is_given_again_and_reported(store: TaskRepository) -> None:
    process = ConsumingProcess(store)
    before = await change(store, "a", 2)
    await process.until_given("a", 2)
    await process.until_idle()

    await store.renew()
    await change(store, "a")
    await process.until_given("a", 3)
    await process.stop()

    after = await end_of_log(store.workspace("a"))
    assert ("a", before, Position(after.generation, 0)) in process.lost
    assert process.numbers("a") == [1, 2, 1, 2, 3]
