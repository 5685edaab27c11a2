"""Consumers whose handlers or stores fail for a while."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from patience import PATIENCE_SECONDS, until
from sharing_processes import (
    ConsumingProcess,
    Gate,
    change,
    fails,
    keys,
    unseen,
    works,
)

from tasksvc import InMemoryRepository, TaskRepository
from tasksvc.application.consumers import Start
from tasksvc.application.leases import backoff
from tasksvc.application.limits import Limits, Timeouts
from unit.consumers.conftest import Reopen

# ---------------------------------------------------------------- handlers that fail


async def test_a_workspace_whose_handler_fails_gets_the_same_changes_again_and_the_others_go_on(
    store: TaskRepository, caplog: pytest.LogCaptureFixture
) -> None:
    process = ConsumingProcess(store)
    attempts = Counter[str]()

    async def handling(workspace: str) -> None:
        attempts[workspace] += 1
        if workspace == "bad" and not healed:
            raise ZeroDivisionError("the handler is broken")
        if workspace == "cancelled" and attempts[workspace] < 3:
            raise asyncio.CancelledError

    healed: list[bool] = []
    process.handling = handling
    for name in ("bad", "cancelled", "good"):
        await change(store, name, 2)
    await process.until_given("good", 2)
    await process.until_given("cancelled", 2)
    await until(lambda: attempts["bad"] > 3)
    await change(store, "good", 2)
    await process.until_given("good", 4)
    given_to_bad = process.numbers("bad")
    healed.append(True)
    await process.until_given("bad", 2)
    await process.stop()

    assert given_to_bad == []
    assert process.numbers("bad") == [1, 2]
    assert process.numbers("cancelled") == [1, 2]
    assert "failed in the workspace bad, and will try again" in caplog.text


def test_the_pause_after_failures_doubles_from_a_second_to_a_minute() -> None:
    assert [backoff(failures, Timeouts()) for failures in (1, 2, 3, 6, 7, 8, 10_000)] == [1, 2, 4, 32, 60, 60, 60]


async def test_what_failed_is_taken_up_by_the_next_process_though_the_token_went_on(reopen: Reopen) -> None:
    first = ConsumingProcess(await reopen())
    store = first.link.store

    async def fail(workspace: str) -> None:
        if workspace == "bad":
            raise ZeroDivisionError("the handler is broken")

    first.handling = fail
    await change(store, "bad", 2)
    await change(store, "good", 2)
    await first.until_given("good", 2)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await unseen(store):
            await asyncio.sleep(0.01)
    await first.stop()

    store = await reopen()
    second = ConsumingProcess(store)
    await second.until_given("bad", 2)
    await second.until_idle()
    await second.stop()

    assert second.numbers("bad") == [1, 2]
    assert (await keys(store))["behind"] == 0


async def test_the_place_moves_after_the_changes_were_handled(store: TaskRepository) -> None:
    process = ConsumingProcess(store)
    gate = process.handling = Gate("a")
    await change(store, "a")
    await until(lambda: gate.waiting)

    before = (await keys(store))["place"]
    await process.stop()
    again = ConsumingProcess(store)
    await again.until_given("a", 1)
    await again.until_idle()
    await again.stop()

    assert before == 0
    assert process.numbers("a") == []
    assert (await keys(store))["place"] == 1


async def test_too_many_workspaces_that_fail_hold_up_new_ones_until_they_are_handled() -> None:
    store = InMemoryRepository()
    process = ConsumingProcess(store, limits=Limits(consumer_workspaces=3))
    await process.until_idle()
    process.handling = fails
    for number in range(3):
        await change(store, f"bad{number}")
    await until(lambda: process.consumer.pending == 3)
    await change(store, "new")
    await asyncio.sleep(0.1)
    pending = process.consumer.pending

    process.handling = works
    await process.until_given("new", 1)
    await process.stop()

    assert pending == 3


# ---------------------------------------------------------------- stores that fail


@pytest.mark.parametrize("method", [None, "commit", "read_changes", "changed_workspaces", "record", "find"])
async def test_nothing_is_missed_while_the_store_fails_for_a_while(method: str | None) -> None:
    store = InMemoryRepository()
    process = ConsumingProcess(store, start=Start.NOW)
    await process.until_idle()
    failures: list[str] = []

    async def failing(name: str) -> None:
        if method in (None, name):
            failures.append(name)
            await fails(name)

    process.link.before = failing
    await change(store, "a", 2)
    await until(lambda: len(failures) > 2)
    await change(store, "b", 2)
    process.link.before = works
    for name in ("a", "b"):
        await process.until_given(name, 2)
    await process.until_idle()
    await process.stop()

    assert set(process.numbers("a")) == set(process.numbers("b")) == {1, 2}
    assert (await keys(store))["place"] == 2


async def test_a_consumer_starts_when_the_store_can_be_reached() -> None:
    store = InMemoryRepository()
    await change(store)
    process = ConsumingProcess(store)
    process.link.before = fails
    await asyncio.sleep(0.1)

    process.link.before = works

    await process.until_given("default", 1)
    await process.stop()
