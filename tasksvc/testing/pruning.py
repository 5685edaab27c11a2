"""Tests of prune(), which deletes what is old, and nothing else."""

from __future__ import annotations

from datetime import datetime

from tasksvc import (
    LOG_START,
    Capability,
    CreateTask,
    DeleteTask,
    IdempotencyKey,
    Position,
    PositionGone,
    TaskDraft,
    UpdateTask,
)
from tasksvc.testing.samples import FIRST_MOMENT, LAST_MOMENT, NOW, later
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

EVERYTHING = 10**9


async def _prune(
    store: Store,
    *,
    log_before: datetime = FIRST_MOMENT,
    max_changes: int = EVERYTHING,
    keys_before: datetime = FIRST_MOMENT,
    limit: int = EVERYTHING,
) -> bool:
    return await store.repository.prune(
        log_before=log_before, max_changes=max_changes, keys_before=keys_before, limit=limit
    )


async def _left(store: Store, pruned_seq: int) -> list[int]:
    """Returns the numbers in the log, which was pruned up to `pruned_seq`."""
    own = await store.generation()
    if pruned_seq:
        await raised(PositionGone, store.repository.read_changes(LOG_START, limit=1), "LOG_START of a pruned log")
        await raised(
            PositionGone,
            store.repository.read_changes(Position(own, pruned_seq - 1), limit=1),
            "a position that was pruned",
        )
    return [change.seq for change in await store.log(Position(own, pruned_seq))]


def _key(n: int) -> IdempotencyKey:
    return IdempotencyKey("s", f"key-{n}", "f")


