"""Contents that the tests write to stores, and read from them."""

from __future__ import annotations

from datetime import timedelta

from tasksvc import (
    Capability,
    CreateTask,
    DeleteRecord,
    DeleteTask,
    IdempotencyKey,
    PutRecord,
    StoreEntry,
    StoreReader,
    TaskDraft,
    TaskRepository,
    UpdateTask,
)
from tasksvc.testing.dumping import without_generation
from tasksvc.testing.samples import FULL, NOW, later, varied

KEY = IdempotencyKey("client", "key", "fingerprint")


async def fill(repository: TaskRepository) -> None:
    """Fills a store with all kinds of entries: updated and deleted tasks, records, idempotency keys, a pruned log."""
    await repository.commit([*map(CreateTask, varied(30))], at=NOW)
    await repository.commit(
        [UpdateTask(2, {"done": True, "metadata": {"n": [1, 1.0, None, 1e-7]}}), DeleteTask(3)], at=later(1)
    )
    await repository.commit(
        [CreateTask(FULL), UpdateTask(5, {"description": 'ß "\\ \u2028 😀'})], at=later(2), idempotency_key=KEY
    )
    await repository.commit([PutRecord("b", "x", {"n": 1}), PutRecord("a", "y", {}), PutRecord("ä", "x", {})], at=NOW)
    await repository.commit(
        [DeleteRecord("a", "y"), PutRecord("b", "x", {"n": 2.5})], at=NOW, idempotency_key=KEY._replace(value="a")
    )
    await repository.commit([CreateTask(TaskDraft("the newest, gone")), DeleteTask(32)], at=later(3))
    if Capability.PRUNE in repository.capabilities:
        await repository.prune(log_before=later(0.5), max_changes=100, keys_before=NOW - timedelta(1), limit=10)


async def fill_with_many(repository: TaskRepository, tasks: int) -> None:
    """Creates that number of `tasks`, so that a command takes a while."""
    for start in range(0, tasks, 1_000):
        await repository.commit([CreateTask(TaskDraft(f"Task {start + n} {'x' * 400}")) for n in range(1_000)], at=NOW)


async def fill_workspaces(repository: TaskRepository) -> None:
    """Fills a store as fill() does, and two more workspaces."""
    await fill(repository)
    other = repository.workspace("u_42")
    await other.commit([*map(CreateTask, varied(5))], at=NOW, idempotency_key=KEY._replace(fingerprint="other"))
    await other.commit([UpdateTask(2, {"done": True}), DeleteTask(5)], at=later(1))
    await repository.workspace("a.b~c").commit([], at=NOW, idempotency_key=KEY)


async def contents(reader: StoreReader) -> list[StoreEntry]:
    """Returns all that a store holds, without its epoch and the generations of its workspaces."""
    return [without_generation(item) async for item in reader.dump()]
