"""Opening a store again, closing it, and a driver that fails."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tasksvc import (
    LOG_START,
    Capability,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    NotSupported,
    OutcomeUnknown,
    PutRecord,
    StoreClosed,
    StoreEntry,
    StoreRefused,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskQuery,
    UpdateTask,
)
from tasksvc.store_adapters import open_repository
from tasksvc.testing.dumping import EMPTY_DUMP
from tasksvc.testing.samples import FULL, NOW, exact, later, varied
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised, run_alone

KEY = IdempotencyKey("s", "key", "f")
WRITERS = 64
LONG = 20.0
"""A timeout in seconds that a test of a correct store never reaches."""


async def _use_scratch(url: str) -> int:
    """Opens a scratch store, creates a task, and returns its id."""
    repository = await open_repository(url, scratch=True)
    try:
        committed = await repository.commit([CreateTask(TaskDraft("scratch"))], at=NOW)
        return max(task.id for task in committed.results if isinstance(task, Task))
    finally:
        await repository.close()


def _nothing() -> AsyncIterator[StoreEntry]:
    return each_of(EMPTY_DUMP)


class LifecycleContract(StoreUnderTest):
    """Tests of durability, scratch stores and closing."""

    # ------------------------------------------------------------ durability

    @on_store(Capability.DURABLE)
    async def test_everything_is_there_after_a_reopening(self, store: Store) -> None:
        await store.add_all(varied(30))
        await store.commit(
            UpdateTask(1, {"done": None, "labels": ("a",)}), DeleteTask(2), CreateTask(FULL), at=later(5)
        )
        tasks, log, generation = await store.listed(), await store.log(), await store.generation()

        await store.reopen()

        assert [exact(task) for task in await store.listed()] == [exact(task) for task in tasks], "all tasks are kept"
        assert await store.log() == log, "the whole log is kept"
        assert await store.generation() == generation, "a store that is opened again has its generation"
        assert await store.listed(TaskQuery(labels=("a",), done=False)), "filters find what was written before"
        await store.check()

    @on_store(Capability.DURABLE)
    async def test_ids_versions_and_numbers_go_on_after_a_reopening(self, store: Store) -> None:
        await store.add_all([TaskDraft("x")] * 3)
        await store.commit(DeleteTask(3), UpdateTask(1, {"priority": 1}))

        for turn in range(3):
            await store.reopen()
            task = await store.add()
            assert task.id == 4 + turn, "an id is never given twice, not even after a reopening"
            await store.remove(task)
            assert (await store.patch(await store.get(1), priority=turn + 2)).version == turn + 3
        assert (await store.head()).seq == 14, "the numbers of the log go on"
        await store.check()

    @on_store(Capability.DURABLE)
    async def test_positions_are_good_after_a_reopening(self, store: Store) -> None:
        first = await store.commit(CreateTask(TaskDraft("a")))
        await store.commit(CreateTask(TaskDraft("b")))

        await store.reopen()

        assert [change.seq for change in await store.log(first.position)] == [2], "a reader goes on where it was"

    @pytest.mark.skipif(os.name == "nt", reason="Windows gives a file the permissions of its folder.")
    @on_store(alone=True)
    async def test_files_are_private_whatever_the_umask_is(self, store: Store) -> None:
        umask = os.umask(0)
        try:
            other = await store.another()
            await other.add()
            open_to_others = other.files_open_to_others()
            await other.repository.close()
            open_to_others += other.files_open_to_others()
        finally:
            os.umask(umask)

        assert open_to_others == [], "what an adapter writes to a disk is for its owner alone"

    @on_store(Capability.DURABLE, alone=True)
    async def test_a_durable_store_is_never_opened_as_scratch(self, store: Store) -> None:
        task = await store.add()
        await store.repository.close()

        await raised(StoreRefused, _use_scratch(store.url), "opening a store that holds kept tasks as a scratch store")

        await store.reopen()
        assert await store.listed() == [task], "kept tasks are never emptied"

    @on_store(alone=True)
    async def test_a_scratch_store_starts_empty(self, store: Store) -> None:
        url = store.url_of_another()
        for _ in range(2):
            try:
                first = await _use_scratch(url)
            except StoreRefused as refusal:
                pytest.skip(f"{type(store.repository).__name__} takes no scratch store: {refusal}")
            assert first == 1, "a scratch store is emptied when it is opened and when it is closed"

    @on_store(alone=True)
    async def test_what_is_declared_absent_says_so(self, store: Store) -> None:
        repository = store.repository
        calls: dict[Capability, list[Callable[[], Awaitable[object]]]] = {
            Capability.RECORDS: [lambda: repository.record("s", "a"), lambda: repository.records("s", limit=1)],
            Capability.PRUNE: [lambda: repository.prune(log_before=NOW, max_changes=1, keys_before=NOW, limit=1)],
            Capability.DUMP: [
                lambda: repository.restore(_nothing()),
                lambda: repository.renew(),
                lambda: anext(repository.dump()),
            ],
            Capability.WORKSPACES: [
                lambda: asyncio.to_thread(repository.workspace, "a"),
                lambda: repository.workspaces(limit=1),
                lambda: repository.changed_workspaces("", limit=1),
            ],
        }
        for capability in calls.keys() - repository.capabilities:
            for call in calls[capability]:
                await raised(NotSupported, call(), f"a call that needs {capability.name}, which is declared absent")

    # ------------------------------------------------------------ the end

    @on_store()
    async def test_a_store_that_serves_answers_a_ping(self, store: Store) -> None:
        await store.repository.ping()

    @on_store(beside="data")
    async def test_after_close_every_call_raises(self, store: Store) -> None:
        await store.add()
        repository = store.repository
        await repository.close()

        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "commit": lambda: store.add(),
            "commit with a key": lambda: store.commit(CreateTask(FULL), idempotency_key=KEY),
            "get": lambda: repository.get(1),
            "find": lambda: repository.find(TaskQuery(), limit=1),
            "count": lambda: repository.count(TaskQuery()),
            "read_changes": lambda: repository.read_changes(LOG_START, limit=1),
            "changes": lambda: repository.changes(LOG_START, limit=1, wait=60),
            "ping": lambda: repository.ping(),
        }
        if Capability.RECORDS in repository.capabilities:
            calls["record"] = lambda: repository.record("s", "a")
            calls["records"] = lambda: repository.records("s", limit=1)
        if Capability.PRUNE in repository.capabilities:
            calls["prune"] = lambda: repository.prune(log_before=NOW, max_changes=1, keys_before=NOW, limit=1)
        if Capability.DUMP in repository.capabilities:
            calls["dump"] = lambda: anext(repository.dump())
            calls["restore"] = lambda: repository.restore(_nothing())
            calls["renew"] = lambda: repository.renew()
        if Capability.WORKSPACES in repository.capabilities:
            calls["workspaces"] = lambda: repository.workspaces(limit=1)
            calls["changed_workspaces"] = lambda: repository.changed_workspaces("", limit=1)
            calls["get in a workspace"] = lambda: repository.workspace("a").get(1)
        for name, call in calls.items():
            await raised(StoreClosed, call(), f"{name}() after close()")

    @on_store(beside="data")
    async def test_a_second_close_does_nothing(self, store: Store) -> None:
        await asyncio.gather(store.repository.close(), store.repository.close())
        await store.repository.close()

    @on_store(beside="data")
    async def test_close_ends_a_wait(self, store: Store) -> None:
        head = await store.head()
        waiting = asyncio.ensure_future(store.repository.changes(head, limit=1, wait=LONG))
        await asyncio.sleep(0.01)

        await store.repository.close()

        await raised(StoreClosed, asyncio.wait_for(waiting, LONG / 2), "a reader that waits while close() is called")

    @on_store(beside="data")
    async def test_close_lets_running_commits_finish_or_fail_cleanly(self, store: Store) -> None:
        commits = [
            asyncio.ensure_future(store.commit(CreateTask(TaskDraft(f"{n} a")), CreateTask(TaskDraft(f"{n} b"))))
            for n in range(WRITERS)
        ]
        await asyncio.sleep(0)
        await store.repository.close()
        outcomes = await asyncio.gather(*commits, return_exceptions=True)

        for outcome in outcomes:
            assert isinstance(outcome, CommitResult | StoreUnavailable), (
                "a commit is done, or fails with StoreUnavailable"
            )
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()
            await store.check()
            there = {task.description for task in await store.listed()}
            for n, outcome in enumerate(outcomes):
                halves = {f"{n} a", f"{n} b"} & there
                if isinstance(outcome, CommitResult):
                    assert len(halves) == 2, "what was acknowledged before close() is kept"
                elif isinstance(outcome, OutcomeUnknown):
                    assert len(halves) != 1, "a commit is all or nothing"
                else:
                    assert not halves, "StoreUnavailable says that nothing was written"

    def test_close_leaves_nothing_running(self, tmp_path: Path) -> None:
        """A thread that is left would keep the process alive."""
        threads = set(threading.enumerate())

        async def use() -> None:
            async with Store(self, tmp_path / "store") as store:
                await store.add()
                await store.listed()
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left)

        run_alone(use(), patience=self.patience)
        for thread in set(threading.enumerate()) - threads:
            thread.join(10)
            assert not thread.is_alive(), f"close() frees everything, and left the thread {thread.name} running"

    # ------------------------------------------------------------ a driver that fails

    @on_store(beside="data")
    async def test_a_failing_driver_comes_out_as_store_unavailable(self, store: Store) -> None:
        task = await store.add()
        with store.fail_driver():
            for write in (CreateTask(FULL), UpdateTask(1, {"priority": 1}), DeleteTask(1)):
                await raised(StoreUnavailable, store.commit(write), f"{write} while the driver fails")
            await raised(
                StoreUnavailable,
                store.commit(CreateTask(FULL), DeleteTask(1), idempotency_key=KEY),
                "a batch while the driver fails",
            )
            with suppress(StoreUnavailable):
                assert await store.get(1) == task, "a read never shows what was not acknowledged"
                assert await store.listed() == [task], "a read never shows what was not acknowledged"

    @on_store(beside="data")
    async def test_a_failing_driver_fails_every_commit_that_waits(self, store: Store) -> None:
        with store.fail_driver():
            commits = [store.add(f"{n}") for n in range(WRITERS)]
            outcomes = await asyncio.gather(*commits, return_exceptions=True)
        for outcome in outcomes:
            assert isinstance(outcome, StoreUnavailable), f"a commit fails with StoreUnavailable, not with {outcome!r}"

    @on_store(beside="data")
    async def test_after_a_failure_the_store_serves_or_says_that_it_does_not(self, store: Store) -> None:
        kept = await store.add()
        with store.fail_driver():
            await raised(StoreUnavailable, store.add("lost"), "a commit while the driver fails")
        try:
            after = await store.add("after")
            tasks = await store.listed()
        except StoreUnavailable:
            return
        assert kept in tasks, "what was acknowledged stays"
        assert after in tasks, "what was acknowledged stays"
        await store.check()

    @on_store(Capability.DURABLE, beside="data")
    async def test_a_failed_commit_is_whole_or_absent_after_a_reopening(self, store: Store) -> None:
        kept = await store.add("kept")
        with store.fail_driver():
            error = await raised(
                StoreUnavailable,
                store.commit(CreateTask(TaskDraft("lost a")), CreateTask(TaskDraft("lost b"))),
                "a commit while the driver fails",
            )
        await store.reopen()

        await store.check()
        tasks = await store.listed()
        assert kept in tasks, "what was acknowledged is kept"
        assert len(tasks) in ((1, 3) if isinstance(error, OutcomeUnknown) else (1,)), (
            "StoreUnavailable says that nothing was written, OutcomeUnknown that all or nothing was"
        )
        await store.add("after")
        assert len(await store.listed()) == len(tasks) + 1, "the store works again once the driver does"

    @on_store(Capability.DURABLE, beside="data")
    async def test_an_idempotency_key_makes_a_failure_safe_to_repeat(self, store: Store) -> None:
        with store.fail_driver():
            await raised(
                StoreUnavailable, store.commit(CreateTask(FULL), idempotency_key=KEY), "a commit while the driver fails"
            )
        await store.reopen()

        for _ in range(2):
            committed = await store.commit(CreateTask(FULL), idempotency_key=KEY)
            assert [getattr(task, "id", 0) for task in committed.results] == [1], "repeated, it is done once"
        assert len(await store.listed()) == 1, "repeated, it is done once"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_restore_that_fails_leaves_the_store_empty(self, store: Store) -> None:
        await store.add_all(varied(50))
        entries = [entry async for entry in store.repository.dump()]
        other = await store.another()

        with other.fail_driver():
            await raised(
                StoreUnavailable, other.repository.restore(each_of(entries)), "a restore while the driver fails"
            )
        if Capability.DURABLE in other.repository.capabilities:
            await other.reopen()
        try:
            tasks = await other.listed()
        except StoreUnavailable:
            return
        assert len(tasks) in (0, 50), "a restore is all or nothing"
        await other.check()

    @on_store(Capability.RECORDS, beside="data")
    async def test_a_record_is_not_written_while_the_driver_fails(self, store: Store) -> None:
        with store.fail_driver():
            await raised(StoreUnavailable, store.commit(PutRecord("s", "a", {})), "a record while the driver fails")
            with suppress(StoreUnavailable):
                assert await store.repository.record("s", "a") is None, "a read never shows what was not acknowledged"