class PruningContract(StoreUnderTest):
    """Tests of the change log and the idempotency keys."""

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_nothing_is_pruned_that_is_not_due(self, store: Store) -> None:
        for n in range(3):
            await store.commit(CreateTask(TaskDraft("x")), at=later(n), idempotency_key=_key(n))

        more = await _prune(store, log_before=NOW, max_changes=3, keys_before=NOW)

        assert more is False, "there is no more to prune"
        assert await _left(store, 0) == [1, 2, 3], "a change at `log_before` is not older, and the newest are kept"
        assert (await store.commit(CreateTask(TaskDraft("x")), idempotency_key=_key(0))).replayed, (
            "a key at `keys_before` is kept"
        )

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_old_changes_are_pruned(self, store: Store) -> None:
        for n in range(5):
            await store.add(at=later(n))

        more = await _prune(store, log_before=later(3))

        assert more is False, "there is no more to prune"
        assert await _left(store, 3) == [4, 5], "changes before `log_before` are dropped"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_a_long_log_is_pruned_to_its_newest(self, store: Store) -> None:
        for n in range(5):
            await store.add(at=later(n))

        assert await _prune(store, max_changes=2) is False, "there is no more to prune"
        assert await _left(store, 3) == [4, 5], "what is beyond the newest `max_changes` is dropped"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_the_log_is_pruned_from_its_start_alone(self, store: Store) -> None:
        for at in (later(10), later(1), later(2), later(20)):
            await store.add(at=at)

        await _prune(store, log_before=later(5))
        assert await _left(store, 0) == [1, 2, 3, 4], "an old change behind a newer one stays, or the log had a hole"

        await _prune(store, log_before=later(11))
        assert await _left(store, 3) == [4], "it goes with the newer one"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_pruning_goes_in_short_steps(self, store: Store) -> None:
        for n in range(7):
            await store.commit(CreateTask(TaskDraft("x")), at=later(n), idempotency_key=_key(n))

        more = [await _prune(store, log_before=LAST_MOMENT, keys_before=LAST_MOMENT, limit=3)]
        assert await _left(store, 3) == [4, 5, 6, 7], "a step drops at most `limit` changes, the oldest first"
        more.append(await _prune(store, log_before=LAST_MOMENT, keys_before=LAST_MOMENT, limit=3))
        assert await _left(store, 6) == [7], "a step drops at most `limit` changes"
        more.append(await _prune(store, log_before=LAST_MOMENT, keys_before=LAST_MOMENT, limit=3))
        assert await _left(store, 7) == [], "the last step drops what is left"

        assert more == [True, True, False], "a step answers whether more is due"
        for n in range(7):
            committed = await store.commit(CreateTask(TaskDraft("x")), idempotency_key=_key(n))
            assert not committed.replayed, "the keys were dropped too"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_a_step_drops_at_most_limit_keys(self, store: Store) -> None:
        for n in range(5):
            await store.commit(CreateTask(TaskDraft("x")), at=later(n), idempotency_key=_key(n))

        assert await _prune(store, keys_before=LAST_MOMENT, limit=2) is True, "three keys are due yet"

        replayed = [
            (await store.commit(CreateTask(TaskDraft("x")), idempotency_key=_key(n))).replayed for n in range(5)
        ]
        assert sum(replayed) == 3, "a step drops at most `limit` keys"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_pruning_forgets_neither_the_head_nor_the_highest_id(self, store: Store) -> None:
        await store.commit(CreateTask(TaskDraft("a")), CreateTask(TaskDraft("b")), DeleteTask(2), DeleteTask(1))
        head = await store.head()

        assert await _prune(store, log_before=LAST_MOMENT, max_changes=0, keys_before=LAST_MOMENT) is False
        assert await store.head() == head == (await store.generation(), 4), "the head of the log stays"
        assert await store.log(head) == [], "an empty log is read from its head"

        assert (await store.add()).id == 3, "an id is never given twice, though the log has forgotten its task"
        assert [change.seq for change in await store.log(head)] == [5], "the log goes on with its numbers"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_pruning_touches_no_task(self, store: Store) -> None:
        tasks = await store.add_all([TaskDraft("a", labels=("x",)), TaskDraft("b", metadata={"n": None})])
        await store.commit(UpdateTask(1, {"done": True}))

        await _prune(store, log_before=LAST_MOMENT, max_changes=0, keys_before=LAST_MOMENT)

        assert [task.id for task in await store.listed()] == [1, 2], "tasks outlive the changes that made them"
        assert await store.get(2) == tasks[1], "tasks outlive the changes that made them"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_a_key_is_forgotten_by_its_age_alone(self, store: Store) -> None:
        for n in range(4):
            await store.commit(CreateTask(TaskDraft("x")), at=later(n), idempotency_key=_key(n))

        await _prune(store, log_before=LAST_MOMENT, max_changes=0, keys_before=later(2))

        replayed = [
            (await store.commit(CreateTask(TaskDraft("x")), at=later(9), idempotency_key=_key(n))).replayed
            for n in range(4)
        ]
        assert replayed == [False, False, True, True], "keys of commits before `keys_before` are free again, no others"

    @on_store(Capability.PRUNE, beside="nothing")
    async def test_a_replay_does_not_extend_the_life_of_a_key(self, store: Store) -> None:
        await store.commit(CreateTask(TaskDraft("x")), at=NOW, idempotency_key=_key(1))
        await store.commit(CreateTask(TaskDraft("x")), at=later(100), idempotency_key=_key(1))

        await _prune(store, keys_before=later(50))

        assert not (await store.commit(CreateTask(TaskDraft("x")), idempotency_key=_key(1))).replayed, (
            "a key has the age of its commit"
        )

    @on_store(Capability.PRUNE, Capability.DURABLE, beside="nothing")
    async def test_what_was_pruned_stays_so_over_a_reopening(self, store: Store) -> None:
        for n in range(4):
            await store.commit(CreateTask(TaskDraft("x")), at=later(n), idempotency_key=_key(n))
        await store.commit(DeleteTask(4), at=later(4))
        await _prune(store, log_before=later(3), keys_before=later(3))

        await store.reopen()

        assert await _left(store, 3) == [4, 5], "what was pruned is gone, what was not is there"
        assert (await store.commit(CreateTask(TaskDraft("x")), idempotency_key=_key(3))).replayed, (
            "what was not pruned is there"
        )
        assert not (await store.commit(CreateTask(TaskDraft("x")), idempotency_key=_key(0))).replayed, (
            "what was pruned is gone"
        )

        await _prune(store, log_before=LAST_MOMENT, max_changes=0)
        await store.reopen()
        assert (await store.head()).seq == 6, "the head of a log with nothing in it is kept over a reopening"
        assert (await store.add()).id == 6, "and the highest id that was ever given"
