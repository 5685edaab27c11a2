"""The longest names and the largest commits that the service sends to a store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tasksvc import (
    FINGERPRINT_MAX,
    IDEMPOTENCY_SCOPE_MAX,
    IDEMPOTENCY_VALUE_MAX,
    RECORD_KEY_MAX,
    RECORD_NAMESPACE_MAX,
    RECORD_VALUE_MAX,
    Capability,
    CommitResult,
    CreateTask,
    DeleteMatching,
    IdempotencyKey,
    IdempotencyKeyReused,
    PutRecord,
    Record,
    Task,
    TaskDraft,
    TaskQuery,
    UpdateTask,
    Write,
)
from tasksvc.domain.json_object import compact_size
from tasksvc.domain.rules import DESCRIPTION_MAX, LABEL_MAX, LABELS_MAX, METADATA_MAX
from tasksvc.domain.task import create_task
from tasksvc.domain.transaction import COMMIT_BYTES_MAX
from tasksvc.testing.samples import NOW, exact
from tasksvc.testing.store import Store, StoreUnderTest, on_store, raised

WIDE = "😀"
"""A character of four bytes in UTF-8."""
COMPLETED_BYTES = 50
"""Bytes at most by which the JSON of a task grows when it is completed."""
BATCH_MAX = 1_000
"""Tasks that one commit creates or deletes at most."""


def _longest(size: int, *ends: str) -> list[str]:
    """Returns texts of `size` characters, of four bytes each but for the last one, in which alone they differ."""
    return [WIDE * (size - 1) + end for end in ends]


def _value(size: int) -> dict[str, Any]:
    """Returns an object of `size` bytes of compact JSON, which double when they are quoted once more."""
    value = {"quotes": "", "wide": WIDE * (size // 16)}
    left = size - compact_size(value)
    value["quotes"] = '"' * (left // 2) + "x" * (left % 2)
    assert compact_size(value) == size, "the sample is as large as it should be"
    return value


def _largest() -> Iterable[TaskDraft]:
    """Yields drafts of the largest tasks, in turn of wide characters and of those that encoders escape."""
    metadata = _value(METADATA_MAX)
    while True:
        for text in (WIDE, '"\\', "'\n"):
            description = (text * DESCRIPTION_MAX)[:DESCRIPTION_MAX]
            labels = tuple(sorted((text * LABEL_MAX)[: LABEL_MAX - 2] + f"{n:02}" for n in range(LABELS_MAX)))
            yield TaskDraft(description, labels=labels, metadata=metadata)


def _same(committed: CommitResult, again: CommitResult) -> bool:
    """Returns whether two commits have equal tasks for results, numbers in metadata included."""
    first, second = ([exact(task) for task in each.results if isinstance(task, Task)] for each in (committed, again))
    return first == second and len(first) == len(again.results)


class LimitsContract(StoreUnderTest):
    """Tests of what is as long or as large as the port allows."""

    @on_store()
    async def test_the_longest_idempotency_keys_are_kept_apart(self, store: Store) -> None:
        keys = [
            IdempotencyKey(scope, value, WIDE * FINGERPRINT_MAX)
            for scope in _longest(IDEMPOTENCY_SCOPE_MAX, "a", "b")
            for value in _longest(IDEMPOTENCY_VALUE_MAX, "a", "b")
        ]

        for key in keys:
            committed = await store.commit(CreateTask(TaskDraft("x")), idempotency_key=key)
            assert not committed.replayed, "keys that differ in the last character of the longest names are two keys"
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()

        for task_id, key in enumerate(keys, 1):
            committed = await store.commit(CreateTask(TaskDraft("x")), idempotency_key=key)
            assert [getattr(task, "id", 0) for task in committed.results] == [task_id], "the longest key is found again"
            await raised(
                IdempotencyKeyReused,
                store.commit(
                    CreateTask(TaskDraft("x")),
                    idempotency_key=key._replace(fingerprint=_longest(FINGERPRINT_MAX, "x")[0]),
                ),
                "a used key with a fingerprint of which only the last character differs",
            )

    @on_store(Capability.RECORDS)
    async def test_the_longest_names_of_records_are_kept_apart(self, store: Store) -> None:
        namespaces = _longest(RECORD_NAMESPACE_MAX, "a", "b")
        keys = _longest(RECORD_KEY_MAX, "a", "b", WIDE)
        written = [
            Record(namespace, key, {"n": n})
            for n, (namespace, key) in enumerate((namespace, key) for namespace in namespaces for key in keys)
        ]

        await store.commit(*(PutRecord(*record[:3], expected=0) for record in written))
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()

        for record in written:
            assert await store.repository.record(record.namespace, record.key) == record, "the longest names are kept"
        for number, namespace in enumerate(namespaces):
            listed = await store.repository.records(namespace, after=keys[0], limit=9)
            assert list(listed) == written[number * 3 + 1 : number * 3 + 3], "records() goes on behind the longest key"

    @on_store(Capability.RECORDS)
    async def test_the_largest_record_is_kept(self, store: Store) -> None:
        value = _value(RECORD_VALUE_MAX)

        await store.commit(PutRecord("s", "a", value))
        if Capability.DURABLE in store.repository.capabilities:
            await store.reopen()

        assert await store.repository.record("s", "a") == Record("s", "a", value), "the largest record is kept"

    @on_store()
    async def test_the_largest_commits_are_kept(self, store: Store) -> None:
        key = IdempotencyKey("a" * IDEMPOTENCY_SCOPE_MAX, "key", "f" * FINGERPRINT_MAX)
        creations: list[Write] = []
        size = 0
        for draft in _largest():
            size += len(exact(create_task(1, draft, NOW)).encode()) + COMPLETED_BYTES
            if size > COMMIT_BYTES_MAX:  # a batch is as large at most, and so are the tasks that one commit updates
                break
            creations.append(CreateTask(draft))

        created = await store.commit(*creations, idempotency_key=key)

        tasks = [task for task in created.results if isinstance(task, Task)]
        assert len(tasks) == len(creations) >= 100, "the largest creation has a result for each write"
        updates: list[Write] = [UpdateTask(task.id, {"done": True}) for task in tasks]
        updated = await store.commit(*updates, idempotency_key=key._replace(value="updates"))
        for writes, value, first in store.share([(creations, "key", created), (updates, "updates", updated)]):
            again = await store.commit(*writes, idempotency_key=key._replace(value=value))
            assert again.replayed, "the key of the largest commit is kept"
            assert _same(first, again), "a replay has all results of the largest commit"
        for task in (updated.results[0], updated.results[-1]):
            assert isinstance(task, Task), "the result of an update is the task"
            assert exact(await store.get(task.id)) == exact(task), "get() gives what the largest commit wrote"
        seqs = [change.seq for change in await store.log(page_size=100)]
        assert seqs == list(range(1, 2 * len(tasks) + 1)), "the log has every change of the largest commits"

    @on_store()
    async def test_a_commit_of_the_most_writes_is_kept(self, store: Store) -> None:
        key = IdempotencyKey("s", "created", "f")

        created = await store.commit(
            *(CreateTask(TaskDraft(f"{n}", labels=("x",))) for n in range(BATCH_MAX)), idempotency_key=key
        )
        deleted = await store.commit(DeleteMatching(range(1, BATCH_MAX + 1), TaskQuery(labels=("x",)), more=False))

        assert len(created.results) == BATCH_MAX, "there is a result for each write"
        assert await store.listed() == [], "a commit deletes as many"
        assert deleted.position.seq == 2 * BATCH_MAX, "and logs each of them"
        again = await store.commit(CreateTask(TaskDraft("x")), idempotency_key=key)
        assert again.results == created.results, "a replay has as many results"
