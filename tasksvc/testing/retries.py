"""Idempotency keys: a repeated commit is done once."""

from __future__ import annotations

from tasksvc import (
    Capability,
    CommitResult,
    CreateTask,
    DeleteMatching,
    DeleteRecord,
    DeleteResult,
    DeleteTask,
    IdempotencyKey,
    IdempotencyKeyReused,
    Precondition,
    PutRecord,
    Task,
    TaskDraft,
    TaskNotFound,
    TaskQuery,
    UpdateTask,
    VersionConflict,
    Write,
)
from tasksvc.testing.samples import FULL, exact, later
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

KEY = IdempotencyKey("alice", "key-1", "fingerprint-1")


def _told(committed: CommitResult) -> list[object]:
    return [exact(result) if isinstance(result, Task) else result for result in committed.results]


async def _repeat(store: Store, first: CommitResult, *writes: Write) -> None:
    """Checks that `writes` under KEY return the first results, and change nothing."""
    before, tasks = await store.log(), await store.listed()
    again = await store.commit(*writes, at=later(60), idempotency_key=KEY)
    assert again.replayed, "the second commit under an idempotency key is a replay"
    assert _told(again) == _told(first), "a replay has the results of the first time"
    assert again.position.seq >= first.position.seq, "a replay's position is not before the first one's"
    assert (await store.log(), await store.listed()) == (before, tasks), "a replay does nothing"


