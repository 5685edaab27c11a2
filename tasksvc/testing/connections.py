"""A driver that is cut off inside a commit, connections that broke while they were idle, and a store that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tasksvc import (
    LOG_START,
    Capability,
    CommitResult,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    OutcomeUnknown,
    PutRecord,
    StoreUnavailable,
    Task,
    TaskDraft,
    TaskQuery,
    UpdateTask,
    Write,
)
from tasksvc.testing.samples import varied
from tasksvc.testing.store import Store, StoreUnderTest, each_of, on_store, raised

WRITERS = 16
ROUNDS = 3


async def _outcome(call: Awaitable[Any]) -> Any:
    """Returns what `call` returns, or the StoreUnavailable that it raises."""
    try:
        return await call
    except StoreUnavailable as error:
        return error


async def _committed(store: Store, *writes: Write, key: IdempotencyKey) -> CommitResult:
    """Commits after a failure; a store that refuses to write after one is opened again."""
    try:
        return await store.commit(*writes, idempotency_key=key)
    except OutcomeUnknown:
        raise
    except StoreUnavailable:
        store.need(Capability.DURABLE)
        await store.reopen()
        return await store.commit(*writes, idempotency_key=key)


def _agrees(outcome: object, is_there: bool, what: str) -> None:
    """Checks that an outcome says of a commit no more than is true."""
    if isinstance(outcome, CommitResult):
        assert is_there, f"{what}: what was acknowledged is there"
    elif not isinstance(outcome, OutcomeUnknown):
        assert not is_there, (
            f"{what}: an error says that nothing was written, though the commit is there. Where the answer to a commit"
            f" is lost, the error is OutcomeUnknown, and it was {outcome!r}"
        )


class ConnectionsContract(StoreUnderTest):
    """Tests of what comes between a repository and its store."""

    # ------------------------------------------------------------ a driver that is cut off inside a commit

    @on_store(beside="data")
    async def test_a_commit_whose_answer_is_lost_is_of_unknown_outcome(self, store: Store) -> None:
        await store.add_all([TaskDraft("a"), TaskDraft("b"), TaskDraft("c")])
        key = IdempotencyKey("s", "cut", "f")
        cases: list[tuple[str, list[Write], IdempotencyKey | None]] = [
            ("a creation", [CreateTask(TaskDraft("d"))], None),
            ("creations with a key", [CreateTask(TaskDraft("e")), CreateTask(TaskDraft("f"))], key),
            ("an update", [UpdateTask(1, {"priority": 5})], None),
            ("a deletion", [DeleteTask(2)], None),
            ("a batch", [UpdateTask(3, {"done": True}), CreateTask(TaskDraft("g")), DeleteTask(1)], None),
        ]
        outcomes = []

        for what, writes, idempotency_key in cases:
            before = (await store.head()).seq
            with store.cut_commit():
                outcome = await _outcome(store.commit(*writes, idempotency_key=idempotency_key))
            if Capability.DURABLE in store.repository.capabilities:
                await store.reopen()
            made = (await store.head()).seq - before
            assert made in (0, len(writes)), f"{what}: a commit whose answer is lost is whole or absent"
            _agrees(outcome, made > 0, what)
            await store.check()
            outcomes.append(outcome)

        assert not all(isinstance(outcome, CommitResult) for outcome in outcomes), (
            "cut_commit() keeps the answers to commits from the driver, and all of these got theirs"
        )

    @on_store(Capability.RECORDS, beside="data")
    async def test_a_record_whose_answer_is_lost_is_of_unknown_outcome(self, store: Store) -> None:
        await store.commit(PutRecord("s", "a", {"n": 0}))

        with store.cut_commit():
            outcome = await _outcome(store.commit(PutRecord("s", "a", {"n": 1}, expected=1)))

        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()
        kept = await store.repository.record("s", "a")
        assert kept is not None, "a record that is replaced is there, before and after"
        assert (kept.version, kept.value) in ((1, {"n": 0}), (2, {"n": 1})), "a record is replaced as a whole, or isn't"
        _agrees(outcome, kept.version == 2, "a record")

    @on_store(beside="data")
    async def test_a_commit_whose_answer_is_lost_is_repeated_with_its_key(self, store: Store) -> None:
        task = await store.add()
        cases: list[list[Write]] = [
            [CreateTask(TaskDraft("twin"))],
            [UpdateTask(task.id, {"metadata": {"turn": 1}}), CreateTask(TaskDraft("twin"))],
        ]

        for number, writes in enumerate(cases, 1):
            key = IdempotencyKey("s", f"{number}", "f")
            with store.cut_commit():
                await _outcome(store.commit(*writes, idempotency_key=key))
            first = await _committed(store, *writes, key=key)
            again = await store.commit(*writes, idempotency_key=key)

            assert again.replayed, "a commit that was repeated with its key is done"
            assert again.results == first.results, "and each repetition gets its results"
            twins = [task for task in await store.listed() if task.description == "twin"]
            assert len(twins) == number, "a commit whose answer was lost, repeated with its key, is done once"
            await store.check()

    @on_store(beside="data")
    async def test_commits_at_once_whose_answers_are_lost_are_whole_and_done_once(self, store: Store) -> None:
        writes = [[CreateTask(TaskDraft(f"{n}")), CreateTask(TaskDraft(f"{n}"))] for n in range(WRITERS)]
        keys = [IdempotencyKey("s", f"{n}", "f") for n in range(WRITERS)]

        with store.cut_commit():
            outcomes = await asyncio.gather(
                *(_outcome(store.commit(*writes[n], idempotency_key=keys[n])) for n in range(WRITERS))
            )

        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()
        there = [task.description for task in await store.listed()]
        for n, outcome in enumerate(outcomes):
            assert there.count(f"{n}") in (0, 2), "a commit whose answer is lost is whole or absent"
            _agrees(outcome, there.count(f"{n}") == 2, f"commit {n} of {WRITERS} at once")
        for n in range(WRITERS):
            await _committed(store, *writes[n], key=keys[n])
        there = [task.description for task in await store.listed()]
        assert sorted(there) == sorted([f"{n}" for n in range(WRITERS)] * 2), "each is there once after its repetition"
        await store.check()

    @on_store(Capability.DUMP, alone=True)
    async def test_a_restore_whose_answer_is_lost_is_whole_or_absent(self, store: Store) -> None:
        await store.add_all(varied(20))
        entries = [entry async for entry in store.repository.dump()]
        other = await store.another()

        with other.cut_commit():
            outcome = await _outcome(other.repository.restore(each_of(entries)))

        if Capability.DURABLE in store.repository.capabilities:
            await other.reopen()
        count = len(await other.listed())
        assert count in (0, 20), "a restore whose answer is lost is whole or absent"
        if outcome is None:
            assert count == 20, "what was acknowledged is there"
        else:
            _agrees(outcome, count == 20, "a restore")
        await other.check()

    # ------------------------------------------------------------ connections that broke while they were idle

    @on_store(beside="data")
    async def test_connections_that_broke_are_replaced_for_reads(self, store: Store) -> None:
        tasks = await store.add_all(varied(30))
        log = await store.log()
        repository = store.repository
        calls: dict[str, tuple[Callable[[], Awaitable[object]], object]] = {
            "get": (lambda: store.get(1), tasks[0]),
            "find": (lambda: store.listed(), tasks),
            "a search": (lambda: store.listed(TaskQuery(q="a", done=True)), [t for t in tasks if t.done and _has_a(t)]),
            "count": (lambda: repository.count(TaskQuery()), 30),
            "read_changes": (lambda: store.log(), log),
            "ping": (lambda: repository.ping(), None),
        }
        if Capability.RECORDS in repository.capabilities:
            calls["record"] = (lambda: repository.record("s", "a"), None)
            calls["records"] = (lambda: repository.records("s", limit=1), [])

        for name, (call, wanted) in calls.items():
            await asyncio.gather(*(store.get(n % 30 + 1) for n in range(WRITERS)))  # opens connections
            store.break_connections()
            answer = await _outcome(call())
            assert not isinstance(answer, StoreUnavailable), (
                f"{name}() goes over a new connection where an idle one was closed by the server: {answer!r}"
            )
            assert answer == wanted or (wanted == [] and not answer), f"{name}() is answered as before"

    @on_store(beside="data")
    async def test_connections_that_broke_are_replaced_for_writes(self, store: Store) -> None:
        await store.add("kept")

        for n in range(ROUNDS):
            await asyncio.gather(*(store.get(1) for _ in range(WRITERS)))
            store.break_connections()
            writes: list[Write] = [CreateTask(TaskDraft(f"{n}")), UpdateTask(1, {"metadata": {f"{n}": n}})]
            outcome = await _outcome(store.commit(*writes))
            if not isinstance(outcome, CommitResult):
                assert not isinstance(outcome, OutcomeUnknown), "on a broken connection no commit was sent"
                await store.commit(*writes)  # which finds a new one

        assert [task.description for task in await store.listed()] == ["kept", *(f"{n}" for n in range(ROUNDS))], (
            "what fails because an idle connection was closed is not done, and what is repeated is done once"
        )
        await store.check()

    @on_store(beside="data")
    async def test_a_reader_that_waits_is_woken_though_connections_broke(self, store: Store) -> None:
        head = (await store.commit(CreateTask(TaskDraft("x")))).position
        waiting = asyncio.ensure_future(store.repository.changes(head, limit=10, wait=store.patience))
        await asyncio.sleep(0.05)

        store.break_connections()
        await _outcome(store.repository.ping())
        head = (await store.commit(CreateTask(TaskDraft("y")))).position

        done, _ = await asyncio.wait([waiting], timeout=store.patience / 2)
        assert done, "a reader that waits is woken, though the connection that it hears of changes on was closed"
        assert waiting.result().next == head, "it gets the change"

    # ------------------------------------------------------------ a store that hangs

    @on_store(beside="data")
    async def test_reads_of_a_store_that_hangs_end_by_themselves(self, store: Store) -> None:
        await store.add_all(varied(3))
        repository = store.repository
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "get": lambda: repository.get(1),
            "find": lambda: repository.find(TaskQuery(), limit=1),
            "a search": lambda: repository.find(TaskQuery(q="a", done=True), limit=1),
            "count": lambda: repository.count(TaskQuery(q="a")),
            "read_changes": lambda: repository.read_changes(LOG_START, limit=1),
            "ping": lambda: repository.ping(),
        }
        if Capability.RECORDS in repository.capabilities:
            calls["record"] = lambda: repository.record("s", "a")
            calls["records"] = lambda: repository.records("s", limit=1)

        with store.hang_driver():
            await self._end_by_themselves(store, calls)

        await self._serves_again(store)

    @on_store(beside="data")
    async def test_writes_to_a_store_that_hangs_end_by_themselves(self, store: Store) -> None:
        await store.add()
        key = IdempotencyKey("s", "hangs", "f")

        with store.hang_driver():
            await self._end_by_themselves(
                store,
                {
                    "commit": lambda: store.add("lost?"),
                    "commit of an update": lambda: store.commit(UpdateTask(1, {"priority": 1})),
                    "commit with a key": lambda: store.commit(CreateTask(TaskDraft("twin")), idempotency_key=key),
                },
            )

        await self._serves_again(store)
        for _ in range(2):
            await store.commit(CreateTask(TaskDraft("twin")), idempotency_key=key)
        twins = [task for task in await store.listed() if task.description == "twin"]
        assert len(twins) == 1, "a commit that hung, repeated with its key, is done once"

    async def _end_by_themselves(self, store: Store, calls: dict[str, Callable[[], Awaitable[object]]]) -> None:
        """Makes calls of a store that hangs, and checks that each ends with StoreUnavailable."""
        running = {name: asyncio.ensure_future(call()) for name, call in calls.items()}
        _, hanging = await asyncio.wait(running.values(), timeout=store.patience / 2)
        for call in hanging:
            call.cancel()
        names = [name for name, call in running.items() if call in hanging]
        assert not names, (
            f"a call of a store that hangs ends with StoreUnavailable after the adapter's time limit; after"
            f" {store.patience / 2:g} s these still waited: {', '.join(names)}"
        )
        for name, call in running.items():
            await raised(StoreUnavailable, call, f"{name} of a store that hangs")

    async def _serves_again(self, store: Store) -> None:
        """Checks that the store serves when it doesn't hang any more, opened again if need be."""
        outcome = await _outcome(store.repository.ping())
        if isinstance(outcome, StoreUnavailable):
            outcome = await _outcome(store.repository.ping())  # the first one may find the connections that hung
        if isinstance(outcome, StoreUnavailable) and Capability.DURABLE in store.repository.capabilities:
            await store.reopen()
        task = await store.add("after")
        assert await store.get(task.id) == task, "a store that hung serves again"
        await store.check()


def _has_a(task: Task) -> bool:
    return TaskQuery(q="a").matches(task)
