"""Renaming and deleting lists in several commits, and finishing what was left unfinished."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from patience import PATIENCE_SECONDS, until

from tasksvc import (
    CommitResult,
    CreateTask,
    InMemoryRepository,
    OutcomeUnknown,
    PutRecord,
    Record,
    StoreUnavailable,
    TaskDraft,
    TaskQuery,
    TaskRepository,
    Write,
)
from tasksvc.application.limits import Limits, Timeouts
from tasksvc.application.list_jobs import RECORDS_AT_ONCE, SPACE, ListJob, ListJobs
from tasksvc.application.tasks import Tasks
from tasksvc.domain.change import LOG_START
from tasksvc.domain.relations import RELATED_MAX
from tasksvc.domain.writes import DeleteMatching, UpdateMatching, UpdateTask
from tasksvc.ports.store import Capability

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
QUICK = Timeouts(list_jobs=0.001, list_pause=0.0)
SELDOM = Timeouts(list_jobs=1_000.0, list_pause=0.0)
TWO_AT_ONCE = Limits(list_step=2)
BY = "ann"

Hook = Callable[[int], Awaitable[None]]


async def nothing(number: int) -> None:
    """Does nothing before a step."""


class Watched(InMemoryRepository):
    """A store that calls `before` ahead of each commit of a step, with the number of the steps before it."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.before: Hook = nothing

    async def commit(self, writes: Sequence[Write], **more: Any) -> CommitResult:
        if isinstance(writes[0], UpdateMatching | DeleteMatching):
            self.steps += 1
            await self.before(self.steps - 1)
        return await super().commit(writes, **more)


class WithoutRecords(Watched):
    """A store that keeps no records."""

    capabilities: ClassVar = InMemoryRepository.capabilities - {Capability.RECORDS}


async def fill(store: TaskRepository, *lists: str) -> None:
    await store.commit([CreateTask(TaskDraft("x", list=name)) for name in lists], at=NOW)


async def lists_of(store: TaskRepository) -> dict[int, str]:
    """Returns the list of each task."""
    return {task.id: task.list for task in (await store.find(TaskQuery(), limit=1_000)).tasks}


async def records_of(store: TaskRepository) -> int:
    return len(await store.records(SPACE, limit=1_000))


def process(store: TaskRepository, timeouts: Timeouts = SELDOM, limits: Limits = TWO_AT_ONCE) -> ListJobs:
    """Returns the jobs of one process that serves a store."""
    return ListJobs(store, lambda name: Tasks(store.workspace(name)), limits, timeouts)


def fails(*numbers: int) -> Hook:
    """Returns what fails before the steps with these numbers."""

    async def before(number: int) -> None:
        if number in numbers:
            raise StoreUnavailable("The disk is on fire.", retry_after=7.0)

    return before


def stops_at(number: int) -> tuple[Hook, asyncio.Event, asyncio.Event]:
    """Returns what waits before the step with this number, an event when it does, and one that lets it go on."""
    waits, may_go_on = asyncio.Event(), asyncio.Event()

    async def before(step: int) -> None:
        if step == number:
            waits.set()
            await may_go_on.wait()

    return before, waits, may_go_on


