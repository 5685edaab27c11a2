"""Leases: one process at a time does the work, and another one takes over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sharing_processes
from patience import FOREVER_SECONDS, PATIENCE_SECONDS, until
from sharing_processes import (
    NAMESPACE,
    Link,
    SharedRepository,
    fails,
    fails_to_write,
    hangs,
    hangs_at_writing,
    works,
)

from tasksvc import InMemoryRepository, NotSupported, OutcomeUnknown, TaskRepository
from tasksvc.application.clock import now
from tasksvc.application.leases import Lease, LeaseLost, Work
from tasksvc.application.limits import Timeouts
from tasksvc.application.plugin_records import Put
from tasksvc.domain.writes import PutRecord
from tasksvc.ports.store import Capability

QUICK = Timeouts(lease=1.2, lease_renewal=0.1, lease_check=0.02, consumer_retry=0.01)
"""A fifth of a second is between the end of a holder and the next one."""
ENDLESS = QUICK._replace(lease=FOREVER_SECONDS)
"""Leases that don't expire, so that one is only taken when it's given back."""


@pytest.fixture(autouse=True)
def _released() -> Iterator[None]:
    """Lets commits end that hang, at the end of a test."""
    sharing_processes.RELEASED.clear()
    yield
    sharing_processes.RELEASED.set()


class Process:
    """A process that wants the lease "work"."""

    def __init__(self, store: TaskRepository, name: str, events: list[str], timeouts: Timeouts = QUICK) -> None:
        self.link = Link(store)
        self.records = self.link.records()
        self.lease = Lease(self.records, "work", timeouts)
        self._name, self._events = name, events
        self.task: asyncio.Task[None] | None = None

    def start(self, work: Work | None = None) -> None:
        self.task = asyncio.create_task(self.lease.hold(work or self.work))

    async def work(self) -> None:
        """Works until it's cancelled."""
        self._events.append(f"{self._name} works")
        try:
            await asyncio.Event().wait()
        finally:
            self._events.append(f"{self._name} stops")

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])


async def until_in(events: Sequence[str], event: str) -> None:
    await until(lambda: event in events)


async def record(store: TaskRepository) -> Any:
    return await store.record(NAMESPACE, "lease:work")


async def until_renewed(store: TaskRepository, times: int) -> None:
    version = (await record(store)).version
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await record(store)).version < version + times:
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- one holder


async def test_a_store_of_one_process_needs_no_lease_and_nothing_is_written() -> None:
    store, events = InMemoryRepository(), list[str]()
    process = Process(store, "a", events)

    process.start()
    await until_in(events, "a works")
    assert process.lease.is_held
    await process.lease.write([Put("x", {})])
    await process.stop()

    assert events == ["a works", "a stops"]
    assert [each.key for each in await store.records(NAMESPACE, limit=10)] == ["x"]
    assert not process.lease.is_held


async def test_a_shared_store_without_records_has_no_leases() -> None:
    class WithoutRecords(SharedRepository):
        capabilities = SharedRepository.capabilities - {Capability.RECORDS}

    process = Process(WithoutRecords(), "a", [])

    with pytest.raises(NotSupported):
        await process.lease.hold(process.work)


async def test_one_of_several_processes_works_and_the_next_one_as_soon_as_it_stops() -> None:
    store, events = SharedRepository(), list[str]()
    processes = [Process(store, name, events, ENDLESS) for name in "abc"]
    processes[0].start()
    await until_in(events, "a works")
    for process in processes[1:]:
        process.start()

    await asyncio.sleep(0.2)
    held = [process.lease.is_held for process in processes]
    await processes[0].stop()
    await until(lambda: len(events) == 3)

    assert held == [True, False, False]
    assert events[:2] == ["a works", "a stops"]
    assert events[2] in ("b works", "c works")
    for process in processes[1:]:
        await process.stop()


@pytest.mark.slow
async def test_the_holder_renews_the_lease_and_those_who_wait_write_nothing() -> None:
    timeouts = QUICK._replace(lease=3.0)
    store, events = SharedRepository(), list[str]()
    holder, other = Process(store, "a", events, timeouts), Process(store, "b", events, timeouts)
    holder.start()
    await until_in(events, "a works")
    other.start()

    first = await record(store)
    await asyncio.sleep(4.0)
    last = await record(store)

    assert events == ["a works"]
    assert last.version > first.version
    assert last.value == first.value
    assert "commit" not in other.link.calls
    await holder.stop()
    await other.stop()


