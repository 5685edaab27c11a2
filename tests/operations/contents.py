"""What the tests put into stores, and read from them."""

from __future__ import annotations

from datetime import timedelta

from tasksvc import (
    Add,
    Capability,
    DropRecord,
    Entry,
    Header,
    Patch,
    PutRecord,
    Remove,
    RetryKey,
    StoreReader,
    TaskDraft,
    TaskRepository,
)
from tasksvc.testing.samples import FULL, NOW, later, varied

KEY = RetryKey("client", "key", "fingerprint")


async def fill(repository: TaskRepository) -> None:
    """Something of everything: changed and removed tasks, records, retry keys, and a log whose start was pruned."""
    await repository.commit([*map(Add, varied(30))], at=NOW)
    await repository.commit([Patch(2, {"done": True, "metadata": {"n": [1, 1.0, None, 1e-7]}}), Remove(3)], at=later(1))
    await repository.commit([Add(FULL), Patch(5, {"description": 'ß "\\ \u2028 😀'})], at=later(2), retry=KEY)
    await repository.commit([PutRecord("b", "x", {"n": 1}), PutRecord("a", "y", {}), PutRecord("ä", "x", {})], at=NOW)
    await repository.commit(
        [DropRecord("a", "y"), PutRecord("b", "x", {"n": 2.5})], at=NOW, retry=KEY._replace(value="a")
    )
    await repository.commit([Add(TaskDraft("the newest, gone")), Remove(32)], at=later(3))
    if Capability.PRUNE in repository.capabilities:
        await repository.prune(log_before=later(0.5), log_keep=100, keys_before=NOW - timedelta(1), limit=10)


async def fill_with_many(repository: TaskRepository, tasks: int) -> None:
    """So many tasks that a command takes a while."""
    for start in range(0, tasks, 1_000):
        await repository.commit([Add(TaskDraft(f"Task {start + n} {'x' * 400}")) for n in range(1_000)], at=NOW)


async def contents(reader: StoreReader) -> list[Entry]:
    """All that a store holds, without its generation."""
    return [entry._replace(generation="") if isinstance(entry, Header) else entry async for entry in reader.dump()]
