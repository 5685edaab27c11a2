"""The code in docs/adapters.md by which a store reads what a commit needs decides as a ledger that knows everything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pages import Page

from tasksvc import (
    Change,
    Commit,
    CreateTask,
    DeleteTask,
    InvalidTask,
    Ledger,
    ReadSet,
    RestoreTask,
    Task,
    TaskDraft,
    UidTaken,
    UpdateTask,
    Write,
    terms_of,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)
(CODE,) = Page.named("docs/adapters.md").section("A commit").blocks("python")


class Store:
    """Tasks and a log, of which the code of the page reads only what it names."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.log: list[Change] = []
        self.rounds = 0
        names: dict[str, Any] = {}
        exec(CODE, names)  # noqa: S102
        self._decide = names["decide"]

    async def commit(self, *writes: Write, by: str | None = None) -> Any:
        """Does a commit as the page says, and returns its results."""
        last_id = max((change.task_id for change in self.log), default=0)
        ledger = Ledger("a", last_id=last_id, last_seq=len(self.log), task_count=len(self.tasks))
        self.rounds = 0
        decision = await self._decide(Commit(writes, NOW, by=by), ledger, self.fetch_tasks, self.fetch_changes)
        for change in decision.changes:
            self.log.append(change)
            if change.task is None:
                del self.tasks[change.task_id]
            else:
                self.tasks[change.task_id] = change.task
        return decision.committed.results

    async def fetch_tasks(self, names: ReadSet) -> list[Task]:
        self.rounds += 1
        return [task for task in self.tasks.values() if task.id in names.task_ids or names.terms & set(terms_of(task))]

    async def fetch_changes(self, names: ReadSet) -> list[Change]:
        return [change for change in self.log if change.task_id in names.versions]


async def test_the_code_reads_parents_and_children() -> None:
    store = Store()
    await store.commit(*(CreateTask(TaskDraft("x", parent_id=n or None)) for n in range(4)))

    with pytest.raises(InvalidTask):
        await store.commit(UpdateTask(1, {"parent_id": 4}))

    assert store.rounds > 1, "the parents of a parent are read after it"
    await store.commit(DeleteTask(2, children=True))
    assert list(store.tasks) == [1]


async def test_the_code_reads_versions_and_uids() -> None:
    store = Store()
    await store.commit(CreateTask(TaskDraft("first", uid="a")))
    await store.commit(UpdateTask(1, {"description": "second"}), DeleteTask(1))
    await store.commit(CreateTask(TaskDraft("other", uid="a")))

    with pytest.raises(UidTaken):
        await store.commit(RestoreTask(1, 1))

    await store.commit(DeleteTask(2))
    (task,) = await store.commit(RestoreTask(1, 1), by="b")
    assert (task.description, task.version, store.log[-1].by) == ("first", 3, "b")
