"""Cancelling a call at every await in it: a write is done completely or not at all."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from typing import Any

from tasksvc import (
    Capability,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    Position,
    PutRecord,
    SortField,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    select,
)
from tasksvc.testing.dumping import dumped, header_of
from tasksvc.testing.samples import FIRST_MOMENT, LAST_MOMENT, varied
from tasksvc.testing.store import Store, StoreUnderTest, each_of, goes_on, on_store

TURNS = (0, 1, 2, 3, 4, 6, 8, 16, 32, 64, 128, 256)
"""Turns of the event loop between an await and the cancellation, so that it interrupts a call at work."""


@types.coroutine
def _watched(call: Generator[Any, Any, object], awaits: Callable[[int], None]) -> Generator[Any, Any, object]:
    """Runs `call`, and reports the number of its awaits to `awaits` at each of them."""
    resume: Callable[[Any], Any] = call.send
    value: Any = None
    count = 0
    while True:
        try:
            waits_for = resume(value)
        except StopIteration as done:
            return done.value
        count += 1
        awaits(count)
        try:
            resume, value = call.send, (yield waits_for)
        except BaseException as error:
            resume, value = call.throw, error


async def _cancelled_at(make: Callable[[], Awaitable[object]], wanted: int, turns: int) -> bool:
    """Runs a call and cancels it `turns` turns of the loop after its `wanted`-th await.

    Returns False if the call had ended before.
    """
    loop = asyncio.get_running_loop()

    def cancel_after(left: int) -> None:
        if left:
            loop.call_soon(cancel_after, left - 1)
        else:
            task.cancel()

    def awaits(count: int) -> None:
        if count == wanted:
            cancel_after(turns)

    async def run() -> None:
        await _watched(make().__await__(), awaits)

    task = asyncio.ensure_future(run())
    if wanted == 0:
        cancel_after(turns)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()


def some_turns(store: Store) -> Sequence[int]:
    """Returns the fewest of TURNS, and this workspace's share of the others."""
    return *TURNS[:5], *store.share(TURNS[5:])


async def cancelled_everywhere(
    make: Callable[[], Awaitable[object]], turns_between: Sequence[int] = TURNS
) -> AsyncGenerator[None, None]:
    """Makes the call again and again and cancels it in another place each time; the caller checks after each."""
    place = 0
    while True:
        for turns in turns_between:
            cancelled = await _cancelled_at(make, place, turns)
            yield
            goes_on()
            if not cancelled:
                break
        if not cancelled and turns == 0:
            return  # the call has no such await
        place += 1


async def _next_commit(store: Store) -> None:
    """Checks that a commit after the cancellation does what it should and no more."""
    before = {task.id for task in await store.listed()}
    task = await store.add("after")
    assert task.description == "after", "the next commit answers its own results"
    assert task.id not in before, "the next commit makes a task of its own"
    await store.commit(DeleteTask(task.id))


async def _refused_commit(store: Store) -> None:
    """Makes a commit that is refused and leaves nothing."""
    with suppress(TaskNotFound):
        await store.commit(CreateTask(TaskDraft("refused")), DeleteTask(10**9))


async def _wait(store: Store) -> None:
    """Waits for a change that happens meanwhile."""
    await store.repository.changes(await store.head(), limit=10, wait=0.02)