async def killed_after(store: Watched, steps: int, *, to: str | None) -> None:
    """Leaves the list "a" in the state in which a process leaves it that ends after some steps."""
    store.before, waits, _ = stops_at(steps)
    jobs = process(store)
    job = asyncio.create_task(
        jobs.delete("default", "a", by=BY) if to is None else jobs.rename("default", "a", to, by=BY)
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waits.wait()
    running = jobs.running
    for task in running:
        task.cancel()
    await asyncio.wait([job, *running])
    store.before, store.steps = nothing, 0


async def leave(store: TaskRepository, workspace: str) -> None:
    """Leaves a job that has yet to move the tasks of the list "a" to "b"."""
    key = hashlib.sha256(workspace.encode()).hexdigest() + f"-{secrets.token_hex(16)}"
    await store.commit([PutRecord(SPACE, key, ListJob(workspace, "a", "b", 4, BY)._asdict())], at=NOW)


async def finish(store: TaskRepository) -> None:
    """Starts a process, and waits until it has finished what was left."""
    looking = asyncio.create_task(process(store).run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await records_of(store):
            await asyncio.sleep(0)
    looking.cancel()
    await asyncio.wait([looking])


# ---------------------------------------------------------------- several commits


async def test_each_commit_changes_a_part_in_the_name_of_the_caller() -> None:
    store = Watched()
    await fill(store, *"aabaa")

    found = await process(store).rename("default", "a", "c", by=BY)

    assert found
    assert await lists_of(store) == {1: "c", 2: "c", 3: "b", 4: "c", 5: "c"}
    assert (store.steps, await records_of(store)) == (2, 0)
    changes = (await store.read_changes(LOG_START, limit=100)).changes
    assert {change.by for change in changes[5:]} == {BY}


@pytest.mark.parametrize("kind", [Watched, WithoutRecords])
async def test_a_list_is_deleted_whether_or_not_its_store_keeps_records(kind: type[Watched]) -> None:
    store = kind()
    await fill(store, *"aabaa")

    assert await process(store).delete("default", "a", by=BY)

    assert await lists_of(store) == {3: "b"}


async def test_a_list_without_tasks_costs_no_commit() -> None:
    store = Watched()
    await fill(store, "b")

    found = [
        await process(store).rename("default", "a", "c", by=BY),
        await process(store).delete("default", "a", by=BY),
    ]

    assert (found, store.steps) == ([False, False], 0)


async def test_tasks_that_are_created_meanwhile_stay_as_they_are() -> None:
    store = Watched()
    await fill(store, *"aaa")

    async def before(number: int) -> None:
        await fill(store, "a")

    store.before = before
    await process(store).delete("default", "a", by=BY)

    assert await lists_of(store) == {4: "a", 5: "a"}


async def test_a_task_that_leaves_the_list_meanwhile_stays_as_it_is() -> None:
    store = Watched()
    await fill(store, *"aaa")

    async def before(number: int) -> None:
        await store.commit([UpdateTask(2, {"list": "kept"})], at=NOW)

    store.before = before
    await process(store).delete("default", "a", by=BY)

    assert await lists_of(store) == {2: "kept"}


async def test_renamings_of_two_processes_to_and_fro_come_to_an_end() -> None:
    store = Watched()
    await fill(store, *"ababab")

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(
            process(store).rename("default", "a", "b", by=BY), process(store).rename("default", "b", "a", by=BY)
        )

    assert set(await lists_of(store)) == {1, 2, 3, 4, 5, 6}
    assert await records_of(store) == 0


async def test_a_task_with_more_children_than_a_commit_may_change_is_deleted_with_its_list() -> None:
    store = InMemoryRepository()
    await fill(store, *"aaaa")
    children = [CreateTask(TaskDraft("child", list="b", parent_id=number)) for number in (2, 3)]
    for _ in range(2):
        await store.commit(children * (RELATED_MAX // 2 + 1), at=NOW)

    await process(store, limits=Limits()).delete("default", "a", by=BY)

    left = (await store.find(TaskQuery(), limit=1_000)).tasks
    assert {(task.list, task.parent_id) for task in left} == {("b", None)}
    assert await store.count(TaskQuery()) == 4 * (RELATED_MAX // 2 + 1)


# ---------------------------------------------------------------- what is left unfinished


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("to", ["b", None])
async def test_the_next_process_finishes_what_a_killed_one_left_at_once(to: str | None, steps: int) -> None:
    store = Watched()
    await fill(store, *"aaaaaa")
    await killed_after(store, steps, to=to)
    assert list((await lists_of(store)).values()).count("a") == 6 - 2 * steps

    await finish(store)

    assert await lists_of(store) == ({} if to is None else dict.fromkeys(range(1, 7), to))
    changes = (await store.read_changes(LOG_START, limit=100)).changes
    assert {change.by for change in changes[6:]} == {BY}


async def test_what_is_finished_by_another_process_leaves_later_tasks_alone() -> None:
    store = Watched()
    await fill(store, *"aaa")
    await killed_after(store, 1, to=None)
    await fill(store, "a")

    await finish(store)

    assert await lists_of(store) == {4: "a"}


async def test_a_process_that_runs_finishes_what_another_one_leaves() -> None:
    store = Watched()
    looking = asyncio.create_task(process(store, QUICK).run())
    await fill(store, *"aaaa")

    await killed_after(store, 1, to="b")

    async with asyncio.timeout(PATIENCE_SECONDS):
        while await records_of(store):
            await asyncio.sleep(0.001)
    looking.cancel()
    assert set((await lists_of(store)).values()) == {"b"}


async def test_what_was_not_there_at_the_look_before_is_left_to_its_own_process() -> None:
    store = Watched()
    await fill(store, *"aaaa")
    find, looks, looks_before_the_first_step = store.records, 0, list[int]()

    async def records(namespace: str, **more: Any) -> Sequence[Record]:
        nonlocal looks
        if not more.get("after"):
            looks += 1
        if looks == 2 and not looks_before_the_first_step:
            await leave(store, "default")
        return await find(namespace, **more)

    async def before(number: int) -> None:
        looks_before_the_first_step.append(looks)

    store.records, store.before = records, before  # type: ignore[method-assign]
    looking = asyncio.create_task(process(store, QUICK).run())
    await until(lambda: len(looks_before_the_first_step) == 2)
    looking.cancel()

    assert looks_before_the_first_step == [3, 3]


async def test_a_job_that_another_process_has_finished_changes_nothing_any_more() -> None:
    store = Watched()
    await fill(store, *"aaaa")
    store.before, waits, go_on = stops_at(0)
    job = asyncio.create_task(process(store).rename("default", "a", "b", by=BY))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waits.wait()
    await finish(store)
    await store.commit([UpdateTask(3, {"list": "a"})], at=NOW)

    go_on.set()

    assert await job
    assert await lists_of(store) == {1: "b", 2: "b", 3: "a", 4: "b"}


async def test_what_was_left_is_finished_before_the_next_job_of_the_workspace() -> None:
    store = Watched()
    await fill(store, *"aaaa")
    await killed_after(store, 1, to="b")

    await process(store).delete("default", "b", by=BY)

    assert await lists_of(store) == {}
    assert await records_of(store) == 0


async def test_jobs_of_other_workspaces_do_not_wait_for_each_other() -> None:
    store = Watched()
    await fill(store, *"aaaa")
    await fill(store.workspace("u_1"), "a")
    store.before, waits, go_on = stops_at(0)
    jobs = process(store)
    job = asyncio.create_task(jobs.delete("default", "a", by=BY))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waits.wait()
        await jobs.delete("u_1", "a", by=BY)
    go_on.set()
    await job

    assert await lists_of(store.workspace("u_1")) == {}
    assert await lists_of(store) == {}


# ---------------------------------------------------------------- failures


async def test_a_caller_that_is_cancelled_stops_nothing() -> None:
    store = Watched()
    await fill(store, *"aaaa")
    store.before, waits, go_on = stops_at(1)
    jobs = process(store)
    job = asyncio.create_task(jobs.delete("default", "a", by=BY))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waits.wait()

    job.cancel()
    await asyncio.wait([job])
    go_on.set()
    await until(lambda: not jobs.running)

    assert await lists_of(store) == {}
    assert await records_of(store) == 0


async def test_a_caller_that_is_cancelled_before_its_turn_has_nothing_done() -> None:
    store = Watched()
    await fill(store, *"aab")
    store.before, waits, go_on = stops_at(0)
    jobs = process(store)
    first = asyncio.create_task(jobs.delete("default", "a", by=BY))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waits.wait()
    second = asyncio.create_task(jobs.delete("default", "b", by=BY))
    await asyncio.sleep(0)

    second.cancel()
    await asyncio.wait([second])
    go_on.set()
    await first
    await until(lambda: not jobs.running)

    assert await lists_of(store) == {3: "b"}


async def test_a_store_that_fails_half_way_leaves_the_outcome_unknown_and_the_rest_for_later() -> None:
    store = Watched()
    await fill(store, *"aaaa")
    store.before = fails(1)

    with pytest.raises(OutcomeUnknown) as failed:
        await process(store).rename("default", "a", "b", by=BY)

    assert failed.value.retry_after == 7.0
    assert list((await lists_of(store)).values()) == ["b", "b", "a", "a"]
    await finish(store)
    assert set((await lists_of(store)).values()) == {"b"}


async def test_a_store_that_fails_at_first_has_done_nothing() -> None:
    store = Watched()
    await fill(store, "a")

    async def commit(*_: Any, **more: Any) -> CommitResult:
        raise StoreUnavailable("The disk is on fire.")

    store.commit = commit  # type: ignore[method-assign]

    with pytest.raises(StoreUnavailable) as failed:
        await process(store).delete("default", "a", by=BY)

    assert type(failed.value) is StoreUnavailable
    assert await lists_of(store) == {1: "a"}


@pytest.mark.parametrize("failure", [StoreUnavailable("The disk is on fire."), RuntimeError("nobody expected this")])
async def test_what_cannot_be_finished_is_tried_again_and_holds_up_no_other_job(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    store = Watched()
    await fill(store, *"aaaa")
    await killed_after(store, 1, to="b")
    failures = iter([failure] * 3)

    async def before(number: int) -> None:
        if (error := next(failures, None)) is not None:
            raise error

    store.before = before
    caplog.set_level(logging.INFO, "tasksvc")

    looking = asyncio.create_task(process(store, QUICK).run())
    await until(lambda: len(caplog.records) == 4)
    looking.cancel()

    assert set((await lists_of(store)).values()) == {"b"}
    said = [record.getMessage() for record in caplog.records]
    assert [message.startswith("Lists that were left half renamed") for message in said[:3]] == [True] * 3
    assert said[3:] == ["A list of the workspace default that a process had left half renamed was finished."]


async def test_all_jobs_are_finished_however_many_there_are() -> None:
    store = Watched()
    names = [f"u_{number}" for number in range(5)]
    for name in names:
        await fill(store.workspace(name), *"aaaa")
        for _ in range(RECORDS_AT_ONCE // 2):
            await leave(store, name)

    await process(store).delete("u_2", "c", by=BY)
    left = [(await lists_of(store.workspace(name)))[4] for name in names]
    await finish(store)

    assert left == ["a", "a", "b", "a", "a"]
    assert [set((await lists_of(store.workspace(name))).values()) for name in names] == [{"b"}] * 5