class RetriesContract(StoreUnderTest):
    """Tests of commit() with an idempotency key, one commit after the other."""

    @on_store()
    async def test_a_repeated_commit_is_done_once(self, store: Store) -> None:
        first = await store.commit(CreateTask(FULL), idempotency_key=KEY)
        assert not first.replayed, "the first commit under an idempotency key is no replay"

        for _ in range(3):
            await _repeat(store, first, CreateTask(FULL))

        assert len(await store.listed()) == 1, "commits with one key make one task"

    @on_store()
    async def test_a_replay_after_the_task_was_changed_has_the_first_results(self, store: Store) -> None:
        first = await store.commit(CreateTask(FULL), idempotency_key=KEY)
        await store.commit(UpdateTask(1, {"description": "changed", "metadata": {"new": 1}}))

        await _repeat(store, first, CreateTask(FULL))

    @on_store()
    async def test_a_replay_after_the_task_was_deleted_has_the_first_results(self, store: Store) -> None:
        first = await store.commit(CreateTask(FULL), idempotency_key=KEY)
        await store.commit(DeleteTask(1))

        await _repeat(store, first, CreateTask(FULL))

    @on_store()
    async def test_a_key_covers_a_whole_batch(self, store: Store) -> None:
        await store.add("kept")
        writes: tuple[Write, ...] = (
            CreateTask(FULL),
            UpdateTask(2, {"done": False}, Precondition(await store.versions(1))),
            CreateTask(TaskDraft("b")),
            DeleteTask(3),
            DeleteMatching([1, 99], TaskQuery(q="kept"), more=True),
        )

        first = await store.commit(*writes, idempotency_key=KEY)

        assert [type(result) for result in first.results] == [Task, Task, Task, type(None), DeleteResult]
        await _repeat(store, first, *writes)

    @on_store()
    async def test_a_key_is_kept_though_nothing_changed(self, store: Store) -> None:
        task = await store.add(priority=1)
        first = await store.commit(UpdateTask(1, {"priority": 1}), idempotency_key=KEY)
        await store.patch(task, priority=2)

        await _repeat(store, first, UpdateTask(1, {"priority": 1}))

    @on_store()
    async def test_a_removal_by_a_query_is_replayed_whatever_it_names_the_second_time(self, store: Store) -> None:
        await store.add_all([TaskDraft("a", done=True), TaskDraft("b", done=True)])
        query = TaskQuery(done=True)
        first = await store.commit(DeleteMatching([1, 2], query, more=True), idempotency_key=KEY)
        await store.add("made meanwhile", done=True)

        await _repeat(store, first, DeleteMatching([3], query))
        await _repeat(store, first, DeleteMatching([], query))

    @on_store()
    async def test_the_result_of_a_deletion_by_a_query_without_matches_is_kept(self, store: Store) -> None:
        first = await store.commit(DeleteMatching([], TaskQuery(done=True)), idempotency_key=KEY)
        await store.add("made meanwhile", done=True)

        await _repeat(store, first, DeleteMatching([1], TaskQuery(done=True)))

    @on_store()
    async def test_another_request_under_a_used_key_is_refused(self, store: Store) -> None:
        await store.commit(CreateTask(TaskDraft("first")), idempotency_key=KEY)

        for writes in ([CreateTask(TaskDraft("second"))], [DeleteTask(99)], []):
            await raised(
                IdempotencyKeyReused,
                store.commit(*writes, idempotency_key=KEY._replace(fingerprint="fingerprint-2")),
                "a used idempotency key with another fingerprint",
            )

        assert [task.description for task in await store.listed()] == ["first"], "a refused commit does nothing"
        await store.check()

    @on_store()
    async def test_the_keys_of_different_scopes_never_meet(self, store: Store) -> None:
        scopes = ("alice", "bob", "Alice", "", "alice\n", "a")
        keys = [IdempotencyKey(scope, value, "f") for scope in scopes for value in ("key", "licekey")]

        ids = [
            [(await store.commit(CreateTask(TaskDraft("x")), idempotency_key=key)).results[0] for key in keys]
            for _ in range(2)
        ]

        assert ids[0] == ids[1], "each scope replays what was done in it"
        assert len(await store.listed()) == len(keys), "a key of another scope is another key"

    @on_store()
    async def test_keys_are_compared_exactly(self, store: Store) -> None:
        values = ("k", "K", "k ", " k", "ķ", "k\u0327", "x" * 255, "x" * 254 + "y", "%", "_", "'", "1", "01", "😀")

        for value in values:
            committed = await store.commit(
                CreateTask(TaskDraft(value)), idempotency_key=IdempotencyKey("s", value, "f")
            )
            assert not committed.replayed, f"{value!r} is a key of its own"

        for task_id, value in enumerate(values, 1):
            committed = await store.commit(
                CreateTask(TaskDraft(value)), idempotency_key=IdempotencyKey("s", value, "f")
            )
            assert [getattr(task, "id", 0) for task in committed.results] == [task_id], f"{value!r} is found again"

    @on_store()
    async def test_a_refused_commit_does_not_use_up_its_key(self, store: Store) -> None:
        await raised(
            TaskNotFound,
            store.commit(CreateTask(FULL), DeleteTask(99), idempotency_key=KEY),
            "removing what is not there",
        )

        other = KEY._replace(fingerprint="fingerprint-2")
        committed = await store.commit(CreateTask(FULL), idempotency_key=other)

        assert not committed.replayed, "the key of a refused commit is free, for another request too"
        assert len(await store.listed()) == 1, "a refused commit leaves nothing"

    @on_store()
    async def test_a_replay_does_not_look_at_preconditions(self, store: Store) -> None:
        await store.add()
        write = UpdateTask(1, {"priority": 1}, Precondition(await store.versions(1)))
        first = await store.commit(write, idempotency_key=KEY)
        await raised(VersionConflict, store.commit(write), "a version that the task is not at any more")

        await _repeat(store, first, write)

    @on_store()
    async def test_without_a_key_a_repeated_commit_is_done_again(self, store: Store) -> None:
        await store.commit(CreateTask(FULL), idempotency_key=KEY)

        committed = await store.commit(CreateTask(FULL))

        assert not committed.replayed, "what has no key is never a replay"
        assert len(await store.listed()) == 2, "what has no key is done each time"

    @on_store(Capability.RECORDS)
    async def test_a_replay_has_the_records_of_the_first_time(self, store: Store) -> None:
        writes = (PutRecord("s", "a", {"n": [1, None, 1.0]}), PutRecord("s", "b", {}), DeleteRecord("s", "b"))
        first = await store.commit(*writes, idempotency_key=KEY)
        await store.commit(PutRecord("s", "a", {"n": 2}))

        await _repeat(store, first, *writes)

        kept = await store.repository.record("s", "a")
        assert kept is not None, "the record is there"
        assert kept.value == {"n": 2}, "a replay leaves records as they are"

    @on_store(Capability.DURABLE)
    async def test_a_key_is_kept_over_a_reopening(self, store: Store) -> None:
        writes = (CreateTask(FULL), CreateTask(TaskDraft("b")), UpdateTask(1, {"done": False}), DeleteTask(2))
        first = await store.commit(*writes, idempotency_key=KEY)

        await store.reopen()

        await _repeat(store, first, *writes)
        await raised(
            IdempotencyKeyReused,
            store.commit(CreateTask(FULL), idempotency_key=KEY._replace(fingerprint="other")),
            "a used idempotency key with another fingerprint, after a reopening",
        )