class CancellationContract(StoreUnderTest):
    """Tests of every kind of write and read."""

    @on_store()
    async def test_a_cancelled_add_is_whole_or_absent(self, store: Store) -> None:
        async for _ in cancelled_everywhere(
            lambda: store.add("one", labels=("a", "b"), metadata={"a": [1]}), some_turns(store)
        ):
            await _next_commit(store)
            await store.check()
        for task in await store.listed():
            assert (task.labels, task.metadata, task.version) == (("a", "b"), {"a": [1]}, 1), (
                "a task is whole or absent"
            )

    @on_store()
    async def test_a_cancelled_patch_is_whole_or_absent(self, store: Store) -> None:
        task = await store.add()
        turn = 0

        def patch() -> Awaitable[object]:
            return store.patch(task, description=f"{turn}", labels=(f"{turn}",), metadata={"turn": turn})

        async for _ in cancelled_everywhere(patch, some_turns(store)):
            kept = await store.get(task.id)
            halves = {kept.description, *kept.labels, str(kept.metadata.get("turn"))}
            assert len(halves) == 1 or kept.version == 1, "a patch is whole or absent"
            await _next_commit(store)
            await store.check()
            turn += 1

    @on_store()
    async def test_a_cancelled_delete_is_complete_or_absent(self, store: Store) -> None:
        task = await store.add(labels=("a",))

        def remove() -> Awaitable[object]:
            return store.remove(task)

        async for _ in cancelled_everywhere(remove, some_turns(store)):
            await _next_commit(store)
            await store.check()
            there = task in await store.listed()
            assert (task in await store.listed(TaskQuery(labels=("a",)))) == there, "a removal is whole or absent"
            if not there:
                task = await store.add(labels=("a",))

    @on_store()
    async def test_a_cancelled_batch_is_whole_or_absent(self, store: Store) -> None:
        await store.add_all([TaskDraft("0"), TaskDraft("0")])
        turn = 0

        def batch() -> Awaitable[object]:
            fields = {"description": f"{turn}"}
            return store.commit(
                UpdateTask(1, fields),
                CreateTask(TaskDraft(f"{turn}")),
                UpdateTask(2, fields),
                CreateTask(TaskDraft(f"{turn}")),
            )

        async for _ in cancelled_everywhere(batch, some_turns(store)):
            turn += 1
            await _next_commit(store)
            await store.check()
            tasks = await store.listed()
            assert tasks[0].description == tasks[1].description, "a batch is whole or absent"
            assert tasks[0].version == tasks[1].version, "a batch is whole or absent"
            assert len(tasks) % 2 == 0, "a batch is whole or absent"

    @on_store()
    async def test_a_cancelled_commit_is_safe_to_repeat_with_its_key(self, store: Store) -> None:
        turn = 0

        def keyed() -> Awaitable[object]:
            key = IdempotencyKey("s", f"{turn}", "f")
            return store.commit(CreateTask(TaskDraft(f"{turn}")), CreateTask(TaskDraft(f"{turn}")), idempotency_key=key)

        async for _ in cancelled_everywhere(keyed, some_turns(store)):
            await keyed()
            there = [task for task in await store.listed() if task.description == f"{turn}"]
            assert len(there) == 2, "a commit that was cancelled and repeated with its key is done once"
            turn += 1
        await store.check()

    @on_store(Capability.RECORDS)
    async def test_a_cancelled_commit_with_records_is_whole_or_absent(self, store: Store) -> None:
        await store.commit(PutRecord("s", "a", {"n": 0}))
        turn = 0

        def both() -> Awaitable[object]:
            return store.commit(PutRecord("s", "a", {"n": turn}), PutRecord("s", "b", {"n": turn}))

        async for _ in cancelled_everywhere(both, some_turns(store)):
            await _next_commit(store)
            names = await store.repository.records("s", limit=9)
            told = {record.value["n"] for record in names}
            assert len(told) == 1, "records of one commit are written together or not at all"
            await store.check()
            turn += 1

    @on_store(Capability.PRUNE, alone=True)
    async def test_a_cancelled_prune_leaves_a_log_without_holes(self, store: Store) -> None:
        kept = 0

        def prune() -> Awaitable[object]:
            return store.repository.prune(log_before=LAST_MOMENT, max_changes=3, keys_before=FIRST_MOMENT, limit=10**6)

        async for _ in cancelled_everywhere(prune):
            await store.add_all(varied(3))
            head = await store.head()
            log = await store.log(Position(head.generation, head.seq - 3))
            assert [change.seq for change in log] == [head.seq - 2, head.seq - 1, head.seq], "the newest are kept"
            kept += 3
            assert len(await store.listed()) == kept, "no task is lost"

    @on_store(Capability.DUMP, alone=True)
    async def test_a_cancelled_restore_is_whole_or_absent(self, store: Store) -> None:
        await store.add_all(varied(30))
        await store.commit(DeleteTask(30))
        entries = await dumped(store)
        other = await store.another()

        def restore() -> Awaitable[object]:
            return other.repository.restore(each_of(entries))

        async for _ in cancelled_everywhere(restore):
            await _refused_commit(other)  # it comes after a restore that goes on unseen
            there = await dumped(other)
            others = there[2:]
            assert others in ([], entries[2:]), "a restore is whole or absent"
            assert header_of(there).last_id == (30 if others else 0), "a restore is whole or absent, the highest id too"
            await other.check()
            if others:  # or else the store can still be restored
                assert (await other.add("after")).id == 31, "the next commit goes on behind what was restored"
                await other.close()
                other = await store.another()

    @on_store()
    async def test_a_cancelled_commit_has_no_part_in_the_next(self, store: Store) -> None:
        async for _ in cancelled_everywhere(lambda: _refused_commit(store), some_turns(store)):
            await _next_commit(store)
            assert await store.listed() == [], "nothing of a cancelled commit gets into the transaction of the next"
        await store.check()

    @on_store()
    async def test_cancelled_neighbours_take_nobody_with_them(self, store: Store) -> None:
        for turns in TURNS:
            commits = [
                asyncio.ensure_future(
                    store.commit(CreateTask(TaskDraft(f"{turns} {n}")), CreateTask(TaskDraft(f"{turns} {n}")))
                )
                for n in range(32)
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            for commit in commits[::2]:
                commit.cancel()
            outcomes = await asyncio.gather(*commits, return_exceptions=True)

            await store.check()
            there = [task.description for task in await store.listed()]
            for n, outcome in enumerate(outcomes):
                count = there.count(f"{turns} {n}")
                if n % 2:
                    assert not isinstance(outcome, BaseException), f"who was not cancelled is answered, not {outcome!r}"
                    assert count == 2, "what was acknowledged is there"
                else:
                    assert count != 1, "a cancelled commit is whole or absent"

    @on_store()
    async def test_a_cancelled_read_leaves_the_store_usable(self, store: Store) -> None:
        tasks = await store.add_all(varied(30))
        repository = store.repository
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: repository.get(1),
            lambda: repository.find(TaskQuery(), limit=10),
            lambda: repository.count(TaskQuery(done=True)),
            lambda: store.log(),
            lambda: _wait(store),
        ]
        if Capability.RECORDS in repository.capabilities:
            calls.append(lambda: repository.records("s", limit=10))
            calls.append(lambda: repository.record("s", "a"))
        for call in calls:
            async for _ in cancelled_everywhere(call, some_turns(store)):
                assert await store.get(7) == tasks[6], "the next read has its own answer"
                assert await store.listed() == tasks, "the next read has its own answer"
        await _next_commit(store)
        await store.check()

    @on_store()
    async def test_cancelled_searches_leave_the_store_to_others(self, store: Store) -> None:
        tasks = await store.add_all(varied(30))
        repository = store.repository
        query = TaskQuery(q="a", sort=SortField.PRIORITY)
        wanted, _ = select(tasks, query, None, 100)

        for turns in TURNS:
            searches: list[asyncio.Future[object]] = []
            for n in range(60):
                searches.append(asyncio.ensure_future(repository.find(TaskQuery(q=f"{n}"), limit=10)))
                searches.append(asyncio.ensure_future(repository.count(TaskQuery(q=f"{n}"))))
                searches.append(
                    asyncio.ensure_future(repository.find(TaskQuery(done=True, labels=(f"{n}",)), limit=10))
                )
            for _ in range(turns):
                await asyncio.sleep(0)
            for search in searches:
                search.cancel()
            page, count = await asyncio.gather(repository.find(query, limit=100), repository.count(query))

            assert (list(page.tasks), count) == (wanted, len(wanted)), "the next search has its own answer"
            await asyncio.gather(*searches, return_exceptions=True)

    @on_store(Capability.DUMP, alone=True)
    async def test_a_dump_that_is_abandoned_leaves_the_store_usable(self, store: Store) -> None:
        await store.add_all(varied(30))

        for stop in (0, 1, 15):
            dump = store.repository.dump()
            for _ in range(stop):
                await anext(dump)
            if isinstance(dump, AsyncGenerator):
                await dump.aclose()
            await store.add()
        assert len(await dumped(store)) == 2 + 33 + 33, "the next dump is whole"
        await store.check()