async def test_work_that_returns_ends_the_hold_and_gives_the_lease_back() -> None:
    store = SharedRepository()
    process = Process(store, "a", [])

    async def work() -> None:
        await process.lease.write([Put("x", {})])

    async with asyncio.timeout(PATIENCE_SECONDS):
        await process.lease.hold(work)

    assert (await record(store)).value == {"holder": None}
    assert await store.record(NAMESPACE, "x") is not None


async def test_a_record_that_is_gone_is_a_free_lease() -> None:
    store, events = SharedRepository(), list[str]()
    holder, other = Process(store, "a", events, ENDLESS), Process(store, "b", events, ENDLESS)
    holder.start()
    await until_in(events, "a works")
    await until_renewed(store, 3)
    other.start()

    await holder.records.delete("lease:work")
    await until_in(events, "b works")
    await until_in(events, "a stops")

    await other.stop()
    await holder.stop()


async def test_a_process_that_is_stopped_while_it_takes_the_lease_gives_it_back() -> None:
    store = SharedRepository()
    process = Process(store, "a", [])
    taken = asyncio.Event()

    async def hangs_once(method: str) -> None:
        if method == "commit" and not taken.is_set():
            taken.set()
            await hangs(method)

    process.link.after = hangs_once
    process.start()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await taken.wait()
    await process.stop()

    assert (await record(store)).value == {"holder": None}


# ---------------------------------------------------------------- a holder that is killed, or held up


async def test_the_lease_of_a_process_that_was_killed_is_taken_when_it_has_expired() -> None:
    store, events = SharedRepository(), list[str]()
    killed, other = Process(store, "a", events), Process(store, "b", events)
    killed.start()
    await until_in(events, "a works")
    other.start()

    killed.link.before = hangs
    await killed.stop()
    await until_in(events, "b works")

    await other.stop()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [hangs, hangs_at_writing, fails, fails_to_write])
async def test_a_holder_that_cannot_renew_the_lease_stops_before_the_next_one_starts(fault: Any) -> None:
    timeouts = QUICK._replace(lease=3.0)
    store, events = SharedRepository(), list[str]()
    holder, other = Process(store, "a", events, timeouts), Process(store, "b", events, timeouts)
    holder.start()
    await until_in(events, "a works")
    other.start()

    holder.link.before = fault
    await until_in(events, "b works")

    assert events == ["a works", "a stops", "b works"]
    assert not holder.lease.is_held
    holder.link.before = works
    sharing_processes.RELEASED.set()
    await holder.stop()
    await other.stop()


async def test_a_holder_keeps_the_lease_while_the_store_fails_for_less_than_its_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timeouts = ENDLESS._replace(lease_renewal=0.01)
    store, events = SharedRepository(), list[str]()
    holder = Process(store, "a", events, timeouts)
    holder.start()
    await until_in(events, "a works")

    holder.link.before = fails
    await until(lambda: "cannot be renewed: The disk is on fire." in caplog.text)
    holder.link.before = works
    await until_renewed(store, 1)

    assert events == ["a works"]
    await holder.stop()


async def test_a_renewal_that_was_done_although_it_failed_is_taken_into_account() -> None:
    timeouts = ENDLESS._replace(lease_renewal=0.01)
    store, events = SharedRepository(), list[str]()
    holder = Process(store, "a", events, timeouts)

    async def leaves_open(method: str) -> None:
        if method == "commit":
            raise OutcomeUnknown("The connection was lost.")

    holder.link.after = leaves_open
    holder.start()
    await asyncio.sleep(0.2)
    holder.link.after = works
    await until_in(events, "a works")
    holder.link.after = leaves_open
    await until_renewed(store, 3)
    holder.link.after = works
    await until_renewed(store, 3)
    await holder.stop()

    assert events == ["a works", "a stops"]
    assert (await record(store)).value == {"holder": None}


