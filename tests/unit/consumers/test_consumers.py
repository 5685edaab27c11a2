"""Consumers: every change of every workspace, in the order of each log, by one process at a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until
from sharing_processes import (
    CONSUMING,
    NAMESPACE,
    ConsumingProcess,
    Gate,
    Link,
    SharedRepository,
    change,
    keys,
)

from tasksvc import CreateTask, InMemoryRepository, NotSupported, TaskDraft, TaskRepository
from tasksvc.application.change_watch import ChangeWatch
from tasksvc.application.clock import now
from tasksvc.application.consumers import Consumer, Start
from tasksvc.application.limits import Limits
from tasksvc.domain.writes import PutRecord
from tasksvc.ports.store import Capability
from unit.consumers.conftest import Reopen

# ---------------------------------------------------------------- where it begins, and what it gets


async def test_every_change_of_every_workspace_is_given_in_the_order_of_its_log(store: TaskRepository) -> None:
    await change(store, "a", 3)
    process = ConsumingProcess(store, limits=Limits(changes_read=2))
    await process.until_given("a", 3)

    await asyncio.gather(*(change(store, name, 9) for name in ("default", "a", "b")))
    for name, last in (("default", 9), ("a", 12), ("b", 9)):
        await process.until_given(name, last)
    await process.stop()

    for name, last in (("default", 9), ("a", 12), ("b", 9)):
        assert process.numbers(name) == list(range(1, last + 1))
    assert max(len(numbers) for _, numbers in process.given) == 2
    assert process.lost == []


async def test_a_new_consumer_begins_with_the_first_change_after_its_start(store: TaskRepository) -> None:
    await change(store, "old", 3)
    await change(store, "default", 2)
    process = ConsumingProcess(store, start=Start.NOW)
    await process.until_idle()

    await change(store, "old", 2)
    await change(store, "new", 2)
    await process.until_given("old", 5)
    await process.until_given("new", 2)
    await process.until_idle()
    await process.stop()

    assert (process.numbers("old"), process.numbers("new"), process.numbers("default")) == ([4, 5], [1, 2], [])
    assert (await keys(store))["place"] == 2


async def test_the_start_of_a_consumer_in_a_long_log_is_found_with_few_reads() -> None:
    store = InMemoryRepository()
    await store.commit([CreateTask(TaskDraft("x")) for _ in range(4_000)], at=now())
    process = ConsumingProcess(store, start=Start.NOW)
    await process.until_idle()

    await change(store)
    await process.until_given("default", 4_001)
    await process.stop()

    assert process.numbers("default") == [4_001]
    assert process.link.calls.count("read_changes") <= 15


async def test_the_next_process_goes_on_where_the_one_before_it_was(reopen: Reopen) -> None:
    first = ConsumingProcess(await reopen(), start=Start.NOW)
    await first.until_idle()
    store = first.link.store
    await change(store, "a", 3)
    await first.until_given("a", 3)
    await first.until_idle()
    await first.stop()
    await change(store, "a", 2)
    await change(store, "b", 2)

    second = ConsumingProcess(await reopen(), start=Start.NOW)
    await second.until_given("a", 5)
    await second.until_given("b", 2)
    await second.stop()

    assert (second.numbers("a"), second.numbers("b")) == ([4, 5], [1, 2])


async def test_a_workspace_is_handled_by_one_call_at_a_time_and_few_workspaces_at_once(store: TaskRepository) -> None:
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        await change(store, name, 4)
    process = ConsumingProcess(store, concurrency=2, limits=Limits(changes_read=1))
    now_handled, most = Counter[str](), [0]

    async def handling(workspace: str) -> None:
        now_handled[workspace] += 1
        assert now_handled[workspace] == 1
        most.append(now_handled.total())
        await asyncio.sleep(0.005)
        now_handled[workspace] -= 1

    process.handling = handling
    for name in names:
        await process.until_given(name, 4)
    await process.stop()

    assert max(most) == 2
    assert all(process.numbers(name) == [1, 2, 3, 4] for name in names)
    assert {name for name, _ in process.given[:10]} == set(names), "they take turns"


async def test_a_name_that_is_no_part_of_a_key_is_refused() -> None:
    link = Link(InMemoryRepository())
    for name in ("", "a:b", "A", "x" * 33):
        with pytest.raises(ValueError, match="name of a consumer"):
            Consumer(
                name,
                ConsumingProcess._handle,  # type: ignore[arg-type]
                records=link.records(),
                workspace=link.workspace,
                watch=ChangeWatch(lambda: link.repository, CONSUMING),
            )


async def test_a_store_without_records_has_no_consumers() -> None:
    class WithoutRecords(InMemoryRepository):
        capabilities = InMemoryRepository.capabilities - {Capability.RECORDS}

    process = ConsumingProcess(WithoutRecords())

    with pytest.raises(NotSupported, match="keeps no records"):
        await process.task


async def test_a_store_without_workspaces_has_one_that_is_followed() -> None:
    class WithoutWorkspaces(InMemoryRepository):
        capabilities = InMemoryRepository.capabilities - {Capability.WORKSPACES}

    store = WithoutWorkspaces()
    await change(store)
    process = ConsumingProcess(store, start=Start.NOW)
    await process.until_idle()

    await change(store, count=2)
    await process.until_given("default", 3)
    await process.stop()

    assert process.numbers("default") == [2, 3]


# ---------------------------------------------------------------- what it costs


async def test_idle_workspaces_cost_neither_memory_nor_reads_nor_writes() -> None:
    store = InMemoryRepository()
    for number in range(2_500):
        await change(store, f"w{number}")
    process = ConsumingProcess(store, start=Start.NOW)
    await process.until_idle()

    assert set(process.link.calls) == {"record", "records", "changed_workspaces", "commit"}
    assert process.link.calls.count("commit") == 1
    process.link.calls.clear()
    began = time.monotonic()
    await asyncio.sleep(0.3)

    assert set(process.link.calls) == {"changed_workspaces"}
    assert len(process.link.calls) <= (time.monotonic() - began) / CONSUMING.consumer_poll + 2
    await change(store, "w7")
    await process.until_given("w7", 2)
    await process.until_idle()
    await asyncio.sleep(2 * CONSUMING.consumer_token)
    assert await keys(store) == {"consumer": 1, "place": 1}
    assert process.consumer.pending == 0
    await process.stop()


async def test_an_idle_consumer_of_a_shared_store_writes_its_lease_alone() -> None:
    store = SharedRepository()
    await change(store)
    process = ConsumingProcess(store, timeouts=CONSUMING._replace(lease_renewal=0.05))
    await process.until_given("default", 1)
    await asyncio.sleep(3 * CONSUMING.consumer_token)
    await process.until_idle()
    before = {each.key: each.version for each in await store.records(NAMESPACE, limit=10)}

    after = before
    async with asyncio.timeout(PATIENCE_SECONDS):
        while after["lease:consumer:test"] < before["lease:consumer:test"] + 5:
            await asyncio.sleep(0.01)
            after = {each.key: each.version for each in await store.records(NAMESPACE, limit=10)}

    assert [key for key in before if after[key] != before[key]] == ["lease:consumer:test"]
    await process.stop()


# ---------------------------------------------------------------- several processes


async def test_the_changes_go_to_another_process_when_the_first_one_is_killed() -> None:
    timeouts = CONSUMING._replace(lease=3.0, lease_renewal=0.1, lease_check=0.05)
    store = SharedRepository()
    first = ConsumingProcess(store, timeouts=timeouts)
    await change(store, "a", 2)
    await first.until_given("a", 2)
    second = ConsumingProcess(store, timeouts=timeouts)
    await change(store, "a", 2)
    await first.until_given("a", 4)
    await first.until_idle()

    await first.kill()
    await change(store, "a", 2)
    await second.until_given("a", 6)
    await second.stop()

    assert first.numbers("a") == [1, 2, 3, 4]
    assert second.numbers("a") == [5, 6]


async def test_a_process_that_has_lost_the_lease_moves_no_place() -> None:
    store = SharedRepository()
    process = ConsumingProcess(store)
    gate = process.handling = Gate("a")
    await change(store, "a")
    await until(lambda: gate.waiting)

    await store.commit([PutRecord(NAMESPACE, "lease:consumer:test", {"holder": "another process"})], at=now())
    gate.opened.set()
    await process.until_given("a", 1)
    await until(lambda: not process.consumer.is_running)

    assert (await keys(store))["place"] == 0
    await process.stop()


async def test_two_processes_at_once_lose_and_repeat_nothing_while_they_take_turns() -> None:
    timeouts = CONSUMING._replace(lease=FOREVER_SECONDS, lease_renewal=0.05, lease_check=0.01)
    store = SharedRepository()
    await change(store)
    processes = [ConsumingProcess(store, timeouts=timeouts)]
    writing = asyncio.create_task(change(store, "a", 400))
    for _ in range(5):
        processes.append(ConsumingProcess(store, timeouts=timeouts))
        given = sum(len(process.given) for process in processes)
        await until(lambda given=given: sum(len(each.given) for each in processes) > given or writing.done())  # type: ignore[misc]
        await processes[-2].stop()
    await writing
    await until(lambda: any(400 in process.numbers("a") for process in processes))
    await processes[-1].stop()

    numbers = [number for process in processes for number in process.numbers("a")]
    assert sorted(set(numbers)) == list(range(1, 401))
    assert len(numbers) - len(set(numbers)) <= 100 * 5, "only what was being handled at a stop is repeated"