async def test_a_holder_that_has_lost_the_lease_writes_nothing_and_stops(caplog: pytest.LogCaptureFixture) -> None:
    store, events = SharedRepository(), list[str]()
    holder = Process(store, "a", events, ENDLESS._replace(lease_renewal=FOREVER_SECONDS))
    refused: list[LeaseLost] = []

    async def work() -> None:
        events.append("a works")
        while not events[1:]:
            await asyncio.sleep(0.01)
        try:
            await holder.lease.write([Put("x", {})])
        except LeaseLost as error:
            refused.append(error)
            raise

    holder.start(work)
    await until_in(events, "a works")
    await store.commit([PutRecord(NAMESPACE, "lease:work", {"holder": "another process"})], at=now())
    events.append("taken")
    await until(lambda: refused)

    assert await store.record(NAMESPACE, "x") is None
    await until(lambda: "has lost the lease work of plugin:test" in caplog.text)
    assert not holder.lease.is_held
    await holder.stop()
    assert (await record(store)).value == {"holder": "another process"}, "it isn't given back by another process"


async def test_a_process_that_does_not_hold_the_lease_cannot_write_under_it() -> None:
    process = Process(SharedRepository(), "a", [])

    with pytest.raises(LeaseLost):
        await process.lease.write([Put("x", {})])


async def test_a_write_under_a_lease_renews_it_and_is_refused_by_its_own_condition_alone() -> None:
    store, events = SharedRepository(), list[str]()
    process = Process(store, "a", events, ENDLESS._replace(lease_renewal=FOREVER_SECONDS))
    process.start()
    await until_in(events, "a works")
    before = await record(store)

    results = await asyncio.gather(
        *(process.lease.write([Put(f"x{number}", {}, 0)]) for number in range(5)),
        process.lease.write([Put("y", {}, 7)]),
        return_exceptions=True,
    )

    assert [type(result).__name__ for result in results] == ["list"] * 5 + ["RecordConflict"]
    assert (await record(store)).version == before.version + 5
    assert process.lease.is_held
    await process.stop()


# ---------------------------------------------------------------- work that ends


@pytest.mark.slow
async def test_work_that_takes_long_to_end_keeps_the_lease_until_then() -> None:
    timeouts = QUICK._replace(lease=3.0)
    store, events = SharedRepository(), list[str]()
    holder, other = Process(store, "a", events, timeouts), Process(store, "b", events, timeouts)

    async def work() -> None:
        events.append("a works")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(4.0)
            await holder.lease.write([Put("last", {})])
            events.append("a stops")

    holder.start(work)
    await until_in(events, "a works")
    other.start()
    await holder.stop()
    await until_in(events, "b works")

    assert events == ["a works", "a stops", "b works"]
    assert await store.record(NAMESPACE, "last") is not None
    await other.stop()


async def test_a_lease_is_not_given_back_while_the_work_still_runs() -> None:
    store, events = SharedRepository(), list[str]()
    holder = Process(store, "a", events, ENDLESS)
    may_end = asyncio.Event()

    async def work() -> None:
        events.append("a works")
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    holder.start(work)
    await until_in(events, "a works")
    assert holder.task is not None
    holder.task.cancel()
    await asyncio.sleep(0.05)
    await holder.stop()  # by a second cancellation, for which it doesn't wait

    assert (await record(store)).value["holder"] is not None
    may_end.set()


async def test_work_that_fails_starts_again_in_another_process_or_in_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, events = SharedRepository(), list[str]()
    first = Process(store, "a", events, ENDLESS._replace(consumer_retry=FOREVER_SECONDS))
    other = Process(store, "b", events, ENDLESS)

    async def fail() -> None:
        raise ZeroDivisionError("the work is broken")

    attempts: list[int] = []

    async def fail_twice() -> None:
        attempts.append(1)
        match len(attempts):
            case 1:
                raise ZeroDivisionError("the work is broken")
            case 2:
                raise asyncio.CancelledError
            case _:
                await other.work()

    first.start(fail)
    await until(lambda: "The work of the lease work of plugin:test failed." in caplog.text)
    other.start(fail_twice)
    await until_in(events, "b works")

    assert len(attempts) == 3
    assert [entry.levelno for entry in caplog.records if "work of the lease" in entry.message] == [logging.ERROR] * 3
    await first.stop()
    await other.stop()
